package rowsecurity_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/guard"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/loader"
	"github.com/smrt-go/smrt/preload"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
	"github.com/smrt-go/smrt/slots"
	"github.com/smrt-go/smrt/txn"
	"github.com/smrt-go/smrt/unit"
)

// caller makes calls of one tenant on a handle.
type caller struct {
	db     *guard.DB
	rnd    *rand.Rand
	tenant int64
	pages  *loader.Loader[int64, int64] // the tenant of a book, shared by all callers
}

// row is whose row a call has seen.
type row struct{ TenantID int64 }

func rowsOf(bs ...*book) (seen []row) {
	for _, b := range bs {
		if b != nil {
			seen = append(seen, row{b.TenantID})
		}
	}
	return seen
}

func pointers(bs []book) (ps []*book) {
	for i := range bs {
		ps = append(ps, &bs[i])
	}
	return ps
}

func rowsOfViews(vs []bookView) (seen []row) {
	for _, v := range vs {
		seen = append(seen, row{v.Book.TenantID})
		for _, p := range v.Pages {
			seen = append(seen, row{p.TenantID})
		}
	}
	return seen
}

const (
	listBooks = `-- name: ListBooks :many
SELECT b.tenant_id FROM books b WHERE b.id > $1 AND true /* smrt:where books b */ ORDER BY b.id;
`
	markBooks = "UPDATE books SET mark = $1 WHERE id = ANY($2) RETURNING tenant_id"
)

// collect reads rows by hand.
func collect(rows pgx.Rows, err error) ([]row, error) {
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[row])
}

// reads returns calls that read on db.
func (c *caller) reads(ctx context.Context, db smrt.DB) map[string]func() ([]row, error) {
	id := func() int64 { return c.rnd.Int64N(40) + 1 }
	r := repo.New(db, books)
	views := repo.View(r, func(v *bookView) *book { return &v.Book })
	q := query.Where(bookID.Gt(id())).Limit(7)
	return map[string]func() ([]row, error){
		"Get":     func() ([]row, error) { b, err := r.Get(ctx, id()); return rowsOf(b), err },
		"GetMany": func() ([]row, error) { bs, err := r.GetMany(ctx, []int64{id(), id()}); return rowsOf(bs...), err },
		"Find":    func() ([]row, error) { bs, err := r.Find(ctx, q); return rowsOf(pointers(bs)...), err },
		"Page": func() ([]row, error) {
			p, err := r.Page(ctx, query.All[book]().OrderBy(bookID.Asc()), query.Page{Size: 5})
			return rowsOf(pointers(p.Items)...), err
		},
		"Stream": func() (seen []row, err error) {
			for b, err := range r.Stream(ctx, q) {
				if err != nil {
					return nil, err
				}
				if seen = append(seen, row{b.TenantID}); c.rnd.IntN(5) == 0 {
					break
				}
			}
			return seen, nil
		},
		"Stream with a load": func() (seen []row, err error) {
			for v, err := range views.Stream(ctx, q, withPages) {
				if err != nil {
					return nil, err
				}
				seen = append(seen, rowsOfViews([]bookView{v})...)
			}
			return seen, nil
		},
		"Find with a load": func() ([]row, error) { vs, err := views.Find(ctx, q, withPages); return rowsOfViews(vs), err },
		"Find with a joined load": func() ([]row, error) {
			vs, err := views.Find(ctx, q, preload.Many(bookPages.Joined(), func(v *bookView) *[]page { return &v.Pages }))
			return rowsOfViews(vs), err
		},
		"slots": func() ([]row, error) {
			return collect(slots.On(db, slots.For(books, query.Where(bookID.Gt(id())))).Query(ctx, listBooks, 0))
		},
		"Query": func() ([]row, error) {
			return collect(db.Query(ctx, "SELECT tenant_id FROM books WHERE id > $1", id()))
		},
		"Query in a mode": func() ([]row, error) {
			return collect(db.Query(ctx, "SELECT tenant_id FROM pages WHERE id > $1", pgx.QueryExecModeExec, id()))
		},
		"QueryRow": func() ([]row, error) {
			var r row
			err := db.QueryRow(ctx, "SELECT tenant_id FROM books WHERE id = $1", id()).Scan(&r.TenantID)
			return []row{r}, err
		},
		"SendBatch": func() (seen []row, err error) {
			b := &pgx.Batch{}
			b.Queue("SELECT tenant_id FROM books WHERE id > $1", id()).Query(func(rows pgx.Rows) (err error) { seen, err = collect(rows, nil); return err })
			b.Queue(markBooks, c.tenant, []int64{id()})
			return seen, db.SendBatch(ctx, b).Close()
		},
		"Update by hand": func() ([]row, error) { return collect(db.Query(ctx, markBooks, c.tenant, []int64{id(), id()})) },
		"Patch":          func() ([]row, error) { return nil, r.Patch(ctx, id(), bookMark.Set(c.tenant)) },
		"UpdateWhere": func() ([]row, error) {
			_, err := r.UpdateWhere(ctx, query.Where(bookID.In(id(), id())), bookMark.Set(c.tenant))
			return nil, err
		},
		"CreateMany": func() ([]row, error) {
			return nil, repo.New(db, pages).CreateMany(ctx, []page{{TenantID: c.tenant, BookID: id()}, {TenantID: c.tenant, BookID: id()}})
		},
		"COPY": func() ([]row, error) {
			_, err := db.CopyFrom(ctx, pgx.Identifier{"pages"}, []string{"tenant_id", "book_id"}, pgx.CopyFromRows([][]any{{c.tenant, id()}}))
			return nil, err
		},
	}
}

