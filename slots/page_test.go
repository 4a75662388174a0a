package slots_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/slots"
)

// pageTexts are statements that can be paged, whose first column is an order's key. In
// place of true they have any condition, and the order of a page in place of the slot's.
var pageTexts = map[string]string{
	"plain":             "SELECT o.id FROM orders o WHERE true /* smrt:where orders o */ ORDER BY /* smrt:order orders o */ o.id LIMIT 1000 /* smrt:limit */",
	"no condition":      "SELECT o.id FROM orders o WHERE o.id > $1 ORDER BY /* smrt:order orders o */ o.id LIMIT 1000 /* smrt:limit */",
	"no WHERE":          "SELECT o.id FROM orders o ORDER BY /* smrt:order orders o */ o.id LIMIT 1000 /* smrt:limit */",
	"star":              "SELECT * FROM orders WHERE true /* smrt:where orders */ ORDER BY /* smrt:order orders */ id LIMIT 1000 /* smrt:limit */;\n-- the end",
	"join":              "SELECT o.id, c.id, c.name AS id FROM orders AS o JOIN customers c ON c.id = o.customer_id WHERE c.id > $1 AND true /* smrt:where orders o */ ORDER BY /* smrt:order orders o */ c.name, o.id LIMIT 1000 /* smrt:limit */",
	"left join":         "SELECT o.id FROM orders AS o LEFT JOIN customers c ON c.id = o.customer_id AND left(c.name, 1) = 'A' WHERE true /* smrt:where orders o */ ORDER BY /* smrt:order orders o */ o.id LIMIT 1000 /* smrt:limit */",
	"before OR":         "SELECT o.id FROM orders o WHERE true /* smrt:where orders o */ OR o.id % 7 = 0 ORDER BY /* smrt:order orders o */ o.id LIMIT 1000 /* smrt:limit */",
	"in CASE":           "SELECT o.id FROM orders o WHERE CASE WHEN true /* smrt:where orders o */ THEN o.id % 2 = 0 ELSE o.id % 3 = 0 END -- or so\nORDER BY /* smrt:order orders o */ o.id LIMIT 1000 /* smrt:limit */",
	"beside a CTE":      "WITH best AS (SELECT max(id) AS id FROM orders GROUP BY customer_id ORDER BY 1 DESC LIMIT 30) SELECT o.id FROM orders o WHERE o.id NOT IN (SELECT b.id FROM best b) AND true /* smrt:where orders o */ ORDER BY /* smrt:order orders o */ o.id LIMIT 1000 /* smrt:limit */",
	"a filter in a CTE": "WITH mine AS (SELECT * FROM orders o WHERE true /* smrt:where orders o */) SELECT o.id FROM mine o ORDER BY /* smrt:order orders o */ o.id LIMIT 1000 /* smrt:limit */",
	"sub-selects":       "SELECT o.id, (SELECT count(*) OVER () FROM order_items i WHERE i.order_id = o.id ORDER BY i.line_no LIMIT 1) AS \"from\", o.note IS DISTINCT FROM 'x' AS union FROM orders o, LATERAL (SELECT o.id AS x ORDER BY 1 LIMIT 1) l WHERE EXISTS (SELECT FROM customers c WHERE c.id = o.customer_id) AND true /* smrt:where orders o */ ORDER BY /* smrt:order orders o */ o.id LIMIT 1000 /* smrt:limit */",
	"quoted":            "SELECT \"o 'x\".id, extract(year FROM \"o 'x\".placed_at) FROM orders AS \"o 'x\" WHERE true /* smrt:where orders \"o 'x\" */ ORDER BY /* smrt:order orders \"o 'x\" */ \"o 'x\".id LIMIT 1000 /* smrt:limit */",
}

