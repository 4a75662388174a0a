package main

import (
	"context"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/internal/shop/seed"
	"github.com/smrt-go/smrt/internal/shop/shopdb"
	"github.com/smrt-go/smrt/preload"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
	"github.com/smrt-go/smrt/slots"
)

func search(ctx context.Context, pool *pgxpool.Pool, out *outcome) {
	queries := shopdb.New(pool)
	found, err := queries.SearchProducts(ctx, shopdb.SearchProductsParams{
		Words: "quiet kettle or quiet pan", MaxRows: 3,
	})
	out.must(err)
	out.stop(int64(len(found)))

	out.check(len(found) == 3, "%d rows, want 3", len(found))
	for _, p := range found {
		out.tell("%-60s %12s", p.Name, euros(p.PriceCents))
		out.check(strings.Contains(p.Name, "quiet"), "%s is not quiet", p.Name)
	}
}

func treeAndTopSellers(ctx context.Context, pool *pgxpool.Pool, out *outcome) {
	root := int64(1)
	out.start()
	queries := shopdb.New(pool)
	tree, err := queries.CategoryTree(ctx, &root)
	out.must(err)
	best, err := queries.TopSellers(ctx, shopdb.TopSellersParams{
		Places: 1, Since: seed.Epoch.AddDate(0, -1, 0), Until: seed.Epoch,
	})
	out.must(err)
	out.stop(int64(len(tree) + len(best)))

	for _, node := range tree[:min(5, len(tree))] {
		out.tell("%s%s", strings.Repeat("  ", int(node.Depth)), node.Name)
	}
	out.check(len(best) > 0, "nothing was sold")
	for _, b := range best[:min(3, len(best))] {
		out.tell("%-22s %-56s %5d sold", b.Category, b.Product, b.Pieces)
	}
	out.expect(ctx, "children of the root", depthCount(tree, 1), "select count(*) from categories where parent_id = 1")
}

func depthCount(tree []shopdb.CategoryTreeRow, depth int32) (n int64) {
	for _, node := range tree {
		if node.Depth == depth {
			n++
		}
	}
	return n
}

func filledSlots(ctx context.Context, pool *pgxpool.Pool, out *outcome) {
	waiting := query.Where(shop.Status.Eq(shop.OrderPaid)).OrderBy(shop.Total.Desc()).Limit(3)
	queries := shopdb.New(slots.On(pool, slots.For(shop.Orders, waiting)))
	orders, err := queries.ListOrders(ctx)
	out.must(err)
	out.stop(int64(len(orders)))

	out.check(len(orders) == 3, "%d rows, want 3", len(orders))
	for _, o := range orders {
		out.tell("order %-6d %-30s %2d lines %12s", o.ID, o.Customer, o.Lines, euros(o.TotalCents))
	}
	out.expect(ctx, "the largest paid order", orders[0].TotalCents, "select max(total_cents) from orders where status = 'paid'")
}

func searchWithFacets(ctx context.Context, pool *pgxpool.Pool, out *outcome) {
	const words = "quiet kettle or quiet pan"
	cheap := query.Where(shop.Price.Lt(100_00))
	queries := shopdb.New(slots.On(pool, slots.For(shop.Products, cheap)))
	found, err := queries.SearchProducts(ctx, shopdb.SearchProductsParams{
		Words: words, MaxRows: 3,
	})
	out.must(err)
	facets, err := queries.SearchFacets(ctx, words)
	out.must(err)
	out.stop(int64(len(found) + len(facets)))

	for _, p := range found {
		out.tell("%-60s %12s", p.Name, euros(p.PriceCents))
		out.check(p.PriceCents < 100_00, "%s is not cheap", p.Name)
	}
	var all int64
	for _, f := range facets {
		all += f.Products
	}
	out.tell("%d products in %d categories", all, len(facets))
	out.expect(ctx, "products of all facets", all,
		"select count(*) from products where search @@ websearch_to_tsquery('english', $1) and deleted_at is null and price_cents < 10000", words)
	out.sends(2)
}

// rowLines are the lines of the order that a row is of.
var rowLines = preload.ToManyBy(shop.OrderLines, func(r *shopdb.ListOrdersRow) *int64 { return &r.ID })

func linesOfRows(ctx context.Context, pool *pgxpool.Pool, out *outcome) {
	latest := query.All[shop.Order]().OrderBy(shop.PlacedAt.Desc()).Limit(100)
	orders, err := shopdb.New(slots.On(pool, slots.For(shop.Orders, latest))).ListOrders(ctx)
	out.must(err)
	lines, err := rowLines.Load(ctx, pool, orders)
	out.must(err)
	out.stop(int64(len(orders)))

	for i, o := range orders {
		out.check(int64(len(lines[i])) == o.Lines, "order %d has %d lines, want %d", o.ID, len(lines[i]), o.Lines)
	}
	out.tell("%d orders, the latest of %s with %d lines", len(orders), orders[0].Customer, len(lines[0]))
	out.sends(2)
}

func transaction(ctx context.Context, pool *pgxpool.Pool, out *outcome) {
	kettle, err := repo.New(pool, shop.Products).One(ctx, query.Where(shop.SKU.Eq("DEMO-000001")))
	out.must(err)
	order := shop.Order{CustomerID: 7, TotalCents: kettle.PriceCents}
	out.start()
	products := repo.New(pool, shop.Products)
	orders, items := repo.New(pool, shop.Orders), repo.New(pool, shop.OrderItems)
	err = pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		if err := orders.With(tx).Create(ctx, &order); err != nil {
			return err
		}
		line := shop.OrderItem{
			OrderID: order.ID, LineNo: 1, ProductID: kettle.ID,
			Quantity: 1, UnitPriceCents: kettle.PriceCents,
		}
		if err := items.With(tx).Create(ctx, &line); err != nil {
			return err
		}
		if err := products.With(tx).Patch(ctx, kettle.ID, query.Add(shop.Stock, -1)); err != nil {
			return err
		}
		_, err := shopdb.New(tx).ReserveStock(ctx, shopdb.ReserveStockParams{
			ProductID: kettle.ID, Quantity: 1,
		})
		return err
	})
	out.must(err)
	out.stop(4)

	out.tell("order %d, %s, version %d", order.ID, order.Status, order.Version)
	out.expect(ctx, "lines", 1, "select count(*) from order_items where order_id = $1", order.ID)
	out.expect(ctx, "stock", int64(kettle.Stock)-1, "select stock from products where id = $1", kettle.ID)
	out.expect(ctx, "reserved", 1, "select sum(reserved) from inventory where product_id = $1", kettle.ID)
	out.sends(6)
}

func planCache(ctx context.Context, pool *pgxpool.Pool, out *outcome) {
	products := repo.New(pool, shop.Products)
	before := shop.Products.CacheStats()
	for cents := range int64(1000) {
		_, err := products.Exists(ctx, query.Where(shop.Price.Eq(cents)))
		out.must(err)
	}
	after := shop.Products.CacheStats()
	out.stop(1000)

	out.tell("in the loop: %s hits, %s misses", thousands(after.Hits-before.Hits), thousands(after.Misses-before.Misses))
	out.tell("in the tour: %s hits, %s misses, %d of %d shapes held", thousands(after.Hits), thousands(after.Misses),
		after.Size, after.Capacity)
	out.check(after.Hits-before.Hits == 1000 && after.Misses == before.Misses, "the shape was not found again")
	out.sends(1000)
}
