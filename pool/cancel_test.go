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
	early := int64(0) // calls that ended before their statement was sent
	until := func(what string, call func(context.Context, *pool.Pool) error, want error, ending func(time.Duration) (context.Context, func())) {
		t.Helper()
		for after := 30 * time.Millisecond; ; after *= 2 {
			ctx, end := ending(after)
			err := call(ctx, p)
			end()
			if errors.Is(err, smrt.ErrQueryCanceled) || after > testdb.Patience(time.Second) {
				check.Error(t, what, err, want, smrt.ErrQueryCanceled)
				return
			}
			early++
		}
	}
	for what, call := range canceled {
		until(what, call, context.Canceled, func(after time.Duration) (context.Context, func()) {
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(after, cancel)
			return ctx, cancel
		})
		until(what+", deadline", call, context.DeadlineExceeded, func(after time.Duration) (context.Context, func()) {
			return context.WithTimeout(t.Context(), after)
		})
	}
	if dials := p.Stats().Dials; dials < 2 || dials > 2+early { // one of them to find out about the server
		t.Errorf("%d dials, want 2, and at most one for each of %d calls that were early", dials, early)
	}
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
