package unit_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/handle"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/internal/wal"
	"github.com/smrt-go/smrt/txn"
	"github.com/smrt-go/smrt/unit"
)

// keeping is a pool that wants to know the positions of commits made on it, as
// a router of reads does.
type keeping struct {
	*pgxpool.Pool
	kept []smrt.Position
}

func (k *keeping) KeepCommits(context.Context) func(smrt.Position) {
	return func(p smrt.Position) { k.kept = append(k.kept, p) }
}

// family adds a report with notes.
func family(u *unit.Unit) (*report, []note) {
	r, ns := &report{Slug: "r"}, []note{{Body: "x"}, {Body: "y"}}
	unit.CreateMany(u, notes, ns, unit.Refer(noteReport, unit.Create(u, reports, r)))
	return r, ns
}

const emptySQL = "TRUNCATE reports, notes, badges, pins, events, smrt_txn_markers"

// TestPosition proves that the position of the commit costs no round trip, is
// handed over once, covers the commit and moves forward.
func TestPosition(t *testing.T) {
	l := newLeague(t, testdb.MaxConns(1))
	for what, db := range map[string]interface {
		smrt.DB
		handle.CommitKeeper
	}{
		"asynchronous": &keeping{Pool: l.Pool}, "synchronous": &keeping{Pool: l.Pool},
	} {
		exec(t, l, "SELECT set_config('synchronous_commit', $1, false)", map[bool]string{true: "off", false: "on"}[what == "asynchronous"])
		k := db.(*keeping)
		for _, o := range []txn.Options{{}, {Key: what}} {
			sends := 1
			if o.Key != "" {
				sends = 2
			}
			for round := range 2 { // the second time all is prepared
				exec(t, l, emptySQL)
				k.kept = nil
				before, err := wal.Now(t.Context(), l)
				check.NoError(t, err)
				u := unit.New()
				family(u)
				l.sent.Reset()
				sum, err := u.Flush(t.Context(), db, o)
				check.NoError(t, err)
				if round > 0 {
					check.Equal(t, what+": round trips", l.sent.Sends(), sends)
				}
				check.Equal(t, what+": handed over", k.kept, []smrt.Position{sum.Position})
				if p := sum.Position; p.LSN <= before.LSN || p.System != before.System || p.Timeline != before.Timeline {
					t.Errorf("%s: position %v after %v", what, p, before)
				}
			}
		}
		sent := l.sent.Statements()
		check.Equal(t, "around commit", sent[len(sent)-3:], []string{wal.AsyncSQL, "commit", wal.EndSQL})
	}
	for _, track := range []bool{false, true} {
		u := unit.New()
		unit.Create(u, events, &event{Message: "x"})
		l.sent.Reset()
		sum, err := u.Flush(t.Context(), l.Pool, txn.Options{TrackPosition: track})
		check.NoError(t, err)
		if track { // the first time the catalog is asked
			check.Equal(t, "round trips", l.sent.Sends(), 1)
		}
		check.Equal(t, "asked", slices.Contains(l.sent.Statements(), wal.EndSQL), track)
		check.Equal(t, "known", sum.Position.LSN > 0, track)
	}
}

// TestPositionOfDoubt proves that a commit which was in doubt, and then found
// out about, has a position that covers it.
func TestPositionOfDoubt(t *testing.T) {
	l := newLeague(t, testdb.MaxConns(1))
	k := &keeping{Pool: l.Pool}
	found := 0
	for n := 150; n < 600; n += 25 { // into the answers to the statements and to COMMIT
		exec(t, l, emptySQL)
		before, err := wal.Now(t.Context(), l)
		check.NoError(t, err)
		k.kept = nil
		u := unit.New()
		family(u)
		l.link.Arm(testdb.Fault{Sent: -1, Received: n})
		sum, err := u.Flush(t.Context(), k, txn.Options{Key: fmt.Sprint("once", n)})
		l.link.Disarm()
		var lost *unit.CommittedError
		if errors.As(err, &lost) {
			found++
		} else {
			check.NoError(t, err)
		}
		check.Equal(t, "handed over", k.kept, []smrt.Position{sum.Position})
		check.Equal(t, "later", sum.Position.LSN > before.LSN, true)
	}
	if found == 0 {
		t.Error("no commit was in doubt: nothing was proven")
	}
}

