package slots_test

import (
	"context"
	"os"
	"testing"
	"testing/fstest"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/slots"
)

// TestLintOfQueries finds nothing in the shop's queries, and what was planted in others.
func TestLintOfQueries(t *testing.T) {
	t.Parallel()
	pool := testdb.Pool(t, shop.Schema, testdb.MaxConns(1))
	tables := []slots.Table{shop.Orders, shop.Customers, shop.Products, shop.OrderItems}
	found := check.Value(slots.Lint(t.Context(), pool, os.DirFS("../internal/shop/shopdb"), tables...))(t)
	for _, f := range found {
		t.Error(f)
	}
	const where, key = " WHERE true /* smrt:where products p */", " ORDER BY /* smrt:order order_items i */ "
	for _, planted := range []struct {
		rule slots.Rule
		sql  string
	}{
		{"", "SELECT 1"},
		{"", "SELECT 1 FROM products p" + where + " AND p.deleted_at IS NULL"},
		{"", "SELECT 1 FROM products p" + where + " AND deleted_at IS NULL"},
		{"", "SELECT 1 FROM products p" + where + " AND P.\"deleted_at\" IS NOT NULL"},
		{slots.RuleDeleted, "SELECT 1 FROM products p" + where},
		{slots.RuleDeleted, "SELECT 1 FROM products p" + where + " /* AND p.deleted_at IS NULL */"},
		{slots.RuleDeleted, "SELECT 1 FROM products p" + where + " AND p.name <> 'p.deleted_at'"},
		{slots.RuleDeleted, "SELECT 1 FROM products p JOIN products q USING (category_id)" + where + " AND q.deleted_at IS NULL"},
		{slots.RuleDeleted, "UPDATE products p SET stock = 1 WHERE false /* smrt:where products p */"},
		{"", "SELECT i.line_no FROM order_items i" + key + "i.order_id, i.line_no DESC"},
		{"", "SELECT i.line_no FROM order_items i" + key + "line_no, order_id LIMIT 9"},
		{"", "SELECT count(*) FROM (SELECT 1 FROM order_items i" + key + "(i.order_id), i.line_no) AS q"},
		{slots.RuleOrder, "SELECT i.line_no FROM order_items i" + key + "i.order_id"},
		{slots.RuleOrder, "SELECT i.line_no FROM order_items i JOIN orders o ON o.id = i.order_id" + key + "i.order_id, o.id LIMIT (SELECT max(i.line_no) FROM order_items i)"},
		{slots.RuleOrder, "SELECT count(*) FROM (SELECT i.line_no, i.order_id FROM order_items i" + key + "i.order_id) AS i WHERE i.line_no > 0"},
		{slots.RuleSlot, "SELECT 1 FROM products p WHERE true /* smrt:where products x */"},
		{slots.RuleSlot, "SELECT 1 FROM products p WHERE true /* smrt:where reviews p */"},
		{slots.RuleSlot, "SELECT p.category_id FROM products p GROUP BY p.category_id ORDER BY /* smrt:order products p */ p.category_id"},
		{slots.RuleSlot, "SELECT 1 FROM products p WHERE p.stock > 1 /* smrt:where products p */"},
		{"", "UPDATE products /* smrt:writes products */ SET stock = 1"},
		{"", "WITH d AS (DELETE FROM orders /* smrt:writes orders, customers */ RETURNING id) UPDATE customers SET name = ''"},
		{"", "DELETE FROM orders"},
		{slots.RuleWrites, "UPDATE products /* smrt:writes product */ SET stock = 1 WHERE false -- smrt:writes products"},
		{slots.RuleWrites, "UPDATE products /* smrt:writes orders */ SET stock = 1"},
		{slots.RuleWrites, "UPDATE products /* smrt:writes */ SET stock = 1"},
		{slots.RuleWrites, "UPDATE products SET stock = 1`\n\n// smrt:writes products\nfunc (*x) Q() {}\n\nconst other = `"},
	} {
		folder := fstest.MapFS{"q.go": {Data: []byte("package p\n\nconst q = `-- name: Q :many\n" + planted.sql + "`\n")}}
		found := check.Value(slots.Lint(t.Context(), pool, folder, tables...))(t)
		switch {
		case planted.rule == "" && len(found) > 0, planted.rule != "" && (len(found) != 1 || found[0].Rule != planted.rule):
			t.Errorf("%s: got %v, want %q", planted.sql, found, planted.rule)
		case planted.rule != "" && (found[0].Site != "q.go:3" || found[0].Query != "Q" || (found[0].Err != nil) != (planted.rule == slots.RuleSlot)):
			t.Errorf("%s: %+v", planted.sql, found[0])
		}
	}
	_, err := slots.Lint(t.Context(), pool, fstest.MapFS{"q.go": {Data: []byte("package")}}, tables...)
	if err == nil {
		t.Error("a folder that is no Go is read")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = slots.Lint(ctx, pool, os.DirFS("../internal/shop/shopdb"), tables...)
	check.Error(t, "cancelled", err, context.Canceled)
}
