package observe_test

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/observe"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
	"github.com/smrt-go/smrt/txn"
)

// withoutValues are texts as programs make them and what a snapshot has of them.
var withoutValues = [][2]string{
	{"SELECT id FROM orders WHERE id = 4711 AND total_cents > 12345678901", "SELECT id FROM orders WHERE id = $1::int4 AND total_cents > $2::int8"},
	{"SELECT id FROM orders WHERE note = 'secret' -- of secret\n AND id = $1", "SELECT id FROM orders WHERE note = $2 AND id = $1"},
	{"SELECT status, 7, count(*) FROM orders GROUP BY 1, 2 HAVING count(*) > 5 ORDER BY 1, (count(*) + 9) LIMIT 20 OFFSET 40", ""},
	{"SELECT id FROM orders WHERE placed_at > DATE '2026-01-01' AND placed_at < now() - interval '1 day'", "SELECT id FROM orders WHERE placed_at > $1::date AND placed_at < now() - $2::interval"},
	{"SELECT 'secret'::varchar(20), 1.5::numeric(10,2), E'secret\\'s', $$secret$$", "SELECT $1::varchar(20), $2::numeric::numeric(10,2), $3, $4"},
	{"SELECT id FROM orders WHERE id IN (4711, 4712) FETCH FIRST 3 ROWS ONLY", "SELECT id FROM orders WHERE id IN ($1::int4, $2::int4) FETCH FIRST 3 ROWS ONLY"},
	{"SELECT sum(CASE WHEN note = 'secret' THEN 1 ELSE 0 END), row_number() OVER (ORDER BY max(id), 4711) FROM orders", ""},
	{"SELECT name FROM products WHERE description ILIKE '%secret%' /* secret */", "SELECT name FROM products WHERE description ILIKE $1"},
}

// TestWithoutValues: texts of the program's own have no values in a snapshot without them,
// the server still plans them, and those that differed in values only are one.
func TestWithoutValues(t *testing.T) {
	t.Parallel()
	db := unobserved(t)
	for _, text := range withoutValues {
		o := newObserver(t, observe.Config{})
		observe.Record(o, text[0], time.Second)
		got := o.Snapshot().WithoutValues().Shapes[0].SQL
		if text[1] != "" {
			check.Same(t, text[0], got, text[1])
		}
		for _, value := range []string{"secret", "4711", "12345678901", "2026-01-01"} {
			if strings.Contains(got, value) {
				t.Errorf("%s is in %s", value, got)
			}
		}
		if _, err := db.Exec(t.Context(), "PREPARE p AS "+got+"; DEALLOCATE p", pgx.QueryExecModeSimpleProtocol); err != nil {
			t.Errorf("%s: %v", got, err)
		}
	}
	o := newObserver(t, observe.Config{})
	for i := range 30 {
		observe.Record(o, fmt.Sprintf("SELECT name FROM products WHERE sku = 'secret %d'", i), time.Millisecond)
	}
	shapes := o.Snapshot().WithoutValues().Shapes
	if len(shapes) != 1 || shapes[0].Texts != 30 || shapes[0].Calls != 30 || shapes[0].Times.Count() != 30 {
		t.Errorf("30 texts are %+v", shapes)
	}
	observe.Record(o, "SELECT 'secret without end", time.Millisecond)
	if text := string(check.Value(json.Marshal(o.Snapshot()))(t)); strings.Contains(text, "secret") || !strings.HasPrefix(text, `{"version":1,`) {
		t.Errorf("as JSON: %s", text)
	}
}

// TestSnapshotAsJSON: what was written is read back and is written alike.
func TestSnapshotAsJSON(t *testing.T) {
	t.Parallel()
	o, _, db := observedPool(t, observe.Config{}, 2)
	products := repo.New(db, shop.Products)
	for range 3 {
		check.Value(products.Find(t.Context(), query.All[shop.Product]().Limit(5)))(t)
		_, _ = db.Exec(t.Context(), "SELECT 1/0 FROM products WHERE sku = 'secret'")
	}
	was := o.Snapshot()
	text := check.Value(json.Marshal(was))(t)
	var is observe.Snapshot
	check.NoError(t, json.Unmarshal(text, &is))
	check.Same(t, "again", string(check.Value(json.Marshal(is))(t)), string(text))
	a, b := was.Total(), is.Total()
	check.Same(t, "the sums", b, a)
	if strings.Contains(string(text), "secret") || was.Since.Unix() != is.Since.Unix() {
		t.Errorf("%s", text)
	}
	for broken, says := range map[string]string{
		`[]`: "no snapshot", `{}`: "version 0", `{"version": 2}`: "version 2, and 1 can be read",
		`{"version": 1, "shapes": [{"times": [[7, 1], [7, 1]]}]}`: "above the one before", `{"version": 1, "shapes": [{"times": {}}]}`: "no histogram",
	} {
		if err := json.Unmarshal([]byte(broken), &is); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want %q", broken, err, says)
		}
	}
}

