package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/preload"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/readreplica"
	"github.com/smrt-go/smrt/txn"
	"github.com/smrt-go/smrt/unit"

	"github.com/smrt-go/smrt/examples/shop/db"
	"github.com/smrt-go/smrt/examples/shop/tables"
)

// OrderView is an order with its lines and their products.
type OrderView struct {
	db.Order
	Lines []LineView `json:"lines"`
}

// LineView is a line with its product.
type LineView struct {
	db.OrderLine
	Product *db.Product `json:"product"`
}

var withLines = preload.Many(tables.Orders.OrderLines.OrderBy(tables.OrderLines.ProductID.Asc()),
	func(v *OrderView) *[]LineView { return &v.Lines },
	preload.One(tables.OrderLines.Product, func(v *LineView) **db.Product { return &v.Product }))

// Wanted is an order as a customer sends it.
type Wanted struct {
	Customer string       `json:"customer"`
	Lines    []WantedLine `json:"lines"`
}

// WantedLine is a product and how many of it are wanted.
type WantedLine struct {
	ProductID int64 `json:"product_id"`
	Quantity  int32 `json:"quantity"`
}

// check reports what is wrong with an order, as far as that shows without the database.
func (w *Wanted) check() error {
	if len(w.Lines) == 0 || len(w.Lines) > 50 {
		return &InputError{Field: "lines", Reason: "must be 1 to 50"}
	}
	seen := map[int64]bool{}
	for i, line := range w.Lines {
		switch {
		case line.Quantity < 1 || line.Quantity > 1000:
			return &InputError{Field: fmt.Sprintf("lines[%d].quantity", i), Reason: "must be 1 to 1000"}
		case seen[line.ProductID]:
			return &InputError{Field: fmt.Sprintf("lines[%d].product_id", i), Reason: "is listed twice"}
		}
		seen[line.ProductID] = true
	}
	return nil
}

// SoldOutError reports that there is less of a product than was ordered.
type SoldOutError struct {
	ProductID int64
	Left      int32
}

// Error returns how much is left.
func (e *SoldOutError) Error() string {
	return fmt.Sprintf("only %d left of product %d", e.Left, e.ProductID)
}

// errKeyReused means that one key came with two different orders.
var errKeyReused = &InputError{Field: "Idempotency-Key", Reason: "was used for another order"}

// Place takes an order, once for each key, however often it is sent. It reports whether this call
// has placed it.
func (s *Shop) Place(ctx context.Context, key string, wanted *Wanted) (view *OrderView, placed bool, err error) {
	if err := wanted.check(); err != nil {
		return nil, false, err
	}
	view = &OrderView{}
	err = txn.Run(ctx, s.all, func(ctx context.Context, tx pgx.Tx) error {
		*view = OrderView{Order: db.Order{Customer: wanted.Customer, RequestKey: key}}
		return s.write(ctx, tx, view, wanted.Lines)
	}, txn.Options{Key: fmt.Sprintf("order/%v/%s", smrt.TenantOf(ctx), key)})
	if err == nil {
		view, err = s.Order(ctx, view.ID) // with the products as the order has left them
		return view, true, err
	}
	// The key of a transaction is forgotten after a day. That of the order is not, so that a refusal may
	// be that of an order which was placed long ago.
	var soldOut *SoldOutError
	if errors.Is(err, smrt.ErrAlreadyApplied) || errors.Is(err, smrt.ErrConflict) || errors.As(err, &soldOut) {
		before, failed := s.placedBefore(ctx, key, wanted)
		if !errors.Is(failed, smrt.ErrNotFound) {
			return before, false, failed
		}
	}
	return nil, false, err
}

// write takes the stock and writes the order and its lines in one round trip. The products are
// locked in the order of their keys, so that two orders never wait for each other.
func (s *Shop) write(ctx context.Context, tx pgx.Tx, view *OrderView, wanted []WantedLine) error {
	ids := make([]int64, len(wanted))
	for i, line := range wanted {
		ids[i] = line.ProductID
	}
	products, err := s.products.With(tx).LockMany(ctx, ids)
	if err != nil {
		return err
	}
	u := unit.New()
	lines := make([]db.OrderLine, len(wanted))
	for i, line := range wanted {
		p := products[i]
		switch {
		case p == nil:
			return &InputError{Field: fmt.Sprintf("lines[%d].product_id", i), Reason: "does not exist"}
		case p.Stock < line.Quantity:
			return &SoldOutError{ProductID: p.ID, Left: p.Stock}
		}
		lines[i] = db.OrderLine{ProductID: p.ID, Quantity: line.Quantity, PriceCents: p.PriceCents}
		view.TotalCents += int64(line.Quantity) * p.PriceCents
		unit.Patch(u, tables.Products.Table, p.ID, query.Add(tables.Products.Stock, -line.Quantity))
	}
	order := unit.Create(u, tables.Orders.Table, &view.Order)
	unit.CreateMany(u, tables.OrderLines.Table, lines, unit.Refer(tables.OrderLines.OrderID, order))
	_, err = u.Flush(ctx, tx)
	return err
}

// placedBefore returns the order that came with a key. It is asked of the primary: the process that
// wrote it may have been another one. The client did not get its session then, so that it gets one now.
func (s *Shop) placedBefore(ctx context.Context, key string, wanted *Wanted) (*OrderView, error) {
	view, err := s.orders.One(readreplica.WithPrimary(ctx), query.Where(tables.Orders.RequestKey.Eq(key)), withLines)
	if err != nil {
		return nil, err
	}
	readreplica.MarkWritten(ctx)
	bought := map[int64]int32{}
	for _, line := range view.Lines {
		bought[line.ProductID] = line.Quantity
	}
	same := view.Customer == wanted.Customer && len(bought) == len(wanted.Lines)
	for _, line := range wanted.Lines {
		same = same && bought[line.ProductID] == line.Quantity
	}
	if !same {
		return nil, errKeyReused
	}
	return view, nil
}

// Order returns an order with its lines and their products, in three statements at most.
func (s *Shop) Order(ctx context.Context, id int64) (*OrderView, error) {
	return s.orders.Get(ctx, id, withLines)
}
