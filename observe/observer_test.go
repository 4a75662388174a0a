package observe_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/observe"
	"github.com/smrt-go/smrt/pool"
	"github.com/smrt-go/smrt/preload"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
	"github.com/smrt-go/smrt/txn"
	"github.com/smrt-go/smrt/unit"
)

// journal is a hook that writes down what has ended.
type journal struct {
	mu     sync.Mutex
	events []observe.Event
}

func (j *journal) Before(ctx context.Context, _ *observe.Event) context.Context { return ctx }

func (j *journal) After(_ context.Context, e *observe.Event) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.events = append(j.events, *e)
}

// take returns what was written since the last time.
func (j *journal) take() []observe.Event {
	j.mu.Lock()
	defer j.mu.Unlock()
	events := j.events
	j.events = nil
	return events
}

// names are those of calls, without what is asked of the catalog now and then.
func names(events []observe.Event) []string {
	var out []string
	for _, e := range events {
		if e.Name.Operation == "catalog" || e.Kind == observe.Transaction {
			continue
		}
		name := e.Name.String()
		if e.Kind != observe.Statement {
			name = e.Kind.String() + " " + name
		}
		out = append(out, name)
	}
	return out
}

// observedPool is a pool of package pool on a shop, with an observer that writes to a
// journal.
func observedPool(t testing.TB, c observe.Config, conns int32) (*observe.Observer, *journal, *pool.Pool) {
	t.Helper()
	j := &journal{}
	c.Hooks = append(c.Hooks, j)
	o := newObserver(t, c)
	below := unobserved(t)
	mode := below.Config().ConnConfig.DefaultQueryExecMode
	p := check.Value(pool.Open(t.Context(), pool.Config{
		URL: below.Config().ConnString(), Profile: pool.Test, MaxConns: conns,
		Configure: func(c *pgxpool.Config) {
			c.ConnConfig.DefaultQueryExecMode = mode
			o.Configure(c)
		},
	}))(t)
	t.Cleanup(p.Close)
	j.take()
	return o, j, p
}

func category(slug string) shop.Category { return shop.Category{Slug: slug, Name: slug} }

func product(c shop.Category, sku string) shop.Product {
	return shop.Product{CategoryID: c.ID, SKU: sku, Name: sku, PriceCents: 100}
}

// alone is without reads that share statements.
var alone = repo.Options{Batching: repo.Batching{Off: true}}

