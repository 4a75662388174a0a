package guard_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/guard"
	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/preload"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
	"github.com/smrt-go/smrt/txn"
	"github.com/smrt-go/smrt/unit"
)

// service is what a program has on a handle.
type service struct {
	db        smrt.DB
	customers *repo.Repository[shop.Customer, int64]
	products  *repo.Repository[shop.Product, int64]
	orders    *repo.Reader[shop.Order, int64, orderView]
}

type orderView struct {
	shop.Order
	Lines []lineView
	Count int64
}

type lineView struct {
	shop.OrderItem
	Product *shop.Product
}

var (
	withLines    = preload.Many(shop.OrderLines, func(o *orderView) *[]lineView { return &o.Lines })
	withProducts = preload.Many(shop.OrderLines, func(o *orderView) *[]lineView { return &o.Lines },
		preload.One(shop.LineProduct, func(l *lineView) **shop.Product { return &l.Product }))
)

// newService has the limits of repositories in own.
func newService(db smrt.DB, own guard.Limits) service {
	o := repo.Options{Limits: own}
	return service{
		db: db, customers: repo.New(db, shop.Customers, o), products: repo.New(db, shop.Products, o),
		orders: repo.View(repo.New(db, shop.Orders, o), func(o *orderView) *shop.Order { return &o.Order }),
	}
}

func (s service) with(db smrt.DB) service {
	return service{db, s.customers.With(db), s.products.With(db), s.orders.With(db)}
}

// limited is a call with the least limit that it does not go beyond.
type limited struct {
	name   string
	n      int // what the call asks for
	set    func(l *guard.Limits, n int)
	allow  func(n int) guard.Allowance
	want   error
	sent   int // statements of a call that is refused; -1: some, as it is known from the result
	byHand bool
	call   func(ctx context.Context, s service) error
}

func rowLimit(l *guard.Limits, n int)   { l.MaxLimit = n }
func loadLimit(l *guard.Limits, n int)  { l.MaxLoaded = n }
func depthLimit(l *guard.Limits, n int) { l.MaxDepth = n }
func listLimit(l *guard.Limits, n int)  { l.MaxList = n }
func textLimit(l *guard.Limits, n int)  { l.MaxText = n }
func byteLimit(l *guard.Limits, n int)  { l.MaxBytes = n }
func scoreLimit(l *guard.Limits, n int) { l.MaxComplexity = n }
func writeLimit(l *guard.Limits, n int) { l.MaxAffected = n }

// widthOfNumber is how many bytes a number of one digit has.
var widthOfNumber = map[bool]int{true: 1, false: 8}[os.Getenv("SMRT_TEST_EXEC_MODE") == "exec"]

var keys = []int64{1, 2, 3, 4, 5}

