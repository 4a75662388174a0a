package observe_test

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
	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/observe"
	"github.com/smrt-go/smrt/pool"
	"github.com/smrt-go/smrt/txn"
	"github.com/smrt-go/smrt/unit"
)

// ending is a transaction, and how it is to be counted: how many began, how each ended, the
// SQLSTATE of those that were rolled back, and why they were tried again.
type ending struct {
	what string
	do   func(context.Context, *pool.Pool, *testdb.Link) error
	ends []string // of each that began
	also string   // what else is to be in its only event
}

// once fails with a conflict the first time that a row of categories has this slug. The
// server counts it outside of transactions.
func once(slug string) []string {
	return []string{
		"CREATE SEQUENCE tries_" + slug,
		"CREATE FUNCTION once_" + slug + "() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF nextval('tries_" + slug + "') = 1 THEN " +
			"RAISE EXCEPTION 'again' USING ERRCODE = '40001'; END IF; RETURN new; END $$",
		"CREATE TRIGGER once_" + slug + " BEFORE INSERT ON categories FOR EACH ROW WHEN (new.slug = '" + slug + "') EXECUTE FUNCTION once_" + slug + "()",
	}
}

// last ends its session while COMMIT runs, if a row has this slug.
var last = []string{
	"CREATE FUNCTION last() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$",
	"CREATE CONSTRAINT TRIGGER last AFTER INSERT ON categories DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (new.slug = 'last') EXECUTE FUNCTION last()",
}

// statement is a closure that sends a text.
func statement(sql string) txn.Func {
	return func(ctx context.Context, tx pgx.Tx) error { _, err := tx.Exec(ctx, sql); return err }
}

// lose lets the answer to COMMIT be lost.
var lose = testdb.Fault{Sent: -1, Received: -1, Statement: "commit"}

// sent returns the error of a batch.
func sent(ctx context.Context, p *pool.Pool, texts ...string) error {
	var b pgx.Batch
	for _, sql := range texts {
		b.Queue(sql)
	}
	return p.SendBatch(ctx, &b).Close()
}

// flushed creates a category by a unit.
func flushed(ctx context.Context, p *pool.Pool, slug string) error {
	u, c := unit.New(), category(slug)
	unit.Create(u, shop.Categories, &c)
	_, err := u.Flush(ctx, p)
	return err
}

