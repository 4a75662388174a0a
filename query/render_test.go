package query_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/plan"
	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/internal/shop/shopdb"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// rendered is the statement of a request on things.
func rendered(t testing.TB, r plan.Request) plan.Statement {
	t.Helper()
	st, err := things.Plan().Build(context.Background(), &r)
	if err != nil {
		t.Fatal(err)
	}
	return st
}

func TestGoldenSQL(t *testing.T) {
	t.Parallel()
	reads := []struct {
		q    query.Query[thing]
		verb plan.Verb
		want string
		args []any
	}{
		{query.All[thing](), plan.Select, `SELECT id FROM "things" ORDER BY "id"`, []any{}},
		{query.All[thing]().OrderBy(), plan.Select, `SELECT id FROM "things"`, []any{}},
		{query.Where(thingInt.Gt(5)), plan.Select, `SELECT id FROM "things" WHERE "int" > $1 ORDER BY "id"`, []any{int32(5)}},
		{
			query.Where(thingInt.Gt(5), thingName.HasPrefix("a_")).OrderBy(thingBig.Desc().NullsLast(), thingID.Asc()).Limit(20).Offset(40), plan.Select,
			`SELECT id FROM "things" WHERE "int" > $1 AND "name" LIKE $2 ORDER BY "big" DESC NULLS LAST, "id" LIMIT $3 OFFSET $4`,
			[]any{int32(5), `a\_%`, int64(20), int64(40)},
		},
		{query.Where(query.Or(thingInt.Eq(1), thingMaybeInt.IsNull())).OrderBy(), plan.Select, `SELECT id FROM "things" WHERE ("int" = $1 OR "maybe_int" IS NULL)`, []any{int32(1)}},
		{
			query.Where(query.Not(thingInt.Eq(1)), query.Not(thingMaybeInt.Eq(2))).OrderBy(), plan.Select,
			`SELECT id FROM "things" WHERE NOT ("int" = $1) AND ("maybe_int" = $2) IS NOT TRUE`,
			[]any{int32(1), int32(2)},
		},
		{query.Where(thingMaybeInt.Ne(2)).OrderBy(), plan.Select, `SELECT id FROM "things" WHERE "maybe_int" IS DISTINCT FROM $1`, []any{int32(2)}},
		{
			query.Where(query.And(thingName.HasPrefix(""), thingInt.NotIn()), query.Or(thingID.In(), thingID.Eq(1))).OrderBy(), plan.Select,
			`SELECT id FROM "things" WHERE ("id" = $1)`,
			[]any{int64(1)},
		},
		{query.Where(thingID.In()), plan.Select, `SELECT id FROM "things" WHERE false ORDER BY "id"`, []any{}},
		{
			query.Where(query.Raw[thing]("big = $2 OR doc ? $1 OR big = $2 + 1", "k", 3)).OrderBy(), plan.Select,
			`SELECT id FROM "things" WHERE (big = $1 OR doc ? $2 OR big = $3 + 1)`,
			[]any{3, "k", 3},
		},
		{
			query.All[thing]().Lock(query.ForNoKeyUpdate, query.SkipLocked).Limit(1), plan.Select,
			`SELECT id FROM "things" ORDER BY "id" LIMIT $1 FOR NO KEY UPDATE SKIP LOCKED`,
			[]any{int64(1)},
		},
		{
			query.All[thing]().Hint("SeqScan(things)").Comment("why?"), plan.Select,
			`/*+ SeqScan(things) */ /* why? */ SELECT id FROM "things" ORDER BY "id"`,
			[]any{},
		},
		{query.Where(thingInt.Eq(1)), plan.Count, `SELECT count(*) FROM "things" WHERE "int" = $1`, []any{int32(1)}},
		{
			query.Where(thingInt.Eq(1)).Limit(9), plan.Count,
			`SELECT count(*) FROM ( SELECT 1 FROM "things" WHERE "int" = $1 ORDER BY "id" LIMIT $2 ) AS counted`,
			[]any{int32(1), int64(9)},
		},
		{query.Where(thingInt.Eq(1)), plan.Exists, `SELECT EXISTS ( SELECT 1 FROM "things" WHERE "int" = $1 )`, []any{int32(1)}},
		{query.Where(thingInt.Between(1, 2)), plan.Delete, `DELETE FROM "things" WHERE "int" BETWEEN $1 AND $2`, []any{int32(1), int32(2)}},
		{query.All[thing]().Unbounded().Comment("all"), plan.Delete, `/* all */ DELETE FROM "things"`, []any{}},
	}
	for _, c := range reads {
		for range 2 { // first rendered, then from the cache
			list := "id"
			if c.verb == plan.Delete {
				list = "" // nothing comes back
			}
			got := rendered(t, plan.Request{Verb: c.verb, List: list, Spec: c.q.Plan()})
			if got.SQL != c.want || len(got.Args) != len(c.args) || len(c.args) > 0 && !reflect.DeepEqual(got.Args, c.args) {
				t.Errorf("got  %s %v\nwant %s %v", got.SQL, got.Args, c.want, c.args)
			}
		}
	}
	for _, list := range []string{"", "id", ""} { // shapes of their own
		want := strings.TrimSuffix(`DELETE FROM "things" WHERE "int" = $1 RETURNING `+list, " RETURNING ")
		check.Same(t, "delete", rendered(t, plan.Request{Verb: plan.Delete, List: list, Spec: query.Where(thingInt.Eq(1)).Plan()}).SQL, want)
	}
	q := query.Where(thingID.Eq(9))
	got := rendered(t, plan.Request{Verb: plan.Update, Spec: q.Plan(), Sets: []plan.Set{
		thingInt.Set(1).Plan(), query.Add(thingBig, 2).Plan(), thingNick.SetNull().Plan(), thingMood.SetDefault().Plan(),
		thingName.SetExpr("$1 || name || $1", "x").Plan(),
	}})
	const want = `UPDATE "things" SET "int" = $1, "big" = "big" + $2, "nick" = NULL, "mood" = DEFAULT, "name" = $3 || name || $4 WHERE "id" = $5`
	if args := []any{int32(1), int64(2), "x", "x", int64(9)}; got.SQL != want || !reflect.DeepEqual(got.Args, args) {
		t.Errorf("got  %s %v\nwant %s", got.SQL, got.Args, want)
	}
}