// calls are all ways to read and write that a limit holds for.
func calls() []limited {
	all, five := query.All[shop.Customer](), query.Where(shop.CustomerID.In(keys...))
	found := func(_ any, err error) error { return err }
	read := func(name string, n, sent int, call func(context.Context, service) error) limited {
		return limited{name: name, n: n, set: rowLimit, allow: guard.Rows, want: smrt.ErrRowLimit, sent: sent, call: call}
	}
	drain := func(seq func(func(shop.Customer, error) bool)) (err error) {
		for _, err = range seq {
			if err != nil {
				return err
			}
		}
		return nil
	}
	cs := []limited{
		read("Find with a limit", 5, 0, func(ctx context.Context, s service) error { return found(s.customers.Find(ctx, all.Limit(5))) }),
		read("Find", 40, -1, func(ctx context.Context, s service) error { return found(s.customers.Find(ctx, all)) }),
		read("Find by keys", 5, -1, func(ctx context.Context, s service) error { return found(s.customers.Find(ctx, five)) }),
		read("Find with loads", 5, 0, func(ctx context.Context, s service) error {
			return found(s.orders.Find(ctx, query.All[shop.Order]().Limit(5), withLines))
		}),
		read("GetMany", 5, 0, func(ctx context.Context, s service) error { return found(s.customers.GetMany(ctx, keys)) }),
		read("Page", 5, 0, func(ctx context.Context, s service) error {
			return found(s.customers.Page(ctx, all, query.Page{Size: 5}))
		}),
		read("PageNumber", 5, 0, func(ctx context.Context, s service) error { return found(s.customers.PageNumber(ctx, all, 1, 5)) }),
		read("Stream", 40, -1, func(ctx context.Context, s service) error { return drain(s.customers.Stream(ctx, all)) }),
		read("Stream with loads", 400, -1, func(ctx context.Context, s service) error {
			for _, err := range s.orders.Stream(ctx, query.All[shop.Order](), withLines) {
				if err != nil {
					return err
				}
			}
			return nil
		}),
		read("GroupBy", 40, -1, func(ctx context.Context, s service) error {
			return found(repo.CountBy(ctx, s.customers, shop.CustomerEmail, all))
		}),
		read("LockMany", 5, 0, func(ctx context.Context, s service) error {
			return txn.Run(ctx, s.db.(txn.Beginner), func(ctx context.Context, tx pgx.Tx) error {
				return found(s.customers.With(tx).LockMany(ctx, keys))
			})
		}),
	}
	cs[len(cs)-1].sent = 2 // begin and rollback
	for name, call := range map[string]func(context.Context, service) error{
		"bytes of Find": func(ctx context.Context, s service) error {
			return found(repo.Select[struct{ ID int64 }](s.customers).Find(ctx, five))
		},
		"bytes of Stream": func(ctx context.Context, s service) error {
			for _, err := range repo.Select[struct{ ID int64 }](s.customers).Stream(ctx, five) {
				if err != nil {
					return err
				}
			}
			return nil
		},
	} {
		cs = append(cs, limited{name, 5 * widthOfNumber, byteLimit, guard.Bytes, smrt.ErrByteLimit, -1, false, call})
	}
	score := func(name string, n int, call func(context.Context, service) error) limited {
		return limited{name, n, scoreLimit, guard.Complexity, smrt.ErrComplexityLimit, 0, false, call}
	}
	cs = append(cs,
		score("points of Find", 7, func(ctx context.Context, s service) error { return found(s.customers.Find(ctx, all.Limit(1_000))) }),
		score("points of Get", 3, func(ctx context.Context, s service) error { return found(s.orders.Get(ctx, 1, withProducts)) }),
	)
	byHand := []limited{
		read("Query", 40, -1, func(ctx context.Context, s service) error {
			rows, err := s.db.Query(ctx, "SELECT id FROM customers")
			if err != nil {
				return err
			}
			return found(pgx.CollectRows(rows, pgx.RowTo[int64]))
		}),
		read("SendBatch", 40, -1, func(ctx context.Context, s service) error {
			var b pgx.Batch
			b.Queue("SELECT id FROM customers")
			results := s.db.SendBatch(ctx, &b)
			rows, err := results.Query()
			if err == nil {
				_, err = pgx.CollectRows(rows, pgx.RowTo[int64])
			}
			return errors.Join(err, results.Close())
		}),
		read("SendBatch with functions", 40, -1, func(ctx context.Context, s service) error {
			var b pgx.Batch
			b.Queue("SELECT id FROM customers").Query(func(rows pgx.Rows) error { return found(pgx.CollectRows(rows, pgx.RowTo[int64])) })
			return s.db.SendBatch(ctx, &b).Close()
		}),
	}
	for _, c := range byHand {
		c.byHand = true
		cs = append(cs, c)
	}
	return slices.Concat(cs, loadCalls(), operandCalls(), writeCalls())
}

