package repo_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// shelfLine is what groups of products are read into.
type shelfLine struct {
	Weight      *int32
	Band        int64
	Name        string
	N, Distinct int64
	Sum, Dear   *int64
	Mean        *float64
	Least       *int64
	Median      *float64
	Ratio       *float64
}

type (
	grouped  = query.Groups[shop.Product]
	shelfOut = query.Output[grouped, shelfLine]
)

// choice is an output twice: typed, and in SQL.
type choice struct {
	out   shelfOut
	sql   string
	to    func(*shelfLine) any
	order func(desc bool) query.Order[grouped]
	key   bool
}

func chosen[V any](x query.Expr[grouped, V], sql string, key bool, field func(*shelfLine) *V) choice {
	return choice{query.Into(x, field), sql, func(l *shelfLine) any { return field(l) }, ordered(x), key}
}

func chosenNull[V any](x query.Expr[grouped, V], sql string, key bool, field func(*shelfLine) **V) choice {
	return choice{query.IntoNull(x, field), sql, func(l *shelfLine) any { return field(l) }, ordered(x), key}
}

func ordered[V any](x query.Expr[grouped, V]) func(bool) query.Order[grouped] {
	return func(desc bool) query.Order[grouped] {
		if desc {
			return x.Desc()
		}
		return x.Asc()
	}
}

// choices have arguments in keys and in aggregates, where an expression that is
// written twice is not one expression to the server.
func choices() []choice {
	name := query.SQL[string]("lower($1) || $2", shop.ProductName, "!")
	sum, n := query.Sum[int64](shop.Price), query.Count[shop.Product]()
	return []choice{
		chosenNull(query.By(shop.Weight), "weight_grams", true, func(l *shelfLine) **int32 { return &l.Weight }),
		chosen(shelfBand, "price_cents / 200", true, func(l *shelfLine) *int64 { return &l.Band }),
		chosen(query.By(name), "lower(name) || '!'", true, func(l *shelfLine) *string { return &l.Name }),
		chosen(n, "count(*)", false, func(l *shelfLine) *int64 { return &l.N }),
		chosen(query.CountDistinct(shop.ProductName, shop.Price.Gt(100)), "count(DISTINCT name) FILTER (WHERE price_cents > 100)", false, func(l *shelfLine) *int64 { return &l.Distinct }),
		chosenNull(sum, "sum(price_cents)::bigint", false, func(l *shelfLine) **int64 { return &l.Sum }),
		chosenNull(query.Sum[int64](priceBand, shop.Price.Ge(300), shop.Weight.IsNotNull()), "(sum(price_cents / 200) FILTER (WHERE price_cents >= 300 AND weight_grams IS NOT NULL))::bigint", false, func(l *shelfLine) **int64 { return &l.Dear }),
		chosenNull(query.Avg[float64](shop.Price), "avg(price_cents)::float8", false, func(l *shelfLine) **float64 { return &l.Mean }),
		chosenNull(query.Min(shop.Price, shop.Price.Gt(200)), "min(price_cents) FILTER (WHERE price_cents > 200)", false, func(l *shelfLine) **int64 { return &l.Least }),
		chosenNull(query.Aggregate[float64]("percentile_cont(0.5) WITHIN GROUP (ORDER BY $1)", shop.Price), "percentile_cont(0.5) WITHIN GROUP (ORDER BY price_cents)", false, func(l *shelfLine) **float64 { return &l.Median }),
		chosenNull(query.SQL[float64]("$1::float8 / $2", sum, n), "sum(price_cents)::float8 / count(*)", false, func(l *shelfLine) **float64 { return &l.Ratio }),
	}
}

// shelfBand is a key with an argument in two places, which is one expression
// wherever it stands.
var (
	priceBand = query.SQL[int64]("$1 / $2 + 3 % $2 - 3", shop.Price, 200)
	shelfBand = query.By(priceBand)
)

