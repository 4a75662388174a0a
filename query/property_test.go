package query_test

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/plan"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// dual is a predicate with what it means, as a Go programmer reads it.
type dual struct {
	p    query.Predicate[thing]
	eval func(*thing) bool
}

// randomDual draws a tree of predicates over columns with and without NULLs.
func randomDual(r *rand.Rand, w *world, depth int) dual {
	if depth > 0 && r.IntN(3) > 0 {
		switch r.IntN(3) {
		case 0:
			d := randomDual(r, w, depth-1)
			return dual{query.Not(d.p), func(t *thing) bool { return !d.eval(t) }}
		case 1:
			ps, ds := several(r, w, depth-1)
			return dual{query.And(ps...), func(t *thing) bool {
				return !slices.ContainsFunc(ds, func(d dual) bool { return !d.eval(t) })
			}}
		default:
			ps, ds := several(r, w, depth-1)
			return dual{query.Or(ps...), func(t *thing) bool {
				return slices.ContainsFunc(ds, func(d dual) bool { return d.eval(t) })
			}}
		}
	}
	number := func() int32 { return r.Int32N(4) }
	switch r.IntN(10) {
	case 0:
		return leaf(r, thingInt.Expr, func(t *thing) *int32 { return &t.Int }, func() int32 { return r.Int32N(4) })
	case 1:
		return leaf(r, thingMaybeInt.Expr, func(t *thing) *int32 { return t.MaybeInt }, func() int32 { return r.Int32N(4) })
	case 2:
		return leaf(r, thingNick.Expr, func(t *thing) *string { return t.Nick }, func() string { return randomText(r) })
	case 3:
		return leaf(r, thingSum, func(t *thing) *int32 {
			if t.MaybeInt == nil {
				return nil
			}
			return ptr(t.Int + *t.MaybeInt)
		}, number)
	case 4:
		by := number()
		product := query.SQL[int32]("$2 * coalesce($1, $3) + $2", thingMaybeInt, by, int32(1))
		return leaf(r, product, func(t *thing) *int32 {
			v := int32(1)
			if t.MaybeInt != nil {
				v = *t.MaybeInt
			}
			return ptr(by*v + by)
		}, number)
	case 5:
		return compared(r)
	case 6:
		return tuples(r)
	case 7:
		if depth > 0 {
			return among(r, w, depth-1)
		}
	}
	return search(r)
}

var thingSum = query.SQL[int32]("$1 + $2", thingInt, thingMaybeInt)

// compared draws a comparison of two values of a row.
func compared(r *rand.Rand) dual {
	nilToo := func(test func(a, b int32) bool, null bool) func(*thing) bool {
		return func(t *thing) bool {
			if t.MaybeInt == nil {
				return null
			}
			return test(t.Int, *t.MaybeInt)
		}
	}
	switch r.IntN(7) {
	case 0:
		return dual{query.Compare(thingInt, "=", thingMaybeInt), nilToo(func(a, b int32) bool { return a == b }, false)}
	case 1:
		return dual{query.Compare(thingInt, "<>", thingMaybeInt), nilToo(func(a, b int32) bool { return a != b }, true)}
	case 2:
		return dual{query.Compare(thingInt, "<", thingMaybeInt), nilToo(func(a, b int32) bool { return a < b }, false)}
	case 3:
		return dual{query.Compare(thingInt, ">=", thingMaybeInt), nilToo(func(a, b int32) bool { return a >= b }, false)}
	case 4: // a NULL is not different from a NULL
		return dual{query.Compare(thingMaybeInt, "=", query.SQL[int32]("nullif($1, 0)", thingMaybeInt)), nilToo(func(_, b int32) bool { return b != 0 }, true)}
	case 5:
		return dual{query.Compare(thingSum, ">", thingInt), nilToo(func(_, b int32) bool { return b > 0 }, false)}
	}
	return dual{query.Raw[thing]("$1 % $2 = $3", thingSum, 2, 0), nilToo(func(a, b int32) bool { return (a+b)%2 == 0 }, false)}
}

