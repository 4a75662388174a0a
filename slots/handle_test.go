package slots_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/internal/shop/seed"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/readreplica"
	"github.com/smrt-go/smrt/slots"
	"github.com/smrt-go/smrt/txn"
)

// listed is a query as sqlc writes it.
const listed = `-- name: ListOrders :many
SELECT o.id FROM orders o
WHERE o.id > $1 AND true /* smrt:where orders o */
ORDER BY /* smrt:order orders o */ o.id
LIMIT 100 /* smrt:limit */;
`

var (
	latest     = query.Where(shop.Status.In(shop.OrderDelivered, shop.OrderShipped), shop.PlacedAt.Lt(seed.Epoch.AddDate(2, 0, 0))).OrderBy(shop.OrderID.Desc()).Limit(5)
	latestByIt = "SELECT o.id FROM orders o WHERE o.id > 7 AND o.status IN ('delivered', 'shipped') ORDER BY o.id DESC LIMIT 5"

	paged   = query.All[shop.Order]().OrderBy(shop.PaidAt.Desc())
	pagedBy = "SELECT o.id FROM orders o WHERE o.id > 7 ORDER BY o.paid_at DESC, o.id DESC"
)

// listedRow is a row of listed.
type listedRow struct{ ID int64 }

var (
	listedID   = slots.Col(func(r *listedRow) *int64 { return &r.ID })
	listedRows = slots.NewResult(listedID)
	evenRows   = query.Where(query.SQL[int64]("$1 % 2", listedID).Eq(0)).OrderBy(listedID.Asc())
	evenRowsBy = "SELECT o.id FROM orders o WHERE o.id > 7 AND o.id % 2 = 0 ORDER BY o.id"
)

// pages reads pages on a handle, of the statement and of a query on its rows, forward
// and backwards, and compares them with statements that were written by hand.
func pages(t *testing.T, what string, db smrt.DB) {
	t.Helper()
	for by, fill := range map[string]slots.Fill{pagedBy: slots.For(shop.Orders, paged), evenRowsBy: slots.Outer(listedRows, evenRows)} {
		want := ids(t, db, by)
		if len(want) < 150 {
			t.Fatalf("%d rows", len(want))
		}
		forward, back := walked(t, db, fill, 90, listed, int64(7))
		check.Equal(t, what+", pages", forward, want)
		check.Equal(t, what+", pages backwards", back, want)
	}
}

// TestHandles uses handles of all kinds, in all of pgx's modes but one.
func TestHandles(t *testing.T) {
	t.Parallel()
	for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeCacheStatement, pgx.QueryExecModeCacheDescribe, pgx.QueryExecModeDescribeExec, pgx.QueryExecModeExec} {
		t.Run(mode.String(), func(t *testing.T) {
			t.Parallel()
			pool := testdb.Pool(t, filledShop, testdb.ExecMode(mode), testdb.MaxConns(1))
			want := ids(t, pool, latestByIt)
			check.Same(t, "rows", len(want), 5)
			fill := slots.For(shop.Orders, latest)
			handles := func(what string, db smrt.DB) {
				check.Equal(t, what, ids(t, slots.On(db, fill), listed, int64(7)), want)
				var first int64
				check.NoError(t, slots.On(db, fill).QueryRow(t.Context(), listed, int64(7)).Scan(&first))
				check.Same(t, what+", one row", first, want[0])
				check.Equal(t, what+", with a mode", ids(t, slots.On(db, fill), listed, pgx.QueryExecModeExec, int64(7)), want)
				check.Equal(t, what+", in a batch", batched(t, slots.On(db, fill)), want)
				pages(t, what, db)
			}
			handles("pool", pool)
			tx := check.Value(pool.Begin(t.Context()))(t)
			handles("transaction", tx)
			own := slots.Tx(tx, fill)
			check.Equal(t, "pgx.Tx", ids(t, own, listed, int64(7)), want)
			inner := check.Value(own.Begin(t.Context()))(t)
			check.Equal(t, "begun on it", ids(t, inner, listed, int64(7)), want)
			check.Equal(t, "batch on it", batched(t, inner), want)
			page := slots.NewPage(query.Page{Size: 3})
			check.Equal(t, "a page of a pgx.Tx", ids(t, slots.Tx(tx, slots.For(shop.Orders, paged).Page(page)), listed, int64(7)), ids(t, tx, pagedBy)[:3])
			check.Same(t, "another page", page.Next() != "", true)
			_, err := inner.CopyFrom(t.Context(), pgx.Identifier{"orders"}, nil, nil)
			check.Error(t, "COPY", err, smrt.ErrBadQuery)
			check.NoError(t, inner.Rollback(t.Context()))
			check.NoError(t, own.Rollback(t.Context()))
			conn := check.Value(pool.Acquire(t.Context()))(t)
			handles("connection", conn.Conn())
			conn.Release()
			if tx := check.Value(pool.Begin(t.Context()))(t); slots.Tx(tx) != tx || check.Value(tx, tx.Rollback(t.Context()))(t) == nil {
				t.Error("without fills a transaction is not itself")
			}
		})
	}
}

