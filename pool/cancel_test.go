package pool_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/pool"
)

const sleepSQL = "SELECT pg_sleep(20)"

// canceled are the ways to send a statement on a pool.
var canceled = map[string]func(context.Context, *pool.Pool) error{
	"Exec":     func(ctx context.Context, p *pool.Pool) error { _, err := p.Exec(ctx, sleepSQL); return err },
	"QueryRow": func(ctx context.Context, p *pool.Pool) error { return p.QueryRow(ctx, sleepSQL).Scan(new(string)) },
	"Query": func(ctx context.Context, p *pool.Pool) error {
		rows, _ := p.Query(ctx, sleepSQL)
		_, err := pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	},
	"Query, closed": func(ctx context.Context, p *pool.Pool) error {
		rows, _ := p.Query(ctx, sleepSQL)
		rows.Close()
		return rows.Err()
	},
}

// A call whose context ends during its statement says both, and that of a
// deadline too. One that somebody else cancelled does not: TestCancelledForGood.
func TestCancelledCallsSaySo(t *testing.T) {
	t.Parallel()
	p := open(t, pool.Config{URL: url(t), MaxConns: 1, MinConns: -1, AcquireTimeout: testdb.Patience(10 * time.Second)})
	check.NoError(t, p.Ping(t.Context()))
	for what, call := range canceled {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(30*time.Millisecond, cancel)
		check.Error(t, what, call(ctx, p), context.Canceled, smrt.ErrQueryCanceled)
		ctx, cancel = context.WithTimeout(t.Context(), 30*time.Millisecond)
		check.Error(t, what+", deadline", call(ctx, p), context.DeadlineExceeded, smrt.ErrQueryCanceled)
		cancel()
	}
	check.Same(t, "dials", p.Stats().Dials, 2) // one of them to find out about the server
}

// Behind a pooler a connection whose statement was given up is not used again, and
// the pool goes on.
func TestCancelledBehindAPooler(t *testing.T) {
	t.Parallel()
	p := open(t, pool.Config{URL: bounce(t, testdb.PgBouncerConfig{}), MaxConns: 1, MinConns: -1, AcquireTimeout: testdb.Patience(10 * time.Second)})
	for what, call := range canceled {
		check.NoError(t, p.Ping(t.Context()))
		before := p.Stats().Dials
		ctx, cancel := context.WithTimeout(t.Context(), testdb.Patience(50*time.Millisecond))
		err := call(ctx, p)
		cancel()
		check.Same(t, what+": the context's error", errors.Is(err, context.DeadlineExceeded), true)
		check.NoError(t, p.Ping(t.Context()))
		check.Same(t, what+": connections opened", p.Stats().Dials-before, 1)
	}
}
