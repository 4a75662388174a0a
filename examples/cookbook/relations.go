package cookbook

import (
	"context"
	"time"

	"github.com/smrt-go/smrt/preload"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// LineView is a line with its product.
type LineView struct {
	OrderLine
	Product *Product
}

// OrderView is an order with its lines.
type OrderView struct {
	Order
	Lines []LineView
}

// The loads of an order, made once.
var withLines = preload.Many(Lines, func(o *OrderView) *[]LineView { return &o.Lines },
	preload.One(LineOfProduct, func(l *LineView) **Product { return &l.Product }))

// History returns the orders of a customer with lines and products, in three statements.
func (s *Shop) History(ctx context.Context, customer int64) ([]OrderView, error) {
	views := repo.View(s.Orders, func(o *OrderView) *Order { return &o.Order })
	return views.Find(ctx, query.Where(OrderCustomer.Eq(customer)).OrderBy(PlacedAt.Desc()), withLines)
}

// Buyers returns the customers who have ordered since a day.
func (s *Shop) Buyers(ctx context.Context, since time.Time) ([]Customer, error) {
	return s.Customers.Find(ctx, query.Where(CustomerOrders.Has(PlacedAt.Ge(since))).OrderBy(Email.Asc()))
}

// CustomerRow is a customer as a list shows one.
type CustomerRow struct {
	Customer
	Orders int64
	Last   []Order // one at the most
}

// List returns customers with the number of their orders and the last of them, in three statements.
func (s *Shop) List(ctx context.Context) ([]CustomerRow, error) {
	rows := repo.View(s.Customers, func(c *CustomerRow) *Customer { return &c.Customer })
	return rows.Find(ctx, query.All[Customer]().OrderBy(Email.Asc()),
		preload.Count(CustomerOrders, func(c *CustomerRow) *int64 { return &c.Orders }),
		preload.Many(CustomerOrders.OrderBy(PlacedAt.Desc()).Limit(1), func(c *CustomerRow) *[]Order { return &c.Last }))
}

// Big returns orders that have at least so many lines.
func (s *Shop) Big(ctx context.Context, lines int64) ([]Order, error) {
	return s.Orders.Find(ctx, query.Where(Lines.Count().Ge(lines)))
}

// Crumbs is a category with those that it is in, the nearest first.
type Crumbs struct {
	Category
	Path []Category
}

// Breadcrumbs returns the way from a category to the top, in two statements.
func (s *Shop) Breadcrumbs(ctx context.Context, category int64) (*Crumbs, error) {
	crumbs := repo.View(s.Categories, func(c *Crumbs) *Category { return &c.Category })
	return crumbs.Get(ctx, category, preload.Many(Path, func(c *Crumbs) *[]Category { return &c.Path }))
}

// InTree returns the products of a category and of all categories in it.
func (s *Shop) InTree(ctx context.Context, category int64) ([]Product, error) {
	top := CategoryID.Eq(category)
	return s.Products.Find(ctx, query.Where(ProductCategory.Has(query.Or(top, Path.Has(top)))).OrderBy(SKU.Asc()))
}

// Revenue is what a customer has paid.
type Revenue struct {
	Customer int64
	Orders   int64
	Cents    int64
}

// BestCustomers returns those whose paid orders are worth more than a sum.
func (s *Shop) BestCustomers(ctx context.Context, cents int64) ([]Revenue, error) {
	paid := query.Sum[int64](Total)
	return repo.GroupBy(ctx, s.Orders, query.Where(Status.Eq("paid")),
		query.Where(paid.Gt(cents)).OrderBy(paid.Desc()).Limit(10),
		query.Into(query.By(OrderCustomer), func(r *Revenue) *int64 { return &r.Customer }),
		query.Into(query.Count[Order](), func(r *Revenue) *int64 { return &r.Orders }),
		query.Into(paid, func(r *Revenue) *int64 { return &r.Cents }))
}

// Turnover is the sum of a day's orders: 0 if there are none.
func (s *Shop) Turnover(ctx context.Context, day time.Time) (int64, error) {
	sum, err := repo.Aggregate(ctx, s.Orders, query.Sum[int64](Total),
		query.Where(PlacedAt.Ge(day), PlacedAt.Lt(day.AddDate(0, 0, 1))))
	return sum.V, err // sum.Valid is false for no rows
}
