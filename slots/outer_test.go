package slots_test

import (
	"errors"
	"fmt"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/slots"
)

// buyer is a row of the statements below, of which two columns have one name.
type buyer struct {
	ID     int64
	Name   string
	Spent  pgtype.Numeric
	Last   *int64 // may be NULL
	Note   pgtype.Text
	States []string
	Inner  struct{ Lines, ID int64 } // as sqlc.embed puts a model into a row
}

var (
	buyerID     = slots.Col(func(b *buyer) *int64 { return &b.ID })
	buyerName   = slots.TextCol(func(b *buyer) *string { return &b.Name })
	buyerSpent  = slots.Col(func(b *buyer) *pgtype.Numeric { return &b.Spent })
	buyerLast   = slots.NullCol(func(b *buyer) **int64 { return &b.Last })
	buyerNote   = slots.TextCol(func(b *buyer) *pgtype.Text { return &b.Note })
	buyerStates = slots.ArrayCol(func(b *buyer) *[]string { return &b.States })
	buyerLines  = slots.Col(func(b *buyer) *int64 { return &b.Inner.Lines })
	buyers      = slots.NewResult(buyerID)
)

// buyersOf has groups, a window, and an order and a limit in places where they are its own.
const buyersOf = `SELECT c.id, c.name, sum(o.total_cents) AS "q'", nullif(max(o.id), 400) AS last, CASE WHEN c.id % 3 > 0 THEN c.name || '?' END AS name,
	array_agg(DISTINCT o.status::text) AS smrt_c1, count(*) AS smrt_o1, rank() OVER (ORDER BY c.id) AS id
FROM customers c JOIN orders o ON o.customer_id = c.id AND o.id > $1 AND true /* smrt:where orders o */
GROUP BY c.id`

// outerTexts are statements with the rows of buyersOf.
var outerTexts = map[string]string{
	"groups":    buyersOf,
	"an order":  "-- name: Buyers :many\n" + buyersOf + " ORDER BY c.name DESC; -- the end",
	"a limit":   buyersOf + " ORDER BY c.id LIMIT 1000 /* smrt:limit */ -- all",
	"a CTE":     "WITH b AS (" + buyersOf + " ORDER BY c.id LIMIT 1000) SELECT DISTINCT b.* FROM b",
	"a UNION":   "(" + buyersOf + " HAVING c.id < 10 LIMIT 1000) UNION ALL (" + buyersOf + " HAVING c.id >= 10)",
	"a comment": buyersOf + "\n-- the end",
}

// outerConditions have SQL by hand, where the columns are called c1, c2, ...
var outerConditions = []struct {
	p   query.Predicate[buyer]
	sql string
}{
	{buyerSpent.Gt(pgtype.Numeric{Int: big.NewInt(100_000), Valid: true}), "c3 > 100000"},
	{buyerLast.IsNull(), "c4 IS NULL"},
	{buyerLast.Ne(399), "c4 IS DISTINCT FROM 399"},
	{buyerNote.Eq(pgtype.Text{}), "c5 IS NULL"},
	{buyerNote.HasSuffix("?"), `c5 LIKE '%?'`},
	{buyerName.ContainsFold("A"), "c2 ILIKE '%a%'"},
	{buyerStates.Has("paid"), "'paid' = ANY(c6)"},
	{buyerStates.ContainsAll("paid", "delivered"), "c6 @> '{paid,delivered}'"},
	{buyerLines.Between(3, 9), "c7 BETWEEN 3 AND 9"},
	{buyerID.In(1, 2, 3, 30, 31), "c1 IN (1, 2, 3, 30, 31)"},
	{query.Not(buyerLast.Gt(200)), "(c4 > 200) IS NOT TRUE"},
	{query.Or(buyerLines.Lt(3), buyerID.Gt(20)), "(c7 < 3 OR c1 > 20)"},
	{query.SQL[int64]("$1 + $2 * 10", buyerID, buyerLines).Gt(50), "c1 + c7 * 10 > 50"},
	{query.Compare(buyerID, "<", buyerLines), "c1 < c7"},
	{query.And[buyer](), "true"},
	{buyerID.In(), "false"},
}