// only returns the only finding of a snapshot.
func only(t *testing.T, o *observe.Observer, says string) observe.Finding {
	t.Helper()
	found := o.Snapshot().Findings
	if len(found) != 1 {
		t.Fatalf("%d findings: %+v", len(found), found)
	}
	if f := found[0]; filepath.Base(f.Site.File) != "snapshot_test.go" || f.Instead == "" || !strings.Contains(f.String(), says) {
		t.Errorf("the finding is %s", f)
	}
	return found[0]
}

// TestManyCallsOfARequest: a scope is found at its 101st call, whether it makes that itself or
// one inside of it does, once, and not before. What only holds other scopes is no request.
func TestManyCallsOfARequest(t *testing.T) {
	t.Parallel()
	o, _, db := observedPool(t, observe.Config{}, 1)
	for _, c := range []struct {
		what  string
		calls string // o: under the outer scope, i: under one inside of it, I: under one inside of that
		found int
	}{
		{"its own", strings.Repeat("o", 101), 1},
		{"not above", strings.Repeat("o", 100), 0},
		{"of scopes inside, after one of its own", "o" + strings.Repeat("i", 100), 1},
		{"of scopes two levels inside", "o" + strings.Repeat("iI", 50), 1},
		{"the last is its own", strings.Repeat("i", 100) + "o", 1},
		{"just not above with those inside", "o" + strings.Repeat("i", 99), 0},
		{"a test around requests", strings.Repeat("i", 200), 0},
		{"more than one too many", "o" + strings.Repeat("i", 300), 1},
	} {
		o.Reset()
		outer := observe.WithScope(t.Context(), observe.Options{Policy: observe.Ignore})
		for n, where := range c.calls {
			ctx := outer
			for range strings.Index("oiI", string(where)) {
				ctx = observe.WithScope(ctx, observe.Options{Policy: observe.Ignore})
			}
			_, err := db.Exec(ctx, fmt.Sprintf("SELECT %d", n+1))
			check.NoError(t, err)
		}
		check.Same(t, c.what, len(o.Snapshot().Findings), c.found)
		if c.found > 0 {
			s := only(t, o, "too many calls: 101")
			check.Same(t, c.what+": the call", s.SQL, "SELECT 101")
			check.Same(t, c.what+": times", s.Times, 1)
		}
	}

	// Of a request in a request each is found.
	o.Reset()
	outer := observe.WithScope(t.Context(), observe.Options{Policy: observe.Ignore})
	inner := observe.WithScope(outer, observe.Options{Policy: observe.Ignore})
	for n := range 102 {
		ctx := inner
		if n == 100 { // makes outer a request, and is its 101st call
			ctx = outer
		}
		_, err := db.Exec(ctx, fmt.Sprintf("SELECT %d", n+1))
		check.NoError(t, err)
	}
	check.Same(t, "of two scopes", len(o.Snapshot().Findings), 2)
}

// TestFindingsOfAnObserver: loops, requests with many calls, and transactions that do nothing
// are remembered with their places, each as often as it was seen.
func TestFindingsOfAnObserver(t *testing.T) {
	t.Parallel()
	o, _, db := observedPool(t, observe.Config{}, 2)
	for range 2 {
		ctx, _ := watch(t, observe.Options{})
		for range 7 {
			_ = db.QueryRow(ctx, "SELECT 1").Scan(new(int))
		}
	}
	check.Same(t, "loops", only(t, o, "in a loop").Times, 2)
	o.Reset()
	check.Equal(t, "after Reset", o.Snapshot().Findings, nil)

	sleeping := func(where string) {
		check.NoError(t, txn.Run(t.Context(), db, func(ctx context.Context, tx pgx.Tx) error {
			if where == "outside" {
				time.Sleep(150 * time.Millisecond)
			}
			_, err := tx.Exec(ctx, "SELECT pg_sleep(0.15)")
			if where == "in the server" || err != nil {
				return err
			}
			time.Sleep(400 * time.Millisecond)
			return nil
		}))
	}
	o.Reset()
	sleeping("in the server")
	check.Equal(t, "of a transaction that works", o.Snapshot().Findings, nil)
	sleeping("outside")
	s := only(t, o, "transactions did nothing for")
	if s.Times != 1 || s.Idle < 500*time.Millisecond || s.Open < s.Idle+100*time.Millisecond {
		t.Errorf("the idle transaction is %+v", s)
	}
}

