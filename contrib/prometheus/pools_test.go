package smrtprom_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	smrtprom "github.com/smrt-go/smrt/contrib/prometheus"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/pool"
	"github.com/smrt-go/smrt/smrttest"
)

// classed opens a pool with one connection, and a class that may have it.
func classed(t *testing.T, class string, wait time.Duration) *pool.Pool {
	t.Helper()
	below := smrttest.Pool(t, schema)
	p := check.Value(pool.Open(t.Context(), pool.Config{
		URL: below.Config().ConnString(), Profile: pool.Test, MaxConns: 1, AcquireTimeout: wait, Classes: map[string]int{class: 1},
		Configure: func(c *pgxpool.Config) { c.MinIdleConns = 1 },
	}))(t)
	t.Cleanup(p.Close)
	return p
}

// TestClassesAreScraped: a scrape has of each class who runs, waits and was refused.
func TestClassesAreScraped(t *testing.T) {
	t.Parallel()
	p := classed(t, "report", 20*time.Millisecond)
	s := serve(t, smrtprom.Config{Pools: map[string]*pool.Pool{"main": p}})
	held := check.Value(p.Acquire(pool.WithClass(t.Context(), "report")))(t)
	_, err := p.Exec(pool.WithClass(t.Context(), "report"), "SELECT 1")
	check.Error(t, "another", err, smrt.ErrPoolExhausted)
	got := samples(t, s.text(t))
	held.Release()
	for name, want := range map[string]float64{
		"connections": 1, "max_connections": 1, "pending_requests": 0, "waits_total": 1, "refused_total": 1,
	} {
		series := fmt.Sprintf(`smrt_pool_class_%s{class="report",pool="main"}`, name)
		if n, ok := got[series]; !ok || n != want {
			t.Errorf("%s is %v (there: %t), want %v", series, n, ok, want)
		}
	}
	check.Same(t, "kept ready", got[`smrt_pool_min_idle_connections{pool="main"}`], 1)
	check.Same(t, "opened", got[`smrt_pool_opened_total{pool="main"}`] >= 1 && got[`smrt_pool_open_seconds_total{pool="main"}`] > 0, true)
	check.Same(t, "histograms without PoolTimes", strings.Contains(s.text(t), "smrt_pool_connection_"), false)

	_, err = smrtprom.New(smrtprom.Config{Pools: map[string]*pool.Pool{"main": classed(t, "\xff", time.Second)}})
	check.Error(t, "a class whose name is no UTF-8", err, smrt.ErrBadOptions)
}

// TestPoolTimes: the histograms have each connection that was lent, by how long.
func TestPoolTimes(t *testing.T) {
	t.Parallel()
	const pause = 30 * time.Millisecond
	p := classed(t, "report", 10*time.Second)
	s := serve(t, smrtprom.Config{Pools: map[string]*pool.Pool{"main": p}, PoolTimes: true, Native: true})
	held := check.Value(p.Acquire(t.Context()))(t)
	defer held.Release() // if the test fails: Close waits for it
	done := make(chan error, 1)
	go func() {
		_, err := p.Exec(t.Context(), "SELECT 1")
		done <- err
	}()
	for samples(t, s.text(t))[`smrt_pool_pending_requests{pool="main"}`] == 0 {
		if len(done) > 0 {
			t.Fatalf("nobody waited: %v", <-done)
		}
		time.Sleep(time.Millisecond)
	}
	time.Sleep(pause)
	held.Release()
	check.NoError(t, <-done)
	got := samples(t, s.text(t))
	for series, want := range map[string]float64{
		`smrt_pool_connection_wait_seconds_count{pool="main"}`:              2,
		`smrt_pool_connection_wait_seconds_bucket{pool="main",le="0.0001"}`: 1, // the first did not wait
		`smrt_pool_connection_wait_seconds_bucket{pool="main",le="0.025"}`:  1,
		`smrt_pool_connection_use_seconds_count{pool="main"}`:               2,
		`smrt_pool_connection_create_seconds_bucket{pool="main",le="+Inf"}`: got[`smrt_pool_connection_create_seconds_count{pool="main"}`],
		`smrt_pool_pending_requests{pool="main"}`:                           0,
	} {
		if n, ok := got[series]; !ok || n != want {
			t.Errorf("%s is %v (there: %t), want %v", series, n, ok, want)
		}
	}
	if n := got[`smrt_pool_connection_use_seconds_sum{pool="main"}`]; n < pause.Seconds() {
		t.Errorf("connections were lent for %v s", n)
	}
	if h := metric(t, s, "smrt_pool_connection_use_seconds", map[string]string{"pool": "main"}).GetHistogram(); h.GetSchema() == 0 && len(h.GetPositiveSpan()) == 0 {
		t.Error("there is no native histogram")
	}
}
