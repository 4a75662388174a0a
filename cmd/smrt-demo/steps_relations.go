package main

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/preload"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
	"github.com/smrt-go/smrt/txn"
)

// orderView is an order with its lines, which sqlc's model has no field for.
type orderView struct {
	shop.Order
	Lines []lineView
}

// lineView is a line with its product, and that with its category.
type lineView struct {
	shop.OrderItem
	Product *productView
}

type productView struct {
	shop.Product
	Category *shop.Category
}

func loadGraph(ctx context.Context, pool *pgxpool.Pool, out *outcome) {
	orders := repo.View(repo.New(pool, shop.Orders),
		func(o *orderView) *shop.Order { return &o.Order })
	withCategory := preload.One(shop.ProductCategory,
		func(p *productView) **shop.Category { return &p.Category })
	withProduct := preload.One(shop.LineProduct,
		func(l *lineView) **productView { return &l.Product }, withCategory)
	withLines := preload.Many(shop.OrderLines,
		func(o *orderView) *[]lineView { return &o.Lines }, withProduct)

	q := query.Where(shop.OrderID.Le(100)).OrderBy(shop.OrderID.Asc())
	found, err := orders.Find(ctx, q, withLines)
	out.must(err)
	var lines int64
	for _, o := range found {
		lines += int64(len(o.Lines))
	}
	out.stop(int64(len(found)) + lines)

	out.check(len(found) == 100, "%d orders, want 100", len(found))
	for _, l := range found[0].Lines {
		if l.Product != nil {
			out.tell("%3d x %-50s in %s", l.Quantity, l.Product.Name, l.Product.Category.Name)
		}
	}
	out.expect(ctx, "lines", lines, "select count(*) from order_items where order_id <= 100")
	out.sends(4)
}

func filterByRelation(ctx context.Context, pool *pgxpool.Pool, out *outcome) {
	products := repo.New(pool, shop.Products)
	loved := query.Where(shop.ProductReviews.Count(shop.Rating.Eq(5)).Ge(3)).
		OrderBy(shop.ProductReviews.Count().Desc(), shop.ProductID.Asc())
	found, err := products.Find(ctx, loved.Limit(3))
	out.must(err)
	counts, err := shop.ProductReviews.LoadCounts(ctx, pool, found)
	out.must(err)
	out.stop(int64(len(found)))

	for i, p := range found {
		out.tell("%-60s %3d reviews", p.Name, counts[i])
		out.expect(ctx, "reviews of "+p.SKU, counts[i], "select count(*) from reviews where product_id = $1", p.ID)
	}
	out.sends(2)
}

func shareGets(ctx context.Context, pool *pgxpool.Pool, out *outcome) {
	const callers = 200
	out.start()
	products := repo.New(pool, shop.Products)
	var found atomic.Int64
	var all sync.WaitGroup
	for id := range int64(callers) {
		all.Go(func() {
			if _, err := products.Get(ctx, id+1); err == nil {
				found.Add(1)
			}
		})
	}
	all.Wait()
	out.stop(found.Load())

	out.check(found.Load() > callers/2, "%d products were found", found.Load())
	sent := len(out.statements)
	out.check(sent < callers/2, "%d statements for %d callers", sent, callers)
	out.tell("%d callers, %d statements", callers, sent)
}

func applyOnce(ctx context.Context, pool *pgxpool.Pool, out *outcome) {
	_, err := pool.Exec(ctx, txn.MarkersSQL)
	out.must(err)
	product, err := repo.New(pool, shop.Products).Get(ctx, 42)
	out.must(err)
	out.start()
	products := repo.New(pool, shop.Products)
	takeOne := func(ctx context.Context, tx pgx.Tx) error {
		return products.With(tx).Patch(ctx, 42, query.Add(shop.Stock, 1))
	}
	once := txn.Options{Isolation: pgx.Serializable, Key: "delivery 17"}
	first := txn.Run(ctx, pool, takeOne, once)
	again := txn.Run(ctx, pool, takeOne, once)
	out.stop(1)

	out.check(first == nil, "the first call answered %v", first)
	out.tellError(again, smrt.ErrAlreadyApplied)
	out.expect(ctx, "stock", int64(product.Stock)+1, "select stock from products where id = 42")
}
