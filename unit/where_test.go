package unit_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
	"github.com/smrt-go/smrt/txn"
	"github.com/smrt-go/smrt/unit"
)

var (
	reportID      = query.Col(func(r *report) *int64 { return &r.ID })
	reportSlug    = query.TextCol(func(r *report) *string { return &r.Slug })
	reportVersion = query.Col(func(r *report) *int64 { return &r.Version })
	noteBody      = query.TextCol(func(n *note) *string { return &n.Body })
	nodeLabel     = query.TextCol(func(n *node) *string { return &n.Label })
	eventMessage  = query.TextCol(func(e *event) *string { return &e.Message })
	voucherCode   = query.TextCol(func(v *voucher) *string { return &v.Code })
)

// TestWhere proves that a write of a set of rows finds those that were written
// before it in the unit and none that come after it, in one round trip, and what
// is told of it.
func TestWhere(t *testing.T) {
	l := newLeague(t)
	write := func() (unit.Summary, *report) {
		exec(t, l, "TRUNCATE reports, notes, badges, pins, events")
		old := stored(t, l, "old")
		u := unit.New()
		late := &report{Slug: "late"}
		kept := unit.Create(u, reports, &report{Slug: "new", Rank: 7})
		old[0].Rank = 7
		unit.Update(u, reports, &old[0])
		unit.UpdateWhere(u, reports, query.Where(reportRank.Eq(7)), query.Add(reportRank, 1), reportNote.Set("raised"))
		after := unit.Create(u, reports, late)
		unit.Create(u, notes, &note{Body: "gone"}, unit.Refer(noteReport, after))
		unit.Create(u, notes, &note{Body: "stays"}, unit.Refer(noteReport, kept))
		unit.DeleteWhere(u, notes, query.Where(noteBody.Eq("gone")))
		unit.UpdateWhere(u, reports, query.Where(reportSlug.Eq("nobody")), reportRank.Set(1))
		unit.Create(u, notes, &note{Body: "gone"}, unit.Refer(noteReport, after))
		check.Equal(t, "String", u.String(), "create reports, update reports, then update where reports, then create reports, "+
			"create notes (2), then delete where notes, then update where reports, then create notes")
		check.Equal(t, "Len", u.Len(), 9)
		l.sent.Reset()
		sum, err := u.Flush(t.Context(), l)
		check.NoError(t, err)
		return sum, late
	}
	write()
	sum, late := write() // all is prepared
	check.Equal(t, "round trips", l.sent.Sends(), 1)
	check.Equal(t, "summary", sum.String(), "reports: 2 created, 3 updated; notes: 3 created, 1 deleted")
	check.Equal(t, "reports", text(t, l, "slug || rank || version || coalesce(note, '')", "reports"), "late51 new82raised old83raised")
	check.Equal(t, "notes", text(t, l, "body || slug", "notes JOIN reports ON report = reports.id"), "gonelate staysnew")
	check.Equal(t, "late", late.Rank, 5)
}

// sameWrite is a write of a set of rows by a unit and by a repository.
type sameWrite struct {
	unit func(u *unit.Unit)
	repo func(ctx context.Context, db smrt.DB) (int64, error)
}

func updateWhere[T any, K comparable](of *query.Table[T, K], q query.Query[T], sets ...query.Assignment[T]) sameWrite {
	return sameWrite{
		func(u *unit.Unit) { unit.UpdateWhere(u, of, q, sets...) },
		func(ctx context.Context, db smrt.DB) (int64, error) {
			return repo.New(db, of).UpdateWhere(ctx, q, sets...)
		},
	}
}

func deleteWhere[T any, K comparable](of *query.Table[T, K], q query.Query[T]) sameWrite {
	return sameWrite{
		func(u *unit.Unit) { unit.DeleteWhere(u, of, q) },
		func(ctx context.Context, db smrt.DB) (int64, error) { return repo.New(db, of).DeleteWhere(ctx, q) },
	}
}

func hardDeleteWhere[T any, K comparable](of *query.Table[T, K], q query.Query[T]) sameWrite {
	return sameWrite{
		func(u *unit.Unit) { unit.HardDeleteWhere(u, of, q) },
		func(ctx context.Context, db smrt.DB) (int64, error) { return repo.New(db, of).HardDeleteWhere(ctx, q) },
	}
}

