package unit_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/txn"
	"github.com/smrt-go/smrt/unit"
)

// stepped is a unit with a function between two segments. The function is called
// with the number of its run, and each run finds the entities as they were at the
// flush.
type stepped struct {
	*unit.Unit
	l    *league
	r    report
	n    note
	runs int
}

func newStepped(t *testing.T, l *league, between func(ctx context.Context, tx pgx.Tx, run int) error) *stepped {
	t.Helper()
	s := &stepped{Unit: unit.New(), l: l, r: report{Slug: "r"}, n: note{Body: "n"}}
	key := unit.Create(s.Unit, reports, &s.r)
	s.Do(func(ctx context.Context, tx pgx.Tx) error {
		s.runs++
		check.Equal(t, fmt.Sprint("run ", s.runs), []any{s.r.Rank, s.n}, []any{int32(5), note{Body: "n"}})
		s.r.Rank = 6
		return between(ctx, tx, s.runs)
	})
	unit.Create(s.Unit, notes, &s.n, unit.Refer(noteReport, key))
	unit.Update(s.Unit, reports, &s.r)
	return s
}

// is checks what there is after a flush: everything once, or nothing.
func (s *stepped) is(t *testing.T, what string, written bool) {
	t.Helper()
	rows := text(t, s.l, "slug || rank || body", "notes JOIN reports r ON report = r.id")
	if !written {
		check.Equal(t, what, rows+text(t, s.l, "slug", "reports"), "")
		check.Equal(t, what+": entities", []any{s.r, s.n}, []any{report{Slug: "r"}, note{Body: "n"}})
		check.Same(t, what+": left", s.Len(), 4)
		return
	}
	check.Equal(t, what, rows, "r6n")
	check.Equal(t, what+": entities", []int64{s.n.Report, s.r.Version, int64(s.Len())}, []int64{s.r.ID, 2, 0})
}

// failTwice lets the first two inserts of a kind fail for a reason that passes.
func failTwice(t *testing.T, l *league, trigger string) {
	t.Helper()
	exec(t, l, "CREATE SEQUENCE attempts")
	exec(t, l, `CREATE FUNCTION fails() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		IF nextval('attempts') < 3 THEN RAISE EXCEPTION 'conflict' USING ERRCODE = '40001'; END IF; RETURN NEW; END $$`)
	exec(t, l, trigger+" FOR EACH ROW EXECUTE FUNCTION fails()")
}

// TestFunctionIsRetried lets each part of a unit with a function fail twice for a
// reason that passes. The function runs three times, each time with the entities
// as they were, and the unit is applied once.
func TestFunctionIsRetried(t *testing.T) {
	conflict := func(_ context.Context, _ pgx.Tx, run int) error {
		if run < 3 {
			return &pgconn.PgError{Code: "40001"}
		}
		return nil
	}
	fine := func(context.Context, pgx.Tx, int) error { return nil }
	for what, c := range map[string]struct {
		trigger string
		between func(ctx context.Context, tx pgx.Tx, run int) error
	}{
		"the function":     {"", conflict},
		"the last segment": {"CREATE TRIGGER fails BEFORE INSERT ON notes", fine},
		"COMMIT":           {"CREATE CONSTRAINT TRIGGER fails AFTER INSERT ON notes DEFERRABLE INITIALLY DEFERRED", fine},
		"a swallowed error": {"CREATE TRIGGER fails BEFORE INSERT ON events", func(ctx context.Context, tx pgx.Tx, _ int) error {
			_, _ = tx.Exec(ctx, "INSERT INTO events VALUES ('x')")
			return nil
		}},
	} {
		t.Run(what, func(t *testing.T) {
			for _, joined := range []bool{false, true} {
				l := newLeague(t, testdb.MaxConns(1))
				if c.trigger != "" {
					failTwice(t, l, c.trigger)
				}
				s := newStepped(t, l, c.between)
				var err error
				if joined {
					err = txn.Run(t.Context(), l, func(ctx context.Context, tx pgx.Tx) error {
						_, err := s.Flush(ctx, tx)
						return err
					})
				} else {
					var sum unit.Summary
					sum, err = s.Flush(t.Context(), l)
					check.Same(t, "attempts", sum.Attempts, 3)
				}
				check.NoError(t, err)
				check.Same(t, "runs", s.runs, 3)
				s.is(t, what, true)

				exec(t, l, "TRUNCATE reports, notes, badges, pins, events")
				if c.trigger != "" {
					exec(t, l, "ALTER SEQUENCE attempts RESTART")
				}
				s = newStepped(t, l, c.between)
				_, err = s.Flush(t.Context(), l, txn.Options{MaxAttempts: 2})
				check.Error(t, "given up", err, smrt.ErrRetriesExhausted)
				s.is(t, "given up", false)
			}
		})
	}
}

// TestFunctionConflicts lets somebody else change a row while a function runs: the
// server refuses to write it in the same snapshot, and the function runs again.
func TestFunctionConflicts(t *testing.T) {
	l := newLeague(t, testdb.MaxConns(2))
	exec(t, l, "INSERT INTO vouchers VALUES ('a', 0)")
	runs := 0
	var seen []int32
	u := unit.New()
	unit.Create(u, events, &event{Message: "x"})
	u.Do(func(ctx context.Context, tx pgx.Tx) error {
		seen = append(seen, one[int32](t, tx, "SELECT uses FROM vouchers"))
		if runs++; runs == 1 {
			exec(t, l, "UPDATE vouchers SET uses = 5")
		}
		return nil
	})
	unit.UpdateWhere(u, vouchers, query.Where(voucherCode.Eq("a")), query.Add(uses, 1))
	check.Value(u.Flush(t.Context(), l, txn.Options{Isolation: pgx.RepeatableRead}))(t)
	check.Equal(t, "seen", seen, []int32{0, 5})
	check.Equal(t, "vouchers", text(t, l, "code || uses", "vouchers"), "a6")
	check.Equal(t, "events", text(t, l, "message", "events"), "x")
}