// terms are terms of orders, with their SQL by hand, where the row is called o.
var terms = []struct {
	order query.Order[shop.Order]
	sql   string
}{
	{shop.Status.Asc(), "o.status"},
	{shop.Total.Desc(), "o.total_cents DESC"},
	{shop.PaidAt.Asc(), "o.paid_at"},
	{shop.PaidAt.Desc(), "o.paid_at DESC"},
	{shop.PaidAt.Asc().NullsFirst(), "o.paid_at NULLS FIRST"},
	{shop.PaidAt.Desc().NullsLast(), "o.paid_at DESC NULLS LAST"},
	{query.SQL[int64]("$1 % $2", shop.OrderID, 7).Desc(), "o.id % 7 DESC"},
	{query.SQL[*int64]("nullif($1 % $2, 0)", shop.OrderID, 3).Asc(), "nullif(o.id % 3, 0)"},
	{shop.OrderID.Desc(), "o.id DESC"},
}

// randomOrder returns an order and its SQL, completed by the key.
func randomOrder(rnd *rand.Rand) (order []query.Order[shop.Order], sql string) {
	var parts []string
	key := "o.id"
	for _, i := range rnd.Perm(len(terms))[:1+rnd.IntN(3)] {
		order, parts = append(order, terms[i].order), append(parts, terms[i].sql)
		if key = "o.id"; strings.Contains(terms[i].sql, "DESC") {
			key = "o.id DESC"
		}
	}
	return order, strings.Join(append(parts, key), ", ")
}

// walked are the first columns of all pages, read forward from the first and then
// backwards from the last.
func walked(t *testing.T, db smrt.DB, fill slots.Fill, size int, sql string, args ...any) (forward, back []int64) {
	t.Helper()
	read := func(p query.Page) ([]int64, *slots.Page) {
		page := slots.NewPage(p, []byte("secret"))
		rows, err := slots.On(db, fill.Page(page)).Query(t.Context(), sql, args...)
		if err != nil {
			t.Fatalf("%v\n%s", err, sql)
		}
		got, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (id int64, err error) {
			dst := make([]any, len(row.FieldDescriptions()))
			dst[0] = &id
			return id, row.Scan(dst...)
		})
		if err != nil {
			t.Fatalf("%v\n%s", err, sql)
		}
		return got, page
	}
	p := query.Page{Size: size}
	last, most := "", 2000/size+2 // pages of all texts and tables here; a page that comes back is no page without an end
	for n := 0; ; n++ {
		if n > most {
			t.Fatalf("more than %d pages\n%s", most, sql)
		}
		got, page := read(p)
		forward = append(forward, got...)
		if (n == 0) != (page.Prev() == "") {
			t.Errorf("page %d: the page before is %q\n%s", n, page.Prev(), sql)
		}
		if page.Next() == "" {
			last = page.Prev()
			break
		}
		check.Same(t, "rows of a full page", len(got), size)
		p = query.Page{Size: size, After: page.Next()}
	}
	tail := len(forward) % size
	if tail == 0 && len(forward) > 0 {
		tail = size
	}
	back = slices.Clone(forward[len(forward)-tail:])
	for n := 0; last != ""; n++ {
		if n > most {
			t.Fatalf("more than %d pages backwards\n%s", most, sql)
		}
		got, page := read(query.Page{Size: size, Before: last})
		if back = append(got, back...); page.Next() == "" {
			t.Errorf("there is no page after one that was read backwards\n%s", sql)
		}
		last = page.Prev()
	}
	return forward, back
}

// TestRandomPages reads pages of any size, order and filter, forward and backwards, and
// compares them with the rows of a statement that was written by hand.
func TestRandomPages(t *testing.T) {
	t.Parallel()
	rnd, pool, n := check.Random(t), testdb.Pool(t, filledShop), 3
	if check.Long() {
		n = 420
	}
	for range n {
		for what, text := range pageTexts {
			checkPages(t, rnd, pool, what, text)
		}
	}
}

