package repo_test

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/internal/shop/shopdb"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/repo"
)

// Repositories and the queries that sqlc generated share one transaction.
func ExampleRepository_With() {
	ctx := context.Background()
	pool, done := testdb.ExamplePool(shop.Schema)
	defer done()
	product := newShelf(ctx, pool, 1)[0]
	warehouse := shop.Warehouse{Code: "AMS1", Name: "Amsterdam", Country: "NL", Active: true}
	if err := repo.New(pool, shop.Warehouses).Create(ctx, &warehouse); err != nil {
		panic(err)
	}
	inventory := repo.New(pool, shop.Inventories)
	queries := shopdb.New(pool)

	err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		stock := shop.Inventory{WarehouseID: warehouse.ID, ProductID: product.ID, Quantity: 10}
		if err := inventory.With(tx).Create(ctx, &stock); err != nil {
			return err
		}
		_, err := queries.WithTx(tx).ReserveStock(ctx, shopdb.ReserveStockParams{ProductID: product.ID, Quantity: 4})
		return err
	})
	if err != nil {
		panic(err)
	}

	stock, err := inventory.Get(ctx, shop.InventoryKey{WarehouseID: warehouse.ID, ProductID: product.ID})
	if err != nil {
		panic(err)
	}
	fmt.Println(stock.Reserved, "of", stock.Quantity, "reserved")
	// Output: 4 of 10 reserved
}
