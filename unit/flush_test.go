package unit_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/txn"
	"github.com/smrt-go/smrt/unit"
)

// everything is a unit with every kind of write, on a league that has the
// reports a, b and c. It returns what was created.
func everything(u *unit.Unit, rs []report) (*report, []note) {
	r, ns := &report{Slug: "new"}, []note{{Body: "x"}, {Body: "y"}}
	first := unit.Create(u, reports, r)
	unit.CreateMany(u, notes, ns, unit.Refer(noteReport, first))
	rs[0].Rank = 9
	unit.Update(u, reports, &rs[0])
	unit.Patch(u, reports, rs[1].ID, query.Add(reportRank, 2))
	unit.Delete(u, reports, rs[2].ID)
	return r, ns
}

const state = "slug || rank || version || CASE WHEN deleted_at IS NULL THEN '' ELSE 'd' END"

const written = "a92 b72 c52d new51"

// handleCase is a way to flush a unit, with the round trips of one without
// functions.
type handleCase struct {
	flush func(ctx context.Context, u *unit.Unit, l *league) error
	sends int
}

// handles are the kinds of handles.
func handles() map[string]handleCase {
	return map[string]handleCase{
		"pool": {func(ctx context.Context, u *unit.Unit, l *league) error {
			_, err := u.Flush(ctx, l.Pool)
			return err
		}, 1},
		"guarded pool": {func(ctx context.Context, u *unit.Unit, l *league) error {
			_, err := u.Flush(ctx, txn.Checked(l.Pool))
			return err
		}, 1},
		"connection of a pool": {func(ctx context.Context, u *unit.Unit, l *league) error {
			return l.AcquireFunc(ctx, func(c *pgxpool.Conn) error {
				_, err := u.Flush(ctx, c)
				return err
			})
		}, 1},
		"connection": {func(ctx context.Context, u *unit.Unit, l *league) error {
			return l.AcquireFunc(ctx, func(c *pgxpool.Conn) error {
				_, err := u.Flush(ctx, c.Conn())
				return err
			})
		}, 1},
		"handle that begins": {func(ctx context.Context, u *unit.Unit, l *league) error {
			_, err := u.Flush(ctx, beginner{l.Pool, l.Pool})
			return err
		}, 3},
		"transaction by hand": {func(ctx context.Context, u *unit.Unit, l *league) error {
			return pgx.BeginFunc(ctx, l.Pool, func(tx pgx.Tx) error {
				_, err := u.Flush(ctx, tx)
				return err
			})
		}, 3},
		"transaction": {func(ctx context.Context, u *unit.Unit, l *league) error {
			return txn.Run(ctx, l.Pool, func(ctx context.Context, tx pgx.Tx) error {
				_, err := u.Flush(ctx, tx)
				return err
			})
		}, 3},
		"pool inside a transaction": {func(ctx context.Context, u *unit.Unit, l *league) error {
			return txn.Run(ctx, l.Pool, func(ctx context.Context, _ pgx.Tx) error {
				_, err := u.Flush(ctx, l.Pool)
				return err
			})
		}, 3},
		"savepoint": {func(ctx context.Context, u *unit.Unit, l *league) error {
			return txn.Run(ctx, l.Pool, func(ctx context.Context, tx pgx.Tx) error {
				_, err := u.Flush(ctx, tx, txn.Options{Nested: txn.Savepoint})
				return err
			})
		}, 5},
		"isolation and timeouts": {func(ctx context.Context, u *unit.Unit, l *league) error {
			_, err := u.Flush(ctx, l.Pool, txn.Options{Isolation: pgx.Serializable, LockTimeout: time.Second, StatementTimeout: time.Minute})
			return err
		}, 1},
		"key": {func(ctx context.Context, u *unit.Unit, l *league) error {
			_, err := u.Flush(ctx, l.Pool, txn.Options{Key: fmt.Sprint(time.Now().UnixNano())})
			return err
		}, 2},
	}
}

