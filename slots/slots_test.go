package slots_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/internal/shop/seed"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
	"github.com/smrt-go/smrt/slots"
)

// texts are statements whose first column is an order's key, each with a slot for
// orders. %s is what plain SQL has in place of the condition.
var texts = map[string]string{
	"plain":             "SELECT o.id FROM orders o WHERE true /* smrt:where orders o */ ORDER BY o.id",
	"a parameter":       "SELECT o.id FROM orders o WHERE o.id > $1 AND true /* smrt:where orders o */ ORDER BY o.id",
	"no alias":          "SELECT orders.id FROM orders WHERE true /* smrt:where orders */ ORDER BY orders.id",
	"before OR":         "SELECT o.id FROM orders o WHERE true /* smrt:where orders o */ OR o.id % 7 = 0 ORDER BY o.id",
	"after OR":          "SELECT o.id FROM orders o WHERE o.id % 7 = 0 OR true /* smrt:where orders o */ ORDER BY o.id",
	"in NOT":            "SELECT o.id FROM orders o WHERE NOT (true /* smrt:where orders o */) ORDER BY o.id",
	"in CASE":           "SELECT o.id FROM orders o WHERE CASE WHEN true /* smrt:where orders o */ THEN o.id % 2 = 0 ELSE o.id % 3 = 0 END ORDER BY o.id",
	"join":              "SELECT o.id FROM customers c JOIN orders o ON o.customer_id = c.id AND true /* smrt:where orders o */ WHERE c.id > $1 ORDER BY o.id",
	"left join":         "SELECT coalesce(o.id, -c.id) FROM customers c LEFT JOIN orders o ON o.customer_id = c.id AND true /* smrt:where orders o */ ORDER BY 1",
	"CTE":               "WITH mine AS (SELECT * FROM orders o WHERE true /* smrt:where orders o */) SELECT id FROM mine ORDER BY id",
	"UNION":             "SELECT o.id FROM orders o WHERE o.id < 100 AND true /* smrt:where orders o */ UNION SELECT o.id FROM orders o WHERE o.id > 300 AND true /* smrt:where orders o */ ORDER BY 1",
	"EXISTS":            "SELECT c.id FROM customers c WHERE EXISTS (SELECT FROM orders o WHERE o.customer_id = c.id AND true /* smrt:where orders o */) ORDER BY c.id",
	"aggregate":         "SELECT count(*) FROM orders o WHERE true /* smrt:where orders o */ GROUP BY o.customer_id ORDER BY o.customer_id",
	"FILTER":            "SELECT count(*) FILTER (WHERE true /* smrt:where orders o */) FROM orders o GROUP BY o.customer_id ORDER BY o.customer_id",
	"window":            "SELECT rank() OVER (PARTITION BY o.customer_id ORDER BY o.placed_at, o.id) FROM orders o WHERE true /* smrt:where orders o */ ORDER BY o.id",
	"of one name twice": "SELECT o.id FROM orders o JOIN orders p ON p.id = o.id WHERE true /* smrt:where orders o */ ORDER BY o.id",
	"a comment beside":  "-- name: Commented :many\nSELECT o.id /* not smrt:where orders o */ FROM orders o WHERE true /*smrt:where orders o*/ /* more */ ORDER BY o.id",
}

// conditions are of orders, with their SQL by hand, where the row is called o.
var conditions = map[string]struct {
	p   query.Predicate[shop.Order]
	sql string
}{
	"equal":       {shop.Status.Eq(shop.OrderPaid), "o.status = 'paid'"},
	"none":        {shop.OrderID.In(), "false"},
	"all":         {query.And[shop.Order](), "true"},
	"null":        {shop.PaidAt.IsNull(), "o.paid_at IS NULL"},
	"time":        {shop.PlacedAt.Lt(seed.Epoch), "o.placed_at < '2026-01-01Z'"},
	"may be null": {shop.PaidAt.Gt(seed.Epoch.AddDate(0, -6, 0)), "o.paid_at > '2025-07-01Z'"},
	"list":        {shop.OrderID.In(1, 2, 3, 5, 8, 300), "o.id IN (1, 2, 3, 5, 8, 300)"},
	"or":          {query.Or(shop.Total.Gt(50_000), shop.Status.Eq(shop.OrderPending)), "(o.total_cents > 50000 OR o.status = 'pending')"},
	"not":         {query.Not(shop.PaidAt.Gt(seed.Epoch)), "(o.paid_at > '2026-01-01Z') IS NOT TRUE"},
	"related":     {shop.OrderBuyer.Has(shop.CustomerID.Lt(10)), "EXISTS (SELECT FROM customers x WHERE x.id = o.customer_id AND x.id < 10)"},
	"fragment":    {query.Raw[shop.Order]("$1 % $2 = 0", shop.OrderID, 3), "o.id % 3 = 0"},
	"expression":  {query.SQL[int64]("$1 + $2", shop.OrderID, 5).Gt(200), "o.id + 5 > 200"},
	"among":       {query.InSelect(shop.OrderCustomer, shop.Customers, shop.CustomerID, query.Where(shop.CustomerID.Gt(20))), "o.customer_id IN (SELECT id FROM customers WHERE id > 20)"},
}

