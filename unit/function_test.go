package unit_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
	"github.com/smrt-go/smrt/txn"
	"github.com/smrt-go/smrt/unit"
)

// TestFunction proves on every kind of handle, with one connection, that a function
// finds what was added before it in the database and in the entities, that what is
// added after it is written with what it has left in the entities, and what is told
// of it.
func TestFunction(t *testing.T) {
	for what, c := range handles() {
		t.Run(what, func(t *testing.T) {
			l := newLeague(t, testdb.MaxConns(1))
			u := unit.New()
			r, made, second := &report{Slug: "r"}, &note{Body: "made"}, &note{Body: "second"}
			calls := 0
			key := unit.Create(u, reports, r)
			unit.Create(u, notes, &note{Body: "first"}, unit.Refer(noteReport, key))
			u.Do(func(ctx context.Context, tx pgx.Tx) error {
				calls++
				check.Same(t, "key", r.ID, one[int64](t, tx, "SELECT report FROM notes WHERE body = 'first'"))
				check.Same(t, "Len", u.Len(), 6)
				made.Report, r.Rank = r.ID, 9
				if err := repo.New(l.Pool, notes).With(tx).Create(ctx, made); err != nil {
					return err
				}
				own := unit.New()
				unit.Create(own, events, &event{Message: "own", Report: &r.ID})
				_, err := own.Flush(ctx, tx)
				return err
			})
			unit.Create(u, notes, second, unit.Refer(noteReport, key))
			unit.Update(u, reports, r)
			unit.UpdateWhere(u, notes, query.Where(noteBody.HasPrefix("m")), noteBody.SetExpr("body || '!'"))
			check.Equal(t, "String", u.String(), "create reports, create notes, then a function, then create notes, update reports, then update where notes")
			check.NoError(t, c.flush(t.Context(), u, l))
			check.Same(t, "calls", calls, 1)
			check.Same(t, "left", u.Len(), 0)
			check.Equal(t, "notes", text(t, l, "body || slug", "notes JOIN reports ON report = reports.id"), "firstr made!r secondr")
			check.Equal(t, "reports", text(t, l, state, "reports"), "r92")
			check.Equal(t, "events", text(t, l, "message || report", "events"), fmt.Sprintf("own%d", r.ID))
			check.Equal(t, "entities", []int64{r.Version, second.Report, made.ID}, []int64{2, r.ID, 2})
		})
	}
}

// TestFunctionSummary proves in how many round trips the parts of a unit are sent,
// and that its summary is that of all of them, with the position of the commit.
func TestFunctionSummary(t *testing.T) {
	l := newLeague(t, testdb.MaxConns(1))
	flush := func(slug string) unit.Summary {
		u := unit.New()
		u.Do(func(context.Context, pgx.Tx) error { return nil })
		key := unit.Create(u, reports, &report{Slug: slug})
		u.Do(func(ctx context.Context, tx pgx.Tx) error {
			return repo.New(tx, events).Create(ctx, &event{Message: slug})
		})
		unit.Create(u, notes, &note{Body: slug}, unit.Refer(noteReport, key))
		unit.UpdateWhere(u, reports, query.Where(reportSlug.Eq(slug)), reportRank.Set(1))
		unit.DeleteWhere(u, reports, query.Where(reportID.In()))
		u.Do(func(context.Context, pgx.Tx) error { return nil })
		l.sent.Reset()
		return check.Value(u.Flush(t.Context(), l, txn.Options{TrackPosition: true}))(t)
	}
	flush("a")
	sum := flush("b")
	check.Equal(t, "summary", sum.String(), "reports: 1 created, 1 updated; notes: 1 created")
	check.Equal(t, "statements", []int{sum.Statements, sum.Attempts, sum.Rows()}, []int{3, 1, 3})
	if sum.Position.IsZero() {
		t.Error("no position")
	}
	check.Equal(t, "statements", shapes(l.sent.Statements()), "begin, insert reports, insert events, insert notes, update reports")
	check.Same(t, "round trips, without that of COMMIT", l.sent.Sends(), 4)
}

