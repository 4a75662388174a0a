package otelsmrt_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	otelsmrt "github.com/smrt-go/smrt/contrib/otel"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/pool"
)

// numbers are the values of a gauge or counter by the label that tells them apart.
func numbers(t *testing.T, b *backend, name, label string) map[string]int64 {
	t.Helper()
	var points []metricdata.DataPoint[int64]
	switch data := b.metric(t, name).(type) {
	case metricdata.Sum[int64]:
		points = data.DataPoints
	case metricdata.Gauge[int64]:
		points = data.DataPoints
	}
	all := map[string]int64{}
	for _, p := range points {
		check.Same(t, "pool", valueOf(p.Attributes.ToSlice(), "db.client.connection.pool.name"), "shop")
		all[valueOf(p.Attributes.ToSlice(), label)] = p.Value
	}
	return all
}

// TestPool reads what a pool tells whose only connection is in use, and waited for by calls
// of a class.
func TestPool(t *testing.T) {
	t.Parallel()
	b := newBackend()
	p := check.Value(pool.Open(t.Context(), pool.Config{
		URL: testdb.Pool(t, shop.Schema).Config().ConnString(), Profile: pool.Test, MaxConns: 1, AcquireTimeout: testdb.Patience(3 * time.Second),
		Classes: map[string]int{"report": 1}, Configure: func(c *pgxpool.Config) { c.MinIdleConns = 1 },
	}))(t)
	t.Cleanup(p.Close)
	registration := check.Value(otelsmrt.Pool(b.meter, "shop", p))(t)
	report := func(ctx context.Context) error {
		_, err := p.Exec(pool.WithClass(ctx, "report"), "SELECT 1")
		return err
	}
	ctx, cancel := context.WithCancel(t.Context())
	held := check.Value(p.Acquire(t.Context()))(t)
	defer held.Release() // if the test fails: Close waits for it
	errs := make(chan error, 2)
	for range 2 { // one waits for the connection, and one for its class
		go func() { errs <- report(ctx) }()
	}
	for {
		pending := numbers(t, b, "db.client.connection.pending_requests", "")[""]
		waiting := numbers(t, b, "smrt.pool.class.pending_requests", "smrt.pool.class")["report"]
		if pending == 2 && waiting == 1 {
			break
		}
		if len(errs) > 0 {
			t.Fatalf("%d calls waited, %d of them for their class, until one ended: %v", pending, waiting, <-errs)
		}
	}
	cancel()
	for range 2 {
		check.Error(t, "no connection", <-errs, context.Canceled)
	}
	check.Equal(t, "connections", numbers(t, b, "db.client.connection.count", "db.client.connection.state"), map[string]int64{"used": 1, "idle": 0})
	held.Release()
	check.NoError(t, report(t.Context()))
	for name, want := range map[string]int64{
		"db.client.connection.max": 1, "db.client.connection.idle.min": 1, "db.client.connection.pending_requests": 0, "db.client.connection.timeouts": 0,
	} {
		check.Equal(t, name, numbers(t, b, name, ""), map[string]int64{"": want})
	}
	for name, want := range map[string]int64{"connections": 0, "max": 1, "pending_requests": 0, "waits": 1, "refused": 0} {
		check.Equal(t, name, numbers(t, b, "smrt.pool.class."+name, "smrt.pool.class"), map[string]int64{"report": want})
	}
	check.NoError(t, registration.Unregister())
	for _, name := range []string{"db.client.connection.count", "smrt.pool.class.connections"} {
		if data := b.metric(t, name); data != nil {
			t.Errorf("%s after Unregister: %v", name, data)
		}
	}
}

// TestConnectionTimes: the histograms have each connection that was lent while the pool was
// registered, and how long opening others took.
func TestConnectionTimes(t *testing.T) {
	t.Parallel()
	const pause = 30 * time.Millisecond
	b := newBackend()
	p := check.Value(pool.Open(t.Context(), pool.Config{
		URL: testdb.Pool(t, shop.Schema).Config().ConnString(), Profile: pool.Test, MaxConns: 1, MinConns: -1, Lazy: true,
	}))(t)
	t.Cleanup(p.Close)
	registration := check.Value(otelsmrt.Pool(b.meter, "shop", p))(t)
	held := check.Value(p.Acquire(t.Context()))(t)
	defer held.Release() // if the test fails: Close waits for it
	time.Sleep(pause)
	held.Release()
	check.NoError(t, p.Ping(t.Context()))
	check.NoError(t, registration.Unregister())
	check.NoError(t, p.Ping(t.Context()))
	for name, count := range map[string]uint64{"wait_time": 2, "use_time": 2, "create_time": 0} {
		points := b.metric(t, "db.client.connection."+name).(metricdata.Histogram[float64]).DataPoints
		check.Same(t, name+": series", len(points), 1)
		check.Same(t, name+": labels", listed(points[0].Attributes.ToSlice()), "client.connection.pool.name=shop")
		if n := points[0].Count; n != count && count > 0 || n == 0 {
			t.Errorf("%s has %d connections, want %d; 0: some", name, n, count)
		}
		if sum := points[0].Sum; strings.HasPrefix(name, "use") && sum < pause.Seconds() || name == "create_time" && sum <= 0 {
			t.Errorf("%s: %v s", name, sum)
		}
	}
}