// TestDoneForNothing: rows that are not read, statements that are prepared each time, the
// sizes of columns and the greatest OFFSET are in the statistics.
func TestDoneForNothing(t *testing.T) {
	t.Parallel()
	o, _, db := observedPool(t, observe.Config{}, 2)
	ctx := t.Context()
	products, categories := repo.New(db, shop.Products), repo.New(db, shop.Categories)
	c := category("c")
	check.NoError(t, categories.Create(ctx, &c))
	many := make([]shop.Product, 40)
	for i := range many {
		many[i] = product(c, fmt.Sprint("sku", i))
		many[i].Description = strings.Repeat("long ", 200)
	}
	check.NoError(t, products.CreateMany(ctx, many))
	o.Reset()
	named := func(name string) observe.Shape {
		for _, s := range o.Snapshot().ByName() {
			if s.Name.String() == name {
				return s
			}
		}
		return observe.Shape{}
	}

	rows := check.Value(db.Query(ctx, "SELECT id FROM products"))(t)
	rows.Next()
	rows.Close()
	check.NoError(t, db.QueryRow(ctx, "SELECT id FROM products").Scan(new(int64)))
	if s := named("raw"); s.Left != 2 || s.Unread != 39+39 {
		t.Errorf("of rows that were left: %+v", s.Stats)
	}
	o.Reset()
	all := check.Value(pgx.CollectRows(check.Value(db.Query(ctx, "SELECT id FROM products"))(t), pgx.RowTo[int64]))(t)
	check.NoError(t, db.QueryRow(ctx, "SELECT id FROM products LIMIT 1").Scan(new(int64)))
	if s := named("raw"); len(all) != 40 || s.Left != 0 || s.Unread != 0 {
		t.Errorf("of rows that were read: %+v", s.Stats)
	}
	for range products.Stream(ctx, query.All[shop.Product]()) {
		break
	}
	check.Same(t, "streams that were left", named("products.find").Left, 1)

	o.Reset()
	check.Value(products.Find(ctx, query.All[shop.Product]()))(t)
	for range 2 {
		check.Value(products.Find(ctx, query.All[shop.Product]().Limit(3).Offset(20)))(t)
	}
	for _, s := range o.Snapshot().Shapes {
		var sum, description uint64
		for column, bytes := range s.Columns {
			sum += bytes
			if column == "description" {
				description = bytes
			}
		}
		if s.Name.String() != "products.find" || description <= sum/2 || description < s.Rows*1000*3/4 {
			t.Errorf("the widths are %+v", s)
		}
		if deep := strings.Contains(s.SQL, "OFFSET"); deep != (s.MaxOffset == 20) {
			t.Errorf("the offset of %s is %d", s.SQL, s.MaxOffset)
		}
	}
}

// TestPrepared: a call whose statement had to be prepared says so, and its next one does
// not.
func TestPrepared(t *testing.T) {
	t.Parallel()
	o, _, db := observedPool(t, observe.Config{}, 1)
	mode := unobserved(t).Config().ConnConfig.DefaultQueryExecMode
	for range 5 {
		check.NoError(t, db.QueryRow(t.Context(), "SELECT 1").Scan(new(int)))
	}
	for i := range 5 {
		check.NoError(t, db.QueryRow(t.Context(), fmt.Sprintf("SELECT %d", i+2)).Scan(new(int)))
	}
	want := uint64(6)
	if mode == pgx.QueryExecModeExec || mode == pgx.QueryExecModeSimpleProtocol {
		want = 0
	}
	if mode == pgx.QueryExecModeDescribeExec {
		want = 10
	}
	total := o.Snapshot().Total()
	check.Same(t, "prepared", total.Prepared, want)
	check.Same(t, "calls", total.Calls, 10)
}
