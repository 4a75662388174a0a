package crud_test

import (
	"context"
	"reflect"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/crud"
	"github.com/smrt-go/smrt/internal/handle"
	"github.com/smrt-go/smrt/internal/handle/handletest"
)

// idlePool is a pool that never connects.
func idlePool(tb testing.TB) *pgxpool.Pool {
	tb.Helper()
	pool := check.Value(pgxpool.New(context.Background(), "host="+tb.TempDir()+" user=nobody dbname=nothing"))(tb)
	tb.Cleanup(pool.Close)
	return pool
}

// nodesOf are the Bounds that reads of b run on, in the order of the places.
func nodesOf(t *testing.T, b *crud.Bound) (found []*crud.Bound) {
	t.Helper()
	var refused *pgconn.PgError
	err := b.Read(t.Context(), "read", nil, func(on *crud.Bound) error {
		found = append(found, on)
		return &pgconn.PgError{Code: "57P01"}
	})
	check.Same(t, "ended by the error of the last place", reflect.TypeOf(err), reflect.TypeOf(refused))
	return found
}

// TestPlacesAreKept: each place has a Bound that is made once, which meets those
// of others on the same place, and is never that of another Bound.
func TestPlacesAreKept(t *testing.T) {
	near, far := idlePool(t), idlePool(t)
	router := handletest.New(idlePool(t), near, far)
	b := crud.Bind(router, pebbles.Plan())
	check.Same(t, "the router itself shares", b.Shares(), false)
	first := nodesOf(t, b)
	check.Same(t, "places", len(first), 2)
	check.Same(t, "near", first[0].DB, smrt.DB(near))
	check.Same(t, "far", first[1].DB, smrt.DB(far))
	check.Equal(t, "kept", [2]bool{nodesOf(t, b)[0] == first[0], nodesOf(t, b)[1] == first[1]}, [2]bool{true, true})
	check.Same(t, "shares with the pool's", first[0].SharesWith(crud.Bind(near, pebbles.Plan())), true)
	check.Same(t, "shares with the other place", first[0].SharesWith(first[1]), false)

	again := nodesOf(t, b.With(router))
	check.Same(t, "of another Bound", again[0] == first[0], false)
	check.Same(t, "shares with it", again[0].SharesWith(first[0]), true)

	as := b.As(b.Table.Project(reflect.TypeFor[keyless](), "name", nil, nil), nil, false)
	check.Same(t, "of a view", nodesOf(t, as)[0].Rows == as.Rows, true)

	b.SetBatching(crud.Batching{}, nil)
	check.Same(t, "shares after it was turned off", nodesOf(t, b)[0].Shares(), false)
	check.Equal(t, "on a pool", nodesOf(t, b.With(near))[0].DB, smrt.DB(near))
}

// TestPlacesAreMadeOnceByMany lets goroutines meet on the first read.
func TestPlacesAreMadeOnceByMany(t *testing.T) {
	near := idlePool(t)
	b := crud.Bind(handletest.New(near, near), pebbles.Plan())
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			for range 100 {
				err := b.Read(t.Context(), "read", nil, func(on *crud.Bound) error {
					if on == b || on.DB != smrt.DB(near) {
						t.Error("the read is on", on.DB)
					}
					return nil
				})
				check.Same(t, "error", err, nil)
			}
		})
	}
	all.Wait()
}

// TestErrorsOfTheRouterSayWhatFailed: they come from nowhere that knows.
func TestErrorsOfTheRouterSayWhatFailed(t *testing.T) {
	b := crud.Bind(&straight{err: smrt.ErrNoFreshReplica}, pebbles.Plan())
	_, err := b.Count(t.Context(), nil)
	check.Error(t, "count", err, smrt.ErrNoFreshReplica)
	check.Same(t, "text", err.Error(), "count pebbles: no replica is fresh enough")
}

// straight is a router that costs next to nothing.
type straight struct {
	*pgxpool.Pool
	err error
}

func (s *straight) Next(_ context.Context, last handle.Try) (handle.Try, error) {
	last.On, last.Count = s.Pool, last.Count+1
	return last, s.err
}
func (s *straight) Done(_ context.Context, last handle.Try) error { return last.Err }
func (s *straight) Nodes() int                                    { return 1 }

// BenchmarkRead is what finding the place costs around a router that costs next
// to nothing, and a handle that does not route.
func BenchmarkRead(b *testing.B) {
	ctx, pool := context.Background(), idlePool(b)
	for _, c := range []struct {
		name string
		db   smrt.DB
	}{{"router", &straight{Pool: pool}}, {"pool", pool}} {
		bound := crud.Bind(c.db, pebbles.Plan())
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := bound.Read(ctx, "read", nil, func(*crud.Bound) error { return nil }); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
