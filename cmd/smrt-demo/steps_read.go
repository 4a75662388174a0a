package main

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

func getByKey(ctx context.Context, pool *pgxpool.Pool, out *outcome) {
	products := repo.New(pool, shop.Products)
	product, err := products.Get(ctx, 42)
	out.must(err)
	out.stop(1)

	out.tell("%s, %s, %d in stock", product.Name, euros(product.PriceCents), product.Stock)
	out.check(product.ID == 42, "product %d was read, want 42", product.ID)
	out.expect(ctx, "its price", product.PriceCents, "select price_cents from products where id = 42")
	out.sends(1)
}

func getMissing(ctx context.Context, pool *pgxpool.Pool, out *outcome) {
	products := repo.New(pool, shop.Products)
	_, err := products.Get(ctx, 987_654_321)
	out.stop(0)

	out.tellError(err, smrt.ErrNotFound)
	out.check(errors.Is(err, pgx.ErrNoRows), "the error is %v, want pgx.ErrNoRows", err)
}

// filter is what a visitor of the shop may have asked for; zero values mean no choice.
type filter struct {
	maxPrice int64
	inStock  bool
	keyword  string
}

func findFiltered(ctx context.Context, pool *pgxpool.Pool, out *outcome) {
	asked := filter{maxPrice: 20_00, inStock: true, keyword: "weekend"}
	out.start()
	products := repo.New(pool, shop.Products)
	q := query.All[shop.Product]().OrderBy(shop.Price.Desc(), shop.ProductID.Asc()).Limit(20)
	if asked.maxPrice > 0 {
		q = q.Where(shop.Price.Le(asked.maxPrice))
	}
	if asked.inStock {
		q = q.Where(shop.Stock.Gt(0))
	}
	if asked.keyword != "" {
		q = q.Where(shop.Tags.Has(asked.keyword))
	}
	found, err := products.Find(ctx, q)
	out.must(err)
	out.stop(int64(len(found)))

	for _, product := range found[:min(3, len(found))] {
		out.tell("%-60s %12s", product.Name, euros(product.PriceCents))
	}
	out.check(len(found) > 0, "nothing was found")
	for _, p := range found {
		out.check(p.PriceCents <= asked.maxPrice && p.Stock > 0, "product %d does not match", p.ID)
	}
	out.expect(ctx, "rows", int64(len(found)), `select count(*) from (select from products where deleted_at is null
		and price_cents <= 2000 and stock > 0 and 'weekend' = any (tags) limit 20) as found`)
}

func firstAndOne(ctx context.Context, pool *pgxpool.Pool, out *outcome) {
	products, customers := repo.New(pool, shop.Products), repo.New(pool, shop.Customers)
	dearest, err := products.First(ctx, query.All[shop.Product]().OrderBy(shop.Price.Desc()))
	out.must(err)
	somebody, err := customers.Get(ctx, 7)
	out.must(err)
	same, err := customers.One(ctx, query.Where(shop.CustomerEmail.Eq(somebody.Email)))
	out.must(err)
	out.stop(3)

	out.tell("dearest: %s, %s", dearest.Name, euros(dearest.PriceCents))
	out.tell("the one with that address: %s", same.Name)
	out.expect(ctx, "greatest price", dearest.PriceCents, "select max(price_cents) from products where deleted_at is null")
	out.check(same.ID == 7, "customer %d was read, want 7", same.ID)
}

func countAndExists(ctx context.Context, pool *pgxpool.Pool, out *outcome) {
	products := repo.New(pool, shop.Products)
	onSale, err := products.Count(ctx, query.All[shop.Product]())
	out.must(err)
	all, err := products.Count(ctx, query.All[shop.Product]().WithDeleted())
	out.must(err)
	free, err := products.Exists(ctx, query.Where(shop.Price.Eq(0)))
	out.must(err)
	out.stop(3)

	out.tell("%s on sale, %s with those deleted; one for nothing: %t", thousands(onSale), thousands(all), free)
	out.check(all == int64(out.size.Products), "%d products, but %d were loaded", all, out.size.Products)
	out.expect(ctx, "on sale", onSale, "select count(*) from products where deleted_at is null")
	out.check(!free, "a product has no price")
}

func sumAndCountBy(ctx context.Context, pool *pgxpool.Pool, out *outcome) {
	orders := repo.New(pool, shop.Orders)
	valid := query.Where(shop.Status.Ne(shop.OrderCancelled))
	revenue, err := repo.Aggregate(ctx, orders, query.Sum[int64](shop.Total), valid)
	out.must(err)
	states, err := repo.CountBy(ctx, orders, shop.Status, query.All[shop.Order]())
	out.must(err)
	out.stop(int64(1 + len(states)))

	out.tell("revenue: %s", euros(revenue.V))
	sum := int64(0)
	for _, state := range states {
		out.tell("%-10s %9s", state.Value.V, thousands(state.Count))
		sum += state.Count
	}
	out.expect(ctx, "revenue", revenue.V, "select sum(total_cents) from orders where status <> 'cancelled'")
	out.check(sum == int64(out.size.Orders), "the states add up to %d orders, want %d", sum, out.size.Orders)
}

func getMany(ctx context.Context, pool *pgxpool.Pool, out *outcome) {
	products := repo.New(pool, shop.Products)
	some, err := products.GetMany(ctx, []int64{99, 4, 987_654_321, 4, 501})
	out.must(err)
	out.stop(3)

	for i, product := range some {
		if product == nil {
			out.tell("%d: nil", i)
			continue
		}
		out.tell("%d: product %3d, %s", i, product.ID, product.Name)
	}
	out.check(len(some) == 5 && some[2] == nil && some[1] == some[3], "the rows are not in the order of the keys")
	for i, want := range []int64{99, 4, 0, 4, 501} {
		out.check(keyOf(some[i]) == want, "row %d has the key %d, want %d", i, keyOf(some[i]), want)
	}
	out.sends(1)
}

// keyOf is the key of a product, 0 if there is none.
func keyOf(p *shop.Product) int64 {
	if p == nil {
		return 0
	}
	return p.ID
}