// calls returns what reads does on the handle and in transactions of each kind, and what
// begins transactions by itself.
func (c *caller) calls(ctx context.Context) map[string]func() ([]row, error) {
	all := c.reads(ctx, c.db)
	one := func(db smrt.DB) ([]row, error) {
		name, call := pick(c.rnd, c.reads(ctx, db))
		seen, err := call()
		if err != nil {
			err = fmt.Errorf("%s: %w", name, err)
		}
		return seen, err
	}
	id := func() int64 { return c.rnd.Int64N(40) + 1 }
	all["txn.Run"] = func() (seen []row, err error) {
		err = txn.Run(ctx, c.db, func(ctx context.Context, tx pgx.Tx) (err error) { seen, err = one(tx); return err })
		return seen, err
	}
	all["txn.Run with options"] = func() (seen []row, err error) {
		o := txn.Options{Isolation: pgx.RepeatableRead, LockTimeout: 1e9 * 60, TrackID: c.rnd.IntN(2) == 0}
		err = txn.Run(ctx, c.db, func(ctx context.Context, tx pgx.Tx) (err error) { seen, err = one(tx); return err }, o)
		return seen, err
	}
	all["pgx.BeginFunc"] = func() (seen []row, err error) {
		err = pgx.BeginFunc(ctx, c.db, func(tx pgx.Tx) (err error) { seen, err = one(tx); return err })
		return seen, err
	}
	all["savepoint"] = func() (seen []row, err error) {
		err = pgx.BeginFunc(ctx, c.db, func(tx pgx.Tx) error {
			return pgx.BeginFunc(ctx, tx, func(tx pgx.Tx) (err error) { seen, err = one(tx); return err })
		})
		return seen, err
	}
	all["unit"] = func() ([]row, error) {
		u := unit.New()
		unit.Patch(u, books, id(), bookMark.Set(c.tenant))
		unit.Create(u, pages, &page{TenantID: c.tenant, BookID: id()})
		_, err := u.Flush(ctx, c.db)
		return nil, err
	}
	all["snapshot"] = func() (seen []row, err error) {
		err = preload.Snapshot(ctx, c.db, func(db smrt.DB) (err error) {
			seen, err = collect(db.Query(ctx, "SELECT tenant_id FROM books WHERE id > $1", id()))
			return err
		})
		return seen, err
	}
	all["Pipeline"] = func() (seen []row, err error) {
		other := smrt.WithTenant(ctx, 3-c.tenant)
		step := func(ctx context.Context, db smrt.DB) error {
			name := []string{"Find", "Query", "Query in a mode", "Update by hand"}[c.rnd.IntN(4)]
			own, err := c.reads(ctx, db)[name]()
			seen = append(seen, own...)
			return err
		}
		strays := func(_ context.Context, db smrt.DB) error {
			_, err := collect(db.Query(other, "SELECT tenant_id FROM books"))
			if errors.Is(err, smrt.ErrTenantMismatch) {
				return nil
			}
			seen = append(seen, row{}) // of somebody else, whoever that is
			return err
		}
		err = txn.Pipeline(ctx, c.db, step, strays, step)
		return seen, err
	}
	all["loader"] = func() ([]row, error) { tenant, err := c.pages.Load(ctx, id()); return []row{{tenant}}, err }
	return all
}