// TestWhereIsThatOfRepositories compares statements, their effect and the rows
// that are counted with those of repositories. A shape that a repository has
// rendered is not rendered again.
func TestWhereIsThatOfRepositories(t *testing.T) {
	l := newLeague(t)
	for what, c := range map[string]sameWrite{
		"update":          updateWhere(reports, query.Where(reportRank.Ge(5)), query.Add(reportRank, 2), reportNote.SetNull()),
		"fragment":        updateWhere(reports, query.Where(query.Raw[report]("length(slug) = $1", 1)), reportRank.SetExpr("rank * $1", 3)),
		"of deleted rows": updateWhere(reports, query.Where(reportRank.Ge(0)).OnlyDeleted(), reportRank.Set(1)),
		"all rows":        updateWhere(reports, query.All[report]().Unbounded(), reportSlug.SetExpr("slug || 'x'")),
		"no key":          updateWhere(events, query.Where(eventMessage.Eq("a")), eventMessage.Set("c")),
		"composite key":   updateWhere(tiles, query.Where(tileLabel.NotIn("z")), tileLabel.Set("y")),
		"comment":         deleteWhere(events, query.Where(eventMessage.In("a", "c")).Comment("purge")),
		"delete":          deleteWhere(reports, query.Where(reportSlug.In("a", "gone"))),
		"delete hard":     hardDeleteWhere(reports, query.Where(reportSlug.In("a", "gone"))),
		"purge":           hardDeleteWhere(reports, query.Where(reportRank.Ge(0)).OnlyDeleted()),
		"nothing":         deleteWhere(reports, query.Where(reportID.In())),
	} {
		t.Run(what, func(t *testing.T) {
			run := func(write func() int64) (n int64, statements []string, state string) {
				exec(t, l, "TRUNCATE reports, notes, badges, pins, events, tiles")
				exec(t, l, "INSERT INTO reports (slug, rank, note) VALUES ('a', 5, 'n'), ('b', 6, 'n'), ('c', 4, 'n')")
				exec(t, l, "INSERT INTO reports (slug, rank, deleted_at) VALUES ('gone', 5, '2020-01-01')")
				exec(t, l, "INSERT INTO events VALUES ('a'), ('b'), ('a')")
				exec(t, l, "INSERT INTO tiles VALUES (1, 1, 'a'), (1, 2, 'z')")
				l.sent.Reset()
				n = write()
				statements = l.sent.Statements()
				return n, statements, text(t, l, "slug || rank || version || coalesce(note, '-') || (updated_at > created_at) || coalesce(deleted_at > '2021-01-01', NULL)::text", "reports") +
					text(t, l, "slug", "reports WHERE deleted_at IS NULL") + text(t, l, "message", "events") + text(t, l, "label", "tiles")
			}
			n, statements, state := run(func() int64 { return check.Value(c.repo(t.Context(), l))(t) })
			misses := reports.CacheStats().Misses
			rows, sent, got := run(func() int64 {
				u := unit.New()
				c.unit(u)
				sum := check.Value(u.Flush(t.Context(), l))(t)
				check.Equal(t, "left", u.Len(), 0)
				return int64(sum.Rows())
			})
			check.Same(t, "rows", rows, n)
			check.Same(t, "state", got, state)
			if len(statements) > 0 { // of none, nothing is sent
				statements = append(append([]string{"begin"}, statements...), "commit")
			}
			for len(sent) > len(statements) { // what is looked up once
				sent = sent[1:]
			}
			check.Same(t, "statements", strings.Join(sent, ";\n"), strings.Join(statements, ";\n"))
			check.Same(t, "rendered again", reports.CacheStats().Misses-misses, 0)
		})
	}
}