// TestWhere compares slots in every place with the same text written by hand.
func TestWhere(t *testing.T) {
	t.Parallel()
	pool := testdb.Pool(t, filledShop)
	for where, text := range texts {
		var args []any
		if strings.Contains(text, "$1") {
			args = []any{int64(7)}
		}
		check.Equal(t, where+" without a fill", ids(t, slots.On(pool), text, args...), ids(t, pool, text, args...))
		for what, c := range conditions {
			hand := c.sql
			if where == "no alias" {
				hand = strings.ReplaceAll(strings.ReplaceAll(hand, "o.", "orders."), "(o.", "(orders.")
			}
			byHand := text
			for _, marker := range []string{"true /* smrt:where orders o */", "true /* smrt:where orders */", "true /*smrt:where orders o*/"} {
				byHand = strings.ReplaceAll(byHand, marker, "("+hand+")")
			}
			got := ids(t, slots.On(pool, slots.For(shop.Orders, query.Where(c.p))), text, args...)
			check.Equal(t, where+", "+what, got, ids(t, pool, byHand, args...))
		}
	}
}

// TestOrderAndLimit compares orders and limits with a repository's.
func TestOrderAndLimit(t *testing.T) {
	t.Parallel()
	pool := testdb.Pool(t, filledShop)
	orders := repo.New(pool, shop.Orders)
	const text = `-- name: Listed :many
SELECT o.id FROM orders o JOIN customers c ON c.id = o.customer_id
WHERE o.id > $1 AND true /* smrt:where orders o */
ORDER BY /* smrt:order orders o */ o.id LIMIT 500 /* smrt:limit */`
	for _, terms := range [][]query.Order[shop.Order]{
		nil,
		{shop.OrderID.Desc()},
		{shop.Status.Desc(), shop.OrderID.Asc()},
		{shop.PaidAt.Asc().NullsFirst(), shop.OrderID.Asc()},
		{query.SQL[int64]("$1 % $2", shop.OrderID, 7).Desc(), shop.OrderID.Asc()},
	} {
		for _, limit := range []int{1, 20, 500} {
			q := query.Where(shop.Total.Ge(1_000)).Limit(limit)
			wanted := q.OrderBy(shop.OrderID.Asc())
			if len(terms) > 0 {
				q, wanted = q.OrderBy(terms...), q.OrderBy(terms...)
			}
			var want []int64
			for _, o := range check.Value(orders.Find(t.Context(), wanted.Where(shop.OrderID.Gt(7))))(t) {
				want = append(want, o.ID)
			}
			check.Equal(t, fmt.Sprint(len(terms), " terms, limit ", limit), ids(t, slots.On(pool, slots.For(shop.Orders, q)), text, int64(7)), want)
		}
	}
}

// TestAliases fills slots of one table under two names, and of two tables.
func TestAliases(t *testing.T) {
	t.Parallel()
	pool := testdb.Pool(t, filledShop)
	const text = `SELECT a.id FROM orders a JOIN orders b ON b.customer_id = a.customer_id AND b.id > a.id JOIN customers c ON c.id = a.customer_id
		WHERE true /* smrt:where orders a */ AND true /* smrt:where orders "B" */ AND true /* smrt:where customers c */ ORDER BY a.id, b.id`
	sql := strings.NewReplacer("orders b", `orders "B"`, "b.", `"B".`).Replace(text)
	delivered, cheap := query.Where(shop.Status.Eq(shop.OrderDelivered)), query.Where(shop.Total.Lt(50_000))
	got := ids(t, slots.On(pool, slots.For(shop.Orders, delivered).As("a"), slots.For(shop.Orders, cheap).As("B"),
		slots.For(shop.Customers, query.Where(shop.CustomerID.Gt(5)))), sql)
	want := ids(t, pool, strings.NewReplacer("true /* smrt:where orders a */", "a.status = 'delivered'", `true /* smrt:where orders "B" */`, `"B".total_cents < 50000`,
		"true /* smrt:where customers c */", "c.id > 5").Replace(sql))
	check.Equal(t, "two names", got, want)
	if len(want) == 0 {
		t.Error("nothing is found")
	}
	text2 := refused(t, slots.On(pool, slots.For(shop.Orders, delivered)), smrt.ErrBadQuery, sql)
	if !strings.Contains(text2, `"a" and as "B"`) {
		t.Error(text2)
	}
}

