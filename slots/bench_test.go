package slots_test

import (
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/slots"
)

// BenchmarkSlots reads five orders through slots, and by the same text written by hand.
func BenchmarkSlots(b *testing.B) {
	pool := testdb.Pool(b, filledShop)
	read := func(db smrt.DB, sql string, args ...any) error {
		rows, err := db.Query(b.Context(), sql, args...)
		if err != nil {
			return err
		}
		_, err = pgx.CollectRows(rows, pgx.RowTo[int64])
		return err
	}
	const byHand = "-- name: ListOrders :many\nSELECT o.id FROM orders o\nWHERE o.id > $1 AND (o.status = $2 AND o.total_cents > $3)\nORDER BY o.id DESC, o.id\nLIMIT $4;\n"
	check.Compare(b, func() error {
		q := query.Where(shop.Status.Eq(shop.OrderDelivered), shop.Total.Gt(20_000)).OrderBy(shop.OrderID.Desc()).Limit(5)
		return read(slots.On(pool, slots.For(shop.Orders, q)), listed, int64(7))
	}, check.Twin{Name: "hand", Run: func() error {
		return read(pool, byHand, int64(7), "delivered", int64(20_000), int64(5))
	}})
}

// BenchmarkWithoutSlots reads through a handle without fills, and on the pool.
func BenchmarkWithoutSlots(b *testing.B) {
	pool := testdb.Pool(b, filledShop)
	read := func(db smrt.DB) error { return db.QueryRow(b.Context(), listed, int64(7)).Scan(new(int64)) }
	check.Compare(b, func() error { return read(slots.On(pool)) }, check.Twin{Name: "pool", Run: func() error { return read(pool) }})
}