// TestWhereRefuses proves that a unit refuses what a repository refuses, with the
// same error, before anything is sent, and names the write.
func TestWhereRefuses(t *testing.T) {
	l := newLeague(t)
	some := query.Where(reportRank.Eq(5))
	var zero query.Column[report, int32]
	check.Value(repo.New(l, reports).UpdateWhere(t.Context(), some, reportRank.Set(5)))(t)
	u := unit.New()
	unit.UpdateWhere(u, reports, some, reportRank.Set(5))
	check.Value(u.Flush(t.Context(), l))(t) // looks the table up
	for what, c := range map[string]struct {
		sameWrite
		want error
	}{
		"every row":           {updateWhere(reports, query.All[report](), reportRank.Set(1)), smrt.ErrUnboundedWrite},
		"every row, deleted":  {deleteWhere(reports, query.Where(reportID.NotIn())), smrt.ErrUnboundedWrite},
		"every row, hard":     {hardDeleteWhere(reports, query.Query[report]{}), smrt.ErrUnboundedWrite},
		"no assignment":       {updateWhere(reports, some), smrt.ErrBadQuery},
		"assigned twice":      {updateWhere(reports, some, reportRank.Set(1), reportRank.Set(2)), smrt.ErrBadQuery},
		"computed":            {updateWhere(reports, some, doubled.Set(1)), smrt.ErrBadQuery},
		"version":             {updateWhere(reports, some, reportVersion.Set(1)), smrt.ErrBadQuery},
		"limit":               {updateWhere(reports, some.Limit(1), reportRank.Set(1)), smrt.ErrBadQuery},
		"limit of nothing":    {deleteWhere(reports, query.Where(reportID.In()).Limit(1)), smrt.ErrBadQuery},
		"order":               {deleteWhere(reports, some.OrderBy(reportRank.Asc())), smrt.ErrBadQuery},
		"lock":                {deleteWhere(reports, some.Lock(query.ForUpdate, query.Block)), smrt.ErrBadQuery},
		"deleted of a table":  {deleteWhere(notes, query.Where(noteBody.Eq("x")).OnlyDeleted()), smrt.ErrBadQuery},
		"view":                {deleteWhere(slugView, query.Where(query.Col(func(s *slug) *int64 { return &s.ID }).Eq(1))), smrt.ErrReadOnly},
		"undeclared":          {updateWhere(reports, query.Where(zero.Eq(1)), reportRank.Set(1)), smrt.ErrBadQuery},
		"undeclared assigned": {updateWhere(reports, some, zero.Set(1)), smrt.ErrBadQuery},
		"NUL":                 {deleteWhere(notes, query.Where(noteBody.Eq("a\x00"))), smrt.ErrInvalidText},
	} {
		t.Run(what, func(t *testing.T) {
			l.sent.Reset()
			_, err := c.repo(t.Context(), l)
			check.Error(t, "repository", err, c.want)
			u := unit.New()
			unit.Create(u, events, &event{Message: "x"})
			c.unit(u)
			_, err = u.Flush(t.Context(), l)
			check.Error(t, "unit", err, c.want)
			var row *unit.RowError
			if !errors.As(err, &row) || row.Index != 1 || !strings.HasSuffix(row.Op, " where") || row.Key != nil || row.Entity != nil {
				t.Errorf("%+v", err)
			}
			for _, s := range l.sent.Statements() {
				if !strings.Contains(s, "pg_catalog") {
					t.Errorf("sent %s", s)
				}
			}
			check.Equal(t, "left", u.Len(), 2)
		})
	}
}

// wide is a table whose fields hold more than its columns.
type wide struct {
	ID    int64
	Small int64
	Ratio float64
}

// TestWhereChecksNumbers proves that a number which its column cannot hold is an
// error of its write, and costs no connection.
func TestWhereChecksNumbers(t *testing.T) {
	testdb.InEachMode(t, func(t *testing.T, mode testdb.Option) {
		l := newLeague(t, mode, testdb.MaxConns(1))
		exec(t, l, "CREATE TABLE wides (id bigint PRIMARY KEY, small integer NOT NULL, ratio numeric NOT NULL)")
		exec(t, l, "INSERT INTO wides VALUES (1, 1, 1)")
		of := query.NewTable("wides", func(w *wide) *int64 { return &w.ID })
		small, ratio := query.Col(func(w *wide) *int64 { return &w.Small }), query.Col(func(w *wide) *float64 { return &w.Ratio })
		pid := one[int32](t, l, "SELECT pg_backend_pid()")
		for what, c := range map[string]sameWrite{
			"assigned": updateWhere(of, query.Where(small.Eq(1)), small.Set(1<<40)),
			"added":    updateWhere(of, query.Where(small.Eq(1)), query.Add(small, 1<<40)),
			"compared": deleteWhere(of, query.Where(small.Eq(1<<40))),
			"NaN":      updateWhere(of, query.Where(small.Eq(1)), ratio.Set(math.NaN())),
		} {
			u := unit.New()
			unit.Create(u, events, &event{Message: "x"})
			c.unit(u)
			_, err := u.Flush(t.Context(), l)
			check.Error(t, what, err, smrt.ErrOutOfRange)
			var row *unit.RowError
			if !errors.As(err, &row) || row.Index != 1 || row.Table != "wides" {
				t.Errorf("%s: %v", what, err)
			}
		}
		check.Same(t, "connection", one[int32](t, l, "SELECT pg_backend_pid()"), pid)
		check.Equal(t, "written", text(t, l, "message", "events"), "")
	})
}

