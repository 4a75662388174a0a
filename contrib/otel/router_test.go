package otelsmrt_test

import (
	"testing"

	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	otelsmrt "github.com/smrt-go/smrt/contrib/otel"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/readreplica"
)

// TestRouter reads the gauges and counters of a router, whose only server is its primary.
func TestRouter(t *testing.T) {
	t.Parallel()
	b := newBackend()
	url := testdb.Pool(t, shop.Schema).Config().ConnString()
	r := check.Value(readreplica.Open(t.Context(), readreplica.Config{Servers: []readreplica.Server{{Name: "first", URL: url}}}))(t)
	t.Cleanup(r.Close)
	registration := check.Value(otelsmrt.Router(b.meter, "main", r))(t)
	rows := check.Value(r.Reader().Query(t.Context(), "SELECT 1"))(t)
	rows.Close()
	want := map[string]int64{"up": 1, "primary": 1, "breaker": 0, "behind": 0, "reads": int64(r.Stats().Nodes[0].Reads)}
	check.Same(t, "there was a read", want["reads"] > 0, true)
	for name, n := range want {
		var point metricdata.DataPoint[int64]
		switch data := b.metric(t, "smrt.replica."+name).(type) {
		case metricdata.Gauge[int64]:
			point = data.DataPoints[0]
		case metricdata.Sum[int64]:
			point = data.DataPoints[0]
		}
		check.Same(t, name, point.Value, n)
		check.Same(t, name+": labels", listed(point.Attributes.ToSlice()), "smrt.node=first smrt.router=main")
	}
	check.Same(t, "fallbacks", b.metric(t, "smrt.replica.fallbacks").(metricdata.Sum[int64]).DataPoints[0].Value, int64(r.Stats().Fallbacks))
	check.NoError(t, registration.Unregister())
	if data := b.metric(t, "smrt.replica.up"); data != nil {
		t.Errorf("after Unregister: %v", data)
	}
}