// TestEnumsAreNotNull compares an enum as sqlc writes it: it scans itself, but
// has no place for NULL, while its nullable form has.
func TestEnumsAreNotNull(t *testing.T) {
	t.Parallel()
	type customer struct {
		ID   int64
		Tier shopdb.NullCustomerTier `db:"tier"`
	}
	nullable := query.NewTable("customers", func(c *customer) *int64 { return &c.ID })
	tier := query.Col(func(c *customer) *shopdb.NullCustomerTier { return &c.Tier })
	gold := shopdb.NullCustomerTier{CustomerTier: "gold", Valid: true}
	for want, build := range map[string]func() (plan.Statement, error){
		`SELECT id FROM "customers" WHERE "tier" <> $1`: func() (plan.Statement, error) {
			return shop.Customers.Plan().Build(context.Background(), &plan.Request{List: "id", Spec: query.Where(shop.CustomerTierColumn.Ne("gold")).Plan()})
		},
		`SELECT id FROM "customers" WHERE "tier" <> ALL($1)`: func() (plan.Statement, error) {
			return shop.Customers.Plan().Build(context.Background(), &plan.Request{List: "id", Spec: query.Where(shop.CustomerTierColumn.NotIn("gold")).Plan()})
		},
		`SELECT id FROM "customers" WHERE "tier" IS DISTINCT FROM $1`: func() (plan.Statement, error) {
			return nullable.Plan().Build(context.Background(), &plan.Request{List: "id", Spec: query.Where(tier.Ne(gold)).Plan()})
		},
		`SELECT id FROM "customers" WHERE "tier" IS NOT NULL`: func() (plan.Statement, error) {
			return nullable.Plan().Build(context.Background(), &plan.Request{List: "id", Spec: query.Where(tier.Ne(shopdb.NullCustomerTier{})).Plan()})
		},
	} {
		if st, err := build(); err != nil || st.SQL != want {
			t.Errorf("got %s: %v\nwant %s", st.SQL, err, want)
		}
	}
}