// TestWhereModes proves that values of types which pgx cannot send without knowing
// their columns are written and found in each of its modes.
func TestWhereModes(t *testing.T) {
	type shelf struct {
		ID   int64
		Doc  map[string]int `db:"doc"`
		Span pgtype.Range[pgtype.Int4]
		Tags []string
	}
	of := query.NewTable("shelves", func(s *shelf) *int64 { return &s.ID })
	id, tags := query.Col(func(s *shelf) *int64 { return &s.ID }), query.Col(func(s *shelf) *[]string { return &s.Tags })
	doc, span := query.Col(func(s *shelf) *map[string]int { return &s.Doc }), query.Col(func(s *shelf) *pgtype.Range[pgtype.Int4] { return &s.Span })
	between := func(a, b int32) pgtype.Range[pgtype.Int4] {
		return pgtype.Range[pgtype.Int4]{
			Lower: pgtype.Int4{Int32: a, Valid: true}, Upper: pgtype.Int4{Int32: b, Valid: true},
			LowerType: pgtype.Inclusive, UpperType: pgtype.Exclusive, Valid: true,
		}
	}
	testdb.InEachMode(t, func(t *testing.T, mode testdb.Option) {
		l := newLeague(t, mode, testdb.MaxConns(1))
		exec(t, l, "CREATE DOMAIN width AS int4range; CREATE TABLE shelves (id bigint PRIMARY KEY, doc jsonb NOT NULL, span width NOT NULL, tags text[])")
		exec(t, l, `INSERT INTO shelves VALUES (1, '{"a": 1}', '[1,5)', '{x}'), (2, '{"a": 2}', '[1,6)', NULL)`)
		u := unit.New()
		unit.UpdateWhere(u, of, query.Where(span.Eq(between(1, 5))), doc.Set(map[string]int{"b": 3}), span.Set(between(2, 9)))
		unit.UpdateWhere(u, of, query.Where(doc.Eq(map[string]int{"b": 3}), id.In(1, 2, 3)), tags.Set([]string{"y", "z"}))
		sum := check.Value(u.Flush(t.Context(), l))(t)
		check.Equal(t, "summary", sum.String(), "shelves: 2 updated")
		check.Equal(t, "shelves", text(t, l, "id::text || doc || span || coalesce(tags, '{}')::text", "shelves"), `1{"b": 3}[2,9){y,z} 2{"a": 2}[1,6){}`)
	})
}

// TestWhereOnHandles proves that writes of sets of rows are flushed on every kind
// of handle, and undone with the transaction around them.
func TestWhereOnHandles(t *testing.T) {
	own := errors.New("own")
	for what, flush := range map[string]func(ctx context.Context, u *unit.Unit, l *league, end error) error{
		"pool with a key": func(ctx context.Context, u *unit.Unit, l *league, _ error) error {
			_, err := u.Flush(ctx, l, txn.Options{Key: "once"})
			return err
		},
		"transaction by hand": func(ctx context.Context, u *unit.Unit, l *league, _ error) error {
			return pgx.BeginFunc(ctx, l.Pool, func(tx pgx.Tx) error {
				_, err := u.Flush(ctx, tx)
				return err
			})
		},
		"transaction": func(ctx context.Context, u *unit.Unit, l *league, end error) error {
			return txn.Run(ctx, l.Pool, func(ctx context.Context, tx pgx.Tx) error {
				if _, err := u.Flush(ctx, tx); err != nil {
					return err
				}
				return end
			})
		},
		"savepoint": func(ctx context.Context, u *unit.Unit, l *league, _ error) error {
			return txn.Run(ctx, l.Pool, func(ctx context.Context, tx pgx.Tx) error {
				_, err := u.Flush(ctx, tx, txn.Options{Nested: txn.Savepoint})
				return err
			})
		},
		"handle that begins": func(ctx context.Context, u *unit.Unit, l *league, _ error) error {
			_, err := u.Flush(ctx, beginner{l.Pool, l.Pool})
			return err
		},
	} {
		t.Run(what, func(t *testing.T) {
			l := newLeague(t, testdb.MaxConns(1))
			exec(t, l, "INSERT INTO vouchers VALUES ('a', 1), ('b', 2)")
			u := unit.New()
			unit.Create(u, vouchers, &voucher{Code: "c", Uses: 3})
			unit.UpdateWhere(u, vouchers, query.Where(uses.Ge(2)), query.Add(uses, 10))
			unit.DeleteWhere(u, vouchers, query.Where(uses.Eq(1)))
			if what == "transaction" {
				check.Error(t, "rolled back", flush(t.Context(), u, l, own), own)
				check.Equal(t, "vouchers", text(t, l, "code || uses", "vouchers"), "a1 b2")
				check.Equal(t, "left", u.Len(), 3)
			}
			check.NoError(t, flush(t.Context(), u, l, nil))
			check.Equal(t, "vouchers", text(t, l, "code || uses", "vouchers"), "b12 c13")
			check.Equal(t, "left", u.Len(), 0)
		})
	}
}