var outerTerms = []struct {
	order query.Order[buyer]
	sql   string
}{
	{buyerName.Desc(), "c2 DESC"},
	{buyerSpent.Asc(), "c3"},
	{buyerLast.Asc(), "c4"},
	{buyerLast.Desc(), "c4 DESC"},
	{buyerNote.Asc().NullsFirst(), "c5 NULLS FIRST"},
	{buyerStates.Desc(), "c6 DESC"},
	{buyerLines.Asc(), "c7"},
	{query.SQL[int64]("$1 % $2", buyerID, 5).Desc(), "c1 % 5 DESC"},
}

// TestRandomOuter compares queries on the rows of statements, and pages of them, with
// statements that were written by hand.
func TestRandomOuter(t *testing.T) {
	t.Parallel()
	rnd, pool, n := check.Random(t), testdb.Pool(t, filledShop), 6
	if check.Long() {
		n = 840
	}
	for range n {
		for what, text := range outerTexts {
			checkOuter(t, rnd, pool, what, text)
		}
	}
}

func checkOuter(t *testing.T, rnd *rand.Rand, db smrt.DB, what, text string) {
	t.Helper()
	a, b := outerConditions[rnd.IntN(len(outerConditions))], outerConditions[rnd.IntN(len(outerConditions))]
	var order []query.Order[buyer]
	var by []string
	key := "c1"
	for _, i := range rnd.Perm(len(outerTerms))[:1+rnd.IntN(2)] {
		order, by = append(order, outerTerms[i].order), append(by, outerTerms[i].sql)
		if key = "c1"; strings.Contains(outerTerms[i].sql, "DESC") {
			key = "c1 DESC"
		}
	}
	inner := conditions["or"]
	hand := strings.TrimSuffix(strings.ReplaceAll(text, "true /* smrt:where orders o */", inner.sql), "; -- the end")
	hand = "SELECT c1 FROM (" + hand + "\n) AS x(c1, c2, c3, c4, c5, c6, c7, c8) WHERE " + a.sql + " AND " + b.sql + " ORDER BY " + strings.Join(append(by, key), ", ")
	want := ids(t, db, hand, int64(7))
	at := fmt.Sprintf("%s, %s AND %s, ordered by %s", what, a.sql, b.sql, by)

	q := query.Where(a.p, b.p).OrderBy(order...)
	filter := slots.For(shop.Orders, query.Where(inner.p))
	got := buyersFound(t, slots.On(db, filter, slots.Outer(buyers, q.OrderBy(append(order, map[bool]query.Order[buyer]{true: buyerID.Desc(), false: buyerID.Asc()}[key != "c1"])...))), text)
	check.Same(t, at, fmt.Sprint(got), fmt.Sprint(want))
	count := check.Value(slots.Count(t.Context(), db, func(db smrt.DB) error {
		_, err := db.Query(t.Context(), text, int64(7))
		return err
	}, slots.Outer(buyers, q.Limit(1)), filter))(t)
	check.Same(t, at+", counted", count, int64(len(want)))
	forward, back := walked(t, slots.On(db, filter), slots.Outer(buyers, q), 1+rnd.IntN(9), text, int64(7))
	check.Same(t, at+", in pages", fmt.Sprint(forward), fmt.Sprint(want))
	check.Same(t, at+", in pages backwards", fmt.Sprint(back), fmt.Sprint(want))
}

