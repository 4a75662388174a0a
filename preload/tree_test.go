package preload_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/preload"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// A tree is a random choice of relations to load below the rows of a table,
// each with a random condition, order, limit and strategy. What the library
// loads is written as a text, and so is the answer of one plain SQL statement
// with a subquery for each row; both must be the same.

// entity is a table with what can be loaded of it.
type entity struct {
	name, key string // of the table, and of its key's column
	alive     string // condition that its rows are not soft-deleted, with % for the alias
	edges     []*edge
	roots     int // keys go from 1 to roots
	find      func(ctx context.Context, db smrt.DB, keys []int64, loads []any) ([]any, error)
	id        func(row any) int64
}

// edge is a relation of an entity.
type edge struct {
	name    string
	to      *entity
	many    bool   // else at most one
	alone   bool   // never loaded with its parents
	most    int    // rows for each parent that the relation is declared with; 0: all
	number  string // count or exists, in place of rows
	from    string // SQL: FROM and WHERE, with p for the parent and c for the child
	filters []string
	orders  []string
	load    func(o options, nested []any) any
	rows    func(parent any) []any
	value   func(parent any) string // of a number
	keyed   func(parent any) bool   // whether the parent has a key to look for
}

type options struct {
	filter, order int // from 1; 0: none
	limit         int // from 1; 0: none
	joined        bool
}

// node is an edge in a tree.
type node struct {
	*edge
	options
	kids []*node
}

// choice is a condition or order twice: typed, and in SQL.
type choice[V any] struct {
	typed V
	sql   string
}

// texts are the SQL sides of choices.
func texts[V any](cs []choice[V]) []string {
	out := make([]string, len(cs))
	for i, c := range cs {
		out[i] = c.sql
	}
	return out
}

// typedLoads gives loads their type back.
func typedLoads[V any](loads []any) []preload.Load[V] {
	out := make([]preload.Load[V], len(loads))
	for i, l := range loads {
		out[i] = l.(preload.Load[V])
	}
	return out
}

func pointers[V any](vs []V) []any {
	out := make([]any, len(vs))
	for i := range vs {
		out[i] = &vs[i]
	}
	return out
}

// toMany describes a relation to many rows.
func toMany[V, P, C, R any](name string, to *entity, r preload.ToMany[P, C], field func(*V) *[]R, from string,
	filters []choice[query.Predicate[C]], orders []choice[query.Order[C]],
) *edge {
	return &edge{
		name: name, to: to, many: true, from: from, filters: texts(filters), orders: texts(orders),
		load: func(o options, nested []any) any {
			r := r
			if o.filter > 0 {
				r = r.Where(filters[o.filter-1].typed)
			}
			if o.order > 0 {
				r = r.OrderBy(orders[o.order-1].typed, orders[len(orders)-1].typed)
			}
			if o.limit > 0 {
				r = r.Limit(o.limit)
			}
			if o.joined {
				r = r.Joined()
			}
			return preload.Many(r, field, typedLoads[R](nested)...)
		},
		rows:  func(p any) []any { return pointers(*field(p.(*V))) },
		keyed: func(any) bool { return true },
	}
}

// numberOf describes the count, or the existence, of the rows of a relation.
func numberOf[V, P, C any](name string, r preload.ToMany[P, C], count func(*V) *int64, exists func(*V) *bool, from string, filters []choice[query.Predicate[C]]) *edge {
	e := &edge{
		name: name, from: from, number: "count", filters: texts(filters),
		load: func(o options, _ []any) any {
			r := r
			if o.filter > 0 {
				r = r.Where(filters[o.filter-1].typed)
			}
			if o.joined {
				r = r.Joined()
			}
			if count != nil {
				return preload.Count(r, count)
			}
			return preload.Exists(r, exists)
		},
		rows:  func(any) []any { return nil },
		value: func(p any) string { return fmt.Sprint(*count(p.(*V))) },
		keyed: func(any) bool { return true },
	}
	if count == nil {
		e.number = "exists"
		e.value = func(p any) string { return fmt.Sprint(*exists(p.(*V))) }
	}
	return e
}