// TestWrites fills slots of statements that write.
func TestWrites(t *testing.T) {
	t.Parallel()
	pool := testdb.Pool(t, filledShop)
	for what, sql := range map[string]string{
		"update":      "UPDATE orders AS o SET note = $1 WHERE false /* smrt:where orders o */",
		"delete":      "DELETE FROM order_items USING orders o WHERE order_items.order_id = o.id AND $1 <> '' AND false /* smrt:where orders o */",
		"in a CTE":    "WITH changed AS (UPDATE orders o SET note = $1 WHERE false /* smrt:where orders o */ RETURNING o.id) DELETE FROM order_items USING changed WHERE order_items.order_id = changed.id",
		"of a CTE":    "WITH chosen AS (SELECT o.id FROM orders o WHERE false /* smrt:where orders o */) UPDATE orders SET note = $1 FROM chosen WHERE chosen.id = orders.id",
		"insert from": "INSERT INTO order_items (order_id, line_no, product_id, quantity, unit_price_cents) SELECT o.id, 99, 1, 1, 1 FROM orders o WHERE $1 <> '' AND false /* smrt:where orders o */",
	} {
		tx := check.Value(pool.Begin(t.Context()))(t)
		tag := check.Value(tx.Exec(t.Context(), sql, "x"))(t)
		check.Same(t, what+" without slots", tag.RowsAffected(), 0)
		byHand := strings.ReplaceAll(sql, "false /* smrt:where orders o */", "(o.status = 'delivered' AND o.id < 200)")
		point := check.Value(tx.Begin(t.Context()))(t)
		want := check.Value(point.Exec(t.Context(), byHand, "x"))(t).RowsAffected()
		check.NoError(t, point.Rollback(t.Context()))
		some := slots.For(shop.Orders, query.Where(shop.Status.Eq(shop.OrderDelivered), shop.OrderID.Lt(200)))
		tag = check.Value(slots.On(tx, some).Exec(t.Context(), sql, "x"))(t)
		check.Same(t, what, tag.RowsAffected(), want)
		if want == 0 {
			t.Errorf("%s: nothing is written", what)
		}
		check.NoError(t, tx.Rollback(t.Context()))
		refused(t, slots.On(pool, slots.For(shop.Orders, query.All[shop.Order]())), smrt.ErrUnboundedWrite, sql, "x")
		refused(t, slots.On(pool, some), smrt.ErrBadQuery, strings.ReplaceAll(sql, "false /*", "true /*"), "x")
	}
	const sql = "UPDATE orders AS o SET note = $1 WHERE false /* smrt:where orders o */"
	all := slots.For(shop.Orders, query.All[shop.Order]().Unbounded())
	check.Same(t, "all", check.Value(slots.On(pool, all).Exec(t.Context(), sql, "x"))(t).RowsAffected(), 400)
}

