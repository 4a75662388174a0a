package shop_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/smrt-go/smrt/internal/shop/shopdb"
)

func (f fixture) cart(expires time.Time, pieces ...piece) pgtype.UUID {
	f.t.Helper()
	id := one[pgtype.UUID](f, `INSERT INTO carts (expires_at) VALUES ($1) RETURNING id`, expires)
	for _, p := range pieces {
		f.exec(`INSERT INTO cart_items (cart_id, product_id, quantity) VALUES ($1, $2, $3)`, id, p.product, p.quantity)
	}
	return id
}

func TestMergeCarts(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	kettle, pan, knife := f.product("Kettle"), f.product("Pan"), f.product("Knife")
	visitor := f.cart(at(1, 0), piece{kettle, 1}, piece{pan, 2})
	account := f.cart(at(1, 0), piece{pan, 5}, piece{knife, 1})
	contents := func(cart pgtype.UUID) []int64 {
		return one[[]int64](f, `
			SELECT coalesce(array_agg(v ORDER BY product_id, n), '{}')
			FROM cart_items, unnest(ARRAY[product_id, quantity]) WITH ORDINALITY AS u(v, n)
			WHERE cart_id = $1`, cart)
	}

	moved := must(f.MergeCarts(t.Context(), shopdb.MergeCartsParams{FromCart: visitor, ToCart: account}))(t)
	if moved != 2 {
		t.Errorf("%d products were moved, want 2", moved)
	}
	equal(t, "the account's cart", contents(account), []int64{kettle, 1, pan, 7, knife, 1})
	equal(t, "the visitor's cart", contents(visitor), []int64{})

	if moved := must(f.MergeCarts(t.Context(), shopdb.MergeCartsParams{FromCart: visitor, ToCart: account}))(t); moved != 0 {
		t.Errorf("merging again moved %d products", moved)
	}
	if moved := must(f.MergeCarts(t.Context(), shopdb.MergeCartsParams{FromCart: account, ToCart: account}))(t); moved != 0 {
		t.Errorf("merging with itself moved %d products", moved)
	}
	equal(t, "the account's cart after all", contents(account), []int64{kettle, 1, pan, 7, knife, 1})
}

func TestDeleteExpiredCarts(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	pan := f.product("Pan")
	for day := 1; day <= 5; day++ {
		f.cart(at(day, 0), piece{pan, day})
	}
	expired := func(q *shopdb.Queries, before time.Time, maxRows int64) int64 {
		t.Helper()
		return must(q.DeleteExpiredCarts(t.Context(), shopdb.DeleteExpiredCartsParams{ExpiredBefore: before, MaxRows: maxRows}))(t)
	}
	left := func() []int64 {
		return one[[]int64](f, `SELECT coalesce(array_agg(quantity::bigint ORDER BY quantity), '{}') FROM cart_items`)
	}

	if n := expired(f.Queries, at(4, 0), 2); n != 2 {
		t.Errorf("deleted %d, want the two oldest", n)
	}
	equal(t, "left", left(), []int64{3, 4, 5})
	if n := expired(f.Queries, at(4, 0), 2); n != 1 {
		t.Errorf("deleted %d, want the one that is left", n)
	}
	equal(t, "left: the fourth expires at the instant, not before it", left(), []int64{4, 5})

	// Another sweep takes what this one has not locked.
	tx := must(f.db.Begin(t.Context()))(t)
	defer func() { _ = tx.Rollback(t.Context()) }()
	if n := expired(f.WithTx(tx), at(31, 0), 1); n != 1 {
		t.Errorf("the first sweep deleted %d", n)
	}
	if n := expired(f.Queries, at(31, 0), 10); n != 1 {
		t.Errorf("the second sweep deleted %d, want the one that the first left", n)
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	equal(t, "left in the end", left(), []int64{})
}
