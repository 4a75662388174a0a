package observe_test

import (
	"context"
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
)

// TestRunsAgain: what the pool runs again because a plan was stale is one call, and
// the second event says so.
func TestRunsAgain(t *testing.T) {
	t.Parallel()
	if testdb.ExecModeName() != "cache_statement" {
		t.Skip("plans are stale where they are kept")
	}
	ctx := t.Context()
	o, j, p := observedPool(t, observe.Config{}, 1)
	const star = "SELECT * FROM categories WHERE id = $1"
	read := func() {
		rows := check.Value(p.Query(ctx, star, 1))(t)
		rows.Close()
		check.NoError(t, rows.Err())
	}
	read()
	admin := check.Value(pgx.Connect(ctx, p.Config().ConnString()))(t)
	defer admin.Close(context.Background())
	_, err := admin.Exec(ctx, "ALTER TABLE categories ADD COLUMN more int")
	check.NoError(t, err)
	j.take()
	read()
	events := j.take()
	check.Same(t, "events", len(events), 2)
	check.Same(t, "first run", events[0].Run, 1)
	check.Same(t, "SQLSTATE of the first", events[0].SQLState, "0A000")
	check.Same(t, "second run", events[1].Run, 2)
	check.Same(t, "outcome of the second", events[1].Outcome, observe.OK)
	for _, s := range o.Snapshot().Shapes {
		if s.SQL == star {
			check.Same(t, "calls", s.Calls, 2)
			check.Same(t, "runs besides", s.Again, 1)
		}
	}
	read()
	check.Same(t, "run of the next call", j.take()[0].Run, 1)
}

// TestRefused: what the pool refuses is no error of the server.
func TestRefused(t *testing.T) {
	t.Parallel()
	j := &journal{}
	o := newObserver(t, observe.Config{Hooks: []observe.Hook{j}})
	url := unobserved(t).Config().ConnString()
	p := check.Value(pool.Open(t.Context(), pool.Config{URL: url, MaxConns: 1, Mode: pool.Transaction, Configure: o.Configure}))(t)
	defer p.Close()
	j.take()
	before := o.Snapshot().Total()
	_, err := p.Exec(t.Context(), "LISTEN news")
	check.Error(t, "LISTEN through a pooler", err, smrt.ErrPoolerMode)
	events := j.take()
	check.Same(t, "events", len(events), 1)
	check.Same(t, "outcome", events[0].Outcome, observe.Refused)
	check.Same(t, "SQLSTATE", events[0].SQLState, "")
	sum := o.Snapshot().Total()
	check.Same(t, "refused", sum.Refused-before.Refused, 1)
	check.Same(t, "failed", sum.Failed-before.Failed, 0)
}

// TestWaitingIsForgotten: a connection that was waited for and given back unused does
// not charge its next borrower.
func TestWaitingIsForgotten(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	_, j, p := observedPool(t, observe.Config{}, 1)
	for before := p.Pgx().Stat().EmptyAcquireCount(); p.Pgx().Stat().EmptyAcquireCount() == before; {
		first := check.Value(p.Acquire(ctx))(t)
		waited := make(chan error)
		go func() {
			c, err := p.Acquire(ctx)
			if err == nil {
				c.Release()
			}
			waited <- err
		}()
		time.Sleep(10 * time.Millisecond) // so that it waits; else it is tried again
		first.Release()
		check.NoError(t, <-waited)
	}
	_, err := p.Exec(ctx, "SELECT 1")
	check.NoError(t, err)
	check.Same(t, "waited", j.take()[0].Waited, 0)
}

// TestNodes: an event says which server it was sent to.
func TestNodes(t *testing.T) {
	t.Parallel()
	_, j, p := observedPool(t, observe.Config{}, 1)
	_, err := p.Exec(t.Context(), "SELECT 1")
	check.NoError(t, err)
	e := j.take()[0]
	check.Same(t, "has a node", e.Node != "", true)
	check.Same(t, "is a standby", e.Standby, false)
}

// TestOneObserver: a second one takes the place of the first.
func TestOneObserver(t *testing.T) {
	t.Parallel()
	first, second := newObserver(t, observe.Config{}), newObserver(t, observe.Config{})
	p := testdb.Pool(t, shop.Schema, testdb.Configure(func(c *pgxpool.Config) {
		first.Configure(c)
		second.Configure(c)
	}))
	_, err := p.Exec(t.Context(), "SELECT 1")
	check.NoError(t, err)
	check.Same(t, "calls of the first", first.Snapshot().Total().Calls, 0)
	check.Same(t, "calls of the second", second.Snapshot().Total().Calls, 1)
}
