package guard_test

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/guard"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/preload"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
	"github.com/smrt-go/smrt/txn"
)

type (
	customers = *repo.Repository[shop.Customer, int64]
	ordersOf  struct {
		shop.Customer
		Orders []shop.Order
	}
	customerViews = *repo.Reader[shop.Customer, int64, ordersOf]
)

var withOrders = preload.Many(shop.CustomerOrders, func(v *ordersOf) *[]shop.Order { return &v.Orders })

func viewsOf(r customers) customerViews {
	return repo.View(r, func(v *ordersOf) *shop.Customer { return &v.Customer })
}

// wideReads are the methods that return rows as wide as they are, and what is none.
var wideReads = map[string]func(context.Context, customers) error{
	"Get":     func(ctx context.Context, r customers) error { return of2(r.Get(ctx, 1)) },
	"GetMany": func(ctx context.Context, r customers) error { return of2(r.GetMany(ctx, []int64{1, 2, 1})) },
	"Find":    func(ctx context.Context, r customers) error { return of2(r.Find(ctx, wideOnes)) },
	"First":   func(ctx context.Context, r customers) error { return of2(r.First(ctx, wideOnes)) },
	"One": func(ctx context.Context, r customers) error {
		return of2(r.One(ctx, query.Where(shop.CustomerID.Eq(1))))
	},
	"Page": func(ctx context.Context, r customers) error { return of2(r.Page(ctx, wideOnes, query.Page{Size: 2})) },
	"PageNumber": func(ctx context.Context, r customers) error {
		return of2(r.PageNumber(ctx, wideOnes, 1, 2))
	},
	"Stream": func(ctx context.Context, r customers) error {
		for _, err := range r.Stream(ctx, wideOnes) {
			if err != nil {
				return err
			}
		}
		return nil
	},
	"LockMany": func(ctx context.Context, r customers) error { return of2(r.LockMany(ctx, []int64{1, 2})) },

	// What is no method of it.
	"Get of a view":     func(ctx context.Context, r customers) error { return of2(viewsOf(r).Get(ctx, 1)) },
	"GetMany of a view": func(ctx context.Context, r customers) error { return of2(viewsOf(r).GetMany(ctx, []int64{1, 2})) },
	"GetMany of columns": func(ctx context.Context, r customers) error {
		return of2(repo.Select[struct {
			ID   int64
			Name string
		}](r).GetMany(ctx, []int64{1, 2}))
	},
	"Get with loads":  func(ctx context.Context, r customers) error { return of2(viewsOf(r).Get(ctx, 1, withOrders)) },
	"Find with loads": func(ctx context.Context, r customers) error { return of2(viewsOf(r).Find(ctx, wideOnes, withOrders)) },
	"Stream with loads": func(ctx context.Context, r customers) error {
		for _, err := range viewsOf(r).Stream(ctx, wideOnes, withOrders) {
			if err != nil {
				return err
			}
		}
		return nil
	},
	"Aggregate": func(ctx context.Context, r customers) error {
		return of2(repo.Aggregate(ctx, r, query.Max(shop.CustomerName), wideOnes))
	},
	"CountBy": func(ctx context.Context, r customers) error {
		return of2(repo.CountBy(ctx, r, shop.CustomerName, wideOnes))
	},
}

// wideOnes have no orders, so that it is not those that are too large.
var wideOnes = query.Where(shop.CustomerID.Le(2))

func of2(_ any, err error) error { return err }

// noWideReads are methods that return no rows, or those that they wrote: it would be
// too late to refuse them.
var noWideReads = []string{
	"Count", "Exists", "Key", "With", "WithoutRules", "Create", "CreateMany", "Upsert", "UpsertMany", "GetOrCreate",
	"Update", "UpdateMany", "UpdateWhere", "UpdateReturning", "Patch", "PatchEntity",
	"Delete", "DeleteMany", "DeleteWhere", "DeleteReturning", "HardDelete", "HardDeleteWhere", "Restore",
}

const wideSQL = "SELECT id, name FROM customers WHERE id <= 2"

// wideByHand are the methods of a handle that return rows.
var wideByHand = map[string]func(context.Context, smrt.DB) error{
	"Query": func(ctx context.Context, db smrt.DB) error {
		rows, _ := db.Query(ctx, wideSQL)
		return of2(pgx.CollectRows(rows, pgx.RowToStructByPos[idAndName]))
	},
	"QueryRow": func(ctx context.Context, db smrt.DB) error {
		var v idAndName
		return db.QueryRow(ctx, wideSQL).Scan(&v.ID, &v.Name)
	},
	"SendBatch": func(ctx context.Context, db smrt.DB) error {
		return batchOf(ctx, db, func(r pgx.BatchResults) error {
			rows, _ := r.Query()
			return of2(pgx.CollectRows(rows, pgx.RowToStructByPos[idAndName]))
		})
	},

	// What is no method of it.
	"QueryRow in a batch": func(ctx context.Context, db smrt.DB) error {
		var v idAndName
		return batchOf(ctx, db, func(r pgx.BatchResults) error { return r.QueryRow().Scan(&v.ID, &v.Name) })
	},
	"a function of a batch": func(ctx context.Context, db smrt.DB) error {
		var b pgx.Batch
		var v idAndName
		b.Queue(wideSQL).QueryRow(func(r pgx.Row) error { return r.Scan(&v.ID, &v.Name) })
		return db.SendBatch(ctx, &b).Close()
	},
}