// TestQueriesAreValues extends one query in several ways at once, which must
// neither race nor show in the query or in each other.
func TestQueriesAreValues(t *testing.T) {
	t.Parallel()
	base := query.Where(thingInt.Gt(1)).Where(thingBig.Gt(2)).OrderBy(thingID.Asc())
	before := selectSQL(t, base)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 100 {
				q := base.Where(thingSmall.Eq(int16(i))).Limit(j)
				if i%2 == 0 {
					q = base.Where(thingFlag.Eq(true)).OrderBy(thingName.Desc()).Lock(query.ForUpdate, query.NoWait).Comment("x")
				}
				want := `SELECT id FROM "things" WHERE "int" > $1 AND "big" > $2 AND "small" = $3 ORDER BY "id" LIMIT $4`
				if i%2 == 0 {
					want = `/* x */ SELECT id FROM "things" WHERE "int" > $1 AND "big" > $2 AND "flag" = $3 ORDER BY "name" DESC FOR UPDATE NOWAIT`
				}
				st, err := things.Plan().Build(context.Background(), &plan.Request{Verb: plan.Select, List: "id", Spec: q.Plan()})
				if err != nil || st.SQL != want || i%2 == 1 && st.Args[2] != int16(i) {
					t.Errorf("%s %v: %v", st.SQL, st.Args, err)
					return
				}
			}
		})
	}
	wg.Wait()
	if after := selectSQL(t, base); after != before {
		t.Errorf("the base became %s", after)
	}
}

// TestOperandsAreCopied changes what predicates were made of.
func TestOperandsAreCopied(t *testing.T) {
	t.Parallel()
	blob, tags, word, at := []byte("b"), []string{"t"}, "w", time.Unix(1, 0)
	texts, blobs, args := [][]string{{"t"}}, [][]byte{[]byte("b")}, []any{[]byte("b")}
	type row struct {
		ID    int64
		Blobs [][]byte
	}
	blobsOf := query.ArrayCol(func(r *row) *[][]byte { return &r.Blobs })
	rows := query.NewTable("rows", func(r *row) *int64 { return &r.ID })
	specs := map[string]func() plan.Statement{}
	for name, p := range map[string]query.Predicate[thing]{
		"eq":       thingBlob.Eq(blob),
		"ne":       thingTags.Ne(tags),
		"between":  thingBlob.Between(blob, blob),
		"pointer":  query.Col(func(t *thing) **string { return &t.Nick }).Gt(&word),
		"time":     query.Col(func(t *thing) **time.Time { return &t.MaybeAt }).Eq(&at),
		"in":       thingBlob.In(blobs...),
		"in texts": thingTags.In(texts...),
		"raw":      query.Raw[thing]("blob = $1", args...),
	} {
		q := query.Where(p)
		specs[name] = func() plan.Statement { return rendered(t, plan.Request{Verb: plan.Select, List: "id", Spec: q.Plan()}) }
	}
	nested := query.Where(blobsOf.Eq(blobs))
	specs["nested"] = func() plan.Statement {
		st, err := rows.Plan().Build(context.Background(), &plan.Request{Verb: plan.Select, List: "id", Spec: nested.Plan()})
		if err != nil {
			t.Error(err)
		}
		return st
	}
	sets := []plan.Set{thingBlob.Set(blob).Plan(), thingTags.SetExpr("$1", tags).Plan()}
	all := query.All[thing]().Unbounded()
	specs["set"] = func() plan.Statement {
		return rendered(t, plan.Request{Verb: plan.Update, Spec: all.Plan(), Sets: sets})
	}
	before := map[string]string{}
	for name, build := range specs {
		before[name] = spelled(build().Args)
	}
	blob[0], tags[0], word, at = 'x', "x", "x", time.Unix(9, 0)
	texts[0][0], blobs[0][0], args[0].([]byte)[0] = "x", 'x', 'x'
	for name, build := range specs {
		if after := spelled(build().Args); after != before[name] {
			t.Errorf("%s: the arguments were %s and became %s", name, before[name], after)
		}
	}

	r := fillThings(t, thingsPool(t))
	in, tags, args, path := []int64{1, 2}, []string{"fruit"}, []any{1}, []string{"a"}
	ps := []query.Predicate[thing]{thingID.In(in...), thingTags.Has("fruit")}
	q := query.Where(ps...).Where(thingTags.ContainsAll(tags...), query.Raw[thing]("id = $1", args...), thingDoc.PathEq(1, path...))
	in[0], tags[0], args[0], path[0], ps[0] = 9, "x", 9, "x", thingID.Eq(9)
	wantIDs(t, "query", find(t, r, q), 1)
}

