// Package shop is a service of a user of the library.
package shop

import (
	"context"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// Order is a row of the table orders.
type Order struct {
	ID         int64
	Customer   string
	TotalCents int64
}

// The declarations of the table.
var (
	Orders   = query.NewTable("orders", func(o *Order) *int64 { return &o.ID })
	Customer = query.TextCol(func(o *Order) *string { return &o.Customer })
)

// Service places orders and lists them.
type Service struct {
	orders *repo.Repository[Order, int64]
}

// NewService returns a service on a pool or a transaction.
func NewService(db smrt.DB) *Service { return &Service{orders: repo.New(db, Orders)} }

// Place creates an order and returns it with its key.
func (s *Service) Place(ctx context.Context, customer string, cents int64) (Order, error) {
	order := Order{Customer: customer, TotalCents: cents}
	return order, s.orders.Create(ctx, &order)
}

// Of returns the orders of a customer.
func (s *Service) Of(ctx context.Context, customer string) ([]Order, error) {
	return s.orders.Find(ctx, query.Where(Customer.Eq(customer)).OrderBy(Customer.Asc()))
}