// TestHandles proves that a unit is flushed on every kind of handle, and in how
// many round trips.
func TestHandles(t *testing.T) {
	for what, c := range handles() {
		t.Run(what, func(t *testing.T) {
			l := newLeague(t, testdb.MaxConns(1))
			for range 2 { // the second time all is prepared
				exec(t, l, "TRUNCATE reports, notes, badges, pins, events")
				rs := stored(t, l, "a", "b", "c")
				u := unit.New()
				r, ns := everything(u, rs)
				l.sent.Reset()
				check.NoError(t, c.flush(t.Context(), u, l))
				sends := l.sent.Sends()
				check.Equal(t, "reports", text(t, l, state, "reports"), written)
				if r.ID == 0 || ns[1].Report != r.ID || rs[0].Version != 2 || u.Len() != 0 {
					t.Errorf("%+v %+v %+v", r, ns, rs[0])
				}
				if sends != c.sends {
					t.Logf("%d round trips", sends)
				}
				l.sent.Reset()
			}
			exec(t, l, "TRUNCATE reports, notes, badges, pins, events")
			u := unit.New()
			everything(u, stored(t, l, "a", "b", "c"))
			l.sent.Reset()
			check.NoError(t, c.flush(t.Context(), u, l))
			check.Equal(t, "round trips", l.sent.Sends(), c.sends)
		})
	}
}

// beginner is a handle that begins transactions and lends no connections.
type beginner struct {
	smrt.DB
	pool *pgxpool.Pool
}

func (b beginner) Begin(ctx context.Context) (pgx.Tx, error) { return b.pool.Begin(ctx) }

// TestIsolation proves that the options reach the transaction.
func TestIsolation(t *testing.T) {
	l := newLeague(t)
	exec(t, l, `CREATE FUNCTION told() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		NEW.code := current_setting('transaction_isolation') || current_setting('lock_timeout'); RETURN NEW; END $$;`)
	exec(t, l, `CREATE TRIGGER told BEFORE INSERT ON vouchers FOR EACH ROW EXECUTE FUNCTION told()`)
	u := unit.New()
	unit.Create(u, vouchers, &voucher{Code: "x"})
	_, err := u.Flush(t.Context(), l.Pool, txn.Options{Isolation: pgx.RepeatableRead, LockTimeout: 7 * time.Second})
	check.NoError(t, err)
	check.Equal(t, "told", text(t, l, "code", "vouchers"), "repeatable read7s")
}

// TestModes proves that a unit works in the other modes of pgx, with types that
// need care in them.
func TestModes(t *testing.T) {
	testdb.InEachMode(t, func(t *testing.T, mode testdb.Option) {
		l := newLeague(t, mode, testdb.MaxConns(1))
		rs := stored(t, l, "a", "b", "c")
		u := unit.New()
		everything(u, rs)
		ks := []ticket{{Label: "a"}, {Label: "b"}}
		ss := []stub{{Seat: 1}, {Seat: 2}}
		for i, id := range unit.CreateMany(u, tickets, ks) {
			unit.Create(u, stubs, &ss[i], unit.Refer(stubTicket, id))
		}
		unit.Create(u, tiles, &tile{1, 2, "t"})
		_, err := u.Flush(t.Context(), l.Pool)
		check.NoError(t, err)
		check.Equal(t, "reports", text(t, l, state, "reports"), written)
		if ss[1].Ticket != ks[1].ID || !ss[0].ID.Valid {
			t.Errorf("%+v %+v", ks, ss)
		}
		unit.Patch(u, tiles, tileKey{1, 2}, tileLabel.Set("u"))
		unit.Patch(u, tiles, tileKey{1, 3}, tileLabel.Set("u"))
		_, err = u.Flush(t.Context(), l.Pool)
		check.Error(t, "missing tile", err, smrt.ErrNotFound)
		check.Equal(t, "tiles", text(t, l, "label", "tiles"), "t")
	})
}

// TestMany proves that many rows of several tables are a few statements, and
// that each gets its own key.
func TestMany(t *testing.T) {
	l := newLeague(t)
	const n = 10_000
	rs, ns := make([]report, n), make([]note, 2*n)
	for i := range rs {
		rs[i].Slug = fmt.Sprint("slug ", i)
	}
	u := unit.New()
	ids := unit.CreateMany(u, reports, rs)
	for i := range ns {
		ns[i].Body = rs[i%n].Slug
		unit.Create(u, notes, &ns[i], unit.Refer(noteReport, ids[i%n]))
	}
	sum, err := u.Flush(t.Context(), l)
	check.NoError(t, err)
	check.Equal(t, "statements", sum.Statements, 2)
	check.Equal(t, "matches", one[int64](t, l, "SELECT count(*) FROM notes JOIN reports r ON r.id = report AND slug = body"), 2*n)
	for i := range ns {
		if ns[i].Report != rs[i%n].ID || ns[i].ID == 0 {
			t.Fatalf("note %d: %+v", i, ns[i])
		}
	}
	for i := range rs {
		rs[i].Rank = 8
		unit.Update(u, reports, &rs[i])
	}
	_, err = u.Flush(t.Context(), l)
	check.NoError(t, err)
	check.Equal(t, "updated", one[int64](t, l, "SELECT count(*) FROM reports WHERE rank = 8 AND version = 2"), n)
}