// TestNames: what smrt sends has the names of its table and operation, what sqlc
// compiled the name of its query, and all else none.
func TestNames(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	_, j, p := observedPool(t, observe.Config{}, 2)
	categories, products := repo.New(p, shop.Categories, alone), repo.New(p, shop.Products, alone)
	c, d := category("c"), category("d")
	x := shop.Product{}
	type view struct {
		shop.Product
		Category *shop.Category
	}
	views := repo.View(products, func(v *view) *shop.Product { return &v.Product })
	type shelf struct {
		shop.Category
		Products []shop.Product
	}
	shelves := repo.View(categories, func(v *shelf) *shop.Category { return &v.Category })
	run := func(_ any, err error) error { return err }
	for _, step := range []struct {
		what string
		do   func() error
		want string
	}{
		{"create", func() error { return categories.Create(ctx, &c) }, "categories.create"},
		{"create many", func() error { return categories.CreateMany(ctx, []shop.Category{category("e"), category("f")}) }, "categories.create"},
		{"get", func() error { return run(categories.Get(ctx, c.ID)) }, "categories.get"},
		{"get many", func() error { return run(categories.GetMany(ctx, []int64{c.ID, 7})) }, "categories.get"},
		{"find", func() error { return run(categories.Find(ctx, query.Where(shop.CategorySlug.Eq("c")))) }, "categories.find"},
		{"count", func() error { return run(categories.Count(ctx, query.Query[shop.Category]{})) }, "categories.count"},
		{"exists", func() error { return run(categories.Exists(ctx, query.Where(shop.CategorySlug.Eq("c")))) }, "categories.exists"},
		{"update", func() error { return categories.Update(ctx, &c) }, "categories.update"},
		{"patch", func() error { return categories.Patch(ctx, c.ID, shop.CategorySlug.Set("c2")) }, "categories.update"},
		{"upsert", func() error { return run(categories.Upsert(ctx, &d, query.OnConflict(shop.CategorySlug))) }, "categories.upsert"},
		{"delete", func() error { return categories.Delete(ctx, d.ID) }, "categories.delete"},
		{"delete many", func() error { return run(categories.DeleteMany(ctx, []int64{d.ID})) }, "categories.delete"},
		{"for products", func() error { x = product(c, "x"); return products.Create(ctx, &x) }, "products.create"},
		{"preload", func() error {
			return run(views.Find(ctx, query.Query[shop.Product]{}, preload.One(shop.ProductCategory, func(v *view) **shop.Category { return &v.Category })))
		}, "products.find, categories.get"}, // which is what GetMany sends
		{"preload by a foreign key", func() error {
			return run(shelves.Find(ctx, query.Query[shop.Category]{}, preload.Many(shop.CategoryProducts, func(v *shelf) *[]shop.Product { return &v.Products })))
		}, "categories.find, products.preload"},
		{"stream with loads", func() error {
			for _, err := range views.Stream(ctx, query.Query[shop.Product]{}, preload.One(shop.ProductCategory, func(v *view) **shop.Category { return &v.Category })) {
				check.NoError(t, err)
			}
			return nil
		}, "begin, products.stream, products.stream, queued categories.get, batch categories.batch, products.stream, commit"},
		{"savepoint", func() error {
			return pgx.BeginFunc(ctx, p, func(tx pgx.Tx) error { return pgx.BeginFunc(ctx, tx, func(pgx.Tx) error { return nil }) })
		}, "begin, savepoint, savepoint, commit"},
		{"lock", func() error {
			return txn.Run(ctx, p, func(ctx context.Context, tx pgx.Tx) error { return txn.NewLock[int64]("orders").Acquire(ctx, tx, 1) })
		}, "begin, lock, commit"},
		{"unit", func() error {
			u := unit.New()
			g := category("g")
			unit.Create(u, shop.Categories, &g)
			return run(u.Flush(ctx, p))
		}, "queued begin, queued categories.create, queued commit, batch categories.batch"},
		{"batch", func() error {
			var b pgx.Batch
			b.Queue("SELECT 1")
			b.Queue("SELECT 2")
			return p.SendBatch(ctx, &b).Close()
		}, "queued raw, queued raw, batch batch"},
		{"copy", func() error {
			rows := pgx.CopyFromRows([][]any{{"h", "h"}})
			return run(p.CopyFrom(ctx, pgx.Identifier{"categories"}, []string{"slug", "name"}, rows))
		}, "copy categories.copy"},
		{"copy into a table that is not declared", func() error {
			check.Value(p.Exec(ctx, "CREATE TABLE tenant_42 (id bigint)"))(t)
			return run(p.CopyFrom(ctx, pgx.Identifier{"tenant_42"}, []string{"id"}, pgx.CopyFromRows(nil)))
		}, "raw, copy copy"},
		{"sqlc", func() error { return run(p.Exec(ctx, "-- name: TouchAll :exec\nSELECT 1")) }, "TouchAll"},
		{"raw", func() error { return run(p.Exec(ctx, "SELECT 3")) }, "raw"},
	} {
		j.take()
		if err := step.do(); err != nil {
			t.Errorf("%s: %v", step.what, err)
		}
		got := strings.Join(names(j.take()), ", ")
		check.Same(t, step.what, got, step.want)
	}
}

// TestStreamsHaveOneText: the number that the name of a cursor has makes no further
// texts.
func TestStreamsHaveOneText(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	o, _, p := observedPool(t, observe.Config{}, 1)
	products := repo.New(p, shop.Products)
	type view struct {
		shop.Product
		Category *shop.Category
	}
	views := repo.View(products, func(v *view) *shop.Product { return &v.Product })
	const streams = 5
	for range streams {
		for range views.Stream(ctx, query.Query[shop.Product]{}, preload.One(shop.ProductCategory, func(v *view) **shop.Category { return &v.Category })) {
			t.Error("there is no row")
		}
	}
	texts := 0
	for _, s := range o.Snapshot().Shapes {
		if s.Name.String() == "products.stream" {
			texts++
			check.Same(t, "calls of "+s.SQL, s.Calls, streams)
		}
	}
	check.Same(t, "texts: DECLARE, FETCH and CLOSE", texts, 3)
}