func checkPages(t *testing.T, rnd *rand.Rand, db smrt.DB, what, text string) {
	t.Helper()
	order, by := randomOrder(rnd)
	name := []string{"related", "or", "not", "may be null", "all", "none", "fragment"}[rnd.IntN(7)]
	q, hand := query.All[shop.Order]().OrderBy(order...), text
	if strings.Contains(text, "smrt:where") {
		q = q.Where(conditions[name].p)
	}
	for _, a := range []string{"orders o", "orders \"o 'x\"", "orders"} {
		if !strings.Contains(text, "smrt:order "+a+" */") {
			continue
		}
		alias := strings.TrimPrefix(a, "orders ")
		rename := strings.NewReplacer("(o.", "("+alias+".", " o.", " "+alias+".").Replace
		hand = strings.ReplaceAll(hand, "true /* smrt:where "+a+" */", "("+rename(" "+conditions[name].sql)+")")
		hand = strings.Replace(hand, "ORDER BY /* smrt:order "+a+" */", "ORDER BY "+rename(" "+by)+", ", 1)
		break
	}
	var args []any
	if strings.Contains(text, "$1") {
		args = []any{int64(7)}
	}
	rows, err := db.Query(t.Context(), hand, args...)
	check.NoError(t, err)
	want := check.Value(pgx.CollectRows(rows, func(row pgx.CollectableRow) (int64, error) {
		values, err := row.Values()
		return values[0].(int64), err
	}))(t)
	size := max(1+rnd.IntN(max(len(want), 1)), len(want)/12)
	if rnd.IntN(3) == 0 && len(want) > 0 {
		size = len(want) / (1 + rnd.IntN(2)) // the last page is full
	}
	size = max(size, 1)
	forward, back := walked(t, db, slots.For(shop.Orders, q), size, text, args...)
	at := fmt.Sprintf("%s, %s, ordered by %s, %d on a page", what, name, by, size)
	check.Equal(t, at, fmt.Sprint(forward), fmt.Sprint(want))
	check.Equal(t, at+", backwards", fmt.Sprint(back), fmt.Sprint(want))
}