// TestRetry proves that a unit which fails for a reason that passes is applied
// once, and reads its entities again each time.
func TestRetry(t *testing.T) {
	l := newLeague(t)
	exec(t, l, `CREATE SEQUENCE attempts`)
	exec(t, l, `CREATE FUNCTION fails() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		IF nextval('attempts') < 3 THEN RAISE EXCEPTION 'conflict' USING ERRCODE = '40001'; END IF; RETURN NEW; END $$`)
	exec(t, l, `CREATE TRIGGER fails BEFORE INSERT ON notes FOR EACH ROW EXECUTE FUNCTION fails()`)
	u := unit.New()
	r, n := report{Slug: "r"}, note{Body: "n"}
	unit.Create(u, notes, &n, unit.Refer(noteReport, unit.Create(u, reports, &r)))
	sum, err := u.Flush(t.Context(), l)
	check.NoError(t, err)
	check.Equal(t, "attempts", sum.Attempts, 3)
	check.Equal(t, "rows", text(t, l, "slug || body", "notes JOIN reports r ON report = r.id"), "rn")
	check.Equal(t, "reference", n.Report, r.ID)

	exec(t, l, "SELECT setval('attempts', 1)")
	exec(t, l, "ALTER SEQUENCE attempts RESTART WITH 1")
	other := note{Body: "o", Report: r.ID}
	unit.Create(u, notes, &other)
	_, err = u.Flush(t.Context(), l, txn.Options{MaxAttempts: 1})
	check.Error(t, "no retries", err, smrt.ErrRetriesExhausted)
	check.Equal(t, "entity", other, note{Body: "o", Report: r.ID})
}

// TestIdleConnection sends a unit on a connection that the server has ended
// because it was idle for too long. That is known to have had no effect, whether
// the server's words are read, as in a partition, or writing fails; but in exec
// mode, where part of what was written might have arrived.
func TestIdleConnection(t *testing.T) {
	observer := newLeague(t)
	for what, o := range map[string]txn.Options{"plain": {}, "key": {Key: "k"}, "position": {TrackPosition: true}} {
		for _, words := range []bool{true, false} {
			l := newLeague(t, testdb.MaxConns(1))
			u := unit.New()
			unit.Create(u, vouchers, &voucher{Code: "first"})
			check.Value(u.Flush(t.Context(), l))(t) // prepares what is sent next
			var limit *string
			check.NoError(t, l.QueryRow(t.Context(), "SELECT current_setting('idle_session_timeout', true)").Scan(&limit))
			if limit == nil {
				t.Skip("the server has no idle_session_timeout")
			}
			var pid int
			check.NoError(t, l.QueryRow(t.Context(), "SELECT pg_backend_pid() FROM set_config('idle_session_timeout', '10', false)").Scan(&pid))
			for open := true; open; {
				check.NoError(t, observer.QueryRow(t.Context(), "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $1)", pid).Scan(&open))
			}
			var healed sync.WaitGroup
			if words {
				l.link.Partition()
				healed.Go(func() {
					for deadline := time.Now().Add(testdb.Patience(5 * time.Second)); time.Now().Before(deadline) && l.Stat().ConstructingConns() == 0; {
						time.Sleep(time.Millisecond)
					}
					l.link.Heal()
				})
			} else {
				l.link.Arm(testdb.Fault{Sent: 0, Received: -1})
			}
			unit.Create(u, vouchers, &voucher{Code: "second"})
			sum, err := u.Flush(t.Context(), l, o)
			healed.Wait()
			if l.Config().ConnConfig.DefaultQueryExecMode == pgx.QueryExecModeExec && !words && o.Key == "" {
				// pgx does not say how much of the batch was written.
				check.Error(t, what, err, smrt.ErrCommitUnknown)
				continue
			}
			if err != nil {
				t.Errorf("%s, words are read %v: %v", what, words, err)
			}
			check.Equal(t, what+": doubts", sum.Doubts, 0)
			check.Equal(t, what+": rows", text(t, l, "code", "vouchers"), "first second")
		}
	}
}