// endings are transactions of many kinds.
var endings = []ending{
	{"run", func(ctx context.Context, p *pool.Pool, _ *testdb.Link) error {
		return txn.Run(ctx, p, statement("SELECT 1"))
	}, []string{"committed"}, ""},
	{"with its position", func(ctx context.Context, p *pool.Pool, _ *testdb.Link) error {
		return txn.Run(ctx, p, statement("SELECT 1"), txn.Options{TrackPosition: true})
	}, []string{"committed"}, ""},
	{"given up", func(ctx context.Context, p *pool.Pool, _ *testdb.Link) error {
		return want(errOops, txn.Run(ctx, p, func(context.Context, pgx.Tx) error { return errOops }))
	}, []string{"rolled back"}, "ok"},
	{"with an error", func(ctx context.Context, p *pool.Pool, _ *testdb.Link) error {
		return wantSome(txn.Run(ctx, p, statement("SELECT 1/0")))
	}, []string{"rolled back"}, "failed 22012"},
	{"by hand", func(ctx context.Context, p *pool.Pool, _ *testdb.Link) error {
		return pgx.BeginFunc(ctx, p, func(tx pgx.Tx) error { return statement("SELECT 1")(ctx, tx) })
	}, []string{"committed"}, ""},
	{"whose error was ignored", func(ctx context.Context, p *pool.Pool, _ *testdb.Link) error {
		return want(pgx.ErrTxCommitRollback, pgx.BeginFunc(ctx, p, func(tx pgx.Tx) error {
			_ = statement("SELECT 1/0")(ctx, tx)
			return nil
		}))
	}, []string{"rolled back"}, "failed 22012"},
	{"of a unit", func(ctx context.Context, p *pool.Pool, _ *testdb.Link) error { return flushed(ctx, p, "a") }, []string{"committed"}, ""},
	{"of a unit that fails", func(ctx context.Context, p *pool.Pool, _ *testdb.Link) error {
		return wantSome(flushed(ctx, p, "a")) // which is there
	}, []string{"rolled back"}, "failed 23505"},
	{"in a batch", func(ctx context.Context, p *pool.Pool, _ *testdb.Link) error {
		return sent(ctx, p, "BEGIN", "SELECT 1", "SAVEPOINT s", "ROLLBACK TO s", "COMMIT")
	}, []string{"committed"}, ""},
	{"two in a batch", func(ctx context.Context, p *pool.Pool, _ *testdb.Link) error {
		return sent(ctx, p, "begin", "SELECT 1", "ROLLBACK", "begin", "commit")
	}, []string{"rolled back", "committed"}, ""},
	{"with a conflict", func(ctx context.Context, p *pool.Pool, _ *testdb.Link) error {
		return txn.Run(ctx, p, statement("INSERT INTO categories (slug, name) VALUES ('once', 'x')"))
	}, []string{"rolled back", "committed, again after 40001"}, ""},
	{"of a unit with a conflict", func(ctx context.Context, p *pool.Pool, _ *testdb.Link) error { return flushed(ctx, p, "unit") }, []string{"rolled back", "committed, again after 40001"}, ""},
	{"whose connection is lost", func(ctx context.Context, p *pool.Pool, _ *testdb.Link) error {
		return wantSome(txn.Run(ctx, p, statement("SELECT pg_terminate_backend(pg_backend_pid())"), txn.Options{MaxAttempts: 1}))
	}, []string{"rolled back"}, "failed 57P01"},
	{"in doubt", func(ctx context.Context, p *pool.Pool, l *testdb.Link) error {
		return want(smrt.ErrCommitUnknown, txn.Run(ctx, p, func(ctx context.Context, tx pgx.Tx) error {
			l.Arm(lose)
			return statement("SELECT 1")(ctx, tx)
		}))
	}, []string{"in doubt"}, "failed"},
	{"by hand in doubt", func(ctx context.Context, p *pool.Pool, l *testdb.Link) error {
		for _, text := range []string{"COMMIT", "commit;", "-- done\nEND", "SELECT 1; COMMIT WORK"} {
			tx, err := p.Begin(ctx)
			if err != nil {
				return err
			}
			l.Arm(testdb.Fault{Sent: -1, Received: -1, Statement: text})
			_, err = tx.Exec(ctx, text)
			_ = tx.Rollback(ctx)
			if err := wantSome(err); err != nil {
				return err
			}
		}
		return nil
	}, []string{"in doubt", "in doubt", "in doubt", "in doubt"}, "failed"},
	{"of a unit in doubt", func(ctx context.Context, p *pool.Pool, _ *testdb.Link) error {
		return want(smrt.ErrCommitUnknown, flushed(ctx, p, "last"))
	}, []string{"in doubt"}, "failed 57P01"},
}

// want returns nil if err is the one that is wanted.
func want(wanted, err error) error {
	if errors.Is(err, wanted) {
		return nil
	}
	return fmt.Errorf("got %w, want %w", err, wanted)
}

// wantSome is want for any error.
func wantSome(err error) error {
	if err == nil {
		return errors.New("no error")
	}
	return nil
}

// how describes the event of a transaction.
func how(e *observe.Event) string {
	s := map[string]string{"commit": "committed", "rollback": "rolled back"}[e.Name.Operation]
	if e.Name.Operation == "commit" && e.Outcome != observe.OK {
		s = "in doubt"
	}
	if e.Tries > 1 {
		s += ", again after " + e.Cause
	}
	return s
}

