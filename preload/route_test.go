package preload_test

import (
	"context"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/handle/handletest"
	"github.com/smrt-go/smrt/preload"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
	"github.com/smrt-go/smrt/txn"
)

// branches are libraries with different rows, so that an answer tells which of
// them it is of.
type branches struct{ primary, near, far *library }

func newBranches(t *testing.T) *branches {
	t.Helper()
	b := &branches{primary: newLibrary(t), near: newLibrary(t), far: newLibrary(t)}
	for name, l := range map[string]*library{"near ": b.near, "far ": b.far} {
		for _, sql := range []string{
			"UPDATE authors SET name = $1::text || name",
			"UPDATE books SET title = $1::text || title",
			"INSERT INTO loans (book, days) SELECT 2, i FROM generate_series(1, length($1::text)) AS i",
		} {
			_, err := l.pool.Exec(t.Context(), sql, name)
			check.NoError(t, err)
		}
	}
	return b
}

func (b *branches) router() *handletest.Router {
	return handletest.New(b.primary.pool, b.near.pool, b.far.pool)
}

// sent checks how many statements went where while run ran.
func (b *branches) sent(t *testing.T, primary, near, far int, run func()) {
	t.Helper()
	all := []*library{b.primary, b.near, b.far}
	for _, l := range all {
		l.sent.Reset()
	}
	run()
	for i, want := range []int{primary, near, far} {
		if got := all[i].sent.Len(); got != want {
			t.Errorf("%d statements went to place %d, want %d: %q", got, i, want, all[i].sent.Statements())
		}
	}
}

// deadPool is a pool of a server that is not there.
func deadPool(t *testing.T) *pgxpool.Pool {
	t.Helper()
	pool := check.Value(pgxpool.New(t.Context(), "host="+t.TempDir()+" user=nobody dbname=nothing"))(t)
	t.Cleanup(pool.Close)
	return pool
}

// unreachable reports whether err is that of a server that is not there.
func unreachable(err error) bool {
	var connect *pgconn.ConnectError
	return errors.As(err, &connect)
}

// loading is a call of a method or function that loads.
type loading struct {
	calls string
	run   func(ctx context.Context, db smrt.Pool) (any, error)
}

type lentBook struct {
	book
	By    *author
	Lent  []loan
	Other int64
}

var (
	lentBy   = preload.One(bookAuthor, func(v *lentBook) **author { return &v.By })
	lentOut  = preload.Many(bookLoans, func(v *lentBook) *[]loan { return &v.Lent })
	lentNext = preload.Count(bookLoans, func(v *lentBook) *int64 { return &v.Other })
)

// loadings are all ways to load. Each has another answer in each branch.
func loadings() []loading {
	two := []book{{ID: 1, Author: pgtype.Text{String: "le", Valid: true}}, {ID: 2}}
	lent := func() []*lentBook { return []*lentBook{{book: two[0]}, nil, {book: two[1]}} }
	return []loading{
		{"Load", func(ctx context.Context, db smrt.Pool) (any, error) { return bookAuthor.Load(ctx, db, two) }},
		{"Load", func(ctx context.Context, db smrt.Pool) (any, error) {
			return authorBooks.Load(ctx, db, []author{{Code: "le"}})
		}},
		{"LoadCounts", func(ctx context.Context, db smrt.Pool) (any, error) { return bookLoans.LoadCounts(ctx, db, two) }},
		{"LoadExists", func(ctx context.Context, db smrt.Pool) (any, error) { return bookLoans.LoadExists(ctx, db, two) }},
		{"Fill", func(ctx context.Context, db smrt.Pool) (any, error) {
			vs := []lentBook{{book: two[0]}, {book: two[1]}}
			return vs, preload.Fill(ctx, db, vs, lentBy, lentOut, lentNext)
		}},
		{"FillPointers", func(ctx context.Context, db smrt.Pool) (any, error) {
			vs := lent()
			return vs, preload.FillPointers(ctx, db, vs, lentBy, lentOut, lentNext)
		}},
		{"Snapshot", func(ctx context.Context, db smrt.Pool) (found any, err error) {
			err = preload.Snapshot(ctx, db, func(db smrt.DB) error {
				found, err = repo.New(db, authors).Find(ctx, query.All[author]().OrderBy(authorName.Asc()))
				return err
			})
			return found, err
		}},
	}
}

// TestLoadsGoWhereTheRouterSends compares what each call answers on a router
// with what it answers on the place itself, statement by statement. That it
// answers something else on the primary is the control.
func TestLoadsGoWhereTheRouterSends(t *testing.T) {
	b := newBranches(t)
	for _, l := range loadings() {
		t.Run(l.calls, func(t *testing.T) {
			want := check.Value(l.run(t.Context(), b.near.pool))(t)
			b.near.sent.Reset()
			check.Value(l.run(t.Context(), b.near.pool))(t)
			statements := b.near.sent.Len()
			if l.calls != "LoadExists" && reflect.DeepEqual(check.Value(l.run(t.Context(), b.far.pool))(t), want) {
				t.Fatal("the places answer the same")
			}
			if reflect.DeepEqual(check.Value(l.run(t.Context(), b.primary.pool))(t), want) {
				t.Fatal("the primary answers the same")
			}
			router := b.router()
			b.sent(t, 0, statements, 0, func() {
				check.Equal(t, "answer", check.Value(l.run(t.Context(), router))(t), want)
			})
			begun, ended := router.Reads()
			check.Same(t, "reads begun", begun, 1)
			check.Same(t, "reads ended", ended, 1)
		})
	}
}