// TestConflicts proves that units which really conflict are applied once each.
func TestConflicts(t *testing.T) {
	l := newLeague(t)
	exec(t, l, "INSERT INTO vouchers VALUES ('a', 0)")
	var done sync.WaitGroup
	var failed atomic.Int64
	for range 8 {
		done.Go(func() {
			for range 10 {
				u := unit.New()
				unit.Patch(u, vouchers, "a", query.Add(uses, 1))
				unit.Create(u, events, &event{Message: "used"})
				if _, err := u.Flush(context.Background(), l, txn.Options{Isolation: pgx.Serializable, MaxAttempts: 1000, MaxElapsed: time.Minute}); err != nil {
					failed.Add(1)
					t.Log(err)
				}
			}
		})
	}
	done.Wait()
	check.Equal(t, "failed", failed.Load(), 0)
	check.Equal(t, "uses", one[int32](t, l, "SELECT uses FROM vouchers"), 80)
	check.Equal(t, "events", one[int64](t, l, "SELECT count(*) FROM events"), 80)
}

// TestLostCommit proves what is reported when the connection breaks while the
// unit is under way: without a key that it is not known, with one what happened.
func TestLostCommit(t *testing.T) {
	l := newLeague(t)
	var faults []testdb.Fault
	for n := 0; n < 1500; n += 97 {
		faults = append(faults, testdb.Fault{Sent: n, Received: -1})
	}
	for n := 0; n < 500; n += 23 {
		faults = append(faults, testdb.Fault{Sent: -1, Received: n})
	}
	unknown, found := 0, 0
	for _, fault := range faults {
		for _, key := range []string{"", "once"} {
			what := fmt.Sprintf("sent %d received %d key %q", fault.Sent, fault.Received, key)
			exec(t, l, "TRUNCATE reports, notes, badges, pins, events, smrt_txn_markers")
			u := unit.New()
			unit.Create(u, notes, &note{Body: "warm"}, unit.Refer(noteReport, unit.Create(u, reports, &report{Slug: "warm"})))
			_, err := u.Flush(t.Context(), l)
			check.NoError(t, err)
			r, n := report{Slug: "r"}, note{Body: "n"}
			unit.Create(u, notes, &n, unit.Refer(noteReport, unit.Create(u, reports, &r)))
			l.link.Arm(fault)
			_, err = u.Flush(t.Context(), l, txn.Options{Key: key})
			l.link.Disarm()
			var lost *unit.CommittedError
			stored := one[int64](t, l, "SELECT count(*) FROM notes WHERE body = 'n'")
			switch {
			case err == nil:
				check.Equal(t, what, stored, 1)
				if n.Report != r.ID || r.ID == 0 {
					t.Errorf("%s: %+v %+v", what, r, n)
				}
			case errors.As(err, &lost) && key != "":
				check.Equal(t, what, stored, 1)
				found++
			case errors.Is(err, smrt.ErrCommitUnknown) && key == "":
				check.Equal(t, what, u.Len(), 2)
				check.Equal(t, what, r, report{Slug: "r"})
				unknown++
			default:
				t.Errorf("%s: %v", what, err)
			}
		}
	}
	if unknown == 0 || found == 0 {
		t.Errorf("%d unknown, %d found out: nothing was proven", unknown, found)
	}
}