// buyersFound scans the rows as a generated method does.
func buyersFound(t *testing.T, db smrt.DB, sql string) (got []int64) {
	t.Helper()
	rows, err := db.Query(t.Context(), sql, int64(7))
	if err != nil {
		t.Fatalf("%v\n%s", err, sql)
	}
	defer rows.Close()
	for rows.Next() {
		var b buyer
		check.NoError(t, rows.Scan(&b.ID, &b.Name, &b.Spent, &b.Last, &b.Note, &b.States, &b.Inner.Lines, &b.Inner.ID))
		got = append(got, b.ID)
	}
	check.NoError(t, rows.Err())
	return got
}

// TestOuterLimit has a slot for a limit, which is that of the rows that the query finds.
func TestOuterLimit(t *testing.T) {
	t.Parallel()
	pool := testdb.Pool(t, filledShop)
	text := strings.Replace(outerTexts["a limit"], "LIMIT 1000", "LIMIT 3", 1)
	last := slots.Outer(buyers, query.Where(buyerID.Gt(20)))
	check.Same(t, "the limit of the slot", len(buyersFound(t, slots.On(pool, last), text)), 3)
	last = slots.Outer(buyers, query.Where(buyerID.Gt(20)).Limit(2))
	check.Same(t, "a limit", len(buyersFound(t, slots.On(pool, last), text)), 2)
	var id int64
	check.NoError(t, slots.On(pool, slots.Outer(buyers, query.Where(buyerID.Gt(20)))).QueryRow(t.Context(), "SELECT id, name, 1::numeric, 1::bigint, '', '{}'::text[], 1::bigint, 1::bigint FROM customers ORDER BY 1").
		Scan(&id, nil, nil, nil, nil, nil, nil, nil))
	check.Same(t, "one row, in the order of the statement", id, 21)
}

// TestOuterRefused expects what has no query on its rows to be refused before it is sent.
func TestOuterRefused(t *testing.T) {
	t.Parallel()
	sent := &testdb.Counter{}
	pool := testdb.Pool(t, shop.Schema, testdb.Configure(sent.Attach))
	type one struct{ ID int64 }
	id := slots.Col(func(o *one) *int64 { return &o.ID })
	rows := slots.NewResult(id)
	some := slots.Outer(rows, query.Where(id.Gt(1)))
	const slotted = "SELECT o.id FROM orders o WHERE true /* smrt:where orders o */ ORDER BY /* smrt:order orders o */ o.id LIMIT 10 /* smrt:limit */"
	for what, c := range map[string]struct {
		sql   string
		fills []slots.Fill
	}{
		"a write":              {"DELETE FROM orders RETURNING id", []slots.Fill{some}},
		"a write in a CTE":     {"WITH x AS (DELETE FROM orders RETURNING id) SELECT id FROM x", []slots.Fill{some}},
		"a lock":               {"SELECT id FROM orders FOR UPDATE", []slots.Fill{some}},
		"a weaker lock":        {"SELECT id FROM orders FOR KEY SHARE", []slots.Fill{some}},
		"a limit":              {"SELECT id FROM orders LIMIT 10", []slots.Fill{some}},
		"a limit as argument":  {"SELECT id FROM orders LIMIT $1", []slots.Fill{some}},
		"a limit of a UNION":   {"(SELECT id FROM orders) UNION (SELECT id FROM customers) LIMIT 10", []slots.Fill{some}},
		"in parentheses":       {"(SELECT id FROM orders LIMIT 10)", []slots.Fill{some}},
		"FETCH":                {"SELECT id FROM orders FETCH FIRST 10 ROWS ONLY", []slots.Fill{some}},
		"OFFSET":               {"SELECT id FROM orders OFFSET 3", []slots.Fill{some}},
		"a slot elsewhere":     {"SELECT id FROM (SELECT id FROM orders LIMIT 10 /* smrt:limit */) x", []slots.Fill{some}},
		"twice":                {slotted, []slots.Fill{some, some}},
		"an alias":             {slotted, []slots.Fill{some.As("o")}},
		"a greater limit":      {slotted, []slots.Fill{slots.Outer(rows, query.All[one]().Limit(11))}},
		"an offset of its own": {slotted, []slots.Fill{slots.Outer(rows, query.All[one]().Offset(1))}},
		"two limits":           {slotted, []slots.Fill{some, slots.For(shop.Orders, query.All[shop.Order]().Limit(1))}},
		"two orders":           {slotted, []slots.Fill{slots.Outer(rows, query.All[one]().OrderBy(id.Asc())), slots.For(shop.Orders, query.All[shop.Order]().OrderBy(shop.OrderID.Asc()))}},
		"two pages":            {slotted, []slots.Fill{some.Page(slots.NewPage(query.Page{Size: 1})), slots.For(shop.Orders, query.All[shop.Order]()).Page(slots.NewPage(query.Page{Size: 1}))}},
		"an undeclared column": {slotted, []slots.Fill{slots.Outer(rows, query.Where(query.Column[one, int64]{}.Eq(1)))}},
	} {
		sent.Reset()
		args := []any{}
		if strings.Contains(c.sql, "$1") {
			args = append(args, int64(1))
		}
		_, err := slots.On(pool, c.fills...).Query(t.Context(), c.sql, args...)
		check.Error(t, what, err, smrt.ErrBadQuery)
		check.Same(t, what+": sent", sent.Len(), 0)
	}
	_, err := slots.On(pool, slots.Outer(rows, query.All[one]()).Page(slots.NewPage(query.Page{Size: 11}))).Query(t.Context(), slotted)
	check.Error(t, "size", err, smrt.ErrBadPage)
	_, err = slots.On(pool, slots.Outer(slots.NewResult[one](), query.All[one]()).Page(slots.NewPage(query.Page{Size: 1}))).Query(t.Context(), slotted)
	check.Error(t, "a page without a key", err, smrt.ErrNoKey)
	check.Same(t, "sent", sent.Len(), 0)
	type two struct{ ID, None int64 }
	failed, _ := slots.On(pool, slots.Outer(slots.NewResult[two](), query.All[two]())).Query(t.Context(), slotted)
	failed.Close()
	var refused *pgconn.PgError
	if !errors.As(failed.Err(), &refused) || refused.Code != "42P10" {
		t.Errorf("too many columns: %v", failed.Err())
	}
}