// TestRefused expects that nothing is sent with a part that has no slot.
func TestRefused(t *testing.T) {
	t.Parallel()
	sent := &testdb.Counter{}
	pool := testdb.Pool(t, shop.Schema, testdb.Configure(sent.Attach))
	paid := query.Where(shop.Status.Eq(shop.OrderPaid))
	const where = "SELECT o.id FROM orders o WHERE true /* smrt:where orders o */"
	for what, c := range map[string]struct {
		sql   string
		says  string
		fills []slots.Fill
	}{
		"no slots":             {"SELECT 1", "its slots: none", []slots.Fill{slots.For(shop.Orders, paid)}},
		"another table":        {where, `no slot for where "customers"`, []slots.Fill{slots.For(shop.Customers, query.Where(shop.CustomerID.Eq(1)))}},
		"another alias":        {where, `no slot for where "orders" "x"`, []slots.Fill{slots.For(shop.Orders, paid).As("x")}},
		"alias in capitals":    {where, `no slot`, []slots.Fill{slots.For(shop.Orders, paid).As("O")}},
		"one is left over":     {where, `"customers"`, []slots.Fill{slots.For(shop.Orders, paid), slots.For(shop.Customers, query.Where(shop.CustomerID.Eq(1)))}},
		"an order":             {where, "no slot for order", []slots.Fill{slots.For(shop.Orders, query.All[shop.Order]().OrderBy(shop.OrderID.Asc()))}},
		"a limit":              {where, "no slot for limit", []slots.Fill{slots.For(shop.Orders, paid.Limit(1))}},
		"twice":                {where, "two queries fill", []slots.Fill{slots.For(shop.Orders, paid), slots.For(shop.Orders, paid)}},
		"an offset":            {where, "Offset", []slots.Fill{slots.For(shop.Orders, paid.Offset(1))}},
		"a lock":               {where, "a lock", []slots.Fill{slots.For(shop.Orders, paid.Lock(query.ForUpdate, query.Wait(0)))}},
		"deleted":              {"SELECT p.id FROM products p WHERE true /* smrt:where products p */", "deleted rows", []slots.Fill{slots.For(shop.Products, query.All[shop.Product]().WithDeleted())}},
		"a greater limit":      {where + " LIMIT 10 /* smrt:limit */", "the limit is 11, and the statement allows 10", []slots.Fill{slots.For(shop.Orders, paid.Limit(11))}},
		"a negative limit":     {where + " LIMIT 10 /* smrt:limit */", "must not be negative", []slots.Fill{slots.For(shop.Orders, paid.Limit(-1))}},
		"a limit twice":        {"(" + where + " LIMIT 1 /* smrt:limit */) UNION (" + where + " LIMIT 1 /* smrt:limit */)", "several slots for a limit", []slots.Fill{slots.For(shop.Orders, paid.Limit(1))}},
		"a limit as argument":  {"SELECT o.id FROM orders o LIMIT $1 /* smrt:limit */", "the greatest number", []slots.Fill{slots.For(shop.Orders, query.All[shop.Order]().Limit(1))}},
		"no true":              {"SELECT o.id FROM orders o WHERE /* smrt:where orders o */ true", "the word true", []slots.Fill{slots.For(shop.Orders, paid)}},
		"an order elsewhere":   {"SELECT o.id FROM orders o ORDER BY o.id /* smrt:order orders o */", "ORDER BY stands before", []slots.Fill{slots.For(shop.Orders, paid)}},
		"a kind":               {"SELECT o.id FROM orders o WHERE true /* smrt:wher orders o */", `no slot "wher"`, []slots.Fill{slots.For(shop.Orders, paid)}},
		"no table":             {"SELECT o.id FROM orders o WHERE true /* smrt:where */", "a table, and its alias", []slots.Fill{slots.For(shop.Orders, paid)}},
		"a line comment":       {"SELECT o.id FROM orders o WHERE true -- smrt:where orders o", "a block comment", []slots.Fill{slots.For(shop.Orders, paid)}},
		"in a literal":         {"SELECT o.id FROM orders o WHERE true AND '/* smrt:where orders o */' <> ''", "its slots: none", []slots.Fill{slots.For(shop.Orders, paid)}},
		"in a dollar quote":    {"SELECT o.id FROM orders o WHERE $$true /* smrt:where orders o */$$ <> ''", "its slots: none", []slots.Fill{slots.For(shop.Orders, paid)}},
		"in a name":            {`SELECT o.id AS "true /* smrt:where orders o */" FROM orders o`, "its slots: none", []slots.Fill{slots.For(shop.Orders, paid)}},
		"in a comment":         {"SELECT o.id FROM orders o WHERE true /* /* smrt:where orders o */ */", "its slots: none", []slots.Fill{slots.For(shop.Orders, paid)}},
		"a second statement":   {where + "; DELETE FROM orders", "a second statement", []slots.Fill{slots.For(shop.Orders, paid)}},
		"an open quote":        {where + " AND note = 'x", "does not end", []slots.Fill{slots.For(shop.Orders, paid)}},
		"an argument less":     {where + " AND o.id > $1", "1 parameters, and 0 arguments", []slots.Fill{slots.For(shop.Orders, paid)}},
		"an undeclared column": {where, "declare", []slots.Fill{slots.For(shop.Orders, query.Where(query.Column[shop.Order, int64]{}.Eq(1)))}},
	} {
		t.Run(what, func(t *testing.T) {
			sent.Reset()
			if text := refused(t, slots.On(pool, c.fills...), smrt.ErrBadQuery, c.sql); !strings.Contains(text, c.says) {
				t.Errorf("got %q, want %q in it", text, c.says)
			}
			check.Same(t, "sent", sent.Len(), 0)
		})
	}
	db := slots.On(pool, slots.For(shop.Orders, paid))
	_, err := db.CopyFrom(t.Context(), []string{"orders"}, nil, nil)
	check.Error(t, "COPY", err, smrt.ErrBadQuery)
	_, err = repo.New(db, shop.Orders).Find(t.Context(), query.All[shop.Order]())
	check.Error(t, "a repository", err, smrt.ErrBadQuery)
	if !slices.Contains(sent.Statements(), "SELECT 1") {
		sent.Reset()
		check.Value(pool.Exec(t.Context(), "SELECT 1"))(t)
		check.Same(t, "the counter counts", sent.Len(), 1)
	}
}