// TestFunctionFails proves for every way in which a part of a unit with functions
// can fail that nothing is written, that unit and entities are as before at once,
// and that the same unit can be flushed when the reason is gone.
func TestFunctionFails(t *testing.T) {
	own := errors.New("own")
	type parts struct {
		l     *league
		u     *unit.Unit
		fail  bool
		inner func(ctx context.Context, tx pgx.Tx) error
		last  note
	}
	for what, c := range map[string]struct {
		prepare func(p *parts)
		want    error
		write   int // that the error names, -1 for none
	}{
		"its error":       {func(p *parts) { p.inner = func(context.Context, pgx.Tx) error { return own } }, own, -1},
		"a context error": {func(p *parts) { p.inner = func(context.Context, pgx.Tx) error { return context.DeadlineExceeded } }, context.DeadlineExceeded, -1},
		"a statement of its own": {func(p *parts) {
			p.inner = func(ctx context.Context, tx pgx.Tx) error {
				return repo.New(tx, vouchers).Create(ctx, &voucher{Code: "x", Uses: -1})
			}
		}, smrt.ErrCheck, -1},
		"an error that it does not return": {func(p *parts) {
			p.inner = func(ctx context.Context, tx pgx.Tx) error {
				_, _ = tx.Exec(ctx, "SELECT 1/0")
				return nil
			}
		}, smrt.ErrTxAborted, -1},
		"rows that it leaves open": {func(p *parts) {
			p.inner = func(ctx context.Context, tx pgx.Tx) error {
				_, err := tx.Query(ctx, "SELECT generate_series(1, 1000)")
				return err
			}
		}, smrt.ErrTxConcurrentUse, -1},
		"Commit":   {func(p *parts) { p.inner = func(ctx context.Context, tx pgx.Tx) error { return tx.Commit(ctx) } }, smrt.ErrTxManaged, -1},
		"Rollback": {func(p *parts) { p.inner = func(ctx context.Context, tx pgx.Tx) error { return tx.Rollback(ctx) } }, smrt.ErrTxManaged, -1},
		"the pool itself": {func(p *parts) {
			p.inner = func(ctx context.Context, _ pgx.Tx) error { return repo.New(p.l.Pool, events).Create(ctx, &event{}) }
		}, smrt.ErrTxBypass, -1},
		"a row after it": {func(p *parts) { p.last.Body = "" }, smrt.ErrCheck, 203},
	} {
		t.Run(what, func(t *testing.T) {
			for _, joined := range []string{"", "txn", "by hand"} {
				if joined == "by hand" && what == "the pool itself" {
					continue // nobody knows that the pool has a transaction: it would wait for itself
				}
				p := &parts{l: newLeague(t, testdb.MaxConns(1)), u: unit.New(), inner: func(context.Context, pgx.Tx) error { return nil }, last: note{Body: "last"}}
				r, v := &report{Slug: "r"}, stored(t, p.l, "v")[0]
				key := unit.Create(p.u, reports, r)
				p.fail = true
				p.u.Do(func(ctx context.Context, tx pgx.Tx) error {
					v.Rank = 77
					if !p.fail {
						return nil
					}
					return p.inner(ctx, tx)
				})
				unit.Update(p.u, reports, &v)
				unit.CreateMany(p.u, notes, slices.Repeat([]note{{Body: "many"}}, 200), unit.Refer(noteReport, key))
				unit.Create(p.u, notes, &p.last, unit.Refer(noteReport, key))
				c.prepare(p)
				before, was, last := *r, v, p.last
				flush := func() error {
					switch joined {
					case "txn":
						return txn.Run(t.Context(), p.l.Pool, func(ctx context.Context, tx pgx.Tx) error {
							_, err := p.u.Flush(ctx, tx)
							if err != nil {
								check.Equal(t, "entity at once", *r, before)
							}
							return err
						})
					case "by hand":
						return pgx.BeginFunc(t.Context(), p.l, func(tx pgx.Tx) error {
							_, err := p.u.Flush(t.Context(), tx)
							return err
						})
					}
					_, err := p.u.Flush(t.Context(), p.l.Pool)
					return err
				}
				err := flush()
				check.Error(t, joined, err, c.want)
				var row *unit.RowError
				if errors.As(err, &row) != (c.write >= 0) || row != nil && row.Index != c.write {
					t.Errorf("%s: %v does not name write %d", joined, err, c.write)
				}
				check.Equal(t, "entities", []any{*r, v, p.last}, []any{before, was, last})
				check.Same(t, "left", p.u.Len(), 204)
				check.Equal(t, "written", text(t, p.l, "slug || rank", "reports")+text(t, p.l, "body", "notes")+text(t, p.l, "message", "events"), "v5")
				p.fail, p.last.Body = false, "mended"
				check.NoError(t, flush())
				check.Equal(t, "reports", text(t, p.l, "slug || rank", "reports"), "r5 v77")
				check.Same(t, "notes", one[int64](t, p.l, "SELECT count(*) FROM notes WHERE report = $1", r.ID), 201)
			}
		})
	}
}

