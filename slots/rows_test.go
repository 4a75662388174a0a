package slots_test

import (
	"testing"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/internal/shop/shopdb"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/preload"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/slots"
)

// report is a row of sqlc's with what is loaded into it.
type report struct {
	shopdb.ListOrdersRow
	Buyer *shop.Customer
	Parts []shop.OrderItem
}

var (
	rowBuyer = preload.ToOneBy(shop.OrderBuyer, func(r *shopdb.ListOrdersRow) *int64 { return &r.CustomerID })
	rowLines = preload.ToManyBy(shop.OrderLines, func(r *shopdb.ListOrdersRow) *int64 { return &r.ID })
)

// TestLoadsIntoRows lists orders through slots and loads their buyers and lines: three
// statements, however many orders. On the handle with slots a load is refused, because
// its statement has none.
func TestLoadsIntoRows(t *testing.T) {
	t.Parallel()
	sent := &testdb.Counter{}
	pool := testdb.Pool(t, filledShop, testdb.Configure(sent.Attach))
	loads := []preload.Load[report]{
		preload.One(rowBuyer, func(r *report) **shop.Customer { return &r.Buyer }),
		preload.Many(rowLines, func(r *report) *[]shop.OrderItem { return &r.Parts }),
	}
	run := func(name string, db smrt.DB) {
		for _, n := range []int{1, 10, 300} {
			sent.Reset()
			filled := slots.On(db, slots.For(shop.Orders, query.All[shop.Order]().OrderBy(shop.PlacedAt.Desc()).Limit(n)))
			rows := check.Value(shopdb.New(filled).ListOrders(t.Context()))(t)
			reports := make([]report, len(rows))
			for i, row := range rows {
				reports[i].ListOrdersRow = row
			}
			check.NoError(t, preload.Fill(t.Context(), db, reports, loads...))
			check.Same(t, name+": statements", sent.Len(), 3)
			for _, r := range reports {
				if r.Buyer.ID != r.CustomerID || r.Buyer.Name != r.Customer || int64(len(r.Parts)) != r.Lines {
					t.Errorf("%s: order %d of %s with %d lines has %s and %d lines", name, r.ID, r.Customer, r.Lines, r.Buyer.Name, len(r.Parts))
				}
			}
			sent.Reset()
			check.Error(t, name+", with slots", preload.Fill(t.Context(), filled, reports, loads...), smrt.ErrBadQuery)
			check.Same(t, name+": sent with slots", sent.Len(), 0)
		}
	}
	run("pool", pool)
	tx := check.Value(pool.Begin(t.Context()))(t)
	run("transaction", tx)
	check.NoError(t, tx.Rollback(t.Context()))
}
