package preload_test

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/preload"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// Nodes are in trees, in a ring of three with a tail, or their own parent. Links
// join them too: mostly many ways lead from one to another, and one leads back.
// Foreign keys have other types than keys, and names that need quotes.
var forestSchema = testdb.SQL("forest", `
	CREATE TABLE "no$1 des?" (
		id bigint PRIMARY KEY, "parent ?" integer, kind text NOT NULL, weight integer NOT NULL, deleted_at timestamptz);
	CREATE TABLE links (origin bigint, target integer, kind text NOT NULL, deleted_at timestamptz, PRIMARY KEY (origin, target));
	INSERT INTO "no$1 des?" SELECT i, CASE WHEN i % 20 > 1 THEN i - 1 - (i % 5) / 2 END, CASE WHEN i % 4 = 0 THEN 'leaf' ELSE 'branch' END, i % 7 FROM generate_series(1, 60) AS i;
	INSERT INTO "no$1 des?" VALUES (101, 103, 'branch', 1), (102, 101, 'branch', 2), (103, 102, 'leaf', 3), (104, 103, 'leaf', 4), (105, 105, 'branch', 5);
	UPDATE "no$1 des?" SET deleted_at = now() WHERE id IN (13, 25, 47, 102);
	INSERT INTO links SELECT a, b, 'x' FROM generate_series(1, 14) AS a, generate_series(1, 14) AS b WHERE b > a AND (b - a) % 3 < 2;
	INSERT INTO links VALUES (13, 5, 'back');
	UPDATE links SET deleted_at = now() WHERE origin % 4 = 0 AND target % 2 = 0;`)

type (
	knot struct {
		ID        int64
		Parent    *int64 `db:"parent ?"`
		Kind      string
		Weight    int32
		DeletedAt *time.Time
	}
	link struct {
		Origin, Target int64
		Kind           string
		DeletedAt      *time.Time
	}
	linkKey struct{ Origin, Target int64 }
)

var (
	nodes = query.NewTable("no$1 des?", func(n *knot) *int64 { return &n.ID }, query.KeyByClient[knot](),
		query.SoftDelete(func(n *knot) **time.Time { return &n.DeletedAt }))
	nodeLinks = query.NewCompositeTable("links", query.Key[link, linkKey]{
		query.Part(func(l *link) *int64 { return &l.Origin }, func(k *linkKey) *int64 { return &k.Origin }),
		query.Part(func(l *link) *int64 { return &l.Target }, func(k *linkKey) *int64 { return &k.Target }),
	}, query.SoftDelete(func(l *link) **time.Time { return &l.DeletedAt }))

	nodeID     = query.Col(func(n *knot) *int64 { return &n.ID })
	nodeKind   = query.TextCol(func(n *knot) *string { return &n.Kind })
	nodeWeight = query.Col(func(n *knot) *int32 { return &n.Weight })

	nodeParent   = preload.BelongsTo(nodes, nodes, func(n *knot) **int64 { return &n.Parent })
	nodeChildren = preload.HasMany(nodes, nodes, func(n *knot) **int64 { return &n.Parent })
	nodeTargets  = preload.ManyToMany(nodes, nodeLinks, nodes, func(l *link) *int64 { return &l.Origin }, func(l *link) *int64 { return &l.Target })
	nodeOrigins  = preload.ManyToMany(nodes, nodeLinks, nodes, func(l *link) *int64 { return &l.Target }, func(l *link) *int64 { return &l.Origin })
)

// forest is the nodes, and which of them a step of a relation leads to.
type forest struct {
	pool  *pgxpool.Pool
	all   []knot
	by    map[int64]*knot
	steps map[string]map[int64][]int64
}

func newForest(t *testing.T) *forest {
	f := &forest{pool: testdb.Pool(t, forestSchema), by: map[int64]*knot{}, steps: map[string]map[int64][]int64{}}
	f.all = check.Value(repo.New(f.pool, nodes).Find(t.Context(), query.All[knot]().WithDeleted().OrderBy(nodeID.Asc())))(t)
	for i := range f.all {
		f.by[f.all[i].ID] = &f.all[i]
	}
	for name, sql := range map[string]string{
		"parent":   `SELECT id, "parent ?" FROM "no$1 des?" WHERE "parent ?" IS NOT NULL`,
		"children": `SELECT "parent ?", id FROM "no$1 des?" WHERE "parent ?" IS NOT NULL`,
		"targets":  `SELECT origin, target FROM links WHERE deleted_at IS NULL`,
		"origins":  `SELECT target, origin FROM links WHERE deleted_at IS NULL`,
	} {
		f.steps[name] = map[int64][]int64{}
		rows := check.Value(f.pool.Query(t.Context(), sql))(t)
		type pair struct{ From, To int64 }
		for _, p := range check.Value(pgx.CollectRows(rows, pgx.RowToStructByPos[pair]))(t) {
			f.steps[name][p.From] = append(f.steps[name][p.From], p.To)
		}
	}
	return f
}

// reached returns the nodes that are reached from one, and in how many steps.
func (f *forest) reached(from int64, steps map[int64][]int64, depth int, onTheWay func(*knot) bool) map[int64]int {
	found, edge := map[int64]int{}, []int64{from}
	for d := 1; d <= depth && len(edge) > 0; d++ {
		var next []int64
		for _, id := range edge {
			for _, to := range steps[id] {
				if _, ok := found[to]; !ok && f.by[to] != nil && onTheWay(f.by[to]) {
					found[to] = d
					next = append(next, to)
				}
			}
		}
		edge = next
	}
	return found
}