// TestFunctionSwallowed proves that an error of the flush which the closure around
// it ignores leaves nothing to commit.
func TestFunctionSwallowed(t *testing.T) {
	l := newLeague(t, testdb.MaxConns(1))
	u := unit.New()
	unit.Create(u, events, &event{Message: "first"})
	own := errors.New("own")
	u.Do(func(context.Context, pgx.Tx) error { return own })
	check.Error(t, "txn.Run", txn.Run(t.Context(), l, func(ctx context.Context, tx pgx.Tx) error {
		_, err := u.Flush(ctx, tx)
		check.Error(t, "flush", err, own)
		return nil
	}), smrt.ErrTxAborted, own)
	check.NoError(t, pgx.BeginFunc(t.Context(), l, func(tx pgx.Tx) error {
		_, err := u.Flush(t.Context(), tx)
		check.Error(t, "flush", err, own)
		return nil
	}))
	check.Same(t, "left", u.Len(), 2)
	check.Equal(t, "events", text(t, l, "message", "events"), "")
}

// TestFunctionPanics proves that a panic goes on, and leaves nothing behind.
func TestFunctionPanics(t *testing.T) {
	l := newLeague(t, testdb.MaxConns(1))
	u := unit.New()
	r := &report{Slug: "r"}
	unit.Create(u, reports, r)
	panics := true
	u.Do(func(context.Context, pgx.Tx) error {
		if r.Note = ptr("changed"); panics {
			panic("own")
		}
		return nil
	})
	func() {
		defer func() { check.Equal(t, "recovered", recover(), any("own")) }()
		_, _ = u.Flush(t.Context(), l)
	}()
	check.Equal(t, "report", *r, report{Slug: "r"})
	check.Same(t, "left", u.Len(), 2)
	check.Equal(t, "reports", text(t, l, "slug", "reports"), "")
	panics = false
	check.Value(u.Flush(t.Context(), l))(t)
	check.Equal(t, "reports", text(t, l, "slug", "reports"), "r")
}

// TestFunctionEndsTheTransaction proves that nothing is written outside of the
// transaction after a function has ended it with SQL.
func TestFunctionEndsTheTransaction(t *testing.T) {
	for _, sql := range []string{"COMMIT", "ROLLBACK"} {
		l := newLeague(t, testdb.MaxConns(1))
		u := unit.New()
		unit.Create(u, events, &event{Message: "before"})
		u.Do(func(ctx context.Context, tx pgx.Tx) error {
			_, err := tx.Exec(ctx, sql)
			return err
		})
		unit.Create(u, events, &event{Message: "after"})
		_, err := u.Flush(t.Context(), l)
		check.Error(t, sql, err, smrt.ErrBadOptions)
		if errors.Is(err, smrt.ErrCommitUnknown) {
			t.Error(err)
		}
		check.Same(t, sql, one[int64](t, l, "SELECT count(*) FROM events WHERE message = 'after'"), 0)
		check.Same(t, "left", u.Len(), 3)
	}
}

