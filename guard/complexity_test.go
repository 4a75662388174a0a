package guard_test

import (
	"context"
	"errors"
	"os"
	"regexp"
	"strconv"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/guard"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/preload"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
	"github.com/smrt-go/smrt/txn"
	"github.com/smrt-go/smrt/unit"
)

// documented is a line of the table of the guide: the call, what it asks for, points.
var documented = regexp.MustCompile("(?m)^\\| `(.+?)` \\| .+ \\| (\\d+) \\|$")

// examples are the calls of the guide, by their text there.
var examples = map[string]func(context.Context, service) error{
	"customers.Get(ctx, id)": func(ctx context.Context, s service) error { return call(s.customers.Get(ctx, 1)) },
	"customers.GetMany(ctx, ids)": func(ctx context.Context, s service) error {
		return call(s.customers.GetMany(ctx, make([]int64, 1_000)))
	},
	"orders.Find(ctx, query.Where(OrderCustomer.Eq(id)).Limit(20))": func(ctx context.Context, s service) error {
		return call(s.orders.Find(ctx, query.Where(shop.OrderCustomer.Eq(1)).Limit(20)))
	},
	"orders.Find(ctx, query.Where(OrderCustomer.Eq(id)))": func(ctx context.Context, s service) error {
		return call(s.orders.Find(ctx, query.Where(shop.OrderCustomer.Eq(1))))
	},
	"orders.Find(ctx, query.Where(OrderCustomer.Eq(id)).Limit(20), withLines)": func(ctx context.Context, s service) error {
		return call(s.orders.Find(ctx, query.Where(shop.OrderCustomer.Eq(1)).Limit(20), withLines))
	},
	"orders.Find(ctx, query.Where(OrderCustomer.Eq(id)).Limit(500), withProducts)": func(ctx context.Context, s service) error {
		return call(s.orders.Find(ctx, query.Where(shop.OrderCustomer.Eq(1)).Limit(500), withProducts))
	},
	"customers.Find(ctx, query.Where(CustomerName.Contains(text)).Limit(20))": func(ctx context.Context, s service) error {
		return call(s.customers.Find(ctx, query.Where(shop.CustomerName.Contains("a")).Limit(20)))
	},
	"orders.Count(ctx, query.Where(OrderBuyer.Has(CustomerName.Eq(name))))": func(ctx context.Context, s service) error {
		return call(s.orders.Count(ctx, query.Where(shop.OrderBuyer.Has(shop.CustomerName.Eq("a")))))
	},
	"customers.PageNumber(ctx, query.All[Customer](), 81, 20)": func(ctx context.Context, s service) error {
		return call(s.customers.PageNumber(ctx, query.All[shop.Customer](), 81, 20))
	},
	"customers.UpdateWhere(ctx, query.Where(CustomerID.In(ids...)), CustomerName.Set(name))": func(ctx context.Context, s service) error {
		return call(s.customers.UpdateWhere(ctx, query.Where(shop.CustomerID.In(make([]int64, 1_000)...)), shop.CustomerName.Set("a")))
	},
	"customers.CreateMany(ctx, thousand)": func(ctx context.Context, s service) error {
		return s.customers.CreateMany(ctx, make([]shop.Customer, 1_000))
	},
}

// call returns the error of a call.
func call(_ any, err error) error { return err }

// score returns the points of a call, which is refused if it has more than one.
func score(t *testing.T, run func(context.Context, service) error) int64 {
	t.Helper()
	pool, sent := newShop(t)
	s := newService(guard.On(pool, guard.Limits{MaxLimit: 1_000, MaxComplexity: 1, Logger: quiet}), guard.Limits{})
	sent.Reset()
	err := run(t.Context(), s)
	if err == nil {
		return 1
	}
	check.Error(t, "refused", err, smrt.ErrComplexityLimit, smrt.ErrLimit)
	check.Same(t, "statements", sent.Len(), 0)
	var e *smrt.LimitError
	check.Same(t, "a LimitError", errors.As(err, &e), true)
	return e.Actual
}

// TestComplexity makes the calls of the table in the guide, with the points there.
func TestComplexity(t *testing.T) {
	guide := string(check.Value(os.ReadFile("../docs/guides/limits-and-tenants.md"))(t))
	lines := documented.FindAllStringSubmatch(guide, -1)
	if len(lines) != len(examples) || len(lines) < 10 {
		t.Errorf("the table has %d calls, the test %d", len(lines), len(examples))
	}
	for _, line := range lines {
		run := examples[line[1]]
		if run == nil {
			t.Errorf("not tested: %s", line[1])
			continue
		}
		want := check.Value(strconv.ParseInt(line[2], 10, 64))(t)
		check.Same(t, line[1], score(t, run), want)
	}
}