// walk is a recursive relation, and what it means.
type walk struct {
	name     string
	step     preload.SelfRelation[knot]
	steps    map[int64][]int64
	onTheWay func(*knot) bool
}

// walks are the relations of a forest, each with all rows, with those of one kind,
// and with deleted ones.
func (f *forest) walks() (all []walk) {
	alive := func(n *knot) bool { return n.DeletedAt == nil }
	branch := func(n *knot) bool { return n.DeletedAt == nil && n.Kind == "branch" }
	whole := func(*knot) bool { return true }
	add := func(name string, onTheWay func(*knot) bool, step preload.SelfRelation[knot]) {
		key, _, _ := strings.Cut(name, " ")
		all = append(all, walk{name, step, f.steps[key], onTheWay})
	}
	add("parent", alive, nodeParent)
	add("parent branch", branch, nodeParent.Where(nodeKind.Eq("branch")))
	add("parent deleted", whole, nodeParent.WithDeleted())
	for name, r := range map[string]preload.ToMany[knot, knot]{"children": nodeChildren, "targets": nodeTargets, "origins": nodeOrigins} {
		add(name, alive, r)
		add(name+" branch", branch, r.Where(query.Raw[knot]("kind = $1", "branch")))
		add(name+" deleted", whole, r.WithDeleted())
	}
	return all
}

// TestRecursive compares what recursive relations lead to with a search in Go.
func TestRecursive(t *testing.T) {
	f, ctx := newForest(t), t.Context()
	random := check.Random(t)
	r := repo.New(f.pool, nodes)
	for _, w := range f.walks() {
		for _, depth := range []int{1, 2, 3, 40} {
			least := random.Int32N(5)
			found := preload.Recursive(w.step, depth)
			heavy := found.Where(nodeWeight.Ge(least))
			byWeight := heavy.OrderBy(query.SQL[int32]("-$1", nodeWeight).Asc(), nodeID.Desc())
			name := fmt.Sprintf("%s, %d steps, weight %d", w.name, depth, least)

			var near, heaviest, first []string
			var counts []int64
			var leads []int64
			for _, n := range f.all {
				at := f.reached(n.ID, w.steps, depth, w.onTheWay)
				ids := slices.SortedFunc(maps.Keys(at), func(a, b int64) int { return cmp.Or(at[a]-at[b], int(a-b)) })
				ids = slices.DeleteFunc(ids, func(id int64) bool { return f.by[id].Weight < least })
				near = append(near, fmt.Sprint(ids))
				first = append(first, fmt.Sprint(ids[:min(1, len(ids))]))
				slices.SortFunc(ids, func(a, b int64) int { return cmp.Or(int(f.by[b].Weight-f.by[a].Weight), int(b-a)) })
				heaviest = append(heaviest, fmt.Sprint(ids[:min(2, len(ids))]))
				counts = append(counts, int64(len(ids)))
				if len(ids) > 0 {
					leads = append(leads, n.ID)
				}
			}
			ids := func(rows [][]knot) (all []string) {
				for _, of := range rows {
					list := []int64{}
					for _, n := range of {
						list = append(list, n.ID)
					}
					all = append(all, fmt.Sprint(list))
				}
				return all
			}
			check.Equal(t, name, ids(check.Value(heavy.Load(ctx, f.pool, f.all))(t)), near)
			check.Equal(t, name+": heaviest two", ids(check.Value(byWeight.Limit(2).Load(ctx, f.pool, f.all))(t)), heaviest)
			check.Equal(t, name+": limit 1", ids(check.Value(heavy.Limit(1).Load(ctx, f.pool, f.all))(t)), first)
			check.Equal(t, name+": counts", check.Value(heavy.LoadCounts(ctx, f.pool, f.all))(t), counts)
			for i, n := range check.Value(heavy.First().Load(ctx, f.pool, f.all))(t) {
				if got := firstOf(n); got != first[i] {
					t.Errorf("%s: first of node %d is %s, want %s", name, f.all[i].ID, got, first[i])
				}
			}
			for i, any := range check.Value(heavy.LoadExists(ctx, f.pool, f.all))(t) {
				check.Same(t, name+": any", any, counts[i] > 0)
			}

			keys := func(p query.Predicate[knot]) (ids []int64) {
				for _, n := range check.Value(r.Find(ctx, query.Where(p).WithDeleted().OrderBy(nodeID.Asc())))(t) {
					ids = append(ids, n.ID)
				}
				return ids
			}
			check.Equal(t, name+": has", keys(found.Has(nodeWeight.Ge(least))), leads)
			check.Equal(t, name+": has, from the relation", keys(heavy.Has()), leads)
			check.Same(t, name+": has not", len(keys(heavy.HasNot())), len(f.all)-len(leads))
			check.Equal(t, name+": count", keys(found.Count(nodeWeight.Ge(least)).Gt(0)), leads)
		}
	}
}

func firstOf(n *knot) string {
	if n == nil {
		return "[]"
	}
	return fmt.Sprint([]int64{n.ID})
}