// TestFunctionKilled ends the backend of a unit between its segments, from another
// connection. The unit is applied once, by its second attempt; or not at all if
// there is none.
func TestFunctionKilled(t *testing.T) {
	for _, attempts := range []int{1, 5} {
		for _, notices := range []bool{false, true} {
			l := newLeague(t, testdb.MaxConns(2))
			s := newStepped(t, l, func(ctx context.Context, tx pgx.Tx, run int) error {
				if run > 1 {
					return nil
				}
				pid := tx.Conn().PgConn().PID()
				exec(t, l, "SELECT pg_terminate_backend($1::integer)", pid)
				for one[bool](t, l, "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $1)", pid) {
					continue
				}
				if notices {
					_, _ = tx.Exec(ctx, "SELECT 1")
				}
				return nil
			})
			_, err := s.Flush(t.Context(), l, txn.Options{MaxAttempts: attempts})
			if errors.Is(err, smrt.ErrCommitUnknown) {
				t.Error(err)
			}
			if attempts == 1 {
				check.Error(t, "killed", err, smrt.ErrRetriesExhausted)
				s.is(t, "killed", false)
				continue
			}
			check.NoError(t, err)
			check.Same(t, "runs", s.runs, 2)
			s.is(t, "killed", true)
		}
	}
}

// TestFunctionCancelled proves that a unit whose context ends while a function runs
// is not written, whether the function looks at it or not.
func TestFunctionCancelled(t *testing.T) {
	for _, looks := range []bool{false, true} {
		l := newLeague(t, testdb.MaxConns(1))
		ctx, cancel := context.WithCancel(t.Context())
		s := newStepped(t, l, func(ctx context.Context, _ pgx.Tx, _ int) error {
			cancel()
			if looks {
				return ctx.Err()
			}
			return nil
		})
		_, err := s.Flush(ctx, l)
		check.Error(t, "cancelled", err, context.Canceled)
		if errors.Is(err, smrt.ErrCommitUnknown) {
			t.Error(err)
		}
		check.Same(t, "runs", s.runs, 1)
		s.is(t, "cancelled", false)
	}
}

// TestFunctionLostCommit proves what is reported when COMMIT of a unit with a
// function, or the reply to it, is lost: without a key that it is not known, with
// the unit as before; with one what happened, for which the function runs again if
// nothing did.
func TestFunctionLostCommit(t *testing.T) {
	for _, withheld := range []bool{false, true} {
		for _, key := range []string{"", "once"} {
			what := fmt.Sprintf("withheld %v, key %q", withheld, key)
			l := newLeague(t, testdb.MaxConns(1))
			s := newStepped(t, l, func(_ context.Context, _ pgx.Tx, run int) error {
				if run == 1 {
					l.link.Arm(testdb.Fault{Sent: -1, Received: -1, Statement: "commit", Withhold: withheld})
				}
				return nil
			})
			_, err := s.Flush(t.Context(), l, txn.Options{Key: key})
			if !l.link.Disarm() {
				t.Fatal("nothing was lost")
			}
			if key == "" && withheld && err == nil { // it is known that nothing was sent
				check.Same(t, what, s.runs, 2)
				s.is(t, what, true)
				continue
			}
			if key == "" {
				check.Error(t, what, err, smrt.ErrCommitUnknown)
				check.Same(t, what, one[int64](t, l, "SELECT count(*) FROM notes") == 0, withheld)
				check.Equal(t, what, []any{s.r, s.n, s.Len()}, []any{report{Slug: "r"}, note{Body: "n"}, 4})
				continue
			}
			check.NoError(t, err)
			check.Same(t, what, s.runs, map[bool]int{false: 1, true: 2}[withheld])
			s.is(t, what, true)

			again := newStepped(t, l, func(context.Context, pgx.Tx, int) error { return nil })
			_, err = again.Flush(t.Context(), l, txn.Options{Key: key})
			check.Error(t, "the same key", err, smrt.ErrAlreadyApplied)
			check.Equal(t, "the same key", []int{again.runs, again.Len()}, []int{0, 4})
		}
	}
}

// TestFunctionRolledBack proves that a transaction, or a savepoint, which is rolled
// back after a unit with functions was flushed in it gives everything back.
func TestFunctionRolledBack(t *testing.T) {
	l := newLeague(t, testdb.MaxConns(1))
	own := errors.New("own")
	s := newStepped(t, l, func(context.Context, pgx.Tx, int) error { return nil })
	check.Error(t, "rolled back", txn.Run(t.Context(), l, func(ctx context.Context, tx pgx.Tx) error {
		_, err := s.Flush(ctx, tx)
		check.NoError(t, err)
		check.Same(t, "left", s.Len(), 0)
		return own
	}), own)
	s.is(t, "rolled back", false)
	check.NoError(t, txn.Run(t.Context(), l, func(ctx context.Context, tx pgx.Tx) error {
		check.Error(t, "savepoint", txn.Run(ctx, tx, func(ctx context.Context, tx pgx.Tx) error {
			_, err := s.Flush(ctx, tx)
			check.NoError(t, err)
			return own
		}, txn.Options{Nested: txn.Savepoint}), own)
		check.Equal(t, "at once", []any{s.r, s.n, s.Len()}, []any{report{Slug: "r"}, note{Body: "n"}, 4})
		_, err := s.Flush(ctx, tx)
		return err
	}))
	check.Same(t, "runs", s.runs, 3)
	s.is(t, "in the end", true)
}
