package slots_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/internal/shop/shopdb"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/slots"
)

// BenchmarkSlots calls a method that sqlc generated, twenty orders of the back office, with
// slots and with the same statement written by hand.
func BenchmarkSlots(b *testing.B) {
	pool := testdb.Pool(b, filledShop)
	byHand := fixed{pool, strings.NewReplacer(
		"WHERE true", "WHERE (o.status = $1 AND o.total_cents > $2)",
		"ORDER BY", "ORDER BY o.id DESC,",
		"LIMIT 1000", "LIMIT $3",
	).Replace(sqlOf(b, func(db smrt.DB) { _, _ = shopdb.New(db).ListOrders(b.Context()) })), []any{"delivered", int64(20_000), int64(20)}}
	read := func(db smrt.DB) error {
		rows, err := shopdb.New(db).ListOrders(b.Context())
		if err == nil && len(rows) != 20 {
			err = errors.New("there are not 20 orders")
		}
		return err
	}
	check.Compare(b, func() error {
		return read(slots.On(pool, slots.For(shop.Orders, delivered().Limit(20))))
	}, check.Twin{Name: "hand", Run: func() error { return read(byHand) }})
}

// delivered is a query as it is made for a call.
func delivered() query.Query[shop.Order] {
	return query.Where(shop.Status.Eq(shop.OrderDelivered), shop.Total.Gt(20_000)).OrderBy(shop.OrderID.Desc()).Limit(5)
}

// fixed sends one statement in place of all.
type fixed struct {
	smrt.DB
	sql  string
	args []any
}

func (f fixed) Query(ctx context.Context, _ string, _ ...any) (pgx.Rows, error) {
	return f.DB.Query(ctx, f.sql, f.args...)
}

// sqlOf returns the statement that a method of sqlc's sends.
func sqlOf(tb testing.TB, call func(smrt.DB)) (sql string) {
	tb.Helper()
	call(asked{sql: &sql})
	return sql
}

type asked struct {
	smrt.DB
	sql *string
}

func (a asked) Query(_ context.Context, sql string, _ ...any) (pgx.Rows, error) {
	*a.sql = sql
	return nil, errors.New("only asked")
}

// BenchmarkLeast reads five numbers through slots, and by the same text written by hand: nothing
// that is sent costs less.
func BenchmarkLeast(b *testing.B) {
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
		return read(slots.On(pool, slots.For(shop.Orders, delivered())), listed, int64(7))
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

// BenchmarkIndex finds 20 of a million rows by an index, in the server's own plan mode
// and with generic plans: by a slot, by the same SQL with parameters, and by a parameter
// beside IS NULL, as it is written where a filter may be missing.
func BenchmarkIndex(b *testing.B) {
	type event struct {
		ID   int64
		Kind string
	}
	events := query.NewTable("events", func(e *event) *int64 { return &e.ID })
	kind := query.TextCol(func(e *event) *string { return &e.Kind })
	schema := testdb.SQL("a million events", `CREATE TABLE events (id bigint PRIMARY KEY, kind text NOT NULL);
		INSERT INTO events SELECT i, 'kind ' || i % 50000 FROM generate_series(1, 1000000) i;
		CREATE INDEX ON events (kind); ANALYZE events`)
	const (
		slotted = "SELECT e.id FROM events e WHERE true /* smrt:where events e */"
		byHand  = "SELECT e.id FROM events e WHERE (e.kind = $1)"
		orNull  = "SELECT e.id FROM events e WHERE ($1::text IS NULL OR e.kind = $1)"
	)
	for _, mode := range []string{"auto", "force_generic_plan"} {
		b.Run(mode, func(b *testing.B) {
			pool := testdb.Pool(b, schema, testdb.Configure(func(cfg *pgxpool.Config) { cfg.ConnConfig.RuntimeParams["plan_cache_mode"] = mode }))
			read := func(db smrt.DB, sql string, args ...any) error {
				rows, err := db.Query(b.Context(), sql, args...)
				if err != nil {
					return err
				}
				found, err := pgx.CollectRows(rows, pgx.RowTo[int64])
				if err == nil && len(found) != 20 {
					err = errors.New("there are not 20 rows")
				}
				return err
			}
			ours := func() error {
				return read(slots.On(pool, slots.For(events, query.Where(kind.Eq("kind 777")))), slotted)
			}
			// Each by itself: what runs behind a full scan finds the processor's caches empty.
			b.Run("parameter", func(b *testing.B) {
				check.Compare(b, ours, check.Twin{Name: "hand", Run: func() error { return read(pool, byHand, "kind 777") }})
			})
			b.Run("or null", func(b *testing.B) {
				check.Compare(b, ours, check.Twin{Name: "or-null", Run: func() error { return read(pool, orNull, "kind 777") }})
			})
		})
	}
}

// BenchmarkFill makes a statement without sending it: with a query that is kept, and
// with one that is made for the call.
func BenchmarkFill(b *testing.B) {
	ctx, args := context.Background(), []any{int64(7)}
	b.Run("kept", func(b *testing.B) {
		db := slots.On(nothing{}, slots.For(shop.Orders, latest))
		for b.Loop() {
			_, _ = db.Query(ctx, listed, args...)
		}
	})
	b.Run("made", func(b *testing.B) {
		for b.Loop() {
			_, _ = slots.On(nothing{}, slots.For(shop.Orders, delivered())).Query(ctx, listed, args...)
		}
	})
}
