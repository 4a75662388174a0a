package main

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

func pages(ctx context.Context, pool *pgxpool.Pool, out *outcome) {
	orders := repo.New(pool, shop.Orders)
	latest := query.Where(shop.Status.Eq(shop.OrderDelivered)).OrderBy(shop.PlacedAt.Desc())
	first, err := orders.Page(ctx, latest, query.Page{Size: 50})
	out.must(err)
	second, err := orders.Page(ctx, latest, query.Page{Size: 50, After: first.Next})
	out.must(err)
	back, err := orders.Page(ctx, latest, query.Page{Size: 50, Before: second.Prev})
	out.must(err)
	out.stop(int64(len(first.Items) + len(second.Items) + len(back.Items)))

	number := func(o shop.Order) int64 { return o.ID }
	out.tell("page 1 begins with order %d, page 2 with order %d; back on page 1: order %d",
		number(first.Items[0]), number(second.Items[0]), number(back.Items[0]))
	out.tell("a cursor: %.60s...", first.Next)
	sameOrder := slices.EqualFunc(first.Items, back.Items, func(a, b shop.Order) bool { return a.ID == b.ID })
	out.check(sameOrder, "the way back leads to another page")
	out.expect(ctx, "first of page 2", second.Items[0].ID,
		"select id from orders where status = 'delivered' order by placed_at desc, id desc offset 50 limit 1")
}

func streamLines(ctx context.Context, pool *pgxpool.Pool, out *outcome) {
	lines, revenue := int64(0), int64(0)
	heapGrowth := watchHeap()
	out.start()
	items := repo.New(pool, shop.OrderItems)
	for item, err := range items.Stream(ctx, query.All[shop.OrderItem]()) {
		out.must(err)
		lines++
		revenue += int64(item.Quantity)*item.UnitPriceCents - item.DiscountCents
	}
	out.stop(lines)

	growth := heapGrowth()
	out.tell("%s order lines worth %s; %s rows a second", thousands(lines), euros(revenue),
		thousands(int64(float64(lines)/out.took.Seconds())))
	out.tell("the heap grew by %s kB at its greatest, garbage included", thousands(growth/1000))
	out.expect(ctx, "lines", lines, "select count(*) from order_items")
	out.expect(ctx, "revenue", revenue, "select sum(quantity * unit_price_cents - discount_cents) from order_items")
	out.check(lines >= int64(4*out.size.Orders), "%d lines, want four for each order", lines)
	out.check(growth < 64_000_000, "the heap grew by %d bytes", growth)
}

func viewWithNetPrice(ctx context.Context, pool *pgxpool.Pool, out *outcome) {
	type pricedProduct struct {
		shop.Product
		NetCents int64 // before 20 % tax
	}
	products := repo.New(pool, shop.Products)
	net := query.SQL[int64]("$1 * 100 / 120", shop.Price)
	priced := repo.View(products, func(p *pricedProduct) *shop.Product { return &p.Product },
		query.Into(net, func(p *pricedProduct) *int64 { return &p.NetCents }))
	found, err := priced.Find(ctx,
		query.Where(shop.SKU.HasPrefix("KIT-")).OrderBy(shop.ProductID.Asc()).Limit(3))
	out.must(err)
	out.stop(int64(len(found)))

	out.check(len(found) == 3, "%d rows, want 3", len(found))
	for _, p := range found {
		out.tell("%-60s %12s net %12s", p.Name, euros(p.PriceCents), euros(p.NetCents))
		out.check(p.NetCents == p.PriceCents*100/120, "product %d: the net price is %d", p.ID, p.NetCents)
	}
}

func selectColumns(ctx context.Context, pool *pgxpool.Pool, out *outcome) {
	type label struct {
		SKU        string `db:"sku"`
		Name       string
		PriceCents int64
	}
	products := repo.New(pool, shop.Products)
	labels, err := repo.Select[label](products).Find(ctx, query.All[shop.Product]().Limit(1000))
	out.must(err)
	out.stop(int64(len(labels)))

	out.tell("%s: %s, %s", labels[0].SKU, labels[0].Name, euros(labels[0].PriceCents))
	out.check(len(labels) == 1000, "%d rows, want 1000", len(labels))
	out.sends(1)
}
