package slots_test

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
	"github.com/smrt-go/smrt/slots"
	"github.com/smrt-go/smrt/txn"
	"github.com/smrt-go/smrt/unit"
)

// TestPageInOneOrder has slots for two orders in one ORDER BY: a page with both would be
// in an order that its cursors do not know.
func TestPageInOneOrder(t *testing.T) {
	t.Parallel()
	sent := &testdb.Counter{}
	pool := testdb.Pool(t, filledShop, testdb.Configure(sent.Attach))
	byName := query.All[shop.Customer]().OrderBy(shop.CustomerName.Asc())
	for _, markers := range []string{"/* smrt:order customers c */ /* smrt:order orders o */", "/* smrt:order orders o */ /* smrt:order customers c */"} {
		sql := "SELECT o.id FROM orders o JOIN customers c ON c.id = o.customer_id ORDER BY " + markers + " o.id LIMIT 1000 /* smrt:limit */"
		orders := slots.For(shop.Orders, query.All[shop.Order]().OrderBy(shop.Total.Desc()))
		want := ids(t, pool, "SELECT o.id FROM orders o JOIN customers c ON c.id = o.customer_id ORDER BY o.total_cents DESC, o.id DESC")
		sent.Reset()
		for _, customers := range []slots.Fill{slots.For(shop.Customers, byName), slots.For(shop.Customers, byName).As("c")} {
			for _, fills := range [][]slots.Fill{{customers, orders.Page(slots.NewPage(query.Page{Size: 7}))}, {orders.Page(slots.NewPage(query.Page{Size: 7})), customers}} {
				rows, err := slots.On(pool, fills...).Query(t.Context(), sql)
				rows.Close()
				check.Error(t, markers, err, smrt.ErrBadQuery)
			}
		}
		check.Same(t, "sent", sent.Len(), 0)
		forward, back := walked(t, pool, orders, 90, sql)
		check.Equal(t, markers, forward, want)
		check.Equal(t, markers+", backwards", back, want)
	}
}

// TestRunOnSlots begins transactions of package txn, and flushes units, on handles with
// slots. Both would leave out what they carry.
func TestRunOnSlots(t *testing.T) {
	t.Parallel()
	pool := testdb.Pool(t, filledShop)
	fill := slots.For(shop.Orders, latest)
	never := func(context.Context, pgx.Tx) error { t.Error("the function ran"); return nil }
	check.Error(t, "a checked handle", txn.Run(t.Context(), txn.Checked(slots.On(pool, fill)), never), smrt.ErrBadOptions)
	check.NoError(t, txn.Run(t.Context(), pool, func(ctx context.Context, tx pgx.Tx) error {
		check.Error(t, "a transaction", txn.Run(ctx, slots.Tx(tx, fill), never), smrt.ErrBadOptions)
		return txn.Run(ctx, tx, func(ctx context.Context, tx pgx.Tx) error {
			check.Same(t, "inside", len(ids(t, slots.Tx(tx, fill), listed, int64(7))), 5)
			return nil
		})
	}))
	tx := check.Value(pool.Begin(t.Context()))(t)
	for what, db := range map[string]smrt.DB{"a pool": slots.On(pool, fill), "a checked one": txn.Checked(slots.On(pool, fill)), "a transaction": slots.Tx(tx, fill)} {
		u := unit.New()
		unit.Patch(u, shop.Orders, 1, shop.Status.Set(shop.OrderPaid))
		_, err := u.Flush(t.Context(), db)
		check.Error(t, "a unit on "+what, err, smrt.ErrBadOptions)
	}
	check.Error(t, "one begun by hand", txn.Run(t.Context(), slots.Tx(tx, fill), never), smrt.ErrBadOptions)
	check.NoError(t, tx.Rollback(t.Context()))
	_, err := repo.New(slots.On(pool, fill), shop.Orders).Find(t.Context(), query.All[shop.Order]())
	check.Error(t, "a repository", err, smrt.ErrBadQuery)
	if err == nil || !strings.Contains(err.Error(), "no slot for where") {
		t.Errorf("a repository: %v", err)
	}
}