// TestPagesOfSlotsWhileRowsChange reads pages, one row each, while rows come and go: between
// any two pages, and all the time.
func TestPagesOfSlotsWhileRowsChange(t *testing.T) {
	t.Parallel()
	const pages = 500
	rnd := check.Random(t)
	pool := testdb.Pool(t, testdb.SQL("parcels", `CREATE TABLE parcels (id bigint PRIMARY KEY, weight integer, stays boolean NOT NULL);
		INSERT INTO parcels SELECT i * 2, nullif(i % 7, 0), true FROM generate_series(1, 500) i`))
	type parcel struct {
		ID     int64
		Weight *int32
		Stays  bool
	}
	parcels := query.NewTable("parcels", func(p *parcel) *int64 { return &p.ID })
	weight := query.NullCol(func(p *parcel) **int32 { return &p.Weight })
	id := query.Col(func(p *parcel) *int64 { return &p.ID })
	const text = "SELECT p.id, p.stays FROM parcels p WHERE true /* smrt:where parcels p */ ORDER BY /* smrt:order parcels p */ p.id LIMIT 100 /* smrt:limit */"
	var mu sync.Mutex
	made := int64(rnd.IntN(10_000))
	change := func() error { // rows of odd keys, each of which is there once
		mu.Lock()
		made++
		key, weight, order, n := 2*(made*7919%100_003)+1, rnd.IntN(7), 1+rnd.IntN(99), rnd.IntN(3)
		mu.Unlock()
		_, err := pool.Exec(t.Context(), "INSERT INTO parcels VALUES ($1, nullif($2::int, 0), false)", key, weight)
		if err == nil {
			_, err = pool.Exec(t.Context(), "DELETE FROM parcels WHERE id IN (SELECT id FROM parcels WHERE NOT stays ORDER BY id % $1, id LIMIT $2)", order, n)
		}
		return err
	}
	stop, stopped := make(chan struct{}), make(chan error, 1)
	go func() {
		for {
			select {
			case <-stop:
				stopped <- nil
				return
			default:
				if err := change(); err != nil {
					stopped <- err
					return
				}
			}
		}
	}()
	defer func() {
		close(stop)
		check.NoError(t, <-stopped)
	}()
	for _, order := range [][]query.Order[parcel]{{weight.Asc()}, {weight.Desc().NullsLast(), id.Asc()}} {
		fill := slots.For(parcels, query.All[parcel]().OrderBy(order...))
		read := func(p query.Page) (got []int64, page *slots.Page) {
			page = slots.NewPage(p)
			rows := check.Value(slots.On(pool, fill.Page(page)).Query(t.Context(), text))(t)
			for rows.Next() {
				var id int64
				var stays bool
				check.NoError(t, rows.Scan(&id, &stays))
				got = append(got, id)
			}
			check.NoError(t, rows.Err())
			return got, page
		}
		once := func(what string, seen map[int64]int) {
			for i := int64(1); i <= pages; i++ {
				if seen[2*i] != 1 {
					t.Errorf("%s: row %d was seen %d times", what, 2*i, seen[2*i])
				}
			}
			for key, n := range seen {
				if n > 1 {
					t.Errorf("%s: row %d was seen %d times", what, key, n)
				}
			}
		}
		seen, p, read1 := map[int64]int{}, query.Page{Size: 1}, 0
		last, behind := "", map[int64]int{} // of the last page, which is not read backwards
		for {
			got, page := read(p)
			if len(got) > 0 { // else what was to follow has gone
				last, behind = page.Prev(), map[int64]int{}
			}
			for _, id := range got {
				seen[id]++
				behind[id]++
			}
			check.NoError(t, change())
			if read1++; page.Next() == "" {
				break
			}
			p.After = page.Next()
		}
		once("forward", seen)
		if read1 < pages {
			t.Errorf("%d pages", read1)
		}
		for last != "" {
			got, page := read(query.Page{Size: 1, Before: last})
			for _, id := range got {
				behind[id]++
			}
			check.NoError(t, change())
			last = page.Prev()
		}
		once("backwards", behind)
	}
}

// TestPageUsesIndex asks for the plan of a page in the middle of 50,000 rows: it begins
// in the index, wherever the slot for a condition stands.
func TestPageUsesIndex(t *testing.T) {
	t.Parallel()
	var sent testdb.Counter
	pool := testdb.Pool(t, testdb.SQL("numbers", `CREATE TABLE numbers (id bigint PRIMARY KEY, half bigint NOT NULL);
		INSERT INTO numbers SELECT i, i / 2 FROM generate_series(1, 50000) i; CREATE INDEX numbers_half ON numbers (half, id); ANALYZE numbers`),
		testdb.Configure(sent.Attach))
	type number struct{ ID, Half int64 }
	numbers := query.NewTable("numbers", func(n *number) *int64 { return &n.ID })
	half := query.Col(func(n *number) *int64 { return &n.Half })
	for index, q := range map[string]query.Query[number]{"numbers_pkey": query.All[number](), "numbers_half": query.All[number]().OrderBy(half.Asc())} {
		const text = "SELECT n.id FROM numbers n WHERE true /* smrt:where numbers n */ ORDER BY /* smrt:order numbers n */ n.id LIMIT 10000 /* smrt:limit */"
		read := func(p query.Page) (*slots.Page, []int64) {
			page := slots.NewPage(p)
			return page, ids(t, slots.On(pool, slots.For(numbers, q).Page(page)), text)
		}
		page, _ := read(query.Page{Size: 10_000})
		page, _ = read(query.Page{Size: 10_000, After: page.Next()})
		sent.Reset()
		_, got := read(query.Page{Size: 3, After: page.Next()})
		check.Equal(t, "rows", got, []int64{20_001, 20_002, 20_003})
		sql, args := sent.Statements()[0], []any{int64(20_000), int64(4)}
		if index == "numbers_half" {
			args = []any{int64(10_000), int64(20_000), int64(4)}
		}
		rows := check.Value(pool.Query(t.Context(), "EXPLAIN (ANALYZE, TIMING off) "+sql, args...))(t)
		plan := strings.Join(check.Value(pgx.CollectRows(rows, pgx.RowTo[string]))(t), "\n")
		if !strings.Contains(plan, index) || !strings.Contains(plan, "Index Cond") || strings.Contains(plan, "Rows Removed by Filter") {
			t.Errorf("%s: %s", index, plan)
		}
	}
}