// spelled are arguments with what they refer to.
func spelled(args []any) string {
	var b strings.Builder
	for _, v := range args {
		if a, ok := v.(*meta.Array); ok {
			for i := range a.Len() {
				b.WriteString(spelled([]any{a.Index(i)}))
			}
			continue
		}
		if rv := reflect.ValueOf(v); rv.Kind() == reflect.Pointer {
			v = rv.Elem().Interface()
		}
		fmt.Fprintf(&b, "%v;", v)
	}
	return b.String()
}

func TestPlanCache(t *testing.T) {
	table := query.NewTable("things", func(t *thing) *int64 { return &t.ID }, query.PlanCacheSize[thing](3))
	build := func(q query.Query[thing]) string {
		st, err := table.Plan().Build(context.Background(), &plan.Request{Verb: plan.Select, List: "id", Spec: q.Plan()})
		if err != nil {
			t.Error(err)
		}
		return st.SQL
	}
	want := func(hits, misses, evictions uint64, size int) {
		t.Helper()
		got := table.CacheStats()
		if got != (query.CacheStats{Size: size, Capacity: 3, Hits: hits, Misses: misses, Evictions: evictions}) {
			t.Errorf("%+v", got)
		}
	}
	want(0, 0, 0, 0)
	for i := range 10 { // values are not part of a shape, nor is the length of a list
		build(query.Where(thingInt.Eq(int32(i)), thingID.In(make([]int64, i+1)...)).Limit(i))
	}
	want(9, 1, 0, 1)
	build(query.Where(thingInt.Ne(1)))
	build(query.Where(thingBig.Eq(1)))
	want(9, 3, 0, 3)
	build(query.Where(thingInt.Ne(2))) // now the most recent
	build(query.Where(thingSmall.Eq(1)))
	want(10, 4, 1, 3)
	build(query.Where(thingInt.Ne(3)))
	want(11, 4, 1, 3)
	build(query.Where(thingInt.Eq(1), thingID.In(1)).Limit(1)) // was dropped
	want(11, 5, 2, 3)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 200 {
				shapes := []query.Query[thing]{
					query.Where(thingInt.Eq(1)), query.Where(thingBig.Eq(1)), query.Where(thingInt.Lt(1)), query.Where(thingInt.Gt(1)), query.Where(thingInt.Le(1)),
				}
				wants := []string{`"int" =`, `"big" =`, `"int" <`, `"int" >`, `"int" <=`}
				k := (i + j) % 5
				if got := build(shapes[k]); got != `SELECT id FROM "things" WHERE `+wants[k]+" $1" {
					t.Errorf("%s for %s", got, wants[k])
				}
			}
		})
	}
	wg.Wait()
	s := table.CacheStats()
	if s.Size != 3 || s.Hits+s.Misses != 11+5+1600 {
		t.Errorf("%+v", s)
	}
}

// TestShapesDiffer makes sure that no two queries with different SQL share a
// key: the plans come from one cache.
func TestShapesDiffer(t *testing.T) {
	fresh := func() *query.Table[thing, int64] {
		return query.NewTable("things", func(t *thing) *int64 { return &t.ID })
	}
	shared := fresh()
	var all []query.Query[thing]
	for _, c := range cases() {
		all = append(all, query.Where(c.p), query.Where(query.Not(c.p)), query.Where(c.p).OrderBy(thingID.Desc()), query.Where(c.p, thingInt.Eq(1)).Limit(1),
			query.Where(query.Or(c.p, thingInt.Eq(1))).Offset(1), query.Where(c.p).Comment("c"), query.Where(c.p).Hint("c"), query.Where(c.p).Lock(query.ForShare, query.Block))
	}
	for i, q := range all {
		for _, verb := range []plan.Verb{plan.Select, plan.Count, plan.Exists} {
			r := plan.Request{Verb: verb, List: "id", Spec: q.Plan()}
			got, err := shared.Plan().Build(context.Background(), &r)
			want, err2 := fresh().Plan().Build(context.Background(), &r)
			if err != nil || err2 != nil || got.SQL != want.SQL || len(got.Args) != len(want.Args) {
				t.Fatalf("%d: from the cache %s\nrendered %s\n%v %v", i, got.SQL, want.SQL, err, err2)
			}
		}
	}
}

