package preload_test

import (
	"cmp"
	"fmt"
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

// TestRecursionsOfAStatement asks the server how often it ran a recursion: once
// for all parents of a load, and once for a condition, but for each row for a
// number.
func TestRecursionsOfAStatement(t *testing.T) {
	var sent *testdb.Counter
	pool := testdb.Pool(t, forestSchema, testdb.Configure(func(cfg *pgxpool.Config) { sent = testdb.CountStatements(cfg) }))
	ctx := t.Context()
	all := check.Value(repo.New(pool, nodes).Find(ctx, query.All[knot]().WithDeleted()))(t)
	recursions := 0
	db := explaining{DB: pool, loops: func(step string, n int) {
		if step == "Recursive Union" {
			recursions += n
		}
	}}
	r := repo.New(db, nodes)
	ancestors := preload.Recursive(nodeParent, 40)
	for name, want := range map[string]struct {
		least, most int
		run         func() error
	}{
		"load":    {1, 1, func() error { _, err := ancestors.Where(nodeWeight.Gt(2)).Load(ctx, db, all); return err }},
		"has":     {1, 1, func() error { _, err := r.Find(ctx, query.Where(ancestors.Has(nodeWeight.Eq(3)))); return err }},
		"has not": {1, 1, func() error { _, err := r.Find(ctx, query.Where(ancestors.HasNot(nodeWeight.Eq(3)))); return err }},
		"count":   {30, len(all), func() error { _, err := r.Find(ctx, query.Where(ancestors.Count().Gt(3))); return err }},
	} {
		recursions = 0
		check.NoError(t, want.run())
		if recursions < want.least || recursions > want.most {
			t.Errorf("%s: %d recursions, want %d to %d", name, recursions, want.least, want.most)
		}
	}
	sent.Reset()
	check.Value(ancestors.Load(ctx, pool, all))(t)
	check.Same(t, "statements", sent.Len(), 1)
}

// TestRecursiveConditions puts recursive relations into conditions of others, into
// conditions on the way, and into writes.
func TestRecursiveConditions(t *testing.T) {
	f, ctx := newForest(t), t.Context()
	r := repo.New(f.pool, nodes)
	ids := func(q query.Query[knot]) (ids []int64) {
		for _, n := range check.Value(r.Find(ctx, q.OrderBy(nodeID.Asc())))(t) {
			ids = append(ids, n.ID)
		}
		return ids
	}
	alive := func(n *knot) bool { return n.DeletedAt == nil }
	among := func(of func(n *knot) bool) (ids []int64) {
		for i := range f.all {
			if n := &f.all[i]; alive(n) && of(n) {
				ids = append(ids, n.ID)
			}
		}
		return ids
	}
	leads := func(n *knot, steps string, onTheWay, to func(*knot) bool) bool {
		for id := range f.reached(n.ID, f.steps[steps], 30, func(n *knot) bool { return alive(n) && onTheWay(n) }) {
			if to(f.by[id]) {
				return true
			}
		}
		return false
	}
	any := func(*knot) bool { return true }
	heavy := func(n *knot) bool { return n.Weight == 6 }
	ancestors, descendants := preload.Recursive(nodeParent, 30), preload.Recursive(nodeChildren, 30)

	leaf := preload.Recursive(nodeTargets, 30).Has(nodeKind.Eq("leaf"))
	toLeaf := func(n *knot) bool { return leads(n, "targets", any, func(n *knot) bool { return n.Kind == "leaf" }) }
	check.Equal(t, "a condition of a condition", ids(query.Where(ancestors.Has(leaf))),
		among(func(n *knot) bool { return leads(n, "parent", any, toLeaf) }))
	above := preload.Recursive(nodeChildren.Where(leaf, query.Raw[knot]("weight < $1", 6)), 30)
	check.Equal(t, "a condition on the way", ids(query.Where(above.Has(nodeWeight.Eq(3)))), among(func(n *knot) bool {
		return leads(n, "children", func(n *knot) bool { return toLeaf(n) && n.Weight < 6 }, func(n *knot) bool { return n.Weight == 3 })
	}))
	for i, of := range check.Value(above.Load(ctx, f.pool, f.all))(t) {
		for _, n := range of {
			if !toLeaf(&n) || n.Weight >= 6 {
				t.Errorf("node %d, below %d, does not fit the condition on the way", n.ID, f.all[i].ID)
			}
		}
	}
	never := preload.Recursive(nodeParent.Where(query.Or[knot]()), 3)
	check.Same(t, "no row on the way", len(ids(query.Where(never.Has()))), 0)
	check.Same(t, "no row on the way", len(check.Value(never.Load(ctx, f.pool, f.all[:1]))(t)[0]), 0)
	check.Equal(t, "either", ids(query.Where(query.Or(ancestors.Has(nodeWeight.Eq(6)), descendants.Has(nodeWeight.Eq(6))))),
		among(func(n *knot) bool { return leads(n, "parent", any, heavy) || leads(n, "children", any, heavy) }))
	check.Equal(t, "value", ids(query.Where(preload.Aggregate(descendants, query.Max(nodeWeight)).Eq(6))),
		among(func(n *knot) bool { return leads(n, "children", any, heavy) }))

	var top int64
	var below []int64
	for _, n := range f.all {
		if ids := among(func(b *knot) bool { return leads(b, "parent", any, func(a *knot) bool { return a.ID == n.ID }) }); len(ids) > len(below) {
			top, below = n.ID, ids
		}
	}
	if len(below) < 5 {
		t.Fatalf("%d nodes below %d", len(below), top)
	}
	check.Same(t, "updated", check.Value(r.UpdateWhere(ctx, query.Where(ancestors.Has(nodeID.Eq(top))), nodeKind.Set("moved")))(t), int64(len(below)))
	check.Equal(t, "updated", ids(query.Where(nodeKind.Eq("moved"))), below)
	check.Same(t, "deleted", check.Value(r.DeleteWhere(ctx, query.Where(ancestors.Has(nodeID.Eq(top)))))(t), int64(len(below)))
	check.Same(t, "left", len(ids(query.Where(nodeKind.Eq("moved")))), 0)
}

// TestRecursiveLoads nests loads, loads into views, and asks to have rows joined.
func TestRecursiveLoads(t *testing.T) {
	f, ctx := newForest(t), t.Context()
	type below struct {
		knot
		Origins []knot
	}
	type above struct {
		knot
		Below   []below
		Nearest preload.Ref[knot]
		N       int64
		Any     bool
	}
	descendants := preload.Recursive(nodeChildren, 9).OrderBy(nodeWeight.Desc(), nodeID.Asc()).Limit(3)
	for _, joined := range []bool{false, true} {
		origins, nearest := nodeOrigins, preload.Recursive(nodeParent, 9).Where(nodeKind.Eq("leaf"))
		if joined {
			descendants, origins, nearest = descendants.Joined(), origins.Joined(), nearest.Joined()
		}
		loads := []preload.Load[above]{
			preload.Many(descendants, func(a *above) *[]below { return &a.Below }, preload.Many(origins, func(b *below) *[]knot { return &b.Origins })),
			preload.Maybe(nearest.First(), func(a *above) *preload.Ref[knot] { return &a.Nearest }),
			preload.Count(nearest, func(a *above) *int64 { return &a.N }),
			preload.Exists(nearest, func(a *above) *bool { return &a.Any }),
		}
		views := repo.View(repo.New(f.pool, nodes), func(a *above) *knot { return &a.knot })
		for _, a := range check.Value(views.Find(ctx, query.Where(nodeID.Le(22)), loads...))(t) {
			name := fmt.Sprintf("node %d, joined %v", a.ID, joined)
			at := f.reached(a.ID, f.steps["children"], 9, func(n *knot) bool { return n.DeletedAt == nil })
			check.Same(t, name+": below", len(a.Below), min(3, len(at)))
			for _, b := range a.Below {
				if _, ok := at[b.ID]; !ok {
					t.Errorf("%s: %d is not below it", name, b.ID)
				}
				var want, got []int64
				for _, id := range f.steps["origins"][b.ID] {
					if f.by[id].DeletedAt == nil {
						want = append(want, id)
					}
				}
				for _, o := range b.Origins {
					got = append(got, o.ID)
				}
				slices.Sort(want)
				check.Equal(t, name+": origins", got, want)
			}
			up := f.reached(a.ID, f.steps["parent"], 9, func(n *knot) bool { return n.DeletedAt == nil })
			first, n := int64(0), int64(0)
			for id, d := range up {
				if f.by[id].Kind != "leaf" {
					continue
				}
				if n++; first == 0 || d < up[first] {
					first = id
				}
			}
			check.Same(t, name+": number", a.N, n)
			check.Same(t, name+": any", a.Any, n > 0)
			got := int64(0)
			if p, _ := a.Nearest.Get(); p != nil {
				got = p.ID
			}
			check.Same(t, name+": nearest", got, first)
		}
	}
}

// TestRecursiveKeys follows relations by keys of text, citext, varchar and char, and by composite ones.
func TestRecursiveKeys(t *testing.T) {
	l, ctx := newLibrary(t), t.Context()
	codes := func(rows [][]author) string {
		var b strings.Builder
		for _, of := range rows {
			for _, a := range of {
				b.WriteString(a.Code + " ")
			}
			b.WriteString("; ")
		}
		return b.String()
	}
	parents := []author{{Code: "no", Mentor: new("we")}, {Code: "le"}, {Code: "we", Mentor: new("le")}}
	check.Same(t, "mentors", codes(check.Value(preload.Recursive(authorMentor, 5).Load(ctx, l.pool, parents))(t)), "we le ; ; le ; ")
	check.Same(t, "pupils", codes(check.Value(preload.Recursive(authorPupils, 5).Load(ctx, l.pool, parents))(t)), "; we no ; no ; ")

	for name, columns := range map[string]string{
		"citext":    "code citext COLLATE \"C\" PRIMARY KEY, mentor citext",
		"varchar":   "code varchar(9) COLLATE \"C\" PRIMARY KEY, mentor text",
		"padded":    "code char(4) PRIMARY KEY, mentor char(6)",
		"collation": "code text COLLATE \"und-x-icu\" PRIMARY KEY, mentor varchar COLLATE \"und-x-icu\"",
	} {
		pool := testdb.Pool(t, testdb.SQL("recursive "+name, "CREATE EXTENSION IF NOT EXISTS citext; CREATE TABLE authors ("+columns+", name text NOT NULL DEFAULT '')"))
		_, err := pool.Exec(ctx, "INSERT INTO authors VALUES ('le', NULL), ('we', 'le'), ('no', 'we')")
		check.NoError(t, err)
		got := codes(check.Value(preload.Recursive(authorMentor, 5).Load(ctx, pool, parents))(t))
		check.Same(t, name, strings.Join(strings.Fields(got), " "), "we le ; ; le ;")
		found := check.Value(repo.New(pool, authors).Find(ctx, query.Where(preload.Recursive(authorPupils, 5).Has(query.Raw[author]("code = 'no'")))))(t)
		check.Same(t, name+": has", len(found), 2)
	}
}

type (
	place struct {
		Tenant int64
		No     int32
		Within *int32
	}
	placeKey struct {
		Tenant int64
		No     int32
	}
)

// TestRecursiveCompositeKeys follows a relation within each tenant, who have rows
// with the same numbers.
func TestRecursiveCompositeKeys(t *testing.T) {
	places := query.NewCompositeTable("places", query.Key[place, placeKey]{
		query.Part(func(p *place) *int64 { return &p.Tenant }, func(k *placeKey) *int64 { return &k.Tenant }),
		query.Part(func(p *place) *int32 { return &p.No }, func(k *placeKey) *int32 { return &k.No }),
	})
	within := query.Key[place, placeKey]{
		query.NullPart(func(p *place) **int32 { return &p.Within }, func(k *placeKey) *int32 { return &k.No }),
		query.Part(func(p *place) *int64 { return &p.Tenant }, func(k *placeKey) *int64 { return &k.Tenant }),
	}
	around := preload.Recursive(preload.BelongsTo(places, places, within), 9)
	inside := preload.Recursive(preload.HasMany(places, places, within), 9)
	pool, ctx := testdb.Pool(t, testdb.SQL("places", `
		CREATE TABLE places (tenant bigint, no integer, within integer, PRIMARY KEY (tenant, no), FOREIGN KEY (tenant, within) REFERENCES places);
		INSERT INTO places VALUES (1, 1, NULL), (1, 2, 1), (1, 3, 2), (2, 1, NULL), (2, 2, 1), (2, 3, 1), (2, 4, 3);`)), t.Context()
	r := repo.New(pool, places)
	all := check.Value(r.Find(ctx, query.All[place]()))(t)
	var got []string
	for i, of := range check.Value(around.Load(ctx, pool, all))(t) {
		line := fmt.Sprintf("%d.%d:", all[i].Tenant, all[i].No)
		for _, p := range of {
			line += fmt.Sprintf(" %d.%d", p.Tenant, p.No)
		}
		got = append(got, line)
	}
	check.Equal(t, "around", got, []string{"1.1:", "1.2: 1.1", "1.3: 1.2 1.1", "2.1:", "2.2: 2.1", "2.3: 2.1", "2.4: 2.3 2.1"})
	check.Equal(t, "inside", check.Value(inside.LoadCounts(ctx, pool, all))(t), []int64{2, 1, 0, 3, 0, 1, 0})
	n := check.Value(r.Count(ctx, query.Where(around.Has(query.Raw[place]("tenant = 2 AND no = 1")))))(t)
	check.Same(t, "has", n, 3)
	check.Same(t, "number", check.Value(r.Count(ctx, query.Where(inside.Count().Eq(1))))(t), 2)
}

// TestRecursiveDeclarations refuses what no recursion could mean.
func TestRecursiveDeclarations(t *testing.T) {
	for name, x := range map[string]struct {
		declare func()
		want    string
	}{
		"no relation": {func() { preload.Recursive[knot](nil, 3) }, "zero value"},
		"zero value":  {func() { preload.Recursive(preload.ToOne[knot, knot]{}, 3) }, "zero value"},
		"a limit":     {func() { preload.Recursive(nodeChildren.Limit(2), 3) }, "has a limit"},
		"the first":   {func() { preload.Recursive(nodeChildren.First(), 3) }, "has a limit"},
		"no depth":    {func() { preload.Recursive(nodeChildren, 0) }, "depth is 0, must be from 1 to 1000"},
		"too deep":    {func() { preload.Recursive(nodeChildren, 1_001) }, "depth is 1001, must be from 1 to 1000"},
		"two tables": {func() {
			old := query.NewTable("old nodes", func(n *knot) *int64 { return &n.ID })
			preload.Recursive(preload.BelongsTo(nodes, old, func(n *knot) **int64 { return &n.Parent }), 3)
		}, "leads from table no$1 des? to table old nodes"},
		"twice": {func() { preload.Recursive(preload.Recursive(nodeChildren, 2), 3) }, "recursive already"},
	} {
		func() {
			defer func() {
				if got := fmt.Sprint(recover()); !strings.Contains(got, x.want) {
					t.Errorf("%s: panic %q, want %q", name, got, x.want)
				}
			}()
			x.declare()
		}()
	}
	check.Same(t, "as deep as allowed", fmt.Sprintf("%T", preload.Recursive(nodeParent, 1_000)), "preload.ToMany[github.com/smrt-go/smrt/preload_test.knot,github.com/smrt-go/smrt/preload_test.knot]")
}

// TestRecursiveChain follows a chain to its end, and as far as the depth allows.
func TestRecursiveChain(t *testing.T) {
	pool, ctx := testdb.Pool(t, testdb.SQL("chain", `CREATE TABLE "no$1 des?" (
		id bigint PRIMARY KEY, "parent ?" bigint, kind text NOT NULL DEFAULT '', weight integer NOT NULL DEFAULT 1, deleted_at timestamptz);
		INSERT INTO "no$1 des?" SELECT i, i - 1 FROM generate_series(1, 1000) AS i;
		CREATE INDEX ON "no$1 des?" ("parent ?")`)), t.Context()
	last := []knot{{ID: 1000, Parent: new(int64(999))}}
	for depth, want := range map[int]int64{1000: 999, 123: 123} {
		check.Same(t, "rows", check.Value(preload.Recursive(nodeParent, depth).LoadCounts(ctx, pool, last))(t)[0], want)
		rows := check.Value(preload.Recursive(nodeParent, depth).Load(ctx, pool, last))(t)[0]
		check.Same(t, "the last one", rows[len(rows)-1].ID, 1000-want)
		n := check.Value(repo.New(pool, nodes).Count(ctx, query.Where(preload.Recursive(nodeParent, depth).Has(nodeID.Eq(1)))))(t)
		check.Same(t, "below the first", n, want)
	}
}

// TestRecursiveOrder brings rows that were reached in equally many steps in the
// order of the relation that is followed, unless there is another.
func TestRecursiveOrder(t *testing.T) {
	f, ctx := newForest(t), t.Context()
	last := nodeChildren.OrderBy(query.SQL[int64]("-$1", nodeID).Asc())
	for _, of := range check.Value(preload.Recursive(last, 9).Load(ctx, f.pool, f.all[:1]))(t) {
		steps := f.reached(f.all[0].ID, f.steps["children"], 9, func(n *knot) bool { return n.DeletedAt == nil })
		if !slices.IsSortedFunc(of, func(a, b knot) int { return cmp.Or(steps[a.ID]-steps[b.ID], int(b.ID-a.ID)) }) {
			t.Errorf("rows below %d: %+v", f.all[0].ID, of)
		}
	}
	var zero query.Order[knot]
	for name, r := range map[string]preload.ToMany[knot, knot]{
		"recursive": preload.Recursive(nodeChildren, 2).OrderBy(zero), "followed": preload.Recursive(nodeChildren.OrderBy(zero), 2),
		"limited": nodeChildren.Limit(1).OrderBy(zero), "through a table": nodeTargets.OrderBy(zero), "plain": nodeChildren.OrderBy(zero),
	} {
		_, err := r.Load(ctx, f.pool, f.all)
		check.Error(t, name+": zero order", err, smrt.ErrBadQuery)
	}
}

// TestRecursiveDeleted reaches deleted rows, and rows behind them, if either
// relation includes them.
func TestRecursiveDeleted(t *testing.T) {
	f, ctx := newForest(t), t.Context()
	for name, r := range map[string]preload.ToMany[knot, knot]{
		"followed": preload.Recursive(nodeChildren.WithDeleted(), 9), "recursive": preload.Recursive(nodeChildren, 9).WithDeleted(),
	} {
		for i, n := range check.Value(r.LoadCounts(ctx, f.pool, f.all))(t) {
			want := f.reached(f.all[i].ID, f.steps["children"], 9, func(*knot) bool { return true })
			check.Same(t, fmt.Sprintf("%s: below %d", name, f.all[i].ID), n, int64(len(want)))
		}
	}
}

// TestAnyRowOfARecursion asks whether a relation leads anywhere, which its first
// step shows.
func TestAnyRowOfARecursion(t *testing.T) {
	var sent *testdb.Counter
	pool := testdb.Pool(t, forestSchema, testdb.Configure(func(cfg *pgxpool.Config) { sent = testdb.CountStatements(cfg) }))
	ctx := t.Context()
	r, up := repo.New(pool, nodes), preload.Recursive(nodeParent, 1000)
	sent.Reset()
	n := check.Value(r.Count(ctx, query.Where(up.Has())))(t)
	check.Same(t, "has", n, check.Value(r.Count(ctx, query.Where(nodeParent.Has())))(t))
	all := check.Value(r.Find(ctx, query.All[knot]()))(t)
	there := check.Value(up.LoadExists(ctx, pool, all))(t)
	check.Same(t, "exists", int64(len(slices.DeleteFunc(there, func(any bool) bool { return !any }))), n)
	for _, sql := range sent.Statements() {
		check.Same(t, "a recursion in "+sql, strings.Contains(sql, "RECURSIVE"), false)
	}
}

// TestRecursiveGroups groups by what a recursion gives, with arguments on the way
// that stand twice in its text.
func TestRecursiveGroups(t *testing.T) {
	f, ctx := newForest(t), t.Context()
	below := query.By(preload.Recursive(nodeChildren.Where(nodeWeight.Ge(1)), 30).Count())
	type size struct {
		Below, Nodes int64
	}
	got := check.Value(repo.GroupBy(ctx, repo.New(f.pool, nodes), query.All[knot](), query.Where(below.Ge(2)).OrderBy(below.Asc()),
		query.Into(below, func(s *size) *int64 { return &s.Below }), query.Into(query.Count[knot](), func(s *size) *int64 { return &s.Nodes })))(t)
	want := map[int64]int64{}
	for i := range f.all {
		if n := &f.all[i]; n.DeletedAt == nil {
			at := f.reached(n.ID, f.steps["children"], 30, func(n *knot) bool { return n.DeletedAt == nil && n.Weight >= 1 })
			want[int64(len(at))]++
		}
	}
	delete(want, 0)
	delete(want, 1)
	check.Same(t, "groups", len(got), len(want))
	for _, s := range got {
		check.Same(t, fmt.Sprintf("nodes with %d below", s.Below), s.Nodes, want[s.Below])
	}
}