// TestUndeclared uses what was not made by For, Outer or NewResult.
func TestUndeclared(t *testing.T) {
	t.Parallel()
	pool := testdb.Pool(t, filledShop)
	for what, fill := range map[string]slots.Fill{
		"a zero fill":            {},
		"with an alias":          slots.Fill{}.As("o"),
		"with a page":            slots.Fill{}.Page(slots.NewPage(query.Page{Size: 1})),
		"a zero result":          slots.Outer(new(slots.Result[listedRow]), evenRows),
		"no result":              slots.Outer(nil, evenRows),
		"a page of a no result":  slots.Outer(nil, evenRows).Page(slots.NewPage(query.Page{Size: 1})),
		"a page with no page":    slots.Fill{}.Page(nil),
		"a zero result's page":   slots.Outer(new(slots.Result[listedRow]), evenRows).Page(new(slots.Page)),
		"a zero fill's zero one": slots.Fill{}.Page(new(slots.Page)),
	} {
		rows, err := slots.On(pool, fill).Query(t.Context(), listed, int64(7))
		rows.Close()
		check.Error(t, what, err, smrt.ErrBadQuery)
		_, err = slots.Count(t.Context(), pool, func(db smrt.DB) error {
			_, err := db.Query(t.Context(), listed, int64(7))
			return err
		}, fill)
		check.Error(t, what+", counted", err, smrt.ErrBadQuery)
	}
}

// TestPageMessages says what to do where the rows of a result have no pages.
func TestPageMessages(t *testing.T) {
	t.Parallel()
	pool := testdb.Pool(t, filledShop)
	read := func(key []query.AnyOperand[listedRow], sql string) error {
		rows, err := slots.On(pool, slots.Outer(slots.NewResult(key...), query.All[listedRow]()).Page(slots.NewPage(query.Page{Size: 3}))).Query(t.Context(), sql)
		if err == nil {
			rows.Close()
			err = rows.Err()
		}
		if err == nil {
			t.Fatal("no error")
		}
		return err
	}
	keyed := []query.AnyOperand[listedRow]{listedID}
	for what, c := range map[string]struct {
		err  error
		want error
		says string
	}{
		"no key":    {read(nil, "SELECT 1::bigint"), smrt.ErrNoKey, "slots_test.listedRow: declared without a key: a page needs one, as in slots.NewResult(ID)"},
		"twice":     {read(keyed, "SELECT 1::bigint FROM orders"), smrt.ErrBadQuery, "slots.NewResult(ID, LineNo)"},
		"no values": {read(keyed, "SELECT NULL::bigint"), smrt.ErrBadQuery, "slots.NewResult(ID, LineNo)"},
	} {
		check.Error(t, what, c.err, c.want)
		if !strings.Contains(c.err.Error(), c.says) || strings.Contains(c.err.Error(), "slots.Outer") {
			t.Errorf("%s: %v", what, c.err)
		}
	}
}

// TestNoStaleCursors uses a page again in a call that fails before anything is sent.
func TestNoStaleCursors(t *testing.T) {
	t.Parallel()
	pool := testdb.Pool(t, filledShop)
	page := slots.NewPage(query.Page{Size: 3})
	db := slots.On(pool, slots.For(shop.Orders, paged).Page(page))
	for what, bad := range map[string]func() error{
		"a text":       func() error { _, err := db.Query(t.Context(), "SELECT 1; SELECT 2"); return err },
		"an argument":  func() error { _, err := db.Query(t.Context(), listed); return err },
		"another bad":  func() error { _, err := db.Query(t.Context(), "SELECT 1"); return err },
		"an old bound": func() error { return txnBypass(t, pool, db) },
	} {
		check.Same(t, "rows", len(ids(t, db, listed, int64(7))), 3)
		if page.Next() == "" {
			t.Error("no cursor")
		}
		if err := bad(); err == nil {
			t.Errorf("%s: no error", what)
		}
		check.Same(t, what+": cursors", page.Next()+page.Prev(), "")
	}
}

// txnBypass reads on a handle beside the transaction of its context.
func txnBypass(t *testing.T, pool txn.Beginner, db smrt.DB) (err error) {
	check.NoError(t, txn.Run(t.Context(), pool, func(ctx context.Context, _ pgx.Tx) error {
		_, err = db.Query(ctx, listed, int64(7))
		return nil
	}))
	return err
}

// TestCursorOfPointers reads pages of a statement whose argument is a document with
// pointers: equal documents are one argument.
func TestCursorOfPointers(t *testing.T) {
	t.Parallel()
	pool := testdb.Pool(t, filledShop)
	type document struct{ Note *string }
	const sql = "SELECT o.id FROM orders o WHERE $1::jsonb IS NOT NULL ORDER BY /* smrt:order orders o */ o.id LIMIT 1000 /* smrt:limit */"
	read := func(note, after string) (*slots.Page, error) {
		page := slots.NewPage(query.Page{Size: 3, After: after})
		rows, err := slots.On(pool, slots.For(shop.Orders, paged).Page(page)).Query(t.Context(), sql, pgx.QueryExecModeDescribeExec, &document{&note}) // which knows the type
		if err == nil {
			rows.Close()
			err = rows.Err()
		}
		return page, err
	}
	first := check.Value(read("a", ""))(t)
	_, err := read(strings.Clone("a"), first.Next())
	check.NoError(t, err)
	_, err = read("b", first.Next())
	check.Error(t, "another document", err, smrt.ErrBadCursor)
}