func TestPrefixesAndModes(t *testing.T) {
	t.Parallel()
	var sent *testdb.Counter
	pool := thingsPool(t, testdb.Configure(func(cfg *pgxpool.Config) { sent = testdb.CountStatements(cfg) }))
	r := fillThings(t, pool)
	sent.Reset()
	wantIDs(t, "hint", find(t, r, query.Where(thingID.Eq(2)).Hint("SeqScan(things)").Comment("page='a?b'")), 2)
	if got := sent.Statements()[0]; got[:51] != "/*+ SeqScan(things) */ /* page='a?b' */ SELECT \"id\"" {
		t.Errorf("%s", got)
	}
	for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeCacheStatement, pgx.QueryExecModeCacheDescribe, pgx.QueryExecModeDescribeExec, pgx.QueryExecModeExec} {
		wantIDs(t, fmt.Sprint(mode), find(t, r, query.Where(thingID.In(1, 2), thingAt.Ge(moment(2)), thingTags.Eq([]string{})).ExecMode(mode)), 2)
		if n, err := r.Count(t.Context(), query.Where(thingID.In(1, 2)).ExecMode(mode)); n != 2 || err != nil {
			t.Error(mode, n, err)
		}
		if n, err := r.UpdateWhere(t.Context(), query.Where(thingID.Eq(1)).ExecMode(mode), thingInt.Set(4)); n != 1 || err != nil {
			t.Error(mode, n, err)
		}
	}
	for name, q := range map[string]query.Query[thing]{
		"simple protocol":  query.All[thing]().ExecMode(pgx.QueryExecModeSimpleProtocol),
		"comment in it":    query.All[thing]().Comment("x */ DROP TABLE things; /*"),
		"hint in it":       query.All[thing]().Hint("x */ DROP TABLE things; --"),
		"NUL":              query.All[thing]().Comment("a\x00b"),
		"negative limit":   query.All[thing]().Limit(-1),
		"negative offset":  query.All[thing]().Offset(-1),
		"no such lock":     query.All[thing]().Lock(99, query.Block),
		"no such wait":     query.All[thing]().Lock(query.ForUpdate, 99),
		"not soft deleted": query.All[thing]().OnlyDeleted(),
	} {
		sent.Reset()
		if _, err := r.Find(t.Context(), q); !errors.Is(err, smrt.ErrBadQuery) || sent.Len() > 0 {
			t.Errorf("%s: %v, sent %d", name, err, sent.Len())
		}
	}
}

func TestBadFragments(t *testing.T) {
	t.Parallel()
	r := repo.New(thingsPool(t), things)
	for name, p := range map[string]query.Predicate[thing]{
		"line comment":        query.Raw[thing]("true -- "),
		"block comment":       query.Raw[thing]("true /* */"),
		"semicolon":           query.Raw[thing]("true; DROP TABLE things"),
		"closes parenthesis":  query.Raw[thing]("true) OR (true"),
		"opens parenthesis":   query.Raw[thing]("(true"),
		"open text":           query.Raw[thing]("name = 'a"),
		"open identifier":     query.Raw[thing](`"name = 'a'`),
		"open dollar":         query.Raw[thing]("name = $q$ a $r$"),
		"missing argument":    query.Raw[thing]("name = $1"),
		"argument 0":          query.Raw[thing]("name = $0", 1),
		"unused argument":     query.Raw[thing]("name = $1", 1, 2),
		"argument in a text":  query.Raw[thing]("name = '$1'", 1),
		"argument in a word":  query.Raw[thing]("name = a$1", 1),
		"argument and a word": query.Raw[thing]("name = $1a", 1),
		"empty":               query.Raw[thing](" "),
		"NUL":                 query.Raw[thing]("name = '\x00'"),
		"too many":            query.Raw[thing]("name = $99999999999999999999999", 1),
	} {
		if _, err := r.Find(t.Context(), query.Where(p)); !errors.Is(err, smrt.ErrBadQuery) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := r.Patch(t.Context(), 1, thingInt.SetExpr("1, name = 'x' --")); !errors.Is(err, smrt.ErrBadQuery) {
		t.Error(err)
	}
}