// toOne describes a relation to at most one row.
func toOne[V, P, C, R any](name string, to *entity, r preload.ToOne[P, C], field func(*V) **R, from string,
	keyed func(*V) bool, filters []choice[query.Predicate[C]],
) *edge {
	return &edge{
		name: name, to: to, from: from, filters: texts(filters),
		load: func(o options, nested []any) any {
			r := r
			if o.filter > 0 {
				r = r.Where(filters[o.filter-1].typed)
			}
			if o.joined {
				r = r.Joined()
			}
			return preload.One(r, field, typedLoads[R](nested)...)
		},
		rows: func(p any) []any {
			if v := *field(p.(*V)); v != nil {
				return []any{v}
			}
			return nil
		},
		keyed: func(p any) bool { return keyed == nil || keyed(p.(*V)) },
	}
}

// finder reads rows of a table by their keys, into views.
func finder[T, V any, K ~int32 | ~int64](table *query.Table[T, K], of func(*V) *T, key query.Column[T, K]) func(context.Context, smrt.DB, []int64, []any) ([]any, error) {
	return func(ctx context.Context, db smrt.DB, keys []int64, loads []any) ([]any, error) {
		ks := make([]K, len(keys))
		for i, k := range keys {
			ks[i] = K(k)
		}
		vs, err := repo.View(repo.New(db, table), of).Find(ctx, query.Where(key.In(ks...)).OrderBy(key.Asc()), typedLoads[V](loads)...)
		return pointers(vs), err
	}
}

// plant makes a random tree below e.
func plant(r *rand.Rand, e *entity, depth int) []*node {
	var out []*node
	for range r.IntN(4) * min(1, len(e.edges)) {
		edge := e.edges[r.IntN(len(e.edges))]
		if slices.ContainsFunc(out, func(n *node) bool { return n.name == edge.name }) {
			continue // a field holds one result
		}
		n := &node{edge: edge}
		if len(edge.filters) > 0 && r.IntN(2) == 0 {
			n.filter = 1 + r.IntN(len(edge.filters))
		}
		if len(edge.orders) > 0 && r.IntN(2) == 0 {
			n.order = 1 + r.IntN(len(edge.orders))
		}
		if edge.many && r.IntN(4) == 0 {
			n.limit = 1 + r.IntN(3)
		}
		n.joined = r.IntN(3) == 0
		if depth > 1 && edge.number == "" {
			n.kids = plant(r, edge.to, depth-1)
		}
		out = append(out, n)
	}
	return out
}

func build(nodes []*node) []any {
	out := make([]any, len(nodes))
	for i, n := range nodes {
		out[i] = n.load(n.options, build(n.kids))
	}
	return out
}

func (n *node) String() string {
	kids := make([]string, len(n.kids))
	for i, k := range n.kids {
		kids[i] = k.String()
	}
	return fmt.Sprintf("%s%+v(%s)", n.name, n.options, strings.Join(kids, " "))
}

// loaded writes what the library loaded.
func loaded(e *entity, row any, nodes []*node) string {
	var b strings.Builder
	fmt.Fprint(&b, e.id(row))
	for _, n := range nodes {
		fmt.Fprintf(&b, " %s(", n.name)
		if n.number != "" {
			b.WriteString(n.value(row))
		}
		for i, kid := range n.rows(row) {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(loaded(n.to, kid, n.kids))
		}
		b.WriteByte(')')
	}
	return b.String()
}

// plain is the SQL expression that writes the same for the row called alias.
func plain(e *entity, alias string, nodes []*node) string {
	terms := []string{alias + "." + e.key + "::text"}
	for _, n := range nodes {
		terms = append(terms, "' "+n.name+"('", n.plain(alias), "')'")
	}
	return strings.Join(terms, " || ")
}