// loadCalls go beyond limits of loads.
func loadCalls() []limited {
	three := query.Where(shop.OrderID.Between(1, 3))
	loaded := func(name string, call func(context.Context, service) error) limited {
		return limited{name, threeLines, loadLimit, guard.Loaded, smrt.ErrLoadLimit, -1, false, call}
	}
	deep := func(name string, sent int, call func(context.Context, service) error) limited {
		return limited{name, 2, depthLimit, guard.Depth, smrt.ErrDepthLimit, sent, false, call}
	}
	fill := func(load preload.Load[orderView]) func(context.Context, service) error {
		return func(ctx context.Context, s service) error {
			return preload.Fill(ctx, s.db, []orderView{{Order: shop.Order{ID: 1}}, {Order: shop.Order{ID: 2}}, {Order: shop.Order{ID: 3}}}, load)
		}
	}
	find := func(load preload.Load[orderView]) func(context.Context, service) error {
		return func(ctx context.Context, s service) error {
			_, err := s.orders.Find(ctx, three, load)
			return err
		}
	}
	inTx := func(call func(context.Context, service) error) func(context.Context, service) error {
		return func(ctx context.Context, s service) error {
			return txn.Run(ctx, s.db.(txn.Beginner), func(ctx context.Context, tx pgx.Tx) error { return call(ctx, s.with(tx)) })
		}
	}
	byHand := func(c limited) limited {
		c.byHand = true
		return c
	}
	return []limited{
		loaded("loads of Find", find(withLines)), loaded("loads in a transaction", inTx(find(withLines))),
		byHand(loaded("Fill", fill(withLines))),
		deep("nested loads of Find", 0, find(withProducts)), byHand(deep("Fill of nested loads", 0, fill(withProducts))),
		deep("nested loads of Get", 0, func(ctx context.Context, s service) error {
			_, err := s.orders.Get(ctx, 1, withProducts)
			return err
		}),
		deep("nested loads of Stream", 0, func(ctx context.Context, s service) error {
			for _, err := range s.orders.Stream(ctx, three, withProducts) {
				return err
			}
			return nil
		}),
	}
}

// operandCalls have a list or a text that is long.
func operandCalls() []limited {
	const text = "0123456789"
	named := query.Where(shop.CustomerName.Eq(text))
	list := func(name string, call func(context.Context, service) error) limited {
		return limited{name, 5, listLimit, guard.List, smrt.ErrListLimit, 0, false, call}
	}
	long := func(name string, call func(context.Context, service) error) limited {
		return limited{name, len(text), textLimit, guard.Text, smrt.ErrTextLimit, 0, false, call}
	}
	five := query.Where(shop.CustomerID.In(keys...))
	return []limited{
		list("In", func(ctx context.Context, s service) error { _, err := s.customers.Find(ctx, five); return err }),
		list("In of Count", func(ctx context.Context, s service) error { _, err := s.customers.Count(ctx, five); return err }),
		list("In of Exists", func(ctx context.Context, s service) error { _, err := s.customers.Exists(ctx, five); return err }),
		list("In of a related row", func(ctx context.Context, s service) error {
			_, err := s.orders.Find(ctx, query.Where(shop.OrderBuyer.Has(shop.CustomerID.In(keys...))).Limit(1))
			return err
		}),
		list("keys of GetMany", func(ctx context.Context, s service) error { _, err := s.customers.GetMany(ctx, keys); return err }),
		list("keys of DeleteMany", func(ctx context.Context, s service) error {
			_, err := s.customers.DeleteMany(ctx, []int64{-1, -2, -3, -4, -5})
			return err
		}),
		list("In of UpdateWhere", func(ctx context.Context, s service) error {
			_, err := s.customers.UpdateWhere(ctx, query.Where(shop.CustomerID.In(-1, -2, -3, -4, -5)), shop.CustomerName.Set("a longer text than that"))
			return err
		}),
		long("Eq", func(ctx context.Context, s service) error { _, err := s.customers.Find(ctx, named); return err }),
		long("Eq of DeleteWhere", func(ctx context.Context, s service) error { _, err := s.customers.DeleteWhere(ctx, named); return err }),
		long("a text in a list", func(ctx context.Context, s service) error {
			_, err := s.customers.Find(ctx, query.Where(shop.CustomerName.In("a", text)))
			return err
		}),
		long("Contains", func(ctx context.Context, s service) error {
			_, err := s.customers.Find(ctx, query.Where(shop.CustomerName.Contains(text[2:]))) // with % around it
			return err
		}),
	}
}