func several(r *rand.Rand, w *world, depth int) (ps []query.Predicate[thing], ds []dual) {
	for range r.IntN(4) {
		d := randomDual(r, w, depth)
		ps, ds = append(ps, d.p), append(ds, d)
	}
	return ps, ds
}

func randomText(r *rand.Rand) string {
	return []string{"", "a", "b", "A", "%", "_", `\`, "ab", "a%", `"`}[r.IntN(10)]
}

// leaf draws a comparison. In Go a nil is equal to nothing and less than nothing.
func leaf[V cmp.Ordered](r *rand.Rand, c query.Expr[thing, V], get func(*thing) *V, draw func() V) dual {
	v, low, high := draw(), draw(), draw()
	var vs []V
	for range r.IntN(4) {
		vs = append(vs, draw())
	}
	has := func(test func(V) bool) func(*thing) bool {
		return func(t *thing) bool {
			p := get(t)
			return p != nil && test(*p)
		}
	}
	in := has(func(x V) bool { return slices.Contains(vs, x) })
	eq := has(func(x V) bool { return x == v })
	switch r.IntN(11) {
	case 0:
		return dual{c.Eq(v), eq}
	case 1:
		return dual{c.Ne(v), func(t *thing) bool { return !eq(t) }}
	case 2:
		return dual{c.Lt(v), has(func(x V) bool { return x < v })}
	case 3:
		return dual{c.Le(v), has(func(x V) bool { return x <= v })}
	case 4:
		return dual{c.Gt(v), has(func(x V) bool { return x > v })}
	case 5:
		return dual{c.Ge(v), has(func(x V) bool { return x >= v })}
	case 6:
		return dual{c.Between(low, high), has(func(x V) bool { return x >= low && x <= high })}
	case 7:
		return dual{c.In(vs...), in}
	case 8:
		return dual{c.NotIn(vs...), func(t *thing) bool { return !in(t) }}
	case 9:
		return dual{c.IsNull(), func(t *thing) bool { return get(t) == nil }}
	}
	return dual{c.IsNotNull(), func(t *thing) bool { return get(t) != nil }}
}

func search(r *rand.Rand) dual {
	s := randomText(r)
	on := func(test func(string, string) bool) func(*thing) bool {
		return func(t *thing) bool { return t.Nick != nil && test(*t.Nick, s) }
	}
	if r.IntN(3) == 0 {
		return pattern(r, s)
	}
	switch r.IntN(4) {
	case 0:
		return dual{thingNick.HasPrefix(s), on(strings.HasPrefix)}
	case 1:
		return dual{thingNick.HasSuffix(s), on(strings.HasSuffix)}
	case 2:
		return dual{thingNick.ContainsFold(s), on(func(t, s string) bool { return strings.Contains(strings.ToLower(t), strings.ToLower(s)) })}
	}
	return dual{thingNick.Contains(s), on(strings.Contains)}
}

// pattern draws a regular expression, or a comparison by other rules.
func pattern(r *rand.Rand, s string) dual {
	on := func(test func(string) bool) func(*thing) bool {
		return func(t *thing) bool { return t.Nick != nil && test(*t.Nick) }
	}
	expr := []string{"^a", "b$", "[ab%]{2}", "A|_", "^$", "^[^a]*$", ""}[r.IntN(7)]
	collated := query.Collate(query.Collate(thingNick, "POSIX"), "C")
	switch r.IntN(4) {
	case 0:
		return dual{thingNick.Regexp(expr), on(regexp.MustCompile(expr).MatchString)}
	case 1:
		return dual{thingNick.RegexpFold(expr), on(regexp.MustCompile("(?i)" + expr).MatchString)}
	case 2:
		return dual{thingNick.EqFold(s), on(func(t string) bool { return strings.EqualFold(t, s) })}
	}
	return leaf(r, collated, func(t *thing) *string { return t.Nick }, func() string { return randomText(r) })
}

// randomThings fills the table with every mixture of few values.
func randomThings(t *testing.T, pool *pgxpool.Pool, r *rand.Rand) []thing {
	t.Helper()
	if _, err := pool.Exec(t.Context(), `ALTER TABLE things ALTER nick TYPE text COLLATE "C"`); err != nil {
		t.Fatal(err) // Go compares bytes
	}
	all := make([]thing, 60)
	for i := range all {
		all[i] = thing{ID: int64(i + 1), Int: r.Int32N(4), At: moment(1), Local: moment(1), Mood: "good"}
		if r.IntN(3) > 0 {
			all[i].MaybeInt = ptr(r.Int32N(4))
		}
		if r.IntN(3) > 0 {
			all[i].Nick = ptr(randomText(r) + randomText(r))
		}
		if err := repo.New(pool, things).Create(t.Context(), &all[i]); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// TestPredicatesMeanWhatGoMeans compares random predicates with the same ones
// evaluated in Go, and each with its negation.
func TestPredicatesMeanWhatGoMeans(t *testing.T) {
	t.Parallel()
	pool := thingsPool(t)
	r := rand.New(rand.NewPCG(1, 2))
	all := randomThings(t, pool, r)
	w := &world{all, randomLabels(t, pool, r)}
	products := repo.New(pool, things)
	trees := 1000
	switch {
	case check.Long():
		trees = 10_000
	case testing.Short():
		trees = 100
	}
	for i := range trees {
		d := randomDual(r, w, 3)
		want, not := []int64{}, []int64{}
		for j := range all {
			if d.eval(&all[j]) {
				want = append(want, all[j].ID)
			} else {
				not = append(not, all[j].ID)
			}
		}
		q := query.Where(d.p)
		sql := selectSQL(t, q)
		wantIDs(t, sql, find(t, products, q), want...)
		wantIDs(t, "NOT "+sql, find(t, products, query.Where(query.Not(d.p))), not...)
		n, err := products.Count(t.Context(), q)
		if err != nil || n != int64(len(want)) {
			t.Errorf("count %s: %d, %v", sql, n, err)
		}
		if ok, err := products.Exists(t.Context(), q); err != nil || ok != (len(want) > 0) {
			t.Errorf("exists %s: %v, %v", sql, ok, err)
		}
		if t.Failed() {
			t.Fatalf("tree %d", i)
		}
	}
}

// selectSQL is the text of a query on things.
func selectSQL(t testing.TB, q query.Query[thing]) string {
	t.Helper()
	st, err := things.Plan().Build(context.Background(), &plan.Request{Verb: plan.Select, List: "id", Spec: q.Plan()})
	if err != nil {
		t.Fatal(err)
	}
	return st.SQL
}

// vacuous draws a tree of constants only, and tells what it comes to.
func vacuous(r *rand.Rand, depth int) (query.Predicate[thing], bool) {
	if depth == 0 || r.IntN(4) == 0 {
		switch r.IntN(8) {
		case 0:
			return query.And[thing](), true
		case 1:
			return query.Or[thing](), false
		case 2:
			return thingID.NotIn(), true
		case 3:
			return thingMaybeInt.NotIn(), true
		case 4:
			return thingID.In(), false
		case 5:
			return thingName.HasPrefix(""), true
		case 6:
			return thingTags.Overlaps(), false
		}
		return thingName.ContainsFold(""), true
	}
	if r.IntN(3) == 0 {
		p, v := vacuous(r, depth-1)
		return query.Not(p), !v
	}
	all, some := true, false
	var ps []query.Predicate[thing]
	for range 1 + r.IntN(3) {
		p, v := vacuous(r, depth-1)
		ps = append(ps, p)
		all, some = all && v, some || v
	}
	if r.IntN(2) == 0 {
		return query.And(ps...), all
	}
	return query.Or(ps...), some
}

// TestVacuousWrites sends random trees of constants to every write by
// predicate. Those that hold for all rows are refused, those that hold for none
// do nothing; neither sends a statement.
func TestVacuousWrites(t *testing.T) {
	t.Parallel()
	var sent *testdb.Counter
	pool := thingsPool(t, testdb.Configure(func(cfg *pgxpool.Config) { sent = testdb.CountStatements(cfg) }))
	things := fillThings(t, pool)
	r := rand.New(rand.NewPCG(3, 4))
	sent.Reset()
	seen := map[bool]int{}
	n := 500
	if check.Long() {
		n = 100_000
	}
	for range n {
		p, holds := vacuous(r, 4)
		seen[holds]++
		q := query.Where(p).Comment("vacuous")
		// A condition that nothing is known of does not rescue a false one, and a
		// true one beside it is no reason to refuse.
		for name, write := range map[string]func() (int64, error){
			"update":      func() (int64, error) { return things.UpdateWhere(t.Context(), q, thingInt.Set(1)) },
			"delete":      func() (int64, error) { return things.DeleteWhere(t.Context(), q) },
			"hard delete": func() (int64, error) { return things.HardDeleteWhere(t.Context(), q) },
		} {
			n, err := write()
			if holds && !errors.Is(err, smrt.ErrUnboundedWrite) || !holds && err != nil || n != 0 {
				t.Fatalf("%s, which holds: %v: %d, %v", name, holds, n, err)
			}
		}
		if !holds {
			if got := find(t, things, query.Where(p, thingID.Gt(0))); len(got) > 0 {
				t.Fatal(got)
			}
		}
	}
	if sent.Len() > 0 || seen[true] < 50 || seen[false] < 50 {
		t.Errorf("sent %q; drew %v", sent.Statements(), seen)
	}
	if _, err := things.DeleteWhere(t.Context(), query.All[thing]()); !errors.Is(err, smrt.ErrUnboundedWrite) {
		t.Error("delete all:", err)
	}
	if _, err := things.DeleteWhere(t.Context(), query.All[thing]().Where()); !errors.Is(err, smrt.ErrUnboundedWrite) {
		t.Error("delete where nothing:", err)
	}
	if n, err := things.UpdateWhere(t.Context(), query.Where(query.And[thing](), thingID.Eq(1)), thingInt.Set(1)); n != 1 || err != nil {
		t.Error("bounded:", n, err)
	}
	if n, err := things.UpdateWhere(t.Context(), query.All[thing]().Unbounded(), thingInt.Set(1)); n != 4 || err != nil {
		t.Error("unbounded update:", n, err)
	}
	if n, err := things.DeleteWhere(t.Context(), query.Where(thingName.HasPrefix("")).Unbounded()); n != 4 || err != nil {
		t.Error("unbounded delete:", n, err)
	}
}

func TestWritesRefuseClausesOfReads(t *testing.T) {
	t.Parallel()
	things := fillThings(t, thingsPool(t))
	one := query.Where(thingID.Eq(1))
	for name, q := range map[string]query.Query[thing]{
		"limit":        one.Limit(1),
		"offset":       one.Offset(1),
		"order":        one.OrderBy(thingID.Asc()),
		"lock":         one.Lock(query.ForUpdate, query.Block),
		"with deleted": one.WithDeleted(),
		"only deleted": one.OnlyDeleted(),
	} {
		if _, err := things.DeleteWhere(context.Background(), q); !errors.Is(err, smrt.ErrBadQuery) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, sets := range map[string][]query.Assignment[thing]{
		"nothing":  nil,
		"twice":    {thingInt.Set(1), thingInt.Set(2)},
		"computed": {thingSearch.SetNull()},
	} {
		if _, err := things.UpdateWhere(context.Background(), one, sets...); !errors.Is(err, smrt.ErrBadQuery) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