func (n *node) plain(parent string) string {
	child := parent + "c"
	replace := strings.NewReplacer("<p>", parent, "<c>", child, "<j>", child+"j")
	from := replace.Replace(n.from)
	if n.filter > 0 {
		from += " AND " + replace.Replace(n.filters[n.filter-1])
	}
	switch n.number {
	case "count":
		return "(SELECT count(*)::text " + from + ")"
	case "exists":
		return "CASE WHEN EXISTS (SELECT 1 " + from + ") THEN 'true' ELSE 'false' END"
	}
	if n.to.alive != "" {
		from += " AND " + strings.ReplaceAll(n.to.alive, "%", child)
	}
	by := child + "." + n.to.key
	if n.order > 0 {
		by = replace.Replace(n.orders[n.order-1]) + ", " + replace.Replace(n.orders[len(n.orders)-1])
	}
	from += " ORDER BY " + by
	limit := n.limit
	if limit == 0 {
		limit = n.most
	}
	if limit > 0 {
		from += fmt.Sprint(" LIMIT ", limit)
	}
	return "coalesce((SELECT string_agg(t, ',' ORDER BY o) FROM (SELECT t, row_number() OVER () AS o FROM (SELECT " +
		plain(n.to, child, n.kids) + " AS t " + from + ") AS x) AS y), '')"
}

// statements predicts how many statements loading nodes into rows takes.
func statements(rows []any, nodes []*node) int {
	sent := 0
	for _, n := range nodes {
		var kids []any
		keyed := false
		seen := map[any]bool{}
		for _, row := range rows {
			keyed = keyed || n.keyed(row)
			for _, kid := range n.rows(row) {
				if !seen[kid] {
					seen[kid] = true
					kids = append(kids, kid)
				}
			}
		}
		never := n.filter > 0 && n.filters[n.filter-1] == "false" // then there is nothing to ask
		if keyed && (!n.joined || n.alone) && !never {
			sent++
		}
		sent += statements(kids, n.kids)
	}
	return sent
}

// grow compares n random trees.
func grow(t *testing.T, pool *pgxpool.Pool, sent *testdb.Counter, entities []*entity, n int) {
	t.Helper()
	ctx := t.Context()
	r := rand.New(rand.NewPCG(3, 1))
	for i := range n {
		e := entities[r.IntN(len(entities))]
		keys := make([]int64, 1+r.IntN(5))
		for k := range keys {
			keys[k] = 1 + r.Int64N(int64(e.roots))
		}
		tree := plant(r, e, 3)
		sent.Reset()
		rows, err := e.find(ctx, pool, keys, build(tree))
		if err != nil {
			t.Fatalf("tree %d: %s %v %v: %v", i, e.name, keys, tree, err)
		}
		got := make([]string, len(rows))
		for k, row := range rows {
			got[k] = loaded(e, row, tree)
		}
		count := sent.Len()
		where := fmt.Sprintf(" FROM %s AS p WHERE p.%s = ANY($1)", e.name, e.key)
		if e.alive != "" {
			where += " AND " + strings.ReplaceAll(e.alive, "%", "p")
		}
		var want []string
		found, err := pool.Query(ctx, "SELECT "+plain(e, "p", tree)+where+" ORDER BY p."+e.key, keys)
		check.NoError(t, err)
		for found.Next() {
			var line string
			check.NoError(t, found.Scan(&line))
			want = append(want, line)
		}
		check.NoError(t, found.Err())
		if !slices.Equal(got, want) {
			t.Fatalf("tree %d: %s %v %v:\ngot  %q\nwant %q", i, e.name, keys, tree, got, want)
		}
		predicted := 1 + statements(rows, tree)
		if execMode() == "exec" {
			continue // results are texts, so joined loads have statements of their own
		}
		if count < predicted || count > predicted+repeats(rows, tree) {
			t.Fatalf("tree %d: %s %v %v: %d statements, predicted %d:\n%s", i, e.name, keys, tree, count, predicted, strings.Join(sent.Statements(), "\n"))
		}
	}
}

// repeats is how many statements more than predicted a tree may take: rows
// that several parents hold in a slice of their own are copied, and what was
// joined to them is then loaded once more.
func repeats(rows []any, nodes []*node) int {
	n := 0
	for _, k := range nodes {
		var kids []any
		for _, row := range rows {
			kids = append(kids, k.rows(row)...)
		}
		n += repeats(kids, k.kids)
		for _, grandkid := range k.kids {
			if k.many && grandkid.joined && len(rows) > 1 {
				n += 1 + len(grandkid.kids)*3
			}
		}
	}
	return n
}