// writeCalls write more rows than they may. They are rolled back where they may.
func writeCalls() []limited {
	undone := errors.New("undone")
	write := func(name string, sent int, call func(context.Context, service) error) limited {
		return limited{name, 5, writeLimit, guard.Affected, smrt.ErrWriteLimit, sent, false, func(ctx context.Context, s service) error {
			err := txn.Run(ctx, s.db.(txn.Beginner), func(ctx context.Context, tx pgx.Tx) error {
				return errors.Join(call(ctx, s.with(tx)), undone)
			})
			return withoutUndone(err, undone)
		}}
	}
	five := query.Where(shop.CustomerID.In(keys...))
	orders := query.Where(shop.OrderID.In(keys...))
	made := func() (vs []shop.Customer) {
		for _, k := range keys {
			vs = append(vs, shop.Customer{Email: fmt.Sprint("new", k, "@example.com"), Name: "new", Country: "DE", Tier: shop.TierStandard})
		}
		return vs
	}
	byHand := func(c limited) limited {
		c.byHand = true
		return c
	}
	return []limited{
		write("CreateMany", 2, func(ctx context.Context, s service) error { return s.customers.CreateMany(ctx, made()) }),
		write("UpsertMany", 2, func(ctx context.Context, s service) error {
			_, err := s.customers.UpsertMany(ctx, made(), query.OnConflict(shop.CustomerEmail))
			return err
		}),
		write("UpdateWhere", -1, func(ctx context.Context, s service) error {
			_, err := s.customers.UpdateWhere(ctx, five, shop.CustomerName.Set("x"))
			return err
		}),
		write("UpdateReturning", -1, func(ctx context.Context, s service) error {
			vs, err := s.customers.UpdateReturning(ctx, five, shop.CustomerName.Set("x"))
			if err == nil && (len(vs) != 5 || vs[0].Name != "x") {
				return fmt.Errorf("%d rows", len(vs))
			}
			return err
		}),
		byHand(write("DeleteWhere", -1, func(ctx context.Context, s service) error {
			n, err := repo.New(s.db, shop.OrderItems).DeleteWhere(ctx, query.Where(shop.ItemOrder.Le(3), shop.ItemProduct.Le(5)))
			if err == nil && n != 5 {
				return fmt.Errorf("%d rows", n)
			}
			return err
		})),
		byHand(write("unit with entities", 2, func(ctx context.Context, s service) error {
			u, vs := unit.New(), made()
			unit.CreateMany(u, shop.Customers, vs)
			_, err := u.Flush(ctx, s.db)
			return err
		})),
		byHand(write("unit with a query", -1, func(ctx context.Context, s service) error {
			u := unit.New()
			unit.UpdateWhere(u, shop.Orders, orders, shop.Total.Set(1))
			_, err := u.Flush(ctx, s.db)
			return err
		})),
		byHand(write("function of a unit", -1, func(ctx context.Context, s service) error {
			u := unit.New()
			u.Do(func(ctx context.Context, tx pgx.Tx) error {
				_, err := repo.New(tx, shop.Orders).UpdateWhere(ctx, orders, shop.Total.Set(1))
				return err
			})
			_, err := u.Flush(ctx, s.db)
			return err
		})),
	}
}

func withoutUndone(err, undone error) error {
	var all interface{ Unwrap() []error }
	if !errors.As(err, &all) {
		return err
	}
	var rest []error
	for _, e := range all.Unwrap() {
		if e != undone { //nolint:errorlint // this very value
			rest = append(rest, e)
		}
	}
	return errors.Join(rest...)
}

// threeLines is how many lines the first three orders have; TestLimits sees to it.
const threeLines = 6