// TestFunctionIsBusy proves that a function can neither flush the unit that it is
// part of nor change it, and that another use of it is its own.
func TestFunctionIsBusy(t *testing.T) {
	l := newLeague(t, testdb.MaxConns(1))
	v := stored(t, l, "v")[0]
	for what, use := range map[string]func(ctx context.Context, tx pgx.Tx, u *unit.Unit) error{
		"Flush": func(ctx context.Context, tx pgx.Tx, u *unit.Unit) error {
			_, err := u.Flush(ctx, tx)
			return err
		},
		"Plan": func(ctx context.Context, tx pgx.Tx, u *unit.Unit) error {
			_, err := u.Plan(ctx, tx)
			return err
		},
		"Create": func(_ context.Context, _ pgx.Tx, u *unit.Unit) error { unit.Create(u, events, &event{}); return nil },
		"CreateMany": func(_ context.Context, _ pgx.Tx, u *unit.Unit) error {
			unit.CreateMany(u, events, make([]event, 2))
			return nil
		},
		"Update": func(_ context.Context, _ pgx.Tx, u *unit.Unit) error { unit.Update(u, reports, &v); return nil },
		"Remove": func(_ context.Context, _ pgx.Tx, u *unit.Unit) error { unit.Remove(u, reports, &v); return nil },
		"Patch": func(_ context.Context, _ pgx.Tx, u *unit.Unit) error {
			unit.Patch(u, reports, v.ID, reportRank.Set(1))
			return nil
		},
		"DeleteWhere": func(_ context.Context, _ pgx.Tx, u *unit.Unit) error {
			unit.DeleteWhere(u, notes, query.All[note]().Unbounded())
			return nil
		},
		"Do": func(_ context.Context, _ pgx.Tx, u *unit.Unit) error {
			u.Do(func(context.Context, pgx.Tx) error { return nil })
			return nil
		},
		"Discard": func(_ context.Context, _ pgx.Tx, u *unit.Unit) error { u.Discard(); return nil },
		"Append": func(_ context.Context, _ pgx.Tx, u *unit.Unit) error {
			other := unit.New()
			unit.Create(other, events, &event{})
			u.Append(other)
			check.Same(t, "other", other.Len(), 1)
			return nil
		},
		"appended": func(_ context.Context, _ pgx.Tx, u *unit.Unit) error {
			other := unit.New()
			other.Append(u)
			check.Same(t, "other", other.Len(), 0)
			return nil
		},
		"Link": func(_ context.Context, _ pgx.Tx, u *unit.Unit) error {
			unit.Link(u, &node{}, unit.Reference[node]{})
			return nil
		},
	} {
		u := unit.New()
		unit.Create(u, events, &event{Message: "x"})
		u.Do(func(ctx context.Context, tx pgx.Tx) error { return use(ctx, tx, u) })
		_, err := u.Flush(t.Context(), l)
		check.Error(t, what, err, smrt.ErrBadQuery)
		check.Same(t, what, u.String(), "create events, then a function")
		unit.Update(u, reports, &v) // is not taken for one that the function has added
		check.Same(t, what, u.Len(), 3)
	}
	check.Equal(t, "events", text(t, l, "message", "events"), "")
	u := unit.New()
	u.Do(nil)
	_, err := u.Flush(t.Context(), l)
	check.Error(t, "nil", err, smrt.ErrBadOptions)
}

// TestFunctionReferences proves that rows after a function can refer to those
// before it, and not the other way round, which is refused before anything is sent.
func TestFunctionReferences(t *testing.T) {
	l := newLeague(t)
	nothing := func(context.Context, pgx.Tx) error { return nil }
	u := unit.New()
	first := &node{Label: "first"}
	parent := unit.Create(u, nodes, first)
	u.Do(nothing)
	child := &node{Label: "child"}
	kid := unit.Create(u, nodes, child, unit.Refer(nodeParent, parent))
	u.Do(nothing)
	unit.CreateMany(u, nodes, []node{{Label: "x"}, {Label: "y"}}, unit.Refer(nodeParent, kid))
	unit.Update(u, nodes, first, unit.Refer(nodeParent, kid))
	check.Value(u.Flush(t.Context(), l))(t)
	check.Equal(t, "nodes", text(t, l, "n.label || p.label", "nodes n JOIN nodes p ON p.id = n.parent"), "childfirst firstchild xchild ychild")
	check.Same(t, "in memory", *first.Parent, child.ID)

	for what, add := range map[string]func(u *unit.Unit){
		"later": func(u *unit.Unit) {
			other := unit.New()
			later := unit.Create(other, nodes, &node{Label: "later"})
			unit.Create(u, nodes, &node{Label: "early"}, unit.Refer(nodeParent, later))
			u.Do(nothing)
			u.Append(other)
		},
		"linked": func(u *unit.Unit) {
			early := &node{Label: "early"}
			unit.Create(u, nodes, early)
			u.Do(nothing)
			unit.Link(u, early, unit.Refer(nodeParent, unit.Create(u, nodes, &node{Label: "later"})))
		},
		"of another unit": func(u *unit.Unit) {
			u.Do(nothing)
			unit.Create(u, nodes, &node{Label: "n"}, unit.Refer(nodeParent, unit.Create(unit.New(), nodes, &node{})))
		},
		"no such column": func(u *unit.Unit) {
			u.Do(nothing)
			unit.Create(u, nodes, &node{Label: "n"}, unit.Reference[node]{})
		},
	} {
		u := unit.New()
		add(u)
		l.sent.Reset()
		_, err := u.Flush(t.Context(), l)
		check.Error(t, what, err, smrt.ErrBadQuery)
		check.Same(t, what, l.sent.Sends(), 0)
	}
}