// TestNotReplicated proves that a unit which is given up while it waits for a
// synchronous standby is reported as committed, and as not replicated.
func TestNotReplicated(t *testing.T) {
	server := testdb.Primary(t, testdb.Config{Settings: map[string]string{"synchronous_standby_names": "nobody"}})
	cfg, err := pgxpool.ParseConfig(server.DSN("postgres"))
	check.NoError(t, err)
	cfg.ConnConfig.OnNotice = txn.WatchCommits(cfg.ConnConfig.OnNotice)
	pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
	check.NoError(t, err)
	defer pool.Close()
	exec(t, pool, "SET synchronous_commit = local; CREATE TABLE vouchers (code text PRIMARY KEY, uses integer NOT NULL)")
	pool.Reset()
	ctx, cancel := context.WithCancel(t.Context())
	go func() { // give up once the commit waits for the standby
		defer cancel()
		for waiting := false; !waiting && t.Context().Err() == nil; time.Sleep(5 * time.Millisecond) {
			waiting = one[bool](t, pool, "SELECT EXISTS (SELECT 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep')")
		}
	}()
	u := unit.New()
	unit.Create(u, vouchers, &voucher{Code: "x"})
	sum, err := u.Flush(ctx, pool)
	check.NoError(t, err)
	check.Equal(t, "given up", ctx.Err(), context.Canceled)
	check.Equal(t, "not replicated", sum.NotReplicated, true)
	check.Equal(t, "vouchers", one[int64](t, pool, "SELECT count(*) FROM vouchers"), 1)
}

// TestPositionOfFailure proves that nothing is handed over of a unit that was
// not committed.
func TestPositionOfFailure(t *testing.T) {
	l := newLeague(t)
	exec(t, l, "ALTER TABLE pins ALTER CONSTRAINT pins_badge_fkey DEFERRABLE INITIALLY DEFERRED")
	k := &keeping{Pool: l.Pool}
	for what, add := range map[string]func(u *unit.Unit){
		"statement": func(u *unit.Unit) { unit.Create(u, vouchers, &voucher{Code: "x", Uses: -1}) },
		"stale row": func(u *unit.Unit) { unit.Delete(u, vouchers, "nobody") },
		"commit":    func(u *unit.Unit) { unit.Create(u, pins, &pin{Badge: 4711}) },
	} {
		u := unit.New()
		add(u)
		sum, err := u.Flush(t.Context(), k)
		if err == nil || errors.Is(err, smrt.ErrCommitUnknown) {
			t.Errorf("%s: %v", what, err)
		}
		check.Equal(t, what, sum.Position, smrt.Position{})
	}
	check.Equal(t, "handed over", len(k.kept), 0)
}

// TestPositionIsNotTold proves that a unit is committed, and reported as such,
// where the server does not tell the position; and that it is asked once.
func TestPositionIsNotTold(t *testing.T) {
	l := newLeague(t, testdb.MaxConns(1))
	exec(t, l, "REVOKE EXECUTE ON FUNCTION pg_control_system FROM public")
	exec(t, l, "DO $$ BEGIN CREATE ROLE unit_stranger; EXCEPTION WHEN duplicate_object THEN END $$")
	exec(t, l, "GRANT INSERT, SELECT ON ALL TABLES IN SCHEMA public TO unit_stranger")
	exec(t, l, "SET SESSION AUTHORIZATION unit_stranger")
	k := &keeping{Pool: l.Pool}
	for round := range 2 {
		r, ns := report{Slug: fmt.Sprint(round)}, []note{{Body: "x"}}
		u := unit.New()
		unit.CreateMany(u, notes, ns, unit.Refer(noteReport, unit.Create(u, reports, &r)))
		l.sent.Reset()
		sum, err := u.Flush(t.Context(), k)
		check.NoError(t, err)
		check.Equal(t, "position", sum.Position, smrt.Position{})
		if round > 0 {
			check.Equal(t, "round trips", l.sent.Sends(), 1)
		}
		check.Equal(t, "asked", strings.Contains(strings.Join(l.sent.Statements(), ";"), wal.EndSQL), round == 0)
		if ns[0].ID == 0 || ns[0].Report != r.ID {
			t.Errorf("%+v %+v", r, ns)
		}
	}
	check.Equal(t, "handed over", k.kept, make([]smrt.Position, 2)) // it is not known, which is news too
	exec(t, l, "RESET SESSION AUTHORIZATION")
	check.Equal(t, "notes", one[int64](t, l, "SELECT count(*) FROM notes"), 2)
}

