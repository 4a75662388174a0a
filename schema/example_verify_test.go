package schema_test

import (
	"cmp"
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/schema"
)

// Warehouse is declared by somebody who did not look at the database closely.
type Warehouse struct {
	ID        int32
	Code      string
	Name      string
	Latitude  float64
	ClosedAt  string
	UpdatedAt string
}

// A test or a start-up compares the declarations with the database.
func ExampleVerify() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, dsn())
	if err != nil {
		panic(err)
	}
	defer pool.Close()
	warehouses := query.NewTable("warehouses", func(w *Warehouse) *int32 { return &w.ID })

	found, err := schema.Verify(ctx, pool, warehouses)
	if err != nil {
		panic(err)
	}
	for _, f := range found.AtLeast(schema.Fault) {
		fmt.Println(f.Check, f.Column)
		fmt.Println("   ", f.Problem)
		fmt.Println("   ", cmp.Or(f.SQL, f.Go))
	}
	// Output:
	// type id
	//     is bigint, and its field int32 has 32 bits of its 64: a larger number cannot be read
	//     change the type of the field
	// null latitude
	//     can be NULL, which its field float64 cannot hold: reading such a row returns smrt.ErrNullValue
	//     ALTER TABLE "warehouses" ALTER COLUMN "latitude" SET NOT NULL
	// column closed_at
	//     does not exist: every call that reads or writes rows fails
	//     ALTER TABLE "warehouses" ADD COLUMN "closed_at" text NOT NULL DEFAULT ''
	// type updated_at
	//     is timestamp with time zone, and its field string cannot hold its values: reading a row fails
	//     change the type of the field
	// default country
	//     is NOT NULL, has no default and no field: no row can be created
	//     ALTER TABLE "warehouses" ALTER COLUMN "country" DROP NOT NULL
}