// TestFunctionSameEntity proves that an entity which is written before a function
// and after it is written twice, each time with the values that it has then.
func TestFunctionSameEntity(t *testing.T) {
	l := newLeague(t)
	u := unit.New()
	r, old := &report{Slug: "r", Rank: 1}, stored(t, l, "old")[0]
	unit.Create(u, reports, r)
	old.Rank = 2
	unit.Update(u, reports, &old)
	u.Do(func(ctx context.Context, tx pgx.Tx) error {
		check.Equal(t, "between", text(t, tx, state, "reports"), "old22 r11")
		r.Rank, old.Rank = r.Rank+10, old.Rank+10
		return nil
	})
	unit.Update(u, reports, r)
	unit.Update(u, reports, &old)
	u.Do(func(ctx context.Context, tx pgx.Tx) error {
		check.Equal(t, "between", text(t, tx, state, "reports"), "old123 r112")
		return nil
	})
	unit.Remove(u, reports, r)
	sum := check.Value(u.Flush(t.Context(), l))(t)
	check.Equal(t, "reports", text(t, l, state, "reports"), "old123 r113d")
	check.Equal(t, "summary", sum.String(), "reports: 1 created, 3 updated, 1 deleted")
}

// TestFunctionAppended joins units with functions.
func TestFunctionAppended(t *testing.T) {
	l := newLeague(t)
	var ran []string
	fn := func(name string) txn.Func {
		return func(_ context.Context, tx pgx.Tx) error {
			ran = append(ran, name+text(t, tx, "rank::text", "reports"))
			return nil
		}
	}
	r := stored(t, l, "r")[0]
	u, other := unit.New(), unit.New()
	r.Rank = 1
	unit.Update(u, reports, &r)
	u.Do(fn("a"))
	unit.Patch(u, reports, r.ID, query.Add(reportRank, 1))
	other.Do(fn("b"))
	unit.Patch(other, reports, r.ID, query.Add(reportRank, 1))
	other.Do(fn("c"))
	u.Append(other)
	unit.Patch(u, reports, r.ID, query.Add(reportRank, 1))
	check.Equal(t, "String", u.String(), "update reports, then a function, then patch reports, then a function, then patch reports, then a function, then patch reports")
	check.Same(t, "other", other.Len(), 0)
	check.Value(other.Flush(t.Context(), l))(t)
	check.Value(u.Flush(t.Context(), l))(t)
	check.Equal(t, "ran", ran, []string{"a1", "b2", "c3"})
	check.Equal(t, "reports", text(t, l, state, "reports"), "r45")
}

// TestFunctionPlanned proves that a dry run ends at the first function.
func TestFunctionPlanned(t *testing.T) {
	l := newLeague(t)
	u := unit.New()
	unit.CreateMany(u, events, []event{{Message: "x"}, {Message: "y"}})
	u.Do(func(context.Context, pgx.Tx) error { return errors.New("not to be run") })
	unit.Create(u, events, &event{Message: "z"})
	told := func(db smrt.DB) (told []string) {
		for _, s := range check.Value(u.Plan(t.Context(), db, txn.Options{Isolation: pgx.Serializable}))(t) {
			sql, _, _ := strings.Cut(s.SQL, " (")
			told = append(told, strings.TrimSpace(sql+" "+s.Op))
		}
		return told
	}
	check.Equal(t, "pool", told(l), []string{
		"begin isolation level serializable", "savepoint smrt_unit", `INSERT INTO "events" create`, "release savepoint smrt_unit", "function",
	})
	tx := check.Value(l.Begin(t.Context()))(t)
	check.Equal(t, "transaction", told(tx), []string{"savepoint smrt_unit", `INSERT INTO "events" create`, "release savepoint smrt_unit", "function"})
	check.NoError(t, tx.Rollback(t.Context()))
	check.Same(t, "left", u.Len(), 4)
}