// TestWhereFails proves that a write of a set of rows which fails is named, that
// nothing is written then, and that one beside many rows does not keep a failing
// row from being found.
func TestWhereFails(t *testing.T) {
	many := func(u *unit.Unit, bad int) {
		vs := make([]voucher, 200)
		for i := range vs {
			vs[i].Code = fmt.Sprint("code ", i)
		}
		if bad >= 0 {
			vs[bad].Uses = -1
		}
		unit.CreateMany(u, vouchers, vs)
	}
	for what, c := range map[string]struct {
		add func(u *unit.Unit)
		at  int
		op  string
	}{
		"the set": {func(u *unit.Unit) {
			many(u, -1)
			unit.UpdateWhere(u, vouchers, query.Where(voucherCode.Eq("a")), query.Add(uses, -5))
			many(unit.New(), -1)
		}, 200, "update where"},
		"a deleted set": {func(u *unit.Unit) {
			unit.Create(u, badges, &badge{Color: "red"}, unit.Refer(badgeReport, unit.Create(u, reports, &report{Slug: "r"})))
			unit.HardDeleteWhere(u, reports, query.Where(reportSlug.Eq("r")))
		}, 2, "delete where"},
		"a row before": {func(u *unit.Unit) {
			many(u, 70)
			unit.UpdateWhere(u, vouchers, query.Where(voucherCode.Eq("a")), uses.Set(1))
		}, 70, "create"},
		"a row after": {func(u *unit.Unit) {
			unit.UpdateWhere(u, vouchers, query.Where(voucherCode.Eq("a")), uses.Set(9))
			unit.DeleteWhere(u, vouchers, query.Where(voucherCode.Eq("b")))
			many(u, 150)
		}, 152, "create"},
		"a row that conflicts with the set": {func(u *unit.Unit) {
			unit.UpdateWhere(u, vouchers, query.Where(voucherCode.Eq("a")), voucherCode.Set("code 33"))
			many(u, -1)
		}, 34, "create"},
	} {
		t.Run(what, func(t *testing.T) {
			l := newLeague(t, testdb.MaxConns(1))
			exec(t, l, "INSERT INTO vouchers VALUES ('a', 1), ('b', 2)")
			for _, joined := range []bool{false, true} {
				u := unit.New()
				c.add(u)
				n := u.Len()
				var err error
				if joined {
					err = txn.Run(t.Context(), l, func(ctx context.Context, tx pgx.Tx) error {
						_, err := u.Flush(ctx, tx)
						return err
					})
				} else {
					_, err = u.Flush(t.Context(), l)
				}
				var row *unit.RowError
				if !errors.As(err, &row) || row.Index != c.at || row.Op != c.op {
					t.Errorf("joined %v: %v, want write %d (%s)", joined, err, c.at, c.op)
				}
				var pg *smrt.ConstraintError
				if !errors.As(err, &pg) {
					t.Errorf("%v is not about a constraint", err)
				}
				check.Equal(t, "left", u.Len(), n)
				check.Equal(t, "vouchers", text(t, l, "code || uses", "vouchers"), "a1 b2")
			}
		})
	}
}