// TestOuterKey reads pages of rows whose key is none: it is an error at the row.
func TestOuterKey(t *testing.T) {
	t.Parallel()
	pool := testdb.Pool(t, filledShop)
	bad := slots.NewResult(buyerLines)
	page := slots.NewPage(query.Page{Size: 40})
	rows := check.Value(slots.On(pool, slots.Outer(bad, query.All[buyer]()).Page(page)).Query(t.Context(), buyersOf, int64(7)))(t)
	rows.Close()
	check.Error(t, "a key that comes twice", rows.Err(), smrt.ErrBadQuery)
	check.Same(t, "no cursor", page.Next(), "")
}

// TestResultPanics declares what is no column, and no key.
func TestResultPanics(t *testing.T) {
	for what, declare := range map[string]func(){
		"no field":        func() { slots.Col(func(*buyer) *int64 { return new(int64) }) },
		"a struct":        func() { slots.Col(func(b *buyer) *struct{ Lines, ID int64 } { return &b.Inner }) },
		"no struct":       func() { slots.NewResult[int]() },
		"no columns":      func() { slots.NewResult[struct{ id int }]() },
		"an expression":   func() { slots.NewResult[buyer](query.SQL[int64]("$1 + 1", buyerID)) },
		"another's field": func() { slots.NewResult[buyer](query.Column[buyer, int64]{}) },
	} {
		func() {
			defer func() {
				if r, ok := recover().(string); !ok || !strings.HasPrefix(r, "smrt: ") {
					t.Errorf("%s: %v", what, r)
				}
			}()
			declare()
		}()
	}
}
