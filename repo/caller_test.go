package repo_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/pool"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

type tenantKey struct{}

// tenantOf is the tenant of a context as an identity of callers.
func tenantOf(ctx context.Context) any { return ctx.Value(tenantKey{}) }

// bindTenant sets the tenant of the context on a connection that is lent, and
// none if the context has none.
func bindTenant(ctx context.Context, c *pgx.Conn) (bool, error) {
	tenant, _ := tenantOf(ctx).(string)
	_, err := c.Exec(ctx, "SELECT set_config('app.tenant', $1, false), set_config('role', 'reader', false)", tenant)
	return err == nil, err
}

// keepTenant leaves a connection to those without a tenant as it is.
func keepTenant(ctx context.Context, c *pgx.Conn) (bool, error) {
	if tenantOf(ctx) == nil {
		return true, nil
	}
	return bindTenant(ctx, c)
}

type paper struct {
	ID     int64
	Tenant string
}

var paperTable = query.NewTable("papers", func(p *paper) *int64 { return &p.ID })

// papers makes a table whose rows belong to four tenants, by their numbers.
func papers(t *testing.T) *pgxpool.Pool {
	t.Helper()
	p := testdb.Pool(t, testdb.Empty)
	_, err := p.Exec(t.Context(), `DO $$ BEGIN CREATE ROLE reader; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$;
		CREATE TABLE papers (id bigint PRIMARY KEY, tenant text NOT NULL);
		INSERT INTO papers SELECT i, 't' || i % 4 FROM generate_series(0, 399) i;
		ALTER TABLE papers ENABLE ROW LEVEL SECURITY;
		CREATE POLICY own ON papers USING (tenant = current_setting('app.tenant', true)); GRANT ALL ON papers TO reader`, pgx.QueryExecModeSimpleProtocol)
	check.NoError(t, err)
	return p
}

// hookedPool opens a pool on the database of p, whose hooks bind tenants.
func hookedPool(t *testing.T, p *pgxpool.Pool, change func(*pgxpool.Config)) *pgxpool.Pool {
	t.Helper()
	cfg := p.Config()
	cfg.MaxConns = 4
	change(cfg)
	hooked := check.Value(pgxpool.NewWithConfig(t.Context(), cfg))(t)
	t.Cleanup(hooked.Close)
	return hooked
}

// packagePool opens one of package pool on the database of p.
func packagePool(t *testing.T, p *pgxpool.Pool, caller func(context.Context) any) *pool.Pool {
	t.Helper()
	opened := check.Value(pool.Open(t.Context(), pool.Config{
		URL: p.Config().ConnString(), MaxConns: 4, Caller: caller,
		Configure: func(c *pgxpool.Config) { c.PrepareConn = keepTenant },
	}))(t)
	t.Cleanup(opened.Close)
	return opened
}

// TestCallersWhoDifferDoNotShare reads from many goroutines on pools whose hooks
// bind the tenant of the context: nobody sees rows of others, and everybody
// sees their own.
func TestCallersWhoDifferDoNotShare(t *testing.T) {
	p := papers(t)
	byTenant := repo.Options{Caller: tenantOf}
	for name, c := range map[string]struct {
		db      smrt.DB
		options repo.Options
	}{
		"nothing named":            {hookedPool(t, p, func(c *pgxpool.Config) { c.PrepareConn = bindTenant }), repo.Options{}},
		"nothing named, lax":       {hookedPool(t, p, func(c *pgxpool.Config) { c.PrepareConn = keepTenant }), repo.Options{}},
		"named by the repository":  {hookedPool(t, p, func(c *pgxpool.Config) { c.PrepareConn = keepTenant }), byTenant},
		"package pool, not named":  {packagePool(t, p, nil), repo.Options{}},
		"named by package pool":    {packagePool(t, p, tenantOf), repo.Options{}},
		"named by both":            {packagePool(t, p, tenantOf), byTenant},
		"a repository that errs":   {packagePool(t, p, tenantOf), repo.Options{Caller: func(context.Context) any { return 1 }}},
		"callers nobody knows":     {packagePool(t, p, func(context.Context) any { return nil }), repo.Options{}},
		"no batching, the control": {hookedPool(t, p, func(c *pgxpool.Config) { c.PrepareConn = bindTenant }), repo.Options{Batching: repo.Batching{Off: true}}},
	} {
		t.Run(name, func(t *testing.T) { readAsTenants(t, repo.New(c.db, paperTable, c.options), 20) })
	}
	t.Run("a function that names one caller for all", func(t *testing.T) { // the control of the test
		db := hookedPool(t, p, func(c *pgxpool.Config) { c.PrepareConn = bindTenant })
		seen := strangers(t, repo.New(db, paperTable, repo.Options{Caller: func(context.Context) any { return 1 }}), 20)
		if seen == 0 {
			t.Error("the test does not notice when tenants share statements")
		}
	})
}

func readAsTenants(t *testing.T, r *repo.Repository[paper, int64], rounds int) {
	t.Helper()
	if n := strangers(t, r, rounds); n > 0 {
		t.Errorf("%d reads had another result than their tenant's", n)
	}
}