// TestPageNeedsKey reads rows that have one key, or none: it is an error at the row, and
// none is lost.
func TestPageNeedsKey(t *testing.T) {
	t.Parallel()
	pool := testdb.Pool(t, filledShop)
	const end = " WHERE true /* smrt:where orders o */ ORDER BY /* smrt:order orders o */ o.id LIMIT 100 /* smrt:limit */"
	for sql, says := range map[string]string{
		"SELECT o.id FROM orders o JOIN order_items i ON i.order_id = o.id":                                                                     "two rows have one key",
		"SELECT o.id, unnest(ARRAY[1, 2]) FROM orders o":                                                                                        "two rows have one key",
		"WITH mine AS (SELECT x.id FROM customers c LEFT JOIN orders x ON x.id = c.id AND c.id < 3) SELECT coalesce(o.id, 0), 1 FROM mine AS o": "a row has no key",
	} {
		for _, size := range []int{3, 1} {
			var err error
			for p := (query.Page{Size: size}); err == nil; {
				page := slots.NewPage(p)
				db := slots.On(pool, slots.For(shop.Orders, query.All[shop.Order]().OrderBy(shop.OrderID.Desc())).Page(page))
				rows := check.Value(db.Query(t.Context(), sql+end))(t)
				for rows.Next() {
					check.Value(rows.Values())(t)
				}
				if p.After, err = page.Next(), rows.Err(); p.After == "" && err == nil {
					break
				}
			}
			check.Error(t, sql, err, smrt.ErrBadQuery)
			if err != nil && !strings.Contains(err.Error(), says) {
				t.Errorf("%s: %v", sql, err)
			}
		}
	}
}