// TestComplexityOfAll: every way to send something has points, also in parts that the
// table does not show.
func TestComplexityOfAll(t *testing.T) {
	customers, all := len(shop.Customers.Plan().Struct.Columns), query.All[shop.Customer]()
	narrow := query.Where(shop.CustomerID.Gt(0))
	view := func(s service) *repo.Reader[shop.Customer, int64, named] {
		return repo.View(s.customers, func(n *named) *shop.Customer { return &n.Customer }, query.Into(shop.CustomerOrders.Count(), func(n *named) *int64 { return &n.Orders }))
	}
	for name, c := range map[string]struct {
		points int
		run    func(context.Context, service) error
	}{
		"all rows": {1 + 1_000*customers/1_600, func(ctx context.Context, s service) error { return call(s.customers.Find(ctx, all)) }},
		"a stream": {1 + 1_000*customers/1_600, func(ctx context.Context, s service) error { return drained(s.customers.Stream(ctx, all)) }},
		"a page": {1 + 800*customers/1_600, func(ctx context.Context, s service) error {
			return call(s.customers.Page(ctx, narrow, query.Page{Size: 800}))
		}},
		"a count of all": {10, func(ctx context.Context, s service) error { return call(s.customers.Count(ctx, all)) }},
		"a search of all": {10, func(ctx context.Context, s service) error {
			return call(s.customers.Exists(ctx, query.Where(shop.CustomerName.Ne("a"))))
		}},
		"the first of all": {10, func(ctx context.Context, s service) error {
			return call(s.customers.First(ctx, query.Where(shop.CustomerName.ILike("a"))))
		}},
		"the only one of all": {10, func(ctx context.Context, s service) error {
			return call(s.customers.One(ctx, query.Where(shop.CustomerName.Contains("a"))))
		}},
		"an or that is narrow": {1, func(ctx context.Context, s service) error {
			return call(s.customers.Count(ctx, query.Where(query.Or(shop.CustomerID.Eq(1), shop.CustomerName.HasPrefix("a")))))
		}},
		"an or that is not": {10, func(ctx context.Context, s service) error {
			return call(s.customers.Count(ctx, query.Where(query.Or(shop.CustomerID.Eq(1), shop.CustomerName.Ne("a")))))
		}},
		"raw SQL": {10, func(ctx context.Context, s service) error {
			return call(s.customers.Count(ctx, query.Where(query.Raw[shop.Customer]("true"))))
		}},
		"groups": {10 + 10*2*1_000/1_600, func(ctx context.Context, s service) error {
			return call(repo.CountBy(ctx, s.customers, shop.CustomerEmail, all))
		}},
		"a view":           {2 + 1_000*(customers+1)/1_600, func(ctx context.Context, s service) error { return call(view(s).Find(ctx, all)) }},
		"a get with loads": {3, func(ctx context.Context, s service) error { return call(s.orders.Get(ctx, 1, withProducts)) }},
		"a stream with loads": {2 + (1_000*len(shop.Orders.Plan().Struct.Columns)+10_000*len(shop.OrderItems.Plan().Struct.Columns))/1_600, func(ctx context.Context, s service) error {
			for _, err := range s.orders.Stream(ctx, query.All[shop.Order](), withLines) {
				return err
			}
			return nil
		}},
		"a fill": {1 + 1_000*10*len(shop.OrderItems.Plan().Struct.Columns)/1_600, func(ctx context.Context, s service) error {
			return preload.Fill(ctx, s.db, make([]orderView, 1_000), withLines)
		}},
		"a create":  {2, func(ctx context.Context, s service) error { return s.customers.Create(ctx, &shop.Customer{}) }},
		"an update": {2, func(ctx context.Context, s service) error { return s.customers.Update(ctx, &shop.Customer{ID: 1}) }},
		"a patch": {2, func(ctx context.Context, s service) error {
			return s.customers.Patch(ctx, 1, shop.CustomerName.Set("a"))
		}},
		"a delete": {2, func(ctx context.Context, s service) error { return s.customers.Delete(ctx, 1) }},
		"many deletes": {2 + 2*1_000*customers/1_600, func(ctx context.Context, s service) error {
			return call(s.customers.DeleteMany(ctx, make([]int64, 1_000)))
		}},
		"a delete of all": {2*10 + 2*10*10_000/1_600, func(ctx context.Context, s service) error {
			return call(s.customers.DeleteWhere(ctx, query.Where(shop.CustomerName.Ne("a"))))
		}},
		"a unit": {2*2 + (2*10_000+2*2*customers)/1_600, func(ctx context.Context, s service) error {
			u := unit.New()
			unit.Create(u, shop.Customers, &shop.Customer{Email: "a@example.com", Name: "a", Country: "DE", Tier: shop.TierStandard})
			unit.Create(u, shop.Customers, &shop.Customer{Email: "b@example.com", Name: "b", Country: "DE", Tier: shop.TierStandard})
			unit.DeleteWhere(u, shop.OrderItems, query.Where(shop.ItemOrder.Eq(0), shop.ItemProduct.Eq(0)))
			return call(u.Flush(ctx, s.db))
		}},
		"locks": {1 + 1_000*customers/1_600, func(ctx context.Context, s service) error {
			return call(s.customers.LockMany(ctx, make([]int64, 1_000)))
		}},
	} {
		check.Same(t, name, score(t, c.run), int64(c.points))
	}
}

// named is a customer with a value of related rows.
type named struct {
	shop.Customer
	Orders int64
}

// drained returns the error that ends a stream.
func drained(seq func(func(shop.Customer, error) bool)) (err error) {
	for _, err = range seq {
		if err != nil {
			return err
		}
	}
	return nil
}

// TestComplexityOfParts: what a call consists of is asked for once, and limits in
// transactions are those of their calls.
func TestComplexityOfParts(t *testing.T) {
	pool, _ := newShop(t)
	db := guard.On(pool, guard.Limits{MaxLimit: 1_000, MaxComplexity: 3, Logger: quiet})
	s := newService(db, guard.Limits{})
	check.NoError(t, call(s.orders.Get(t.Context(), 1, withProducts)))
	check.NoError(t, txn.Run(t.Context(), db, func(ctx context.Context, tx pgx.Tx) error {
		for range 3 {
			check.NoError(t, call(s.orders.With(tx).Get(ctx, 1, withProducts)))
		}
		check.Error(t, "a count", call(s.customers.With(tx).Count(ctx, query.All[shop.Customer]())), smrt.ErrComplexityLimit)
		return nil
	}))
}
