package crud_test

import (
	"context"
	"reflect"
	"runtime"
	"sync"
	"testing"
	"time"
	"unsafe"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/crud"
	"github.com/smrt-go/smrt/internal/table"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/query"
)

type (
	pebble struct {
		ID   int64
		Name string
	}
	keyless struct{ Name string }

	// wrapper is a handle of another package that has a pool.
	wrapper struct {
		*pgxpool.Pool
		_ []int // not comparable
	}
)

var (
	pebbles  = query.NewTable("pebbles", func(p *pebble) *int64 { return &p.ID })
	keylesss = query.NewKeylessTable[keyless]("keyless")
)

// newPool is a pool of its own, which the test closes.
func newPool(t *testing.T, dsn string) *pgxpool.Pool {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	return pool
}

// TestPoolsAreNotKeptAlive makes pools, reads on them from many goroutines,
// closes them and looks whether the collector takes them, and the entries that
// were made for them.
func TestPoolsAreNotKeptAlive(t *testing.T) {
	base := testdb.Pool(t, testdb.Empty)
	if _, err := base.Exec(t.Context(), "CREATE TABLE pebbles (id bigint PRIMARY KEY, name text NOT NULL)"); err != nil {
		t.Fatal(err)
	}
	const pools = 5
	before := crud.Batchers()
	taken := make(chan struct{}, pools)
	for range pools {
		pool := newPool(t, base.Config().ConnString())
		var all sync.WaitGroup
		for range 30 {
			all.Go(func() {
				key := int64(1)
				_, _ = crud.Bind(pool, pebbles.Plan()).Get(context.Background(), unsafe.Pointer(&key), nil)
			})
		}
		all.Wait()
		runtime.AddCleanup(pool, func(taken chan struct{}) { taken <- struct{}{} }, taken)
		pool.Close()
	}
	if n := crud.Batchers() - before; n < 1 || n > pools {
		t.Errorf("%d handles are known, want up to %d", n, pools)
	}
	deadline := time.Now().Add(testdb.Patience(20 * time.Second))
	for len(taken) < pools || crud.Batchers() > before {
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d pools were collected, %d entries are left", len(taken), pools, crud.Batchers()-before)
		}
		runtime.GC()
		time.Sleep(time.Millisecond)
	}
	runtime.KeepAlive(base)
}

func TestWhoMeetsWhom(t *testing.T) {
	one, other := newPool(t, "host=nowhere"), newPool(t, "host=nowhere")
	defer one.Close()
	defer other.Close()
	cfg := one.Config()
	cfg.PrepareConn = func(context.Context, *pgx.Conn) (bool, error) { return true, nil }
	hooked, err := pgxpool.NewWithConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer hooked.Close()
	bind := func(db smrt.DB) *crud.Bound { return crud.Bind(db, pebbles.Plan()) }
	wrapped := &wrapper{Pool: one}
	ours := bind(one)
	view := func() *table.Projection { return ours.Table.Project(reflect.TypeFor[pebble](), "id", nil, nil) }
	for name, test := range map[string]struct {
		b          *crud.Bound
		shares, us bool
	}{
		"the same pool":                  {b: bind(one), shares: true, us: true},
		"bound to it later":              {b: bind(nil).With(one), shares: true, us: true},
		"another pool":                   {b: bind(other), shares: true},
		"a handle around the pool":       {b: bind(wrapped)}, // it may bind a tenant to each statement
		"such a handle, callers named":   {b: named(bind(wrapped), caller), shares: true},
		"callers named":                  {b: named(bind(one), caller), shares: true},
		"a pool with a hook":             {b: bind(hooked)},
		"such a pool, callers named":     {b: named(bind(hooked), caller), shares: true},
		"a copy of such a handle":        {b: bind(*wrapped)}, // it cannot be recognised
		"no pool":                        {b: bind((*pgxpool.Pool)(nil))},
		"no handle":                      {b: bind(nil)},
		"a connection":                   {b: bind(&pgxpool.Conn{})},
		"a transaction":                  {b: bind(&pgxpool.Tx{})},
		"bound to a transaction later":   {b: bind(one).With(&pgxpool.Tx{})},
		"another table":                  {b: crud.Bind(one, query.NewTable("pebbles", func(p *pebble) *int64 { return &p.ID }).Plan()), shares: true},
		"a table without a key":          {b: crud.Bind(one, keylesss.Plan())},
		"other options":                  {b: batching(bind(one), crud.Batching{MaxInFlight: 9, MaxBatch: 9}), shares: true},
		"no batching":                    {b: batching(bind(one), crud.Batching{})},
		"a view":                         {b: bind(one).As(view(), nil, false), shares: true},
		"a view, bound again":            {b: bind(other).As(view(), nil, false).With(one), shares: true},
		"a view of whole rows":           {b: bind(one).As(bind(one).Rows, nil, false), shares: true, us: true},
		"a view for one":                 {b: bind(one).As(view(), nil, true)},
		"a view for one, bound again":    {b: bind(one).As(view(), nil, true).With(one)},
		"no batching, bound again":       {b: batching(bind(one), crud.Batching{}).With(other)},
		"other options, and back to one": {b: batching(batching(bind(one), crud.Batching{MaxInFlight: 9, MaxBatch: 9}), crud.DefaultBatching), shares: true, us: true},
	} {
		if test.b.Shares() != test.shares || test.b.SharesWith(ours) != test.us {
			t.Errorf("%s: shares %v, with us %v, want %v, %v", name, test.b.Shares(), test.b.SharesWith(ours), test.shares, test.us)
		}
	}
	if again := named(bind(wrapped), caller); !again.SharesWith(named(bind(wrapped), caller)) {
		t.Error("a handle around a pool is not recognised")
	}
	if named(bind(one), caller).SharesWith(named(bind(one), func(context.Context) any { return 2 })) {
		t.Error("repositories that name callers in different ways share")
	}
}

func caller(context.Context) any { return 1 }

func named(b *crud.Bound, caller func(context.Context) any) *crud.Bound {
	b.SetBatching(crud.DefaultBatching, caller)
	return b
}

func batching(b *crud.Bound, s crud.Batching) *crud.Bound {
	b.SetBatching(s, nil)
	return b
}