// TestPageRefused expects that what has no pages is refused before anything is sent.
func TestPageRefused(t *testing.T) {
	t.Parallel()
	sent := &testdb.Counter{}
	pool := testdb.Pool(t, filledShop, testdb.Configure(sent.Attach))
	const end = " ORDER BY /* smrt:order orders o */ o.id LIMIT 100 /* smrt:limit */"
	const plain = "SELECT o.id FROM orders o WHERE true /* smrt:where orders o */" + end
	all := query.All[shop.Order]()
	read := func(sql string, q query.Query[shop.Order], p query.Page, args ...any) (*slots.Page, error) {
		page := slots.NewPage(p)
		rows, _ := slots.On(pool, slots.For(shop.Orders, q).Page(page)).Query(t.Context(), sql, args...)
		rows.Close()
		return page, rows.Err()
	}
	first := check.Value(read(plain, all, query.Page{Size: 2}))(t)
	other := check.Value(read(plain+" -- other", all, query.Page{Size: 2}))(t)
	for what, sql := range map[string]string{
		"groups":           "SELECT o.id FROM orders o WHERE true /* smrt:where orders o */ GROUP BY o.id" + end,
		"HAVING":           "SELECT o.id FROM orders o HAVING true" + end,
		"DISTINCT":         "SELECT DISTINCT o.id FROM orders o" + end,
		"DISTINCT ON":      "SELECT DISTINCT ON (o.id) o.id FROM orders o" + end,
		"UNION":            "SELECT o.id FROM orders o UNION ALL SELECT 1" + end,
		"INTERSECT":        "SELECT o.id FROM orders o INTERSECT SELECT 1" + end,
		"EXCEPT":           "SELECT o.id FROM orders o EXCEPT SELECT 1" + end,
		"a window":         "SELECT o.id, rank() OVER (ORDER BY o.id) FROM orders o" + end,
		"a named window":   "SELECT o.id, coalesce(rank() OVER w, 0) FROM orders o WINDOW w AS (ORDER BY o.id)" + end,
		"an aggregate":     "SELECT 1 + count(*) FROM orders o" + end,
		"another":          "SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY o.id) FROM orders o" + end,
		"a write":          "WITH x AS (DELETE FROM order_items RETURNING 1) SELECT o.id FROM orders o WHERE false /* smrt:where orders o */" + end,
		"a lock":           plain + " FOR UPDATE",
		"an offset":        plain + " OFFSET 1",
		"no order slot":    "SELECT o.id FROM orders o WHERE true /* smrt:where orders o */ LIMIT 100 /* smrt:limit */",
		"no limit slot":    "SELECT o.id FROM orders o WHERE true /* smrt:where orders o */ ORDER BY /* smrt:order orders o */ o.id",
		"slots in a CTE":   "WITH mine AS (" + plain + ") SELECT id FROM mine",
		"order in a CTE":   "WITH mine AS (SELECT o.id FROM orders o ORDER BY /* smrt:order orders o */ o.id) SELECT id FROM mine ORDER BY id LIMIT 10 /* smrt:limit */",
		"limit in a CTE":   "WITH mine AS (SELECT 1 LIMIT 10 /* smrt:limit */) SELECT o.id FROM orders o ORDER BY /* smrt:order orders o */ o.id",
		"two orders":       "WITH mine AS (SELECT o.id FROM orders o ORDER BY /* smrt:order orders o */ o.id) SELECT o.id FROM orders o" + end,
		"in parentheses":   "(" + plain + ")",
		"no FROM":          "SELECT 1" + end,
		"a LEFT JOIN":      "SELECT o.id FROM customers c LEFT OUTER JOIN orders o ON o.customer_id = c.id" + end,
		"another one":      "SELECT o.id FROM customers c LEFT JOIN (customers d JOIN orders o ON o.customer_id = d.id) ON d.id = c.id" + end,
		"a RIGHT JOIN":     "SELECT o.id FROM orders o RIGHT JOIN customers c ON o.customer_id = c.id" + end,
		"a FULL JOIN":      "SELECT o.id FROM orders o FULL JOIN customers c ON o.customer_id = c.id" + end,
		"another alias":    strings.ReplaceAll(plain, "smrt:order orders o", "smrt:order orders x"),
		"a limit in front": strings.Replace(plain, "LIMIT 100 /* smrt:limit */", "LIMIT 100", 1),
	} {
		sent.Reset()
		if _, err := read(sql, all, query.Page{Size: 2}); !errors.Is(err, smrt.ErrBadQuery) && !errors.Is(err, smrt.ErrUnboundedWrite) {
			t.Errorf("%s: %v", what, err)
		}
		check.Same(t, what+": sent", sent.Len(), 0)
	}
	paid := query.Where(shop.Status.Eq(shop.OrderPaid))
	for what, c := range map[string]struct {
		q    query.Query[shop.Order]
		page query.Page
		want error
	}{
		"size 0":           {all, query.Page{}, smrt.ErrBadPage},
		"size":             {all, query.Page{Size: 101}, smrt.ErrBadPage},
		"greater size":     {all, query.Page{Size: slots.MaxPageSize + 1}, smrt.ErrBadPage},
		"a limit":          {all.Limit(1), query.Page{Size: 2}, smrt.ErrBadQuery},
		"both":             {all, query.Page{Size: 2, After: first.Next(), Before: first.Next()}, smrt.ErrBadQuery},
		"no cursor":        {all, query.Page{Size: 2, After: "x"}, smrt.ErrBadCursor},
		"another filter":   {paid, query.Page{Size: 2, After: first.Next()}, smrt.ErrBadCursor},
		"another order":    {all.OrderBy(shop.Total.Asc()), query.Page{Size: 2, Before: first.Next()}, smrt.ErrBadCursor},
		"another text":     {all, query.Page{Size: 2, After: other.Next()}, smrt.ErrBadCursor},
		"a changed cursor": {all, query.Page{Size: 2, After: "B" + first.Next()[1:]}, smrt.ErrBadCursor},
	} {
		sent.Reset()
		_, err := read(plain, c.q, c.page)
		check.Error(t, what, err, c.want)
		check.Same(t, what+": sent", sent.Len(), 0)
	}
	_, err := read(plain, all, query.Page{Size: 100, After: first.Next()})
	check.NoError(t, err)

	sent.Reset()
	fill := slots.For(shop.Orders, all).Page(slots.NewPage(query.Page{Size: 2}))
	db := slots.On(pool, fill)
	_, err = db.Exec(t.Context(), plain)
	check.Error(t, "Exec", err, smrt.ErrBadQuery)
	check.Error(t, "one row", db.QueryRow(t.Context(), plain).Scan(), smrt.ErrBadQuery)
	var b pgx.Batch
	b.Queue(plain)
	check.Error(t, "a batch", db.SendBatch(t.Context(), &b).Close(), smrt.ErrBadQuery)
	_, err = slots.On(pool, fill, slots.For(shop.Orders, all).As("x").Page(slots.NewPage(query.Page{Size: 2}))).Query(t.Context(), plain)
	check.Error(t, "two pages", err, smrt.ErrBadQuery)
	check.Same(t, "sent", sent.Len(), 0)
	n := check.Value(slots.Count(t.Context(), pool, func(db smrt.DB) error {
		_, err := db.Query(t.Context(), plain)
		return err
	}, fill))(t)
	check.Same(t, "rows of all pages", n, 400)
}