// batched sends the query twice in a batch, once with a function.
func batched(t *testing.T, db smrt.DB) (got []int64) {
	t.Helper()
	var b pgx.Batch
	b.Queue(listed, int64(7)).Query(func(rows pgx.Rows) error {
		got = check.Value(pgx.CollectRows(rows, pgx.RowTo[int64]))(t)
		return nil
	})
	b.Queue(listed, int64(7))
	results := db.SendBatch(t.Context(), &b)
	check.NoError(t, results.Close())
	return got
}

// TestBypass expects a handle of a pool to know the transaction that the context is
// in.
func TestBypass(t *testing.T) {
	t.Parallel()
	pool := testdb.Pool(t, filledShop)
	fill := slots.For(shop.Orders, latest)
	check.NoError(t, txn.Run(t.Context(), pool, func(ctx context.Context, tx pgx.Tx) error {
		_, err := slots.On(pool, fill).Query(ctx, listed, int64(7))
		check.Error(t, "the pool in a transaction", err, smrt.ErrTxBypass)
		rows, err := slots.On(tx, fill).Query(ctx, listed, int64(7))
		check.NoError(t, err)
		_, err = slots.On(tx, fill).Query(ctx, listed, int64(7))
		check.Error(t, "a second query beside open rows", err, smrt.ErrTxConcurrentUse)
		rows.Close()
		return nil
	}))
}

// TestCount compares counts with what a query returns.
func TestCount(t *testing.T) {
	t.Parallel()
	pool := testdb.Pool(t, filledShop)
	call := func(sql string, args ...any) func(smrt.DB) error {
		return func(db smrt.DB) error {
			rows, err := db.Query(t.Context(), sql, args...)
			if err != nil {
				return err
			}
			_, err = pgx.CollectRows(rows, pgx.RowTo[int64])
			return err
		}
	}
	paid := query.Where(shop.Total.Gt(20_000)).OrderBy(shop.OrderID.Desc()).Limit(3)
	all := ids(t, pool, "SELECT id FROM orders WHERE id > 7 AND total_cents > 20000")
	n := check.Value(slots.Count(t.Context(), pool, call(listed, int64(7)), slots.For(shop.Orders, paid)))(t)
	if check.Same(t, "rows", n, int64(len(all))); n <= 100 {
		t.Errorf("%d rows are not beyond the limit of the statement", n)
	}
	check.Same(t, "without a fill", check.Value(slots.Count(t.Context(), pool, call(listed, int64(7))))(t), 393)
	check.Same(t, "a comment at the end, columns of one name", check.Value(slots.Count(t.Context(), pool,
		call("SELECT o.id, o.id FROM orders o -- all")))(t), 400)
	one := func(db smrt.DB) error { return db.QueryRow(t.Context(), listed, int64(7)).Scan(new(int64)) }
	check.Same(t, "of a method for one row", check.Value(slots.Count(t.Context(), pool, one, slots.For(shop.Orders, paid)))(t), n)

	for what, c := range map[string]func(db smrt.DB) error{
		"none":     func(smrt.DB) error { return nil },
		"two":      func(db smrt.DB) error { return cmpOr(one(db), one(db)) },
		"a write":  call("UPDATE orders AS o SET note = '' WHERE false /* smrt:where orders o */ RETURNING id"),
		"a lock":   call("SELECT id FROM orders FOR NO KEY UPDATE"),
		"a batch":  func(db smrt.DB) error { return db.SendBatch(t.Context(), &pgx.Batch{}).Close() },
		"an Exec":  func(db smrt.DB) error { _, err := db.Exec(t.Context(), listed, int64(7)); return err },
		"its slot": call("SELECT o.id FROM orders o"),
	} {
		_, err := slots.Count(t.Context(), pool, c, slots.For(shop.Orders, paid))
		check.Error(t, what, err, smrt.ErrBadQuery)
	}
	_, err := slots.Count(t.Context(), pool, call("SELECT nothing FROM orders o WHERE true /* smrt:where orders o */"), slots.For(shop.Orders, paid))
	if err == nil || !strings.Contains(err.Error(), "42703") {
		t.Errorf("an error of the server: %v", err)
	}
	_, err = slots.Count(t.Context(), pool, func(smrt.DB) error { return pgx.ErrNoRows })
	check.Error(t, "no call and no rows", err, pgx.ErrNoRows)
}

// cmpOr returns the first error that is not about rows that are missing.
func cmpOr(errs ...error) error {
	for _, err := range errs {
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
	}
	return nil
}