// TestPositionUnprepared proves that a unit is written where the statement that
// asks for the position cannot even be prepared.
func TestPositionUnprepared(t *testing.T) {
	l := newLeague(t, testdb.Direct())
	exec(t, l, "CREATE FUNCTION public.pg_control_system(OUT id int) LANGUAGE sql AS 'SELECT 1'")
	path := "ALTER DATABASE " + pgx.Identifier{l.Config().ConnConfig.Database}.Sanitize() + " SET search_path = public, pg_catalog"
	exec(t, l, path)
	l.Reset()
	k := &keeping{Pool: l.Pool}
	for _, o := range []txn.Options{{}, {Key: "once"}} {
		u := unit.New()
		unit.Create(u, events, &event{Message: "x"})
		l.sent.Reset()
		sum, err := u.Flush(t.Context(), k, o)
		check.NoError(t, err)
		check.Equal(t, "position", sum.Position, smrt.Position{})
		if !slices.Contains(l.sent.Statements(), wal.EndSQL) {
			t.Error("was not asked: nothing was proven")
		}
	}
	check.Equal(t, "events", one[int64](t, l, "SELECT count(*) FROM events"), 2)
}

// alone waits until no other connection to the database is left: a server that
// lost its client may yet be about to commit.
func alone(t *testing.T, l *league) {
	t.Helper()
	const others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
	for begin := time.Now(); one[int64](t, l, others) > 0; time.Sleep(time.Millisecond) {
		if time.Since(begin) > testdb.Patience(10*time.Second) {
			t.Fatal("a connection that was cut is still there")
		}
	}
}

// TestCutAtEveryByte cuts the connection behind every byte of a unit whose
// position is wanted, each seventeenth one where tests do not run at full size, in
// both directions, and proves that what is reported is what happened, and that a
// commit which was answered is never in doubt.
func TestCutAtEveryByte(t *testing.T) {
	l := newLeague(t, testdb.MaxConns(1))
	k := &keeping{Pool: l.Pool}
	flush := func() (*report, []note, *unit.Unit, unit.Summary, error) {
		u := unit.New()
		r, ns := family(u)
		sum, err := u.Flush(t.Context(), k)
		return r, ns, u, sum, err
	}
	counts := map[string]int{}
	cut := func(what string, f testdb.Fault) (happened bool) {
		exec(t, l, "DELETE FROM notes")
		exec(t, l, "DELETE FROM reports")
		warm := unit.New()
		warm.Then() // nothing is to be prepared under the fault
		family(warm)
		_, err := warm.Flush(t.Context(), k)
		check.NoError(t, err)
		exec(t, l, "DELETE FROM notes")
		exec(t, l, "DELETE FROM reports")
		k.kept = nil
		l.link.Arm(f)
		r, ns, u, sum, err := flush()
		happened = l.link.Disarm()
		alone(t, l)
		stored := one[int64](t, l, "SELECT count(*) FROM notes JOIN reports r ON r.id = report")
		switch {
		case err == nil:
			check.Equal(t, what+": reported as written", stored, 2)
			if r.ID == 0 || ns[1].Report != r.ID || u.Len() != 0 {
				t.Errorf("%s: %+v %+v", what, r, ns)
			}
			if sum.Position.IsZero() || len(k.kept) != 1 || k.kept[0] != sum.Position {
				t.Errorf("%s: position %v, handed over %v", what, sum.Position, k.kept)
			}
			counts["written"]++
			if happened {
				counts["cut behind the answer to commit"]++
			}
		case errors.Is(err, smrt.ErrCommitUnknown):
			if stored != 0 && stored != 2 {
				t.Errorf("%s: %d notes", what, stored)
			}
			check.Equal(t, what+": left in the unit", u.Len(), 3)
			check.Equal(t, what+": entity", *r, report{Slug: "r"})
			check.Equal(t, what+": handed over", len(k.kept), 0)
			counts[fmt.Sprint("unknown, written ", stored == 2)]++
		default:
			check.Equal(t, fmt.Sprint(what, ": reported as failed: ", err), stored, 0)
			counts["failed"]++
		}
		if t.Failed() {
			t.FailNow()
		}
		return happened
	}
	every := 17
	if check.Long() {
		every = 1
	}
	for _, direction := range []string{"sent", "received"} {
		for n := 0; ; n += every {
			f := testdb.Fault{Sent: n, Received: -1}
			if direction == "received" {
				f = testdb.Fault{Sent: -1, Received: n}
			}
			if !cut(fmt.Sprint(direction, " ", n), f) {
				counts[direction] = n
				break
			}
		}
	}
	t.Log(counts)
	// The position and the end of the round trip are 92 bytes, of which none may matter.
	if n := counts["cut behind the answer to commit"] * every; n < 80 {
		t.Errorf("only %d bytes behind the answer to commit are of no matter", n)
	}
	for _, what := range []string{"cut behind the answer to commit", "unknown, written false", "unknown, written true"} {
		if counts[what] == 0 {
			t.Errorf("no unit was %s: nothing was proven of it", what)
		}
	}
}