// TestTransactionsAreSeen, also a COMMIT that goes past pgx's hooks because its
// position is asked for.
func TestTransactionsAreSeen(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	_, j, p := observedPool(t, observe.Config{}, 1)
	_, err := txn.RunResult(ctx, p, func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "SELECT 1")
		return err
	}, txn.Options{TrackPosition: true})
	check.NoError(t, err)
	events := j.take()
	commits := 0
	for _, e := range events {
		if e.Kind == observe.Transaction {
			continue
		}
		switch e.Name.String() {
		case "raw":
			check.Same(t, "in a transaction", e.InTx, true)
			check.Same(t, "attempt at it", e.Tries, 1)
		case "commit":
			commits++
			check.Same(t, "outcome of COMMIT", e.Outcome, observe.OK)
		}
	}
	check.Same(t, "commits", commits, 1)
}

// TestRowsAndErrors of statements and batches are counted for each shape.
func TestRowsAndErrors(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	o, j, p := observedPool(t, observe.Config{}, 1)
	rows, err := p.Query(ctx, "SELECT generate_series(1, 5)")
	check.NoError(t, err)
	rows.Close()
	for range 2 {
		_, err = p.Exec(ctx, "SELECT 1/$1::int", 0)
		check.Same(t, "division has an error", err != nil, true)
	}
	var b pgx.Batch
	b.Queue("SELECT generate_series(1, 3)")
	b.Queue("SELECT 1/$1::int", 0)
	if err := p.SendBatch(ctx, &b).Close(); err == nil {
		t.Error("a batch that fails has no error")
	}
	for _, s := range o.Snapshot().Shapes {
		switch s.SQL {
		case "SELECT generate_series(1, 5)":
			check.Same(t, "rows", s.Rows, 5)
		case "SELECT generate_series(1, 3)":
			check.Same(t, "rows in the batch", s.Rows, 3)
			check.Same(t, "queued", s.Queued, 1)
		case "SELECT 1/$1::int":
			check.Same(t, "failed", s.Failed, 3)
			check.Equal(t, "errors", s.Errors, map[string]uint64{"22012": 3})
		}
	}
	for _, e := range j.take() {
		if e.SQL == "SELECT 1/$1::int" {
			check.Same(t, "SQLSTATE", e.SQLState, "22012")
			check.Same(t, "outcome", e.Outcome, observe.Failed)
			check.Same(t, "error", e.Err != nil, true)
		}
	}
}

// TestOutcomes: that of a caller who has gone is not the server's.
func TestOutcomes(t *testing.T) {
	t.Parallel()
	o, j, p := observedPool(t, observe.Config{}, 1)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := p.Exec(ctx, "SELECT pg_sleep(30)")
	check.Error(t, "cancelled", err, context.DeadlineExceeded)
	events := j.take()
	check.Same(t, "events", len(events), 1)
	check.Same(t, "outcome", events[0].Outcome, observe.Cancelled)
	sum := o.Snapshot().Total()
	check.Same(t, "cancelled", sum.Cancelled, 1)
	check.Same(t, "failed", sum.Failed, 0)
}

// TestKilledBackends are errors of those whom they hit, and nobody else's.
func TestKilledBackends(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	o, _, p := observedPool(t, observe.Config{}, 1)
	for range 5 {
		_, err := p.Exec(ctx, "SELECT pg_terminate_backend(pg_backend_pid())")
		check.Same(t, "error", err != nil, true)
		_, err = p.Exec(ctx, "SELECT 1")
		check.NoError(t, err)
	}
	sum := o.Snapshot().Total()
	check.Same(t, "failed", sum.Failed, 5)
	for _, s := range o.Snapshot().Shapes {
		if s.SQL == "SELECT 1" {
			check.Same(t, "calls", s.Calls, 5)
			check.Same(t, "failed of others", s.Failed, 0)
		}
	}
}