// TestWhereIsRetried proves that a unit with sets of rows is retried as a whole,
// and that the rows are counted of the last attempt.
func TestWhereIsRetried(t *testing.T) {
	l := newLeague(t)
	exec(t, l, "INSERT INTO vouchers VALUES ('a', 1), ('b', 2)")
	exec(t, l, "CREATE SEQUENCE attempts")
	exec(t, l, `CREATE FUNCTION fails() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		IF nextval('attempts') < 3 THEN RAISE EXCEPTION 'conflict' USING ERRCODE = '40001'; END IF; RETURN NEW; END $$`)
	exec(t, l, "CREATE TRIGGER fails BEFORE UPDATE ON vouchers FOR EACH STATEMENT EXECUTE FUNCTION fails()")
	u := unit.New()
	unit.UpdateWhere(u, vouchers, query.Where(uses.Gt(0)), query.Add(uses, 1))
	sum := check.Value(u.Flush(t.Context(), l))(t)
	check.Equal(t, "attempts", sum.Attempts, 3)
	check.Equal(t, "summary", sum.String(), "vouchers: 2 updated")
	check.Equal(t, "vouchers", text(t, l, "code || uses", "vouchers"), "a2 b3")
}

// TestWherePlanned proves what a dry run tells of sets of rows, and that one with
// a long list is planned for it, after which the server plans as before.
func TestWherePlanned(t *testing.T) {
	l := newLeague(t, testdb.MaxConns(1))
	ids := make([]int64, 2000)
	for i := range ids {
		ids[i] = int64(i)
	}
	u := unit.New()
	unit.UpdateWhere(u, reports, query.Where(reportID.In(ids[:3]...)), reportRank.Set(1))
	unit.UpdateWhere(u, reports, query.Where(reportID.In(ids...)), reportRank.Set(2))
	unit.UpdateWhere(u, reports, query.Where(reportRank.Eq(2)).ExecMode(pgx.QueryExecModeExec), reportRank.Set(3))
	var told []string
	for _, s := range check.Value(u.Plan(t.Context(), l))(t) {
		told = append(told, fmt.Sprintf("%s%s %d %v", s.Op, s.Table, s.Rows, strings.Contains(s.SQL, "plan_cache_mode")))
	}
	check.Equal(t, "told", told, []string{
		" 0 false", "update wherereports 0 false", " 0 true", "update wherereports 0 false", " 0 true",
		" 0 true", "update wherereports 0 false", " 0 true", " 0 false",
	})
	check.NoError(t, pgx.BeginFunc(t.Context(), l, func(tx pgx.Tx) error {
		was := one[string](t, tx, "SELECT current_setting('plan_cache_mode')")
		check.Value(u.Flush(t.Context(), tx))(t)
		check.Equal(t, "mode", one[string](t, tx, "SELECT current_setting('plan_cache_mode')"), was)
		return nil
	}))
}

// TestWhereAppended proves that a set of rows separates the writes of joined units
// too, and that a row may be written before it and after it.
func TestWhereAppended(t *testing.T) {
	l := newLeague(t)
	r := stored(t, l, "r")[0]
	u, other := unit.New(), unit.New()
	unit.Patch(u, reports, r.ID, reportRank.Set(1))
	unit.UpdateWhere(other, reports, query.Where(reportRank.Eq(1)), reportNote.Set("found"))
	unit.Delete(other, reports, r.ID)
	u.Append(other)
	check.Equal(t, "String", u.String(), "patch reports, then update where reports, then delete reports")
	check.Value(u.Flush(t.Context(), l))(t)
	check.Equal(t, "reports", text(t, l, "note || version || (deleted_at IS NOT NULL)", "reports"), "found4true")

	e := report{Slug: "e"}
	later := unit.Create(u, reports, &e)
	unit.UpdateWhere(u, reports, query.Where(reportSlug.Eq("e")), reportRank.Set(7))
	unit.Create(u, notes, &note{Body: "x"}, unit.Refer(noteReport, later))
	check.Value(u.Flush(t.Context(), l))(t)
	unit.Create(u, notes, &note{Body: "x"})
	unit.UpdateWhere(u, reports, query.Where(reportSlug.Eq("e")), reportRank.Set(7))
	unit.Create(u, nodes, &node{Label: "n"})
	_, err := u.Flush(t.Context(), l)
	check.Error(t, "no report", err, smrt.ErrForeignKey)
	u.Discard()
	first := &node{Label: "first"}
	unit.Create(u, nodes, first)
	unit.DeleteWhere(u, nodes, query.Where(nodeLabel.Eq("x")))
	unit.Link(u, first, unit.Refer(nodeParent, unit.Create(u, nodes, &node{Label: "second"})))
	_, err = u.Flush(t.Context(), l)
	check.Error(t, "created later", err, smrt.ErrBadQuery)
}
