package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

func create(ctx context.Context, pool *pgxpool.Pool, out *outcome) {
	products := repo.New(pool, shop.Products)
	kettle := shop.Product{
		CategoryID: 5, SKU: "DEMO-000001", Name: "Travel kettle", PriceCents: 39_99, Stock: 10,
	}
	err := products.Create(ctx, &kettle)
	out.must(err)
	out.stop(1)

	out.tell("key %d, tags %v, attributes %s, created %s", kettle.ID, kettle.Tags, kettle.Attributes,
		kettle.CreatedAt.UTC().Format("2006-01-02 15:04:05 MST"))
	out.check(!kettle.CreatedAt.IsZero() && string(kettle.Attributes) == "{}", "the defaults were not read back")
	out.expect(ctx, "key", kettle.ID, "select id from products where sku = 'DEMO-000001'")
	out.sends(1)
}

func createMany(ctx context.Context, pool *pgxpool.Pool, out *outcome) {
	products := repo.New(pool, shop.Products)
	cups := make([]shop.Product, 1000)
	for i := range cups {
		sku := fmt.Sprintf("BULK-%06d", i)
		cups[i] = shop.Product{CategoryID: 5, SKU: sku, Name: "Plain cup", PriceCents: 5_00}
	}
	err := products.CreateMany(ctx, cups)
	out.must(err)
	out.stop(int64(len(cups)))

	out.tell("keys %d to %d", cups[0].ID, cups[999].ID)
	out.expect(ctx, "rows", 1000, "select count(*) from products where sku like 'BULK-%'")
	out.expect(ctx, "key of row 500", cups[500].ID, "select id from products where sku = 'BULK-000500'")
	out.sends(1)
}

func upsert(ctx context.Context, pool *pgxpool.Pool, out *outcome) {
	customers := repo.New(pool, shop.Customers)
	byEmail := query.OnConflict(shop.CustomerEmail)
	ada := shop.Customer{Email: "ada@demo.example", Name: "Ada", Country: "GB"}
	first, err := customers.Upsert(ctx, &ada, byEmail)
	out.must(err)
	again := shop.Customer{Email: "ada@demo.example", Name: "Ada Lovelace", Country: "GB"}
	second, err := customers.Upsert(ctx, &again, byEmail)
	out.must(err)
	out.stop(2)

	out.tell("first %s with key %d, then %s with key %d", first, ada.ID, second, again.ID)
	out.check(first == repo.Inserted && second == repo.Updated, "outcomes %s and %s", first, second)
	out.check(ada.ID == again.ID, "keys %d and %d", ada.ID, again.ID)
	out.expect(ctx, "rows", 1, "select count(*) from customers where email = 'ada@demo.example' and name = 'Ada Lovelace'")
}

func upsertMany(ctx context.Context, pool *pgxpool.Pool, out *outcome) {
	kettle, err := repo.New(pool, shop.Products).One(ctx, query.Where(shop.SKU.Eq("DEMO-000001")))
	out.must(err)
	out.start()
	inventories := repo.New(pool, shop.Inventories)
	byKey := query.OnConflict(shop.InventoryWarehouse, shop.InventoryProduct)
	first := []shop.Inventory{
		{WarehouseID: 1, ProductID: kettle.ID, Quantity: 10},
	}
	inserted, err := inventories.UpsertMany(ctx, first, byKey)
	out.must(err)
	counted := []shop.Inventory{
		{WarehouseID: 1, ProductID: kettle.ID, Quantity: 8},
		{WarehouseID: 2, ProductID: kettle.ID, Quantity: 5},
	}
	mixed, err := inventories.UpsertMany(ctx, counted, byKey)
	out.must(err)
	kept, err := inventories.UpsertMany(ctx, counted, byKey.DoNothing())
	out.must(err)
	out.stop(5)

	out.tell("%v, then %v, then %v", inserted, mixed, kept)
	want := "[inserted] [updated inserted] [unchanged unchanged]"
	got := fmt.Sprint(inserted, mixed, kept)
	out.check(got == want, "outcomes %s, want %s", got, want)
	out.expect(ctx, "quantity", 13, "select sum(quantity) from inventory where product_id = $1", kettle.ID)
}

func patch(ctx context.Context, pool *pgxpool.Pool, out *outcome) {
	before, err := repo.New(pool, shop.Products).Get(ctx, 42)
	out.must(err)
	out.start()
	products := repo.New(pool, shop.Products)
	err = products.Patch(ctx, 42,
		query.Add(shop.Stock, 5),
		shop.Price.SetExpr("price_cents * $1 / 100", 90))
	out.must(err)
	out.stop(1)

	price := before.PriceCents * 90 / 100
	out.tell("the price was %s and is %s", euros(before.PriceCents), euros(price))
	out.expect(ctx, "price", price, "select price_cents from products where id = 42")
	out.expect(ctx, "stock", int64(before.Stock)+5, "select stock from products where id = 42")
	out.sends(1)
}

func updateMany(ctx context.Context, pool *pgxpool.Pool, out *outcome) {
	products := repo.New(pool, shop.Products)
	bulk := query.Where(shop.SKU.HasPrefix("BULK-")).OrderBy(shop.SKU.Asc())
	cups, err := products.Find(ctx, bulk)
	out.must(err)
	for i := range cups {
		cups[i].Stock = int32(i)
	}
	updated, err := products.UpdateMany(ctx, cups)
	out.must(err)
	out.stop(updated)

	out.check(updated == 1000, "%d rows, want 1000", updated)
	out.expect(ctx, "sum of stock", 999*1000/2, "select sum(stock) from products where sku like 'BULK-%'")
	out.expect(ctx, "stock of row 500", 500, "select stock from products where sku = 'BULK-000500'")
	out.sends(2)
}

func updateWhere(ctx context.Context, pool *pgxpool.Pool, out *outcome) {
	products := repo.New(pool, shop.Products)
	updated, err := products.UpdateWhere(ctx,
		query.Where(shop.SKU.HasPrefix("BULK-"), shop.Stock.Lt(100)),
		query.Add(shop.Price, 1_00))
	out.must(err)
	out.stop(updated)

	out.check(updated == 100, "%d rows, want 100", updated)
	out.expect(ctx, "rows", updated, "select count(*) from products where sku like 'BULK-%' and price_cents = 600")
	out.sends(1)
}

func softDelete(ctx context.Context, pool *pgxpool.Pool, out *outcome) {
	kettle, err := repo.New(pool, shop.Products).One(ctx, query.Where(shop.SKU.Eq("DEMO-000001")))
	out.must(err)
	out.start()
	products := repo.New(pool, shop.Products)
	err = products.Delete(ctx, kettle.ID)
	out.must(err)
	_, gone := products.Get(ctx, kettle.ID)
	err = products.Restore(ctx, kettle.ID)
	out.must(err)
	back, err := products.Get(ctx, kettle.ID)
	out.must(err)
	out.stop(3)

	out.tell("after Delete: %v; after Restore: %s", gone, back.Name)
	out.check(errors.Is(gone, smrt.ErrNotFound), "the deleted product was read: %v", gone)
	out.expect(ctx, "rows", 1, "select count(*) from products where id = $1 and deleted_at is null", kettle.ID)
	out.sends(4)
}
