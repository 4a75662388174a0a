package main

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

func refusedDelete(ctx context.Context, pool *pgxpool.Pool, out *outcome) {
	products := repo.New(pool, shop.Products)
	var keep []int64 // was to be filled from somewhere
	_, err := products.DeleteWhere(ctx, query.Where(shop.ProductID.NotIn(keep...)))
	out.stop(0)

	out.tellError(err, smrt.ErrUnboundedWrite)
	out.sends(0)
}

func staleUpdate(ctx context.Context, pool *pgxpool.Pool, out *outcome) {
	orders := repo.New(pool, shop.Orders)
	mine, err := orders.Get(ctx, 1)
	out.must(err)
	yours, err := orders.Get(ctx, 1)
	out.must(err)
	mine.Note = new("ring twice")
	err = orders.Update(ctx, mine)
	out.must(err)
	yours.Note = new("leave it with the neighbours")
	err = orders.Update(ctx, yours)
	out.stop(1)

	out.tellError(err, smrt.ErrStale)
	out.check(mine.Version == yours.Version+1, "versions %d and %d", mine.Version, yours.Version)
	out.expect(ctx, "rows", 1, "select count(*) from orders where id = 1 and note = 'ring twice'")
}

func constraint(ctx context.Context, pool *pgxpool.Pool, out *outcome) {
	products := repo.New(pool, shop.Products)
	twin := shop.Product{CategoryID: 5, SKU: "DEMO-000001", Name: "Kettle", PriceCents: 29_99}
	conflict := products.Create(ctx, &twin)
	sold := products.Patch(ctx, 42, query.Add(shop.Stock, -1_000_000))
	out.stop(0)

	out.tellError(conflict, smrt.ErrConflict)
	out.tellError(sold, smrt.ErrCheck)
	var violated *smrt.ConstraintError
	if errors.As(conflict, &violated) {
		out.tell("kind %s, table %s, constraint %s", violated.Kind, violated.Table, violated.Constraint)
	}
	out.check(violated != nil && violated.Constraint == "products_sku_key", "the constraint is not named")
}
