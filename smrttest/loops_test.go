package smrttest_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/smrttest"
)

// TestLoops expects a loop to fail the test, and nothing else to.
func TestLoops(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		context func(testing.TB) context.Context
		call    func(context.Context, *pgxpool.Pool)
		fails   bool
	}{
		"a loop":                {smrttest.Loops, loop, true},
		"a loop that is wanted": {testing.TB.Context, loop, false},
		"a batch": {smrttest.Loops, func(ctx context.Context, pool *pgxpool.Pool) {
			var b pgx.Batch
			for range 20 {
				b.Queue("select 1")
			}
			check.NoError(t, pool.SendBatch(ctx, &b).Close())
		}, false},
	} {
		r := &recorder{}
		pool := smrttest.Pool(r, smrttest.SQL(), smrttest.Configure(func(cfg *pgxpool.Config) {
			if cfg.ConnConfig.Tracer == nil {
				t.Error("the pool is not watched")
			}
		}))
		c.call(c.context(r), pool)
		r.end()
		if got := strings.Contains(fmt.Sprint(r.errors), "loops_test.go") && strings.Contains(fmt.Sprint(r.errors), "smrttest_test.loop"); got != c.fails || !got && len(r.errors)+len(r.fatals) > 0 {
			t.Errorf("%s: %q %q", what, r.errors, r.fatals)
		}
	}
}

func loop(ctx context.Context, pool *pgxpool.Pool) {
	for i := range 20 {
		_ = pool.QueryRow(ctx, "select $1::int", i).Scan(new(int))
	}
}