// TestCancel proves that a unit which is given up while it runs is stopped, and
// that what is reported is what happened.
func TestCancel(t *testing.T) {
	l := newLeague(t, testdb.MaxConns(2))
	exec(t, l, "INSERT INTO vouchers VALUES ('a', 0)")
	err := pgx.BeginFunc(t.Context(), l, func(tx pgx.Tx) error { // holds the row
		exec(t, tx, "UPDATE vouchers SET uses = 1")
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		u := unit.New()
		unit.Patch(u, vouchers, "a", query.Add(uses, 1))
		flushed := make(chan error, 1)
		go func() {
			_, err := u.Flush(ctx, l)
			flushed <- err
		}()
		start := time.Now()
		for one[int64](t, tx, `SELECT count(*) FROM pg_stat_activity
			WHERE datname = current_database() AND wait_event_type = 'Lock'`) == 0 {
			exec(t, tx, "SELECT pg_sleep(0.001), pg_stat_clear_snapshot()")
			if time.Since(start) > testdb.Patience(10*time.Second) {
				t.Fatal("the unit does not wait for the row")
			}
		}
		start = time.Now()
		cancel()
		err := <-flushed
		check.Error(t, "given up", err, context.Canceled)
		if errors.Is(err, smrt.ErrCommitUnknown) || time.Since(start) > testdb.Patience(3*time.Second) {
			t.Errorf("after %s: %v", time.Since(start), err)
		}
		return nil
	})
	check.NoError(t, err)
	check.Equal(t, "uses", one[int32](t, l, "SELECT uses FROM vouchers"), 1)
	for i := range 200 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i)*5*time.Microsecond)
		u := unit.New()
		unit.Create(u, events, &event{Message: fmt.Sprint(i)})
		_, err := u.Flush(ctx, l)
		cancel()
		if errors.Is(err, smrt.ErrCommitUnknown) {
			t.Errorf("unknown: %v", err)
		}
		check.Equal(t, fmt.Sprint(i, err), one[int64](t, l, "SELECT count(*) FROM events WHERE message = $1", fmt.Sprint(i)) == 1, err == nil)
	}
}

// TestRolledBack proves that a joined transaction which is rolled back, or
// repeated, gives unit and entities back what they had.
func TestRolledBack(t *testing.T) {
	l := newLeague(t)
	u := unit.New()
	r, n := report{Slug: "r"}, note{Body: "n"}
	unit.Create(u, notes, &n, unit.Refer(noteReport, unit.Create(u, reports, &r)))
	own := errors.New("own")
	err := txn.Run(t.Context(), l.Pool, func(ctx context.Context, tx pgx.Tx) error {
		if _, err := u.Flush(ctx, tx); err != nil {
			return err
		}
		if r.ID == 0 || n.Report != r.ID || u.Len() != 0 {
			t.Errorf("inside: %+v %+v", r, n)
		}
		return own
	})
	check.Error(t, "rolled back", err, own)
	check.Equal(t, "report", r, report{Slug: "r"})
	check.Equal(t, "note", n, note{Body: "n"})
	check.Equal(t, "left", u.Len(), 2)
	attempts := 0
	err = txn.Run(t.Context(), l.Pool, func(ctx context.Context, tx pgx.Tx) error {
		if _, err := u.Flush(ctx, tx); err != nil {
			return err
		}
		if attempts++; attempts < 3 {
			return &pgconn.PgError{Code: "40001"}
		}
		return nil
	})
	check.NoError(t, err)
	check.Equal(t, "attempts", attempts, 3)
	check.Equal(t, "rows", text(t, l, "slug || body", "notes JOIN reports r ON report = r.id"), "rn")
	check.Equal(t, "reference", n.Report, r.ID)
}

// TestRolledBackToASavepoint flushes again what a savepoint has undone: in the
// same transaction, before it ends.
func TestRolledBackToASavepoint(t *testing.T) {
	l := newLeague(t)
	u := unit.New()
	r := report{Slug: "r"}
	unit.Create(u, reports, &r)
	own := errors.New("own")
	check.NoError(t, txn.Run(t.Context(), l.Pool, func(ctx context.Context, tx pgx.Tx) error {
		err := txn.Run(ctx, tx, func(ctx context.Context, tx pgx.Tx) error {
			if _, err := u.Flush(ctx, tx); err != nil {
				return err
			}
			return own
		}, txn.Options{Nested: txn.Savepoint})
		check.Error(t, "savepoint", err, own)
		check.Equal(t, "report", r, report{Slug: "r"})
		check.Equal(t, "left", u.Len(), 1)
		_, err = u.Flush(ctx, tx)
		return err
	}))
	check.Equal(t, "left", u.Len(), 0)
	check.Equal(t, "rows", text(t, l, "slug || id", "reports"), fmt.Sprintf("r%d", r.ID))
}