// TestWaiting for a connection is not the server's time.
func TestWaiting(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	_, j, p := observedPool(t, observe.Config{}, 1)
	const held = 50 * time.Millisecond
	for {
		conn := check.Value(p.Acquire(ctx))(t)
		done := make(chan error)
		go func() {
			_, err := p.Exec(ctx, "SELECT 'waits'")
			done <- err
		}()
		time.Sleep(held)
		conn.Release()
		check.NoError(t, <-done)
		events := j.take()
		check.Same(t, "events", len(events), 1)
		if e := events[0]; e.Waited > 0 { // else the goroutine began late
			check.Same(t, "total", e.Total(), e.Waited+e.Server)
			return
		}
	}
}

// TestStreamsAreHeld: the program's time between rows is not the server's.
func TestStreamsAreHeld(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	o, j, p := observedPool(t, observe.Config{}, 1)
	categories := repo.New(p, shop.Categories)
	check.NoError(t, categories.CreateMany(ctx, []shop.Category{category("a"), category("b"), category("c")}))
	j.take()
	const each = 50 * time.Millisecond
	for _, err := range categories.Stream(ctx, query.Query[shop.Category]{}) {
		check.NoError(t, err)
		time.Sleep(each)
	}
	e := j.take()[0]
	check.Same(t, "name", e.Name.String(), "categories.find")
	if e.Held < 3*each || e.Whole {
		t.Errorf("held %v, want at least %v; whole %v", e.Held, 3*each, e.Whole)
	}
	for range categories.Stream(ctx, query.Query[shop.Category]{}) {
		break // before the end
	}
	e = j.take()[0]
	check.Same(t, "outcome of a stream that was left", e.Outcome, observe.OK)
	for _, s := range o.Snapshot().Shapes {
		if s.Name.String() == "categories.find" && s.Times.Quantile(1) >= 3*each && s.Times.Quantile(1) < s.Held {
			t.Logf("the server took %v", s.Times.Quantile(1)) // a busy machine
		}
	}
}

// TestDecoding is measured where smrt decodes, and only there.
func TestDecoding(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	_, j, p := observedPool(t, observe.Config{}, 1)
	categories := repo.New(p, shop.Categories, alone)
	var many []shop.Category
	for i := range 100 {
		many = append(many, category(strings.Repeat("x", i+1)))
	}
	check.NoError(t, categories.CreateMany(ctx, many))
	j.take()
	_, err := categories.Find(ctx, query.Query[shop.Category]{})
	check.NoError(t, err)
	e := j.take()[0]
	check.Same(t, "rows", e.Rows, 100)
	if e.Decoded <= 0 || e.Whole || e.Held != 0 {
		t.Errorf("decoded %v, whole %v, held %v", e.Decoded, e.Whole, e.Held)
	}
	rows := check.Value(p.Query(ctx, "SELECT slug FROM categories"))(t)
	_, err = pgx.CollectRows(rows, pgx.RowTo[string])
	check.NoError(t, err)
	e = j.take()[0]
	if e.Decoded != 0 || !e.Whole {
		t.Errorf("of raw SQL: decoded %v, whole %v", e.Decoded, e.Whole)
	}
}

// dawdling is a text that takes long to decode, if it is told to.
type dawdling string

var dawdle atomic.Int64

func (d *dawdling) Scan(v any) error {
	time.Sleep(time.Duration(dawdle.Load()))
	*d = dawdling(v.(string))
	return nil
}

// TestDecodingOfOneRow is measured for one call in eight, and known for the others.
func TestDecodingOfOneRow(t *testing.T) {
	ctx := t.Context()
	type Row struct {
		ID   int64
		Slug dawdling
	}
	o, j, p := observedPool(t, observe.Config{}, 1)
	c := category("c")
	check.NoError(t, repo.New(p, shop.Categories).Create(ctx, &c))
	rows := repo.New(p, query.NewTable("categories", func(r *Row) *int64 { return &r.ID }), alone)
	const each = 20 * time.Millisecond
	dawdle.Store(int64(each))
	defer dawdle.Store(0)
	read := func() time.Duration {
		j.take()
		_, err := rows.Get(ctx, c.ID)
		check.NoError(t, err)
		events := j.take()
		return events[len(events)-1].Decoded
	}
	for n := range 12 {
		if took := read(); took < each {
			t.Errorf("decoding took %v in call %d", took, n)
		}
	}
	dawdle.Store(0)
	for range 100 {
		if read() < each {
			check.Same(t, "decoding is a part of the whole", o.Snapshot().Total().Decoded >= 12*each, true)
			return
		}
	}
	t.Error("the time of decoding is never measured again")
}