// TestTransactionsAreCounted: each transaction is one event, and is counted by how it ended,
// whoever began it and in however many round trips.
func TestTransactionsAreCounted(t *testing.T) {
	t.Parallel()
	var link *testdb.Link
	j := &journal{}
	o := newObserver(t, observe.Config{Hooks: []observe.Hook{j}})
	below := unobserved(t)
	mode := below.Config().ConnConfig.DefaultQueryExecMode
	p := check.Value(pool.Open(t.Context(), pool.Config{
		URL: below.Config().ConnString(), Profile: pool.Test, MaxConns: 1,
		Configure: func(c *pgxpool.Config) {
			c.ConnConfig.DefaultQueryExecMode = mode
			link = testdb.LinkConnections(c)
			o.Configure(c)
		},
	}))(t)
	t.Cleanup(p.Close)
	for _, sql := range slices.Concat(once("once"), once("unit"), last) {
		check.Value(below.Exec(t.Context(), sql))(t)
	}
	var sums observe.Transactions
	o.Reset()
	j.take()
	for _, c := range endings {
		if err := c.do(t.Context(), p, link); err != nil {
			t.Errorf("%s: %v", c.what, err)
		}
		var got []string
		for _, e := range j.take() {
			if e.Kind != observe.Transaction {
				continue
			}
			got = append(got, how(&e))
			if what := e.Outcome.String(); c.also != "" {
				if e.SQLState != "" {
					what += " " + e.SQLState
				}
				check.Same(t, c.what+": outcome", what, c.also)
			}
			add(&sums, &e)
		}
		check.Equal(t, c.what, got, c.ends)
	}
	checkPageOf(t, o, &sums)
	now := o.Snapshot().Transactions
	times := now.Times.Count()
	now.Times = observe.Histogram{}
	check.Equal(t, "sums", now, sums)
	check.Same(t, "times", times, sums.Begun)
	check.Same(t, "tried again", sums.Retried["40001"], 2)
	o.Reset()
	check.Same(t, "after Reset", o.Snapshot().Transactions.Begun, 0)
}

// checkPageOf looks at what the page shows of transactions that have ended: the sums, and
// those of which somebody wants to know.
func checkPageOf(t *testing.T, o *observe.Observer, sums *observe.Transactions) {
	t.Helper()
	h := handler(t, o, observe.PageConfig{})
	held := read(t, h, "/").Transactions
	check.Same(t, "page: begun", held.Begun, sums.Begun)
	check.Same(t, "page: open", held.Open, 0)
	check.Same(t, "page: in doubt", held.InDoubt, sums.InDoubt)
	check.Equal(t, "page: retried", held.Retried, sums.Retried)
	var got []string
	for _, r := range held.Recent {
		if r.Ending != "committed" || r.Attempt > 1 { // else it was slow
			got = append(got, strings.TrimSpace(fmt.Sprint(r.Ending, " ", r.Outcome, " ", r.SQLState, " ", r.Attempt, " ", r.Cause)))
		}
	}
	for _, want := range []string{
		"in doubt failed  1", "rolled back failed 57P01 1", "committed ok  2 40001", "rolled back failed 40001 1", "rolled back failed 23505 1",
	} {
		if !slices.Contains(got, want) {
			t.Errorf("the page does not have %q among %q", want, got)
		}
	}
	if body := get(h, local("/")).Body.String(); !strings.Contains(body, `<span class="tag bad">in doubt</span>`) || !strings.Contains(body, "2 after 40001") {
		t.Error("the page in HTML does not show a commit in doubt, or a further attempt")
	}
}

// add adds the event of a transaction to the sums that a snapshot should have.
func add(sums *observe.Transactions, e *observe.Event) {
	sums.Begun++
	switch how(&observe.Event{Name: e.Name, Outcome: e.Outcome}) {
	case "committed":
		sums.Committed++
	case "rolled back":
		sums.RolledBack++
	default:
		sums.InDoubt++
	}
	if e.Tries > 1 {
		if sums.Retried == nil {
			sums.Retried = map[string]uint64{}
		}
		sums.Retried[e.Cause]++
	}
	sums.Open += e.Server + e.Held
	sums.Idle += e.Held
}

// TestIdleTransactions: what the program does between two calls of a transaction is idle
// time, and what the server does is not.
func TestIdleTransactions(t *testing.T) {
	t.Parallel()
	o, _, p := observedPool(t, observe.Config{}, 1)
	const pause = 20 * time.Millisecond
	o.Reset()
	check.NoError(t, txn.Run(t.Context(), p, func(ctx context.Context, tx pgx.Tx) error {
		time.Sleep(pause)
		return statement("SELECT pg_sleep(0.02)")(ctx, tx)
	}))
	all := o.Snapshot().Transactions
	if all.Idle < pause || all.Open-all.Idle < pause {
		t.Errorf("open for %v, idle for %v of it", all.Open, all.Idle)
	}
}
