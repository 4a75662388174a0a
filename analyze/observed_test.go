package analyze_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/analyze"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/observe"
	"github.com/smrt-go/smrt/pool"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
	"github.com/smrt-go/smrt/schema"
	"github.com/smrt-go/smrt/txn"
)

// watched is a shop that an observer watches.
type watched struct {
	*pool.Pool
	observer *observe.Observer
	below    *pgxpool.Pool // which nobody watches
	products *repo.Repository[shop.Product, int64]
	mode     pgx.QueryExecMode
}

// watch opens a shop with 40 products, which have long descriptions.
func watch(t *testing.T) *watched {
	t.Helper()
	w := &watched{observer: check.Value(observe.New(observe.Config{}))(t), below: testdb.Pool(t, shop.Schema)}
	w.mode = w.below.Config().ConnConfig.DefaultQueryExecMode
	w.Pool = check.Value(pool.Open(t.Context(), pool.Config{
		URL: w.below.Config().ConnString(), Profile: pool.Test, MaxConns: 2,
		Configure: func(c *pgxpool.Config) {
			c.ConnConfig.DefaultQueryExecMode = w.mode
			w.observer.Configure(c)
		},
	}))(t)
	t.Cleanup(w.Close)
	exec(t, w.below, `INSERT INTO categories (slug, name, position) VALUES ('c', 'C', 1);
		INSERT INTO products (category_id, sku, name, description, price_cents) SELECT id, 'sku' || n, 'P', repeat('long ', 8000), 100 FROM categories, generate_series(1, 40) n`)
	w.products = repo.New(w.Pool, shop.Products, repo.Options{Batching: repo.Batching{Off: true}})
	return w
}

// observedProblem is a way to use a database that only shows while a program runs.
type observedProblem struct {
	id, object, says string
	level            schema.Level
	run, free        func(t *testing.T, w *watched) // free does the same without the problem
}

var observedProblems = []observedProblem{
	{
		id: "R1", object: "products.get in analyze_test.getEach", says: "observed_test.go:", level: schema.Warning,
		run: func(t *testing.T, w *watched) { getEach(t, w, observe.WithScope(t.Context(), quiet)) },
		free: func(t *testing.T, w *watched) {
			check.Value(w.products.GetMany(observe.WithScope(t.Context(), quiet), []int64{1, 2, 3, 4, 5, 6, 7}))(t)
		},
	},
	{
		id: "R2", object: "statement a1267729", says: "30 texts are the same but for the values in them: SELECT name FROM products WHERE sku = $1 AND id > $2::int4", level: schema.Warning,
		run: func(t *testing.T, w *watched) {
			for i := range 30 {
				w.send(t, t.Context(), fmt.Sprintf("SELECT name FROM products WHERE sku = 'user %d' AND id > %d", i, i))
			}
		},
		free: func(t *testing.T, w *watched) {
			for i := range 30 {
				w.send(t, t.Context(), "SELECT name FROM products WHERE sku = $1", fmt.Sprint("user ", i))
			}
		},
	},
	{
		id: "R3", object: "products.find", says: "20 of 20 calls left their rows", level: schema.Warning,
		run: func(t *testing.T, w *watched) {
			for range 20 {
				for range w.products.Stream(t.Context(), query.All[shop.Product]()) {
					break
				}
			}
		},
		free: func(t *testing.T, w *watched) {
			for range 20 {
				for range w.products.Stream(t.Context(), query.All[shop.Product]().Limit(1)) {
					continue
				}
			}
		},
	},
	{
		id: "R3", object: "statement 6d29923c", says: "rows that came were not read", level: schema.Warning,
		run: func(t *testing.T, w *watched) {
			for range 15 { // too few to be left often
				check.NoError(t, w.QueryRow(t.Context(), "SELECT n FROM generate_series(1, 1000) n").Scan(new(int)))
			}
		},
		free: func(t *testing.T, w *watched) { w.send(t, t.Context(), "SELECT n FROM generate_series(1, 20000) n") },
	},
	{
		id: "R4", object: "products.find: description", says: "of the column description", level: schema.Note,
		run: func(t *testing.T, w *watched) {
			check.Value(w.products.Find(t.Context(), query.All[shop.Product]()))(t)
		},
		free: func(t *testing.T, w *watched) {
			check.Value(w.products.Find(t.Context(), query.All[shop.Product]().Limit(3)))(t)
		},
	},
	{
		id: "R4", object: "products.find 3741e1ee: description", says: "and other statements read the table without it", level: schema.Warning,
		run: func(t *testing.T, w *watched) {
			check.Value(w.products.Find(t.Context(), query.All[shop.Product]()))(t)
			listed(t, w)
		},
		free: listed,
	},
	{
		id: "R5", object: "analyze_test.(*watched).slowly", says: "3 transactions that", level: schema.Warning,
		run: func(t *testing.T, w *watched) { w.slowly(t, true) }, free: func(t *testing.T, w *watched) { w.slowly(t, false) },
	},
	{
		id: "R6", object: "analyze_test.(*watched).send", says: "under one scope once", level: schema.Warning,
		run:  func(t *testing.T, w *watched) { w.many(t, 101) },
		free: func(t *testing.T, w *watched) { w.many(t, 100) },
	},
	{
		id: "R7", object: "raw", says: "of 1000 calls had to prepare", level: schema.Warning,
		run: func(t *testing.T, w *watched) {
			for i := range 1000 {
				w.send(t, t.Context(), fmt.Sprint("SELECT ", i%990))
			}
		},
		free: func(t *testing.T, w *watched) {
			for i := range 1000 {
				w.send(t, t.Context(), fmt.Sprint("SELECT ", i%5))
			}
		},
	},
	{
		id: "R8", object: "raw", says: "calls failed because of another transaction: 20 could not be serialized", level: schema.Warning,
		run: func(t *testing.T, w *watched) { w.conflict(t, 20) }, free: func(t *testing.T, w *watched) { w.conflict(t, 1) },
	},
}