// TestCallersThatShare a statement are counted.
func TestCallersThatShare(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	o, _, p := observedPool(t, observe.Config{}, 1)
	categories := repo.New(p, shop.Categories)
	c := category("c")
	check.NoError(t, categories.Create(ctx, &c))
	var wg sync.WaitGroup
	const callers, each = 16, 50
	for range callers {
		wg.Go(func() {
			for range each {
				if _, err := categories.Get(ctx, c.ID); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	calls := uint64(0)
	for _, s := range o.Snapshot().ByName() {
		if s.Name.String() == "categories.get" {
			calls += s.Calls + s.Shared
		}
	}
	check.Same(t, "calls with those that shared", calls, callers*each)
}

// TestOpenRows: a query that pgx refuses because rows are open does not end them.
func TestOpenRows(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	_, j, p := observedPool(t, observe.Config{}, 1)
	conn := check.Value(p.Acquire(ctx))(t)
	defer conn.Release()
	rows := check.Value(conn.Query(ctx, "SELECT generate_series(1, 3)"))(t)
	_, err := conn.Exec(ctx, "SELECT 'busy'")
	check.Same(t, "refused by pgx", err != nil, true)
	rows.Close()
	check.NoError(t, rows.Err())
	events := j.take()
	check.Same(t, "events", len(events), 1)
	check.Same(t, "rows", events[0].Rows, 3)
	check.Same(t, "outcome", events[0].Outcome, observe.OK)
}

// failing is another tracer, which counts.
type other struct {
	mu         sync.Mutex
	began, end int
}

func (o *other) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.began++
	return ctx
}

func (o *other) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.end++
}

// TestBesideOtherTracers: each sees each statement once, in whatever order they were
// attached, and however often.
func TestBesideOtherTracers(t *testing.T) {
	t.Parallel()
	o, theirs := newObserver(t, observe.Config{}), &other{}
	p := testdb.Pool(t, shop.Schema, testdb.Configure(func(c *pgxpool.Config) {
		c.ConnConfig.Tracer = theirs
		observe.Attach(c.ConnConfig)
		o.Attach(c.ConnConfig)
		o.Configure(c)
		observe.Attach(c.ConnConfig)
	}))
	for range 3 {
		_, err := p.Exec(t.Context(), "SELECT 1")
		check.NoError(t, err)
	}
	check.Same(t, "calls", o.Snapshot().Total().Calls, 3)
	check.Same(t, "calls of the other", theirs.began, 3)
	check.Same(t, "ends of the other", theirs.end, 3)
}

// TestArgsAreShownOnRequest only.
func TestArgsAreShownOnRequest(t *testing.T) {
	t.Parallel()
	for _, args := range []bool{false, true} {
		_, j, p := observedPool(t, observe.Config{Args: args}, 1)
		_, err := p.Exec(t.Context(), "SELECT $1::text", "secret")
		check.NoError(t, err)
		shown := slices.ContainsFunc(j.take()[0].Args, func(a any) bool { return a == "secret" })
		check.Same(t, "shown", shown, args)
	}
}

// TestPreparedByName: the text of a statement that is sent by its name is known.
func TestPreparedByName(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	_, j, p := observedPool(t, observe.Config{}, 1)
	conn := check.Value(p.Acquire(ctx))(t)
	defer conn.Release()
	for _, text := range []string{"SELECT 1", "SELECT 2"} {
		check.Value(conn.Conn().Prepare(ctx, "mine", text))(t)
		for range 3 {
			_, err := conn.Exec(ctx, "mine")
			check.NoError(t, err)
			events := j.take()
			check.Same(t, "text", events[len(events)-1].SQL, text)
		}
		check.NoError(t, conn.Conn().Deallocate(ctx, "mine"))
	}
}

var errOops = errors.New("oops")