// TestFailedLoadsGoElsewhere lets the first place be out of reach.
func TestFailedLoadsGoElsewhere(t *testing.T) {
	b := newBranches(t)
	dead := deadPool(t)
	for _, l := range loadings() {
		t.Run(l.calls, func(t *testing.T) {
			if _, err := l.run(t.Context(), dead); !unreachable(err) {
				t.Fatalf("the place that should fail answers %v", err)
			}
			want := check.Value(l.run(t.Context(), b.far.pool))(t)
			router := handletest.New(b.primary.pool, dead, b.far.pool)
			check.Equal(t, "answer", check.Value(l.run(t.Context(), router))(t), want)
			if failed := router.Failed(); len(failed) != 1 || !unreachable(failed[0]) {
				t.Errorf("the tries failed with %v, want one that could not connect", failed)
			}
			_, ended := router.Reads()
			check.Same(t, "reads ended", ended, 1)
		})
	}
}

// TestEveryLoadIsRouted fails when a function is added of which the tests here
// do not know where it goes.
func TestEveryLoadIsRouted(t *testing.T) {
	var known []string
	for _, l := range loadings() {
		known = append(known, l.calls)
	}
	//nolint:staticcheck // the files of one directory are what is looked at
	packages := check.Value(parser.ParseDir(token.NewFileSet(), ".", func(f fs.FileInfo) bool { return !strings.HasSuffix(f.Name(), "_test.go") }, 0))(t)
	var found []string
	for _, file := range packages["preload"].Files {
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || !f.Name.IsExported() || len(f.Type.Params.List) == 0 {
				continue
			}
			if of, ok := f.Type.Params.List[0].Type.(*ast.SelectorExpr); ok && of.Sel.Name == "Context" {
				found = append(found, f.Name.Name)
			}
		}
	}
	for _, name := range found {
		// What a snapshot is as a handle has the names of a handle's methods.
		if !slices.Contains(known, name) && !slices.Contains([]string{"Exec", "Query", "QueryRow", "SendBatch", "CopyFrom"}, name) {
			t.Errorf("%s is not in the list of calls", name)
		}
	}
	if len(found) < len(known) {
		t.Errorf("found only %v", found)
	}
}

// TestLoadsBesideTheRoutersTransaction loads on the router inside a transaction
// that was begun on it.
func TestLoadsBesideTheRoutersTransaction(t *testing.T) {
	b := newBranches(t)
	router := b.router()
	for _, l := range loadings() {
		t.Run(l.calls, func(t *testing.T) {
			b.sent(t, 2, 0, 0, func() {
				check.NoError(t, txn.Run(t.Context(), router, func(ctx context.Context, _ pgx.Tx) error {
					_, err := l.run(ctx, router)
					check.Error(t, "on the router", err, smrt.ErrTxBypass)
					return nil
				}))
			})
		})
	}
	begun, _ := router.Reads()
	check.Same(t, "reads", begun, 0)
}

// TestGraphsAreOfOnePlace lets the second level fail after the first has been
// filled in: what the other place loads replaces it all.
func TestGraphsAreOfOnePlace(t *testing.T) {
	b := newBranches(t)
	type lending struct {
		loan
		Fines []fine
	}
	type view struct {
		book
		Loans []lending
	}
	loads := []preload.Load[view]{
		preload.Many(bookLoans, func(v *view) *[]lending { return &v.Loans },
			preload.Many(loanFines, func(v *lending) *[]fine { return &v.Fines })),
	}
	filled := func(db smrt.DB) []view {
		vs := []view{{book: book{ID: 1}}, {book: book{ID: 2}}}
		check.NoError(t, preload.Fill(t.Context(), db, vs, loads...))
		return vs
	}
	want := filled(b.far.pool)
	_, err := b.near.pool.Exec(t.Context(), "DROP TABLE fines")
	check.NoError(t, err)
	router := b.router()
	b.sent(t, 0, 2, 2, func() { check.Equal(t, "rows", filled(router), want) })
	check.Same(t, "failed tries", len(router.Failed()), 1)
}

// TestSnapshotsDoNotMoveOnceInUse: what the closure has done with its handle
// cannot be taken back.
func TestSnapshotsDoNotMoveOnceInUse(t *testing.T) {
	b := newBranches(t)
	router := b.router()
	calls := 0
	b.far.sent.Reset()
	err := preload.Snapshot(t.Context(), router, func(db smrt.DB) error {
		calls++
		_, err := db.Exec(t.Context(), "SELECT 1 / 0")
		return err
	})
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || pg.Code != "22012" {
		t.Errorf("got %v, want the server's error", err)
	}
	check.Same(t, "calls", calls, 1)
	check.Same(t, "statements elsewhere", b.far.sent.Len(), 0)
	begun, ended := router.Reads()
	check.Same(t, "reads begun", begun, 1)
	check.Same(t, "reads ended", ended, 1)
	check.Same(t, "failed tries", len(router.Failed()), 0)
}

// TestLoadsOfNothingNeedNoPlace: without parents nothing is sent.
func TestLoadsOfNothingNeedNoPlace(t *testing.T) {
	router := handletest.New(deadPool(t), deadPool(t))
	check.NoError(t, preload.Fill(t.Context(), router, []lentBook{}, lentBy, lentOut))
	check.NoError(t, preload.FillPointers(t.Context(), router, []*lentBook{nil}, lentBy))
	check.Same(t, "loaded", len(check.Value(bookLoans.Load(t.Context(), router, nil))(t)), 0)
	if err := preload.Fill(t.Context(), router, []lentBook{{book: book{ID: 1}}}, lentOut); !unreachable(err) {
		t.Errorf("got %v, want an error", err)
	}
}