// offer is a product without what is long.
type offer struct {
	ID         int64
	SKU        string
	PriceCents int64
}

// listed reads offers.
func listed(t *testing.T, w *watched) {
	t.Helper()
	check.Value(repo.Select[offer](w.products).Find(t.Context(), query.All[shop.Product]()))(t)
}

var quiet = observe.Options{Policy: observe.Ignore}

func getEach(t *testing.T, w *watched, ctx context.Context) {
	t.Helper()
	for id := range int64(7) {
		check.Value(w.products.Get(ctx, id+1))(t)
	}
}

// send reads all rows of a statement.
func (w *watched) send(t *testing.T, ctx context.Context, sql string, args ...any) {
	t.Helper()
	rows, err := w.Query(ctx, sql, args...)
	check.NoError(t, err)
	for rows.Next() {
	}
	check.NoError(t, rows.Err())
}

// slowly runs transactions that wait, for the program or for the server.
func (w *watched) slowly(t *testing.T, idle bool) {
	t.Helper()
	for range 3 {
		tx := check.Value(w.Begin(t.Context()))(t)
		check.Value(tx.Exec(t.Context(), "SELECT 1"))(t)
		if idle {
			time.Sleep(150 * time.Millisecond)
		} else {
			check.Value(tx.Exec(t.Context(), "SELECT pg_sleep(0.3)"))(t)
		}
		check.NoError(t, tx.Commit(t.Context()))
	}
}

// many sends so many different statements under one scope.
func (w *watched) many(t *testing.T, n int) {
	t.Helper()
	ctx := observe.WithScope(t.Context(), quiet)
	for i := range n {
		w.send(t, ctx, fmt.Sprintf("SELECT 1 AS n%d", i))
	}
}

// conflict makes 120 calls, so many of which meet another transaction.
func (w *watched) conflict(t *testing.T, conflicts int) {
	t.Helper()
	for i := range 120 - conflicts {
		w.send(t, t.Context(), "SELECT $1::int", i)
	}
	for range conflicts {
		tx := check.Value(w.BeginTx(t.Context(), pgx.TxOptions{IsoLevel: pgx.RepeatableRead}))(t)
		batch := &pgx.Batch{}
		batch.Queue("SELECT count(*) FROM products") // a statement by itself would be a call, too
		check.NoError(t, tx.SendBatch(t.Context(), batch).Close())
		exec(t, w.below, "UPDATE products SET stock = stock + 1")
		_, err := tx.Exec(t.Context(), "UPDATE products SET stock = stock + 2")
		if err == nil {
			t.Fatal("no conflict")
		}
		if err := tx.Rollback(t.Context()); err != nil && !errors.Is(err, pgx.ErrTxClosed) {
			t.Fatal(err)
		}
	}
}