type idAndName struct {
	ID   int64
	Name string
}

func batchOf(ctx context.Context, db smrt.DB, read func(pgx.BatchResults) error) error {
	var b pgx.Batch
	b.Queue(wideSQL)
	results := db.SendBatch(ctx, &b)
	return errors.Join(read(results), results.Close())
}

// noWideByHand are methods of a handle that return no rows.
var noWideByHand = []string{"Acquire", "Begin", "BeginTx", "CopyFrom", "Exec", "Traits"}

// eachMethod expects all methods of a type in a list or in that of what has no place there.
func eachMethod[T any](t *testing.T, of reflect.Type, list map[string]T, none []string) {
	t.Helper()
	for i := range of.NumMethod() {
		name := of.Method(i).Name
		if _, ok := list[name]; !ok && !slices.Contains(none, name) {
			t.Errorf("the test does not call %s of %v", name, of)
		}
	}
}

// TestEveryReadCountsBytes: a result that is too large is refused by each method that
// returns rows, of which none may be missing here.
func TestEveryReadCountsBytes(t *testing.T) {
	eachMethod(t, reflect.TypeFor[customers](), wideReads, noWideReads)
	eachMethod(t, reflect.TypeFor[customerViews](), wideReads, noWideReads)
	eachMethod(t, reflect.TypeFor[*guard.DB](), wideByHand, noWideByHand)
	pool := testdb.Pool(t, filledShop)
	widen(t, pool)
	calls := map[string]func(context.Context, smrt.DB) error{}
	for name, call := range wideReads {
		calls[name] = func(ctx context.Context, db smrt.DB) error { return call(ctx, repo.New(db, shop.Customers)) }
	}
	for name, call := range wideByHand {
		calls[name+" by hand"] = call
	}
	for name, call := range calls {
		for what, c := range map[string]struct {
			mode guard.Mode
			most int
			want []error
			n    int // events
		}{
			"refused":  {guard.Enforce, 1_000, []error{smrt.ErrByteLimit, smrt.ErrLimit}, 1},
			"reported": {guard.Report, 1_000, nil, 1},
			"small":    {guard.Enforce, 1_000_000, nil, 0},
		} {
			var events log
			db := guard.On(pool, guard.Limits{Mode: c.mode, MaxBytes: c.most, Logger: quiet, OnEvent: events.add})
			expect := func(where string, err error) {
				t.Helper()
				if where = name + " " + where + " " + what; c.want == nil && err != nil {
					t.Errorf("%s: %v", where, err)
				} else if c.want != nil {
					check.Error(t, where, err, c.want...)
				}
				check.Same(t, where+": events", len(events), c.n)
				events = nil
			}
			if name != "LockMany" { // which needs a transaction
				expect("on a pool", call(t.Context(), db))
			}
			err := txn.Run(t.Context(), db, func(ctx context.Context, tx pgx.Tx) error { return call(ctx, tx) })
			expect("in a transaction", err)
		}
	}
}

// widen gives two customers, who have no orders, names that are larger than 1,000 bytes.
func widen(t *testing.T, db smrt.DB) {
	t.Helper()
	for _, sql := range []string{
		"DELETE FROM order_items WHERE order_id IN (SELECT id FROM orders WHERE customer_id <= 2)",
		"DELETE FROM orders WHERE customer_id <= 2",
		"UPDATE customers SET name = repeat('x', 10000) WHERE id <= 2",
	} {
		if _, err := db.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
}

// TestBytesOfSharedReads: of reads by key that share a statement each is held to what it
// would have got alone.
func TestBytesOfSharedReads(t *testing.T) {
	pool, sent := newShop(t)
	widen(t, pool)
	r := repo.New(pool, shop.Customers)
	views := viewsOf(r)
	ctx := guard.With(t.Context(), guard.Limits{MaxBytes: 1_000, Logger: quiet})
	var calls atomic.Int64
	storm := func(get func(ctx context.Context, keys ...int64) error) {
		calls.Store(0)
		before := sent.Len()
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() { check.Error(t, "a wide row", get(ctx, 1), smrt.ErrByteLimit) })
			wg.Go(func() { check.Error(t, "a wide row among others", get(ctx, 3, 2, 4), smrt.ErrByteLimit) })
			wg.Go(func() {
				if err := errors.Join(get(ctx, 3), get(ctx, 3, 4)); err != nil {
					t.Errorf("small rows: %v", err)
				}
			})
			wg.Go(func() {
				if err := errors.Join(get(t.Context(), 1), get(t.Context(), 3, 1)); err != nil {
					t.Errorf("without limits: %v", err)
				}
			})
		}
		wg.Wait()
		if n := sent.Len() - before; n >= int(calls.Load()) {
			t.Errorf("%d statements of %d calls: no reads were shared", n, calls.Load())
		}
	}
	storm(func(ctx context.Context, keys ...int64) error {
		calls.Add(1)
		if len(keys) == 1 {
			return of2(r.Get(ctx, keys[0]))
		}
		return of2(r.GetMany(ctx, keys))
	})
	storm(func(ctx context.Context, keys ...int64) error {
		calls.Add(1)
		return of2(views.GetMany(ctx, keys))
	})
}
