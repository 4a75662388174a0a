package repo_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// constraintCase is a write that violates a constraint.
type constraintCase struct {
	name       string
	write      func(context.Context, *pgxpool.Pool, shop.Product) error
	sentinel   error
	constraint string
	columns    []string
	direction  smrt.Direction
}

var constraintCases = []constraintCase{
	{
		name: "unique index that is partial", sentinel: smrt.ErrConflict, constraint: "products_sku_key", columns: []string{"sku"},
		write: func(ctx context.Context, pool *pgxpool.Pool, p shop.Product) error {
			p.ID = 0
			return repo.New(pool, shop.Products).Create(ctx, &p)
		},
	},
	{
		name: "composite primary key", sentinel: smrt.ErrConflict, constraint: "inventory_pkey", columns: []string{"warehouse_id", "product_id"},
		write: func(ctx context.Context, pool *pgxpool.Pool, p shop.Product) error {
			w := shop.Warehouse{Code: "AMS1", Name: "One", Country: "NL"}
			if err := repo.New(pool, shop.Warehouses).Create(ctx, &w); err != nil {
				return err
			}
			stock := shop.Inventory{WarehouseID: w.ID, ProductID: p.ID}
			return repo.New(pool, shop.Inventories).CreateMany(ctx, []shop.Inventory{stock, stock})
		},
	},
	{
		name: "missing parent", sentinel: smrt.ErrForeignKey, constraint: "products_category_id_fkey", columns: []string{"category_id"},
		direction: smrt.MissingParent,
		write: func(ctx context.Context, pool *pgxpool.Pool, p shop.Product) error {
			return repo.New(pool, shop.Products).Patch(ctx, p.ID, shop.ProductCategoryID.Set(987654321))
		},
	},
	{
		name: "still referenced", sentinel: smrt.ErrForeignKey, constraint: "products_category_id_fkey", columns: []string{"category_id"},
		direction: smrt.StillReferenced,
		write: func(ctx context.Context, pool *pgxpool.Pool, p shop.Product) error {
			return repo.New(pool, shop.Categories).Delete(ctx, p.CategoryID)
		},
	},
	{
		name: "check", sentinel: smrt.ErrCheck, constraint: "products_price_cents_check", columns: []string{"price_cents"},
		write: func(ctx context.Context, pool *pgxpool.Pool, p shop.Product) error {
			_, err := repo.New(pool, shop.Products).WithoutRules().UpdateWhere(ctx, query.Where(shop.ProductID.Eq(p.ID)), shop.Price.Set(-987654321))
			return err
		},
	},
}

func TestConstraintErrors(t *testing.T) {
	for _, c := range constraintCases {
		t.Run(c.name, func(t *testing.T) {
			pool := testdb.Pool(t, shop.Schema)
			category := shop.Category{Slug: "books", Name: "Books"}
			if err := repo.New(pool, shop.Categories).Create(t.Context(), &category); err != nil {
				t.Fatal(err)
			}
			p := shop.Product{CategoryID: category.ID, SKU: "token-in-sku", Name: "Book"}
			if err := repo.New(pool, shop.Products).Create(t.Context(), &p); err != nil {
				t.Fatal(err)
			}
			err := c.write(t.Context(), pool, p)
			var violated *smrt.ConstraintError
			var pg *pgconn.PgError
			if !errors.Is(err, c.sentinel) || !errors.As(err, &violated) || !errors.As(err, &pg) {
				t.Fatalf("got %v", err)
			}
			if violated.Constraint != c.constraint || !slices.Equal(violated.Columns, c.columns) || violated.Direction != c.direction {
				t.Errorf("got %+v", violated)
			}
			for _, value := range []string{"token-in-sku", "987654321"} {
				if strings.Contains(err.Error(), value) {
					t.Errorf("the text contains a value: %v", err)
				}
			}
		})
	}
}

// TestUpsertOnPartitionedTable makes sure that the outcome of an upsert is
// known where rows live in partitions.
func TestUpsertOnPartitionedTable(t *testing.T) {
	pool := testdb.Pool(t, testdb.Empty)
	for _, sql := range []string{
		`CREATE TABLE readings (sensor int, day int, value int, PRIMARY KEY (sensor, day)) PARTITION BY RANGE (day)`,
		`CREATE TABLE readings_1 PARTITION OF readings FOR VALUES FROM (0) TO (100)`,
		`CREATE TABLE readings_2 PARTITION OF readings FOR VALUES FROM (100) TO (200)`,
	} {
		if _, err := pool.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	type key struct{ Sensor, Day int32 }
	type reading struct{ Sensor, Day, Value int32 }
	sensor := query.Col(func(r *reading) *int32 { return &r.Sensor })
	day := query.Col(func(r *reading) *int32 { return &r.Day })
	readings := repo.New(pool, query.NewCompositeTable("readings", query.Key[reading, key]{
		query.Part(func(r *reading) *int32 { return &r.Sensor }, func(k *key) *int32 { return &k.Sensor }),
		query.Part(func(r *reading) *int32 { return &r.Day }, func(k *key) *int32 { return &k.Day }),
	}))
	rows := []reading{{1, 10, 1}, {1, 110, 2}}
	for _, want := range []repo.Outcome{repo.Inserted, repo.Updated} {
		got, err := readings.UpsertMany(t.Context(), rows, query.OnConflict(sensor, day))
		if err != nil || !slices.Equal(got, []repo.Outcome{want, want}) {
			t.Fatalf("got %v, want %v twice: %v", got, want, err)
		}
	}
}