// TestObserved uses a database badly in each way that shows while a program runs. Each is
// found by its id in what an observer has written to a file, and the same without the
// problem is not.
func TestObserved(t *testing.T) {
	t.Parallel()
	for _, p := range observedProblems {
		t.Run(p.id+" "+p.object, func(t *testing.T) {
			t.Parallel()
			w := watch(t)
			if p.id == "R7" && w.mode != pgx.QueryExecModeCacheStatement && w.mode != pgx.QueryExecModeCacheDescribe {
				t.Skip("nothing is prepared, or everything each time")
			}
			observed := func(run func(*testing.T, *watched)) analyze.Findings {
				w.observer.Reset()
				run(t, w)
				var read observe.Snapshot
				check.NoError(t, json.Unmarshal(check.Value(json.Marshal(w.observer.Snapshot()))(t), &read))
				report := check.Value(analyze.Run(t.Context(), w.below, analyze.Options{Snapshots: []observe.Snapshot{read}}))(t)
				check.Equal(t, "without a plan", report.Unplanned, []analyze.Unplanned{})
				return slices.DeleteFunc(report.Findings, func(f analyze.Finding) bool { return f.ID[0] != 'R' || f.ID == "R2" && p.id != "R2" })
			}
			check.Equal(t, "without the problem", lines(observed(p.free)), nil)
			found := observed(p.run)
			f := find(t, found, p.id, p.object)
			if f.Level != p.level || !strings.Contains(f.Evidence, p.says) || f.Name() == "" || f.Go == "" || f.Follows == "" {
				t.Errorf("does not say %q\n%s", p.says, f)
			}
			if len(found) != 1 {
				t.Errorf("others are found too: %v", found)
			}
			if strings.Contains(fmt.Sprint(found), "user 7") {
				t.Errorf("a value is in %v", found)
			}
		})
	}
}

// TestObservedShop uses a shop as it should be used, and nothing is found: all rows are read,
// keys are asked for together, and transactions do nothing slow.
func TestObservedShop(t *testing.T) {
	t.Parallel()
	w := watch(t)
	orders, lines := repo.New(w.Pool, shop.Orders), repo.New(w.Pool, shop.OrderItems)
	customers := repo.New(w.Pool, shop.Customers)
	for i := range 60 {
		ctx := observe.WithScope(t.Context(), quiet)
		check.NoError(t, txn.Run(ctx, w.Pool, func(ctx context.Context, tx pgx.Tx) error {
			c := shop.Customer{Email: fmt.Sprintf("c%d@example.com", i), Name: "C", Country: "DE"}
			if err := customers.With(tx).Create(ctx, &c); err != nil {
				return err
			}
			o := shop.Order{CustomerID: c.ID, Status: "pending"}
			if err := orders.With(tx).Create(ctx, &o); err != nil {
				return err
			}
			return lines.With(tx).CreateMany(ctx, []shop.OrderItem{{OrderID: o.ID, LineNo: 1, ProductID: 1, Quantity: 1}, {OrderID: o.ID, LineNo: 2, ProductID: 2, Quantity: 1}})
		}))
		check.Value(w.products.GetMany(ctx, []int64{1, 2, 3}))(t)
		check.Value(w.products.Count(ctx, query.All[shop.Product]()))(t)
		check.Value(orders.Find(ctx, query.All[shop.Order]().OrderBy(shop.PlacedAt.Desc()).Limit(20)))(t)
		for _, err := range orders.Stream(ctx, query.All[shop.Order]()) {
			check.NoError(t, err)
		}
	}
	report := check.Value(analyze.Run(t.Context(), w.below, analyze.Options{
		Declarations: shopTables(), Workload: shopQueries(t), Snapshots: []observe.Snapshot{w.observer.Snapshot()},
	}))(t)
	check.Equal(t, "warnings", warnings(report.Findings), nil)
	check.Equal(t, "without a plan", report.Unplanned, []analyze.Unplanned{})
	if report.Statements < len(shopQueries(t))+5 {
		t.Errorf("%d statements", report.Statements)
	}
}

// lines are findings as a baseline has them.
func lines(found analyze.Findings) (all []string) {
	for _, f := range found {
		all = append(all, f.ID+" "+f.Object)
	}
	return all
}