// havings are conditions on groups, typed and in SQL.
var havings = []struct {
	p   query.Predicate[grouped]
	sql string
}{
	{query.Count[shop.Product]().Gt(3), "count(*) > 3"},
	{query.Not(query.Sum[int64](shop.Price).Gt(900)), "(sum(price_cents) > 900) IS NOT TRUE"},
	{query.Or(query.Min(shop.Price).Eq(0), query.Count(shop.Weight.IsNull()).Ge(1)), "(min(price_cents) = 0 OR count(*) FILTER (WHERE weight_grams IS NULL) >= 1)"},
	{shelfBand.Ge(1), "price_cents / 200 >= 1"},
	{query.SQL[int64]("$1 + $2", query.Count[shop.Product](), shelfBand).Gt(2), "count(*) + price_cents / 200 > 2"},
	{query.Compare(query.Max(shop.Price), ">", query.SQL[int64]("$1 * $2", query.Count[shop.Product](), 90)), "max(price_cents) > count(*) * 90"},
}

// TestRandomGroups compares random groups with plain SQL.
func TestRandomGroups(t *testing.T) {
	// Groups that are hashed come in no order, so one that is missing is seen.
	pool := testdb.Pool(t, shop.Schema, testdb.Configure(func(c *pgxpool.Config) { c.ConnConfig.RuntimeParams["enable_sort"] = "off" }))
	products := manyProductsOn(t, pool, 120)
	r := rand.New(rand.NewPCG(check.Seed(t), 0))
	n := 400
	if testing.Short() {
		n = 100
	}
	for range n {
		all := choices()
		r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		all = all[:1+r.IntN(5)]
		var outs []shelfOut
		var list, keys, order []string
		for i, c := range all {
			outs, list = append(outs, c.out), append(list, c.sql)
			if c.key {
				keys = append(keys, fmt.Sprint(i+1))
			}
		}
		q, where := query.All[shop.Product](), ""
		if r.IntN(2) == 0 {
			q, where = query.Where(shop.Price.Gt(200)), " WHERE price_cents > 200"
		}
		groups, having := query.All[grouped](), ""
		if r.IntN(2) == 0 {
			h := havings[r.IntN(len(havings))]
			if strings.Contains(h.sql, "/ 200") && !slices.Contains(list, "price_cents / 200") {
				h = havings[0] // a condition on a key that the groups do not have
			}
			groups, having = query.Where(h.p), " HAVING "+h.sql
		}
		if by := r.IntN(len(all)); r.IntN(2) == 0 {
			desc := r.IntN(2) == 0
			groups = groups.OrderBy(all[by].order(desc))
			order = append(order, fmt.Sprint(by+1)+map[bool]string{true: " DESC"}[desc])
		}
		for _, k := range keys {
			if !slices.ContainsFunc(order, func(o string) bool { return strings.Fields(o)[0] == k }) {
				order = append(order, k)
			}
		}
		sql := "SELECT " + strings.Join(list, ", ") + " FROM products" + where
		if len(keys) > 0 {
			sql += " GROUP BY " + strings.Join(keys, ", ")
		}
		sql += having
		if len(order) > 0 {
			sql += " ORDER BY " + strings.Join(order, ", ")
		}
		if r.IntN(3) == 0 {
			groups, sql = groups.Limit(3).Offset(1), sql+" LIMIT 3 OFFSET 1"
		}
		got, err := repo.GroupBy(t.Context(), products, q, groups, outs...)
		if err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
		want := []shelfLine{}
		rows := check.Value(pool.Query(t.Context(), sql))(t)
		for rows.Next() {
			var l shelfLine
			var to []any
			for _, c := range all {
				to = append(to, c.to(&l))
			}
			check.NoError(t, rows.Scan(to...))
			want = append(want, l)
		}
		check.NoError(t, rows.Err())
		check.Same(t, sql, string(check.Value(json.Marshal(got))(t)), string(check.Value(json.Marshal(want))(t)))
	}
}

