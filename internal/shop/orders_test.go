package shop_test

import (
	"testing"
	"time"

	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/internal/shop/shopdb"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/slots"
)

func TestOrderSummaries(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	kettle, pan := f.product("Kettle"), f.product("Pan")
	ada, ben := f.customer("Ada"), f.customer("Ben")
	full := f.order(ada, shop.OrderShipped, at(1, 9), piece{kettle, 2}, piece{pan, 3})
	empty := f.order(ben, shop.OrderPending, at(2, 9))
	f.order(ada, shop.OrderPaid, at(3, 9), piece{pan, 1}) // not asked for
	f.exec(`UPDATE order_items SET discount_cents = 150 WHERE order_id = $1 AND line_no = 2`, full)
	f.exec(`UPDATE orders SET shipping_address = '{"city": "Graz"}', note = 'ring twice' WHERE id = $1`, full)

	rows := must(f.OrderSummaries(t.Context(), []int64{empty, 999, full}))(t)
	type summary struct {
		order                    int64
		name, email              string
		lines, pieces, lineCents int64
	}
	equal(t, "summaries", each(rows, func(r shopdb.OrderSummariesRow) summary {
		return summary{r.Order.ID, r.CustomerName, r.CustomerEmail, r.Lines, r.Pieces, r.LinesCents}
	}), []summary{
		{full, "Ada", "ada@example.com", 2, 5, 4850},
		{empty, "Ben", "ben@example.com", 0, 0, 0},
	})

	o := rows[0].Order
	if o.Status != shop.OrderShipped || o.Version != 1 || o.TotalCents != 5000 || string(o.ShippingAddress) != `{"city": "Graz"}` ||
		o.Note == nil || *o.Note != "ring twice" || !o.PlacedAt.Equal(at(1, 9)) || o.PaidAt == nil || o.ShippedAt == nil {
		t.Errorf("the order is not whole: %+v", o)
	}
	if o := rows[1].Order; o.Note != nil || o.ShippingAddress != nil || o.PaidAt != nil || o.ShippedAt != nil {
		t.Errorf("what is null is not nil: %+v", o)
	}
}

func TestAnyOrderWaiting(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ada := f.customer("Ada")
	f.order(ada, shop.OrderPending, at(3, 9))
	f.order(ada, shop.OrderPaid, at(1, 9))

	for _, tc := range []struct {
		status shop.OrderStatus
		since  time.Time
		want   bool
	}{
		{shop.OrderPending, at(4, 0), true},
		{shop.OrderPending, at(3, 9), false}, // not since before
		{shop.OrderPending, at(2, 0), false}, // the paid one is older, but paid
		{shop.OrderPaid, at(2, 0), true},
		{shop.OrderCancelled, at(31, 0), false},
	} {
		got := must(f.AnyOrderWaiting(t.Context(), shopdb.AnyOrderWaitingParams{Status: tc.status, Since: tc.since}))(t)
		if got != tc.want {
			t.Errorf("%s before %v: %v, want %v", tc.status, tc.since, got, tc.want)
		}
	}
}

func TestOrderStatusesAreThoseOfTheDatabase(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	equal(t, "states of orders", shopdb.AllOrderStatusValues(),
		[]shop.OrderStatus{shop.OrderPending, shop.OrderPaid, shop.OrderShipped, shop.OrderDelivered, shop.OrderCancelled})
	equal(t, "tiers of customers", shopdb.AllCustomerTierValues(),
		[]shop.CustomerTier{shop.TierStandard, shop.TierSilver, shop.TierGold})
	equal(t, "in the database",
		one[[]string](f, `SELECT enum_range(NULL::order_status)::text[] || enum_range(NULL::customer_tier)::text[]`),
		append(each(shopdb.AllOrderStatusValues(), func(s shop.OrderStatus) string { return string(s) }),
			each(shopdb.AllCustomerTierValues(), func(s shop.CustomerTier) string { return string(s) })...))
	if shop.OrderStatus("lost").Valid() || !shop.OrderPaid.Valid() {
		t.Error("Valid does not tell the states of orders from other words")
	}
}

func TestListOrders(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	kettle := f.product("Kettle")
	ada, ben := f.customer("Ada"), f.customer("Ben")
	first := f.order(ada, shop.OrderShipped, at(1, 9), piece{kettle, 2})
	second := f.order(ben, shop.OrderShipped, at(2, 9), piece{kettle, 1})
	third := f.order(ada, shop.OrderPending, at(3, 9))

	list := func(fills ...slots.Fill) []int64 {
		rows := must(shopdb.New(slots.On(f.db, fills...)).ListOrders(t.Context()))(t)
		return each(rows, func(r shopdb.ListOrdersRow) int64 { return r.ID })
	}
	latest := query.All[shop.Order]().OrderBy(shop.PlacedAt.Desc())
	equal(t, "as it is written", list(), []int64{first, second, third})
	equal(t, "of one customer", list(slots.For(shop.Customers, query.Where(shop.CustomerName.Eq("Ada")))), []int64{first, third})
	equal(t, "latest first", list(slots.For(shop.Orders, latest)), []int64{third, second, first})
	equal(t, "two that were shipped", list(slots.For(shop.Orders, latest.Where(shop.Status.Eq(shop.OrderShipped)).Limit(1)),
		slots.For(shop.Customers, query.Where(shop.CustomerID.In(ada, ben)))), []int64{second})
	row := must(shopdb.New(f.db).ListOrders(t.Context()))(t)[0]
	equal(t, "sums", []int64{row.Lines, row.Pieces}, []int64{1, 2})
}