// TestNamesStay expects statements to begin with the name that sqlc gave them.
func TestNamesStay(t *testing.T) {
	t.Parallel()
	sent := &testdb.Counter{}
	pool := testdb.Pool(t, shop.Schema, testdb.Configure(sent.Attach))
	ids(t, slots.On(pool, slots.For(shop.Orders, latest)), listed, int64(7))
	check.Value(slots.Count(t.Context(), pool, func(db smrt.DB) error {
		_, err := db.Query(t.Context(), listed, int64(7))
		return err
	}, slots.For(shop.Orders, latest)))(t)
	check.Same(t, "statements", sent.Len(), 2)
	for _, sql := range sent.Statements() {
		if !strings.HasPrefix(sql, "-- name: ListOrders :many\nSELECT ") || strings.Contains(sql, "smrt:where") {
			t.Error(sql)
		}
	}
}

// TestHostile fills slots with names and values of all sorts: what a user sends never
// becomes part of a text.
func TestHostile(t *testing.T) {
	t.Parallel()
	type odd struct {
		ID   int64  `db:"i?d"`
		Name string `db:"na\"me $1"`
	}
	id, name := query.Col(func(o *odd) *int64 { return &o.ID }), query.TextCol(func(o *odd) *string { return &o.Name })
	table := query.NewTable(`odd.ta"ble $1`, func(o *odd) *int64 { return &o.ID })
	sent := &testdb.Counter{}
	pool := testdb.Pool(t, testdb.Empty, testdb.Configure(sent.Attach))
	check.Value(pool.Exec(t.Context(), `CREATE SCHEMA odd; CREATE TABLE odd."ta""ble $1" ("i?d" bigint, "na""me $1" text); INSERT INTO odd."ta""ble $1" VALUES (1, 'a?b'), (2, '$1'), (3, '''; DROP')`))(t)
	const sql = `SELECT "o ? $2"."i?d" FROM odd."ta""ble $1" AS "o ? $2" WHERE true /* smrt:where odd."ta""ble $1" "o ? $2" */ AND '?' <> $1 ORDER BY /* smrt:order odd."ta""ble $1" "o ? $2" */ 1`
	rnd := check.Random(t)
	for range 300 {
		b := make([]byte, rnd.IntN(20))
		for i := range b {
			b[i] = `'"?$1\;-/*`[rnd.IntN(10)]
		}
		value := string(b)
		fill := slots.For(table, query.Where(query.Or(name.Eq(value), name.HasPrefix(value+"x"), name.In("a?b", value))).OrderBy(id.Desc()))
		check.Equal(t, value, ids(t, slots.On(pool, fill), sql, "x"), map[bool][]int64{true: {2, 1}, false: {1}}[value == "$1"])
	}
	texts := map[string]bool{}
	for _, sql := range sent.Statements() {
		texts[sql] = true
	}
	if len(texts) != 2 { // with the rows
		t.Errorf("%d texts", len(texts))
	}
}

// TestShared has one handle, and one query, used by many goroutines.
func TestShared(t *testing.T) {
	t.Parallel()
	pool := testdb.Pool(t, filledShop)
	db, want := slots.On(pool, slots.For(shop.Orders, latest)), ids(t, pool, latestByIt)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				if got := ids(t, db, listed, int64(7)); fmt.Sprint(got) != fmt.Sprint(want) {
					t.Errorf("got %v", got)
				}
			}
		})
	}
	wg.Wait()
}

// TestAllocations bounds what a slot costs: the arguments, and where the query is made for
// the call, that and the handle.
func TestAllocations(t *testing.T) {
	check.Plain(t)
	args := []any{int64(7)}
	query := func(db smrt.DB) error { _, err := db.Query(t.Context(), listed, args...); return err }
	without := func() error { return query(slots.On(nothing{})) }
	kept := slots.On(nothing{}, slots.For(shop.Orders, latest))
	check.Same(t, "without fills", check.Allocations(without), 0)
	check.Same(t, "with a query that is kept", check.Allocations(func() error { return query(kept) }), 1)
	check.Same(t, "with one that is made", check.Allocations(func() error { return query(slots.On(nothing{}, slots.For(shop.Orders, delivered()))) }), 6)
}

// nothing is a handle that sends nothing.
type nothing struct{ *pgxpool.Pool }

func (nothing) Query(context.Context, string, ...any) (pgx.Rows, error) { return nil, nil }

// TestReader uses a router and its reader, which refuses what writes.
func TestReader(t *testing.T) {
	t.Parallel()
	pool := testdb.Pool(t, filledShop)
	router := check.Value(readreplica.Open(t.Context(), readreplica.Config{Servers: []readreplica.Server{{URL: pool.Config().ConnString()}}}))(t)
	defer router.Close()
	want, fill := ids(t, pool, latestByIt), slots.For(shop.Orders, latest)
	check.Equal(t, "router", ids(t, slots.On(router, fill), listed, int64(7)), want)
	check.Equal(t, "reader", ids(t, slots.On(router.Reader(), fill), listed, int64(7)), want)
	pages(t, "reader", router.Reader())
	_, err := slots.On(router.Reader(), slots.For(shop.Orders, query.Where(shop.OrderID.Eq(1)))).Exec(t.Context(),
		"UPDATE orders AS o SET note = 'x' WHERE false /* smrt:where orders o */")
	check.Error(t, "a write on the reader", err, smrt.ErrWriteOnReplica)
}
