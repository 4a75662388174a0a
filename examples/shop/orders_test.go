package main

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/smrt-go/smrt"
)

// stock returns how much there is of a product.
func (f *fixture) stock(id int64) int32 {
	f.t.Helper()
	p, err := f.api.shop.products.Get(smrt.WithTenant(f.t.Context(), int64(tenant)), id)
	f.must(err)
	return p.Stock
}

func TestOrders(t *testing.T) {
	t.Parallel()
	f := opened(t)
	wanted := Wanted{Customer: "ada", Lines: []WantedLine{{f.kettle.ID, 1}, {f.assam.ID, 2}}}
	first := f.send("POST", "/orders", wanted, keyHeader, "the first")
	f.expect("an order", first, 201, `"customer":"ada"`, `"total_cents":4880`)
	var order OrderView
	first.into(t, &order)
	if len(order.Lines) != 2 || order.Lines[0].OrderID != order.ID || first.header.Get("Location") != fmt.Sprint("/orders/", order.ID) {
		t.Errorf("%+v, %v", order, first.header)
	}
	var read OrderView
	f.get(first.header.Get("Location")).into(t, &read)
	if read.ID != order.ID || len(read.Lines) != 2 || read.Lines[0].Product.SKU != "T1" || read.Lines[1].PriceCents != 39_00 {
		t.Errorf("%+v", read)
	}
	if a, k := f.stock(f.assam.ID), f.stock(f.kettle.ID); a != 1 || k != 4 {
		t.Error("the stock is", a, k)
	}

	if p := order.Lines[0].Product; p.Stock != 1 || p.Version != 2 {
		t.Errorf("the product is shown as it was before the order: %+v", p)
	}

	again := func(what string) {
		t.Helper()
		a := f.send("POST", "/orders", wanted, keyHeader, "the first")
		f.expect(what, a, 200, fmt.Sprintf(`{"id":%d,`, order.ID))
		if a.header.Get(sessionHeader) == "" {
			t.Error(what, "has no session")
		}
	}
	again("the same again")
	f.expect("another with its key", f.send("POST", "/orders", Wanted{Customer: "ada", Lines: wanted.Lines[:1]}, keyHeader, "the first"), 422, "was used for another order")
	f.expect("sold out", f.send("POST", "/orders", wanted, keyHeader, "the second"), 409, "only 1 left")
	if a, k := f.stock(f.assam.ID), f.stock(f.kettle.ID); a != 1 || k != 4 {
		t.Error("the stock is", a, k, "after a repetition and what could not be sold")
	}
	one := []WantedLine{{f.kettle.ID, 1}}
	f.expect("a key that came to nothing", f.send("POST", "/orders", Wanted{"ada", one}, keyHeader, "the second"), 201)

	for what, lines := range map[string][]WantedLine{
		"no lines": {}, "none of it": {{f.kettle.ID, 0}}, "twice": {one[0], one[0]}, "no product": {{4711, 1}},
	} {
		f.expect(what, f.send("POST", "/orders", Wanted{"ada", lines}, keyHeader, "the third"), 422, `"name":"lines`)
	}
	f.expect("nobody", f.send("POST", "/orders", Wanted{"", one}, keyHeader, "the third"), 422, `"name":"customer"`)
	f.expect("no key", f.send("POST", "/orders", Wanted{"ada", one}), 422, keyHeader)
	f.expect("no text", f.send("POST", "/orders", Wanted{"ada", one}, keyHeader, "key \xff\xfe\xfd"), 422, keyHeader)
	_, err := f.db.router.Exec(t.Context(), "DELETE FROM smrt_txn_markers") // as a job does after a day
	f.must(err)
	again("the same again, long after")
	f.expect("none", f.get("/orders/4711"), 404)
	f.expect("of another tenant", f.get(first.header.Get("Location"), tenantHeader, "2"), 404)
}

// TestRepeatedOrders sends several orders several times at once: each is placed once, and no more
// is sold than there is.
func TestRepeatedOrders(t *testing.T) {
	t.Parallel()
	f := opened(t)
	var placed, again, refused atomic.Int32
	var all sync.WaitGroup
	for i := range 12 {
		all.Go(func() {
			wanted := Wanted{Customer: "ada", Lines: []WantedLine{{f.assam.ID, 1}, {f.kettle.ID, 1}}}
			if i%2 == 0 {
				wanted.Lines[0], wanted.Lines[1] = wanted.Lines[1], wanted.Lines[0]
			}
			a, err := f.call(t.Context(), "POST", "/orders", wanted, keyHeader, fmt.Sprint("order number ", i%6))
			switch {
			case err != nil:
				t.Error(err)
			case a.status == 201:
				placed.Add(1)
			case a.status == 200:
				again.Add(1)
			case a.status == 409:
				refused.Add(1)
			default:
				t.Error(a)
			}
		})
	}
	all.Wait()
	// Three of six can be served, each of them twice.
	if placed.Load() != 3 || again.Load() != 3 || refused.Load() != 6 {
		t.Error(placed.Load(), "placed,", again.Load(), "repeated,", refused.Load(), "refused")
	}
	if a, k := f.stock(f.assam.ID), f.stock(f.kettle.ID); a != 0 || k != 2 {
		t.Error("the stock is", a, k)
	}
}
