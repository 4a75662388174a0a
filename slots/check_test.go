package slots_test

import (
	"errors"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/internal/shop/shopdb"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/slots"
)

// TestCheck prepares the shop's queries, and finds what is wrong with others.
func TestCheck(t *testing.T) {
	t.Parallel()
	sent := &testdb.Counter{}
	pool := testdb.Pool(t, shop.Schema, testdb.Configure(sent.Attach), testdb.MaxConns(1))
	check.NoError(t, slots.Check(t.Context(), pool, os.DirFS("../internal/shop/shopdb"), shop.Orders, shop.Customers, shop.Products))

	for sql, says := range map[string]string{
		"SELECT 1 FROM orders o WHERE true /* smrt:where orders o */ ORDER BY /* smrt:order orders o */ o.id LIMIT 9 /* smrt:limit */": "",
		"UPDATE orders o SET note = $1 WHERE false /* smrt:where orders o */ AND o.id = $2":                                            "",
		"SELECT 1 FROM orders o WHERE true /* smrt:were orders o */":                                                                   `there is no slot "were"`,
		"SELECT 1 FROM orders o WHERE true /* smrt:where products p */":                                                                `table "products", which is none`,
		"SELECT 1 FROM orders o WHERE true /* smrt:where orders x */":                                                                  "42P01",
		"SELECT 1 FROM customers o WHERE true /* smrt:where orders o */":                                                               "42703",
		"SELECT count(*) FROM orders o GROUP BY o.status HAVING true /* smrt:where orders o */":                                        "42803",
		"SELECT 1 FROM orders o WHERE true LIMIT $1 /* smrt:limit */":                                                                  "the greatest number",
	} {
		folder := fstest.MapFS{"q.go": {Data: []byte("package p\n\nconst q = `-- name: Q :many\n" + sql + "`\n\nconst other = `-- name: Other :one\nSELECT 1`\n")}}
		err := slots.Check(t.Context(), pool, folder, shop.Orders, shop.Customers)
		switch {
		case says == "":
			check.NoError(t, err)
		case err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), "q.go:3: query Q: "):
			t.Errorf("%s: %v", sql, err)
		case !errors.Is(err, smrt.ErrBadQuery) && !errors.As(err, new(*pgconn.PgError)):
			t.Errorf("%s: %T", sql, err)
		}
	}
	listed := slots.NewResult[shopdb.ListOrdersRow]()
	check.NoError(t, slots.Check(t.Context(), pool, os.DirFS("../internal/shop/shopdb"), shop.Orders, shop.Customers, shop.Products, listed))
	type ListRow struct{ ID, Total int64 }
	for sql, says := range map[string]string{
		"SELECT o.id, o.total_cents FROM orders o":         "",
		"SELECT o.id FROM orders o":                        "has fields for 2 columns, and the query returns 1",
		"SELECT o.id, o.id, o.id FROM orders o":            "has fields for 2 columns, and the query returns 3",
		"SELECT o.id, o.total_cents FROM orders o LIMIT 3": "would cut off rows",
		"SELECT count(o.id), my_sum(o.id) FROM orders o ORDER BY /* smrt:order orders o */ 1 LIMIT 3 /* smrt:limit */":      "42883",
		"SELECT smrt_p.id, 1::bigint FROM orders smrt_p ORDER BY /* smrt:order orders smrt_p */ 1 LIMIT 3 /* smrt:limit */": "",
	} {
		folder := fstest.MapFS{"q.go": {Data: []byte("package p\n\nconst q = `-- name: List :many\n" + sql + "`\n")}}
		if err := slots.Check(t.Context(), pool, folder, shop.Orders, slots.NewResult[ListRow]()); (err == nil) != (says == "") || err != nil && !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", sql, err)
		}
	}
	err := slots.Check(t.Context(), pool, fstest.MapFS{"q.go": {Data: []byte("package p\n\nconst q = `-- name: Q :many\nSELECT 1`\n")}}, shop.Orders)
	check.Error(t, "no slots", err, smrt.ErrBadQuery)
	for _, sql := range sent.Statements() {
		if strings.Contains(sql, "orders") {
			t.Errorf("sent %s", sql)
		}
	}
}