// TestPageCursors signs cursors, and expects those of other arguments, other filters and
// other secrets to be refused.
func TestPageCursors(t *testing.T) {
	t.Parallel()
	pool := testdb.Pool(t, filledShop)
	const sql = "SELECT o.id FROM orders o JOIN customers c ON c.id = o.customer_id WHERE o.id > $1 AND true /* smrt:where orders o */ AND true /* smrt:where customers c */ ORDER BY /* smrt:order orders o */ o.id LIMIT 100 /* smrt:limit */"
	read := func(id int64, customer int64, p query.Page, secrets ...string) (*slots.Page, error) {
		var keys [][]byte
		for _, s := range secrets {
			keys = append(keys, []byte(s))
		}
		page := slots.NewPage(p, keys...)
		db := slots.On(pool, slots.For(shop.Customers, query.Where(shop.CustomerID.Gt(customer))), slots.For(shop.Orders, query.All[shop.Order]()).Page(page))
		rows, _ := db.Query(t.Context(), sql, pgx.QueryExecModeDescribeExec, id)
		rows.Close()
		return page, rows.Err()
	}
	next := check.Value(read(7, 3, query.Page{Size: 2}, "new"))(t).Next()
	for what, c := range map[string]struct {
		id, customer int64
		secrets      []string
		says         string
	}{
		"the same":           {7, 3, []string{"new"}, ""},
		"an older secret":    {7, 3, []string{"newer", "new"}, ""},
		"another secret":     {7, 3, []string{"other"}, "tampered"},
		"no secret":          {7, 3, nil, "tampered"},
		"another argument":   {8, 3, []string{"new"}, "other query"},
		"another's filter":   {7, 4, []string{"new"}, "other query"},
		"both of them other": {4, 8, []string{"new"}, "other query"},
	} {
		page, err := read(c.id, c.customer, query.Page{Size: 2, After: next}, c.secrets...)
		if c.says == "" {
			check.NoError(t, err)
			if page.Next() == "" || page.Prev() == "" {
				t.Errorf("%s: no cursors", what)
			}
			continue
		}
		check.Error(t, what, err, smrt.ErrBadCursor)
		if !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestPageRows uses the rows of a page in every way that pgx has.
func TestPageRows(t *testing.T) {
	t.Parallel()
	for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeCacheStatement, pgx.QueryExecModeCacheDescribe, pgx.QueryExecModeExec} {
		pool := testdb.Pool(t, filledShop, testdb.ExecMode(mode), testdb.MaxConns(1))
		const sql = "-- name: Listed :many\nSELECT o.id, o.paid_at, o.status::text AS id FROM orders o ORDER BY /* smrt:order orders o */ o.id LIMIT 100 /* smrt:limit */"
		last := query.Page{Size: 3}
		all := func(p query.Page) (*slots.Page, pgx.Rows) {
			page := slots.NewPage(p)
			return page, check.Value(slots.On(pool, slots.For(shop.Orders, query.All[shop.Order]().OrderBy(shop.PaidAt.Desc())).Page(page)).Query(t.Context(), sql))(t)
		}
		first, rows := all(last)
		rows.Close()
		second, rows := all(query.Page{Size: 3, After: first.Next()})
		rows.Close()
		for _, p := range []query.Page{last, {Size: 3, After: first.Next()}, {Size: 3, Before: second.Next()}} {
			page, rows := all(p)
			check.Same(t, "columns", len(rows.FieldDescriptions()), 3)
			n := 0
			for rows.Next() {
				n++
				check.Same(t, "values", len(check.Value(rows.Values())(t)), 3)
				check.Same(t, "raw values", len(rows.RawValues()), 3)
				check.Same(t, "a connection", rows.Conn() != nil, true)
				var id int64
				check.NoError(t, rows.Scan(&id, nil, nil))
				if page.Next() != "" {
					t.Error("a cursor before the end")
				}
			}
			check.NoError(t, rows.Err())
			check.Same(t, "rows", n, 3)
			check.Same(t, "tag", rows.CommandTag().RowsAffected(), 3)
			check.Same(t, "after the end", rows.Next(), false)
			check.Same(t, "more", page.Next() != "", true)

			closed, rows := all(p)
			check.Same(t, "one row", rows.Next(), true)
			rows.Close()
			check.Same(t, "the cursor if the rows are closed", closed.Next(), page.Next())
			check.Same(t, "and the other one", closed.Prev(), page.Prev())

			failed, rows := all(p)
			rows.Next()
			if err := rows.Scan(new(int64)); err == nil || !strings.Contains(err.Error(), "got 3 and 1") {
				t.Errorf("too few: %v", err)
			}
			check.Same(t, "a row after an error", rows.Next(), false)
			check.Same(t, "a cursor after an error", failed.Next()+failed.Prev(), "")
			_, rows = all(p)
			rows.Next()
			if err := rows.Scan(new(bool), nil, nil); err == nil || rows.Next() || rows.Err() == nil {
				t.Error("a wrong type is no error")
			}

			type named struct {
				ID     int64
				PaidAt any
				Status string
			}
			_, rows = all(p)
			check.Same(t, "by position", len(check.Value(pgx.CollectRows(rows, pgx.RowToStructByPos[named]))(t)), 3)
			_, rows = all(p)
			check.Same(t, "maps", len(check.Value(pgx.CollectRows(rows, pgx.RowToMap))(t)[0]), 2) // two columns of one name
			_, rows = all(p)
			if _, err := pgx.CollectRows(rows, pgx.RowToStructByName[struct{ None int }]); err == nil {
				t.Error("by a name that is not there")
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		page := slots.NewPage(last)
		rows, err := slots.On(pool, slots.For(shop.Orders, query.All[shop.Order]()).Page(page)).Query(ctx, sql)
		check.NoError(t, err)
		cancel()
		rows.Close()
		var one int
		check.NoError(t, pool.QueryRow(t.Context(), "SELECT 1").Scan(&one)) // nothing holds the connection
	}
}