func pick[V any](rnd *rand.Rand, m map[string]V) (string, V) {
	names := slices.Sorted(maps.Keys(m))
	name := names[rnd.IntN(len(names))]
	return name, m[name]
}

// foreign runs random calls of two tenants at the same time, and counts rows of another
// tenant that were seen, or have its mark.
func (l *library) foreign(t *testing.T, calls int) (rows int) {
	t.Helper()
	db := guard.On(l.bound(t), guard.Limits{MaxStatements: 1000})
	ofBooks := loader.New(func(ctx context.Context, ids []int64) (map[int64]int64, error) {
		rows, err := db.Query(ctx, "SELECT id, tenant_id FROM books WHERE id = ANY($1)", ids)
		if err != nil {
			return nil, err
		}
		found := map[int64]int64{}
		var id, tenant int64
		_, err = pgx.ForEachRow(rows, []any{&id, &tenant}, func() error { found[id] = tenant; return nil })
		return found, err
	})
	rows = check.TenantCalls{
		Goroutines: 8, Calls: calls,
		Call: func(rnd *rand.Rand, tenant int64) (string, []int64, error) {
			c := &caller{db: db, rnd: rnd, tenant: tenant, pages: ofBooks}
			name, call := pick(rnd, c.calls(of(t, tenant)))
			seen, err := call()
			owners := make([]int64, len(seen))
			for i, r := range seen {
				owners[i] = r.TenantID
			}
			return name, owners, err
		},
		Expected: []error{smrt.ErrNotFound, smrt.ErrRowSecurity, smrt.ErrRetriesExhausted, pgx.ErrNoRows},
		Codes:    []string{"40P01", "40001"},
		See:      []string{"Find", "Stream", "Query", "SendBatch", "txn.Run", "Pipeline", "snapshot"},
	}.Foreign(t)
	var marked int
	check.NoError(t, l.admin.QueryRow(t.Context(), "SELECT count(*) FROM books WHERE mark NOT IN (0, tenant_id)").Scan(&marked))
	return rows + marked
}

// TestRandomCallsOfTwoTenantsByPolicy makes random calls of two tenants at the same
// time, of every kind that there is on a bound handle, on tables that nothing but
// policies divides. None sees or changes a row of the other, and nothing is left on a
// connection. Without the policies the same calls do.
func TestRandomCallsOfTwoTenantsByPolicy(t *testing.T) {
	t.Parallel()
	calls := 1_600
	if check.Long() {
		calls = 100_000
	}
	l := newLibrary(t, testdb.Configure(func(cfg *pgxpool.Config) {
		cfg.MaxConns = max(cfg.MaxConns, 2)
		cfg.AfterRelease = func(conn *pgx.Conn) bool {
			var left *string
			err := conn.QueryRow(context.Background(), "SELECT nullif(current_setting($1, true), '')", setting).Scan(&left)
			if err != nil || left != nil {
				t.Errorf("a connection was given back with tenant %v, %v", left, err)
			}
			return true
		}
	}))
	check.Same(t, "rows of another tenant", l.foreign(t, calls), 0)
	l.do(t, "ALTER TABLE books DISABLE ROW LEVEL SECURITY; ALTER TABLE pages DISABLE ROW LEVEL SECURITY")
	if l.foreign(t, 400) == 0 {
		t.Error("without policies the same calls see no rows of another: the test proves nothing")
	}
}