// strangers counts the reads of many tenants at a time that had another result
// than alone.
func strangers(t *testing.T, r *repo.Repository[paper, int64], rounds int) int {
	t.Helper()
	var mu sync.Mutex
	var all sync.WaitGroup
	wrong := 0
	for w := range 32 {
		tenant := fmt.Sprint("t", w%4)
		ctx := context.WithValue(t.Context(), tenantKey{}, tenant)
		all.Go(func() {
			for i := range rounds {
				own, err := r.Get(ctx, int64(i*4+w%4))
				many, errMany := r.GetMany(ctx, []int64{int64(i*4 + w%4), int64(i*4 + (w+1)%4)})
				_, errOther := r.Get(ctx, int64(i*4+(w+1)%4))
				mu.Lock()
				if err != nil || own.Tenant != tenant || !errors.Is(errOther, smrt.ErrNotFound) ||
					errMany != nil || many[0] == nil || many[0].Tenant != tenant || many[1] != nil {
					wrong++
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
	return wrong
}

// TestHooksOfNewConnections gives each borrower a connection of its own, which
// hooks bind when it is opened.
func TestHooksOfNewConnections(t *testing.T) {
	p := papers(t)
	db := hookedPool(t, p, func(c *pgxpool.Config) {
		c.AfterConnect = func(ctx context.Context, c *pgx.Conn) error { _, err := bindTenant(ctx, c); return err }
		c.AfterRelease = func(*pgx.Conn) bool { return false }
	})
	readAsTenants(t, repo.New(db, paperTable), 1)
}

// TestCallersWhoAreAlikeShare proves that callers who are named share with
// their like, and nothing is kept of them when they have gone.
func TestCallersWhoAreAlikeShare(t *testing.T) {
	a := newCrowd(t)
	ds := a.add(t, "a", "b", "c", "d")
	documents := repo.New(a.pool, documentTable, repo.Options{Caller: tenantOf})
	as := func(tenant any, id int64) func() {
		ctx := context.WithValue(t.Context(), tenantKey{}, tenant)
		return func() { _ = check.Value(documents.Get(ctx, id))(t) }
	}
	occupy := as("one", ds[0].ID)
	check.Same(t, "of one caller", a.together(t, "documents", occupy, as("one", ds[1].ID), as("one", ds[2].ID), as("one", ds[3].ID)), 1)
}

// picky is a text whose Scan panics at one value.
type picky string

func (p *picky) Scan(v any) error {
	if v == "bad" {
		panic("a text that Scan does not like")
	}
	*p = picky(fmt.Sprint(v))
	return nil
}

// TestPanicOfARow proves that a row whose Scan panics fails those who asked for
// it: the panic reaches their goroutines, with its own value, and nobody else's.
func TestPanicOfARow(t *testing.T) {
	a := newCrowd(t)
	type entry struct {
		ID   int64
		Text picky
	}
	_, err := a.pool.Exec(t.Context(), "CREATE TABLE entries (id bigint PRIMARY KEY, text text NOT NULL); INSERT INTO entries VALUES (1, 'a'), (2, 'bad'), (3, 'c')", pgx.QueryExecModeSimpleProtocol)
	check.NoError(t, err)
	entries := repo.New(a.pool, query.NewTable("entries", func(e *entry) *int64 { return &e.ID }))
	panics := make([]any, 6)
	texts := make([]picky, 6)
	var reads []func()
	for i, id := range []int64{1, 2, 3, 1, 2, 3} {
		reads = append(reads, func() {
			defer func() { panics[i] = recover() }()
			e, err := entries.Get(t.Context(), id)
			if err != nil {
				t.Error(err)
				return
			}
			texts[i] = e.Text
		})
	}
	a.together(t, "entries", func() { _, _ = entries.Get(context.Background(), -1) }, reads...)
	for i, want := range []picky{"a", "", "c", "a", "", "c"} {
		check.Same(t, "text", texts[i], want)
		check.Same(t, "panicked", panics[i] != nil, want == "")
		if s, ok := panics[i].(string); panics[i] != nil && (!ok || s != "a text that Scan does not like") {
			t.Errorf("panicked with %v, want the value of Scan", panics[i])
		}
	}
	eventually(t, "no connection is in use", func() bool { return a.pool.Stat().AcquiredConns() == 0 })
}

// TestDroppedTablesAreGivenBack declares tables at run time, reads by key on a
// pool that goes on, and drops them.
func TestDroppedTablesAreGivenBack(t *testing.T) {
	a := newArchive(t)
	const tables = 20
	gone := make(chan struct{}, tables)
	for range tables {
		table := query.NewTable("documents", func(d *document) *int64 { return &d.ID })
		_, err := repo.New(a.pool, table).Get(t.Context(), 1)
		check.Error(t, "a missing row", err, smrt.ErrNotFound)
		runtime.AddCleanup(table.Plan(), func(gone chan struct{}) { gone <- struct{}{} }, gone)
	}
	eventually(t, "the tables are gone", func() bool {
		runtime.GC()
		time.Sleep(time.Millisecond)
		return len(gone) == tables
	})
}