// TestBadCalls proves which calls are refused before anything is sent.
func TestBadCalls(t *testing.T) {
	l := newLeague(t)
	u := unit.New()
	unit.Create(u, events, &event{Message: "x"})
	flush := func(ctx context.Context, db smrt.DB, o ...txn.Options) error {
		_, err := u.Flush(ctx, db, o...)
		return err
	}
	check.Error(t, "nil context", flush(nil, l), smrt.ErrNilContext) //nolint:staticcheck // that is the test
	check.Error(t, "nil handle", flush(t.Context(), nil), smrt.ErrBadOptions)
	check.Error(t, "two options", flush(t.Context(), l, txn.Options{}, txn.Options{}), smrt.ErrBadOptions)
	check.Error(t, "read-only", flush(t.Context(), l, txn.Options{ReadOnly: true}), smrt.ErrBadOptions)
	check.Error(t, "bad option", flush(t.Context(), l, txn.Options{MaxAttempts: -1}), smrt.ErrBadOptions)
	check.Equal(t, "sent", l.sent.Sends(), 0)
	c, err := l.Acquire(t.Context())
	check.NoError(t, err)
	defer c.Release()
	exec(t, c, "BEGIN")
	check.Error(t, "open transaction", flush(t.Context(), c), smrt.ErrTxOpen)
	exec(t, c, "ROLLBACK")
}

// TestFailsAtCommit proves that a constraint which is checked at COMMIT only
// undoes the unit, and is reported as what it is.
func TestFailsAtCommit(t *testing.T) {
	l := newLeague(t, testdb.MaxConns(1))
	exec(t, l, "ALTER TABLE pins ALTER CONSTRAINT pins_badge_fkey DEFERRABLE INITIALLY DEFERRED")
	u := unit.New()
	p := pin{Badge: 4711}
	unit.Create(u, pins, &p)
	_, err := u.Flush(t.Context(), l)
	check.Error(t, "at commit", err, smrt.ErrForeignKey)
	if errors.Is(err, smrt.ErrCommitUnknown) {
		t.Error(err)
	}
	check.Equal(t, "pin", p, pin{Badge: 4711})
	check.Equal(t, "stored", one[int64](t, l, "SELECT count(*) FROM pins"), 0)
}

// TestTableChanges proves that a table which changes under prepared statements
// is noticed, and the unit written all the same.
func TestTableChanges(t *testing.T) {
	l := newLeague(t, testdb.MaxConns(1))
	stored(t, l, "a", "b")
	rs := stored(t, l, "c", "d")
	exec(t, l, "ALTER TABLE reports DROP COLUMN doubled")
	exec(t, l, "ALTER TABLE reports ALTER rank TYPE bigint, ADD doubled bigint NOT NULL GENERATED ALWAYS AS (rank * 2) STORED")
	rs = append(rs, stored(t, l, "e", "f")...)
	u := unit.New()
	for i := range rs {
		rs[i].Rank = 3
		unit.Update(u, reports, &rs[i])
	}
	_, err := u.Flush(t.Context(), l)
	check.NoError(t, err)
	check.Equal(t, "reports", text(t, l, "slug || rank || doubled", "reports"), "a510 b510 c36 d36 e36 f36")
}

// TestReadBackMisfits proves that a result which does not fit its field is
// reported as what it is: the rows are there.
func TestReadBackMisfits(t *testing.T) {
	l := newLeague(t)
	exec(t, l, "CREATE TABLE drafts (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, title text, note text)")
	type draft struct {
		ID          int64
		Title, Note string
	}
	drafts := query.NewTable("drafts", func(d *draft) *int64 { return &d.ID }, query.Default(query.TextCol(func(d *draft) *string { return &d.Note })))
	d := draft{Title: "t"} // the default of note is NULL
	u := unit.New()
	unit.Create(u, drafts, &d)
	sum, err := u.Flush(t.Context(), l)
	var committed *unit.CommittedError
	if !errors.As(err, &committed) || !errors.Is(err, smrt.ErrNullValue) {
		t.Errorf("got %v", err)
	}
	check.Equal(t, "summary", sum.Rows(), 1)
	check.Equal(t, "entity", d, draft{Title: "t"})
	check.Equal(t, "left", u.Len(), 0)
	check.Equal(t, "stored", one[int64](t, l, "SELECT count(*) FROM drafts"), 1)
}
