//go:build unix

package testdb_test

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
)

func linked(t *testing.T) (*pgxpool.Pool, *testdb.Link) {
	t.Helper()
	var link *testdb.Link
	pool := testdb.Pool(t, items, testdb.MaxConns(1), testdb.Configure(func(cfg *pgxpool.Config) {
		link = testdb.LinkConnections(cfg)
	}))
	return pool, link
}

// A delay is paid once for each round trip, whatever it carries.
func TestLinkDelays(t *testing.T) {
	pool, link := linked(t)
	batch := func() {
		b := &pgx.Batch{}
		for range 5 {
			b.Queue("select 1")
		}
		if err := pool.SendBatch(t.Context(), b).Close(); err != nil {
			t.Fatal(err)
		}
	}
	batch() // prepared
	link.Delay(20 * time.Millisecond)
	check.Faster(t, "a round trip of 20 ms", 39*time.Millisecond, func() {
		start := time.Now()
		batch()
		if took := time.Since(start); took < 20*time.Millisecond {
			t.Errorf("a round trip took %v, want 20ms", took)
		}
	})
	slow := testdb.Pool(t, items, testdb.Latency(10*time.Millisecond))
	start := time.Now()
	queryOne[int](t, slow, "select 1")
	if took := time.Since(start); took < 20*time.Millisecond {
		t.Errorf("connecting and asking took %v, want more than two round trips", took)
	}
}

// A commit can be cut, replaced, and its answer forged; the fault happens once.
func TestLinkFaults(t *testing.T) {
	pool, link := linked(t)
	ctx := t.Context()
	id := 100
	insert := func() error {
		id++
		return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
			_, err := tx.Exec(ctx, "insert into items values ($1, 'x')", id)
			return err
		})
	}
	for what, c := range map[string]struct {
		fault testdb.Fault
		fails bool
		there bool
	}{
		"answer lost": {testdb.Fault{}, true, true},
		"withheld":    {testdb.Fault{Withhold: true}, true, false},
		"instead":     {testdb.Fault{Instead: "rollback"}, true, false},
		"forged": {testdb.Fault{Instead: "rollback", Answer: func([]byte) []byte {
			return append([]byte("C\x00\x00\x00\x0bCOMMIT\x00"), 'Z', 0, 0, 0, 5, 'I')
		}}, false, false},
		"passed on": {testdb.Fault{Answer: func(a []byte) []byte { return a }}, false, true},
	} {
		c.fault.Sent, c.fault.Received, c.fault.Statement = -1, -1, "commit"
		link.Arm(c.fault)
		err := insert()
		if (err != nil) != c.fails || !link.Disarm() {
			t.Errorf("%s: got %v", what, err)
		}
		if there := queryOne[bool](t, pool, "select exists (select from items where id = $1)", id); there != c.there {
			t.Errorf("%s: the row is there: %v, want %v", what, there, c.there)
		}
		if err := insert(); err != nil {
			t.Errorf("%s: the fault happened again: %v", what, err)
		}
	}
}

// A connection can be cut after any number of bytes.
func TestLinkCutsBytes(t *testing.T) {
	pool, link := linked(t)
	for _, f := range []testdb.Fault{{Sent: 3, Received: -1}, {Sent: -1, Received: 3}, {Sent: 0, Received: -1}, {Sent: -1, Received: 0}} {
		queryOne[int](t, pool, "select $1::int", 1)
		link.Arm(f)
		var n int
		if err := pool.QueryRow(t.Context(), "select $1::int", 1).Scan(&n); err == nil || errors.Is(err, pgx.ErrNoRows) {
			t.Errorf("%+v: got %v", f, err)
		}
		if !link.Disarm() {
			t.Errorf("%+v: did not happen", f)
		}
	}
	link.Arm(testdb.Fault{Sent: 1 << 20, Received: 1 << 20})
	queryOne[int](t, pool, "select $1::int", 1)
	if link.Disarm() {
		t.Error("a fault far away happened")
	}
}

// In a partition nobody hears anything, on old and on new connections, and healed everything goes on.
func TestLinkPartition(t *testing.T) {
	server := testdb.Primary(t, testdb.Config{})
	cfg, err := pgxpool.ParseConfig(server.DSN("postgres"))
	check.NoError(t, err)
	cfg.MaxConns = 1
	var dials atomic.Int32
	dial := cfg.ConnConfig.DialFunc
	cfg.ConnConfig.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		dials.Add(1)
		return dial(ctx, network, address)
	}
	link := testdb.LinkConnections(cfg)
	pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
	check.NoError(t, err)
	defer pool.Close()
	before := queryOne[int](t, pool, backendPID)

	link.Partition()
	// The first attempt is on the old connection, and gives it up; the next one needs a new connection.
	for _, what := range []string{"an old connection", "a new connection"} {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		_, err := pool.Exec(ctx, "create table lost ()")
		cancel()
		check.Error(t, what, err, context.DeadlineExceeded)
	}
	waiting := make(chan int, 1)
	go func() {
		var pid int
		if err := pool.QueryRow(t.Context(), backendPID).Scan(&pid); err != nil {
			t.Error(err)
		}
		waiting <- pid
	}()
	select {
	case <-waiting:
		t.Fatal("the partition lets answers pass")
	case <-time.After(50 * time.Millisecond):
	}
	check.Same(t, "connections made", dials.Load(), 1)
	check.Same(t, "the server answers others", queryOne[int](t, connect(t, server, "postgres"), "select 1"), 1)
	link.Heal()
	if after := <-waiting; after == before {
		t.Errorf("the connection that had been given up is used again")
	}
}

// Who waits long enough is answered after a partition on the connection from before.
func TestLinkPartitionIsOutwaited(t *testing.T) {
	pool, link := linked(t)
	before := queryOne[int](t, pool, backendPID)
	link.Partition()
	time.AfterFunc(100*time.Millisecond, link.Heal)
	start := time.Now()
	check.Same(t, "connection", queryOne[int](t, pool, backendPID), before)
	if took := time.Since(start); took < 90*time.Millisecond {
		t.Errorf("answered after %v, before the partition was healed", took)
	}
}