// TestGroupsOfNumeric adds up money as the database does, digit by digit.
func TestGroupsOfNumeric(t *testing.T) {
	type bill struct {
		ID     int64
		Amount pgtype.Numeric
	}
	bills := query.NewTable("bills", func(b *bill) *int64 { return &b.ID })
	billID := query.Col(func(b *bill) *int64 { return &b.ID })
	amount := query.Col(func(b *bill) *pgtype.Numeric { return &b.Amount })
	pool := testdb.Pool(t, testdb.SQL("bills", `CREATE TABLE bills (id bigint PRIMARY KEY, amount numeric NOT NULL);
		INSERT INTO bills VALUES (1, 0.10), (2, 0.20), (3, 99999999999999999999.05)`))
	r := repo.New(pool, bills)
	text := func(x query.Operand[query.Groups[bill], pgtype.Numeric]) string {
		v := check.Value(repo.Aggregate(t.Context(), r, x, query.All[bill]()))(t)
		return string(check.Value(v.V.MarshalJSON())(t))
	}
	check.Same(t, "sum", text(query.Sum[pgtype.Numeric](amount)), "99999999999999999999.35")
	check.Same(t, "with tax", text(query.Sum[pgtype.Numeric](query.SQL[pgtype.Numeric]("$1 * 1.10", amount), billID.Le(2))), "0.3300")
	check.Same(t, "least", text(query.Min(amount)), "0.10")
	_, err := repo.Aggregate(t.Context(), r, query.By(amount), query.All[bill]())
	check.Error(t, "a key", err, smrt.ErrTooManyRows)
	_, err = repo.Aggregate(t.Context(), r, query.Sum[int64](amount), query.All[bill]())
	check.Error(t, "a sum beyond the range", err, smrt.ErrOutOfRange)
}

// TestGroupsOfNothing asks for values of no rows: without a key there is one
// group all the same.
func TestGroupsOfNothing(t *testing.T) {
	products := manyProducts(t, 3)
	count := query.Into(query.Count[shop.Product](), func(l *shelfLine) *int64 { return &l.N })
	weight := query.IntoNull(query.By(shop.Weight), func(l *shelfLine) **int32 { return &l.Weight })
	for name, q := range map[string]query.Query[shop.Product]{"no row": query.Where(shop.Price.Lt(0)), "no row can be": query.Where(shop.Price.In())} {
		all := check.Value(repo.GroupBy(t.Context(), products, q, query.All[grouped](), count))(t)
		check.Same(t, name+": groups without a key", len(all), 1)
		check.Same(t, name+": rows", all[0].N, 0)
		none := check.Value(repo.GroupBy(t.Context(), products, q, query.All[grouped](), weight, count))(t)
		check.Same(t, name+": groups by a key", len(none), 0)
	}
}

// TestWrongGroups refuses what is wrong before anything is sent.
func TestWrongGroups(t *testing.T) {
	products := manyProducts(t, 1)
	count := query.Into(query.Count[shop.Product](), func(l *shelfLine) *int64 { return &l.N })
	elsewhere := query.Into(query.Count[shop.Product](), func(*shelfLine) *int64 { return new(int64) })
	all := query.All[shop.Product]()
	for name, run := range map[string]func() error{
		"no outputs":        func() error { return grouping(t, products, all, query.All[grouped]()) },
		"the zero Output":   func() error { return grouping(t, products, all, query.All[grouped](), shelfOut{}) },
		"a field elsewhere": func() error { return grouping(t, products, all, query.All[grouped](), elsewhere) },
		"a locked group": func() error {
			return grouping(t, products, all, query.All[grouped]().Lock(query.ForUpdate, query.Block), count)
		},
		"deleted groups":           func() error { return grouping(t, products, all, query.All[grouped]().WithDeleted(), count) },
		"a comment":                func() error { return grouping(t, products, all, query.All[grouped]().Comment("x"), count) },
		"limited rows":             func() error { return grouping(t, products, all.Limit(1), query.All[grouped](), count) },
		"a negative limit":         func() error { return grouping(t, products, all, query.All[grouped]().Limit(-1), count) },
		"two outputs of one field": func() error { return grouping(t, products, all, query.All[grouped](), count, count) },
		"a filter of two calls": func() error {
			x := query.Aggregate[int64]("max($1) - min($1)", shop.Price, shop.Price.Gt(1))
			return grouping(t, products, all, query.All[grouped](), query.Into(x, func(l *shelfLine) *int64 { return &l.N }))
		},
		"a zero column": func() error {
			return grouping(t, products, all, query.All[grouped](), query.IntoNull(query.By(query.Column[shop.Product, int32]{}), func(l *shelfLine) **int32 { return &l.Weight }))
		},
	} {
		check.Error(t, name, run(), smrt.ErrBadQuery)
	}
}

func grouping(t *testing.T, r *repo.Repository[shop.Product, int64], q query.Query[shop.Product], g query.Query[grouped], outs ...shelfOut) error {
	_, err := repo.GroupBy(t.Context(), r, q, g, outs...)
	return err
}
