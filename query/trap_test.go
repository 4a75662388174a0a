package query_test

import (
	"context"
	"strings"
	"testing"

	"github.com/smrt-go/smrt/internal/plan"
	"github.com/smrt-go/smrt/query"
)

// The traps of squirrel, one test each: see what it renders for the input, and
// what a query does instead.

func TestTrapEmptyPart(t *testing.T) {
	t.Parallel()
	q := query.Where(query.And[thing](), query.Or(query.And[thing](), thingID.Eq(1)), thingID.Eq(2)).OrderBy()
	if got := selectSQL(t, q); got != `SELECT id FROM "things" WHERE "id" = $1` {
		t.Error(got)
	}
}

func TestTrapEmptyEqDeletesAll(t *testing.T) {
	t.Parallel()
	for _, p := range []query.Predicate[thing]{query.And[thing](), thingID.NotIn(), query.Not(query.Or[thing]())} {
		q := query.Where(p)
		if _, err := things.Plan().Build(context.Background(), &plan.Request{Verb: plan.Delete, Spec: q.Plan()}); err == nil {
			t.Errorf("%+v is not refused", p)
		}
	}
}

func TestTrapEmptyOrAndEmptyList(t *testing.T) {
	t.Parallel()
	for _, p := range []query.Predicate[thing]{query.Or[thing](), thingID.In(), query.Not(thingID.NotIn())} {
		if got := selectSQL(t, query.Where(p).OrderBy()); got != `SELECT id FROM "things" WHERE false` {
			t.Error(got)
		}
	}
}

func TestTrapNotEqOfEmptyList(t *testing.T) {
	t.Parallel()
	if got := selectSQL(t, query.Where(thingID.NotIn()).OrderBy()); got != `SELECT id FROM "things"` {
		t.Error(got)
	}
}

func TestTrapNumberingOfInnerParts(t *testing.T) {
	t.Parallel()
	inner := query.Or(query.Raw[thing]("a = $1 AND b = $2", 1, 2), query.Not(query.And(thingID.Eq(3), query.Raw[thing]("c = $2 AND d = $1", 5, 4))))
	q := query.Where(thingID.Eq(0), inner, thingBig.Eq(6)).OrderBy()
	st := rendered(t, plan.Request{Verb: plan.Select, List: "id", Spec: q.Plan()})
	const want = `SELECT id FROM "things" WHERE "id" = $1 AND ((a = $2 AND b = $3) OR ` +
		`(("id" = $4 AND (c = $5 AND d = $6))) IS NOT TRUE) AND "big" = $7`
	if st.SQL != want {
		t.Errorf("got  %s\nwant %s", st.SQL, want)
	}
	for i, v := range []any{int64(0), 1, 2, int64(3), 4, 5, int64(6)} {
		if st.Args[i] != v {
			t.Errorf("$%d is %v, want %v", i+1, st.Args[i], v)
		}
	}
}

func TestTrapQuestionMark(t *testing.T) {
	t.Parallel()
	q := query.Where(query.Raw[thing]("doc ? 'k' AND doc ?| $1 AND '??' <> $2 AND $3?'x'", 1, 2, 3)).OrderBy()
	if got := selectSQL(t, q); got != `SELECT id FROM "things" WHERE (doc ? 'k' AND doc ?| $1 AND '??' <> $2 AND $3 ?'x')` {
		t.Error(got)
	}
}

func TestTrapListsOfManyLengths(t *testing.T) {
	one, many := selectSQL(t, query.Where(thingID.In(1))), selectSQL(t, query.Where(thingID.In(1, 2, 3, 4, 5)))
	if one != many || !strings.Contains(one, "= ANY($1)") {
		t.Error(one, many)
	}
	r := fillThings(t, thingsPool(t))
	long := make([]int64, 200_000) // more than a statement has parameters
	for i := range long {
		long[i] = int64(i - 100_000)
	}
	wantIDs(t, "long list", find(t, r, query.Where(thingID.In(long...))), 1, 2, 3, 4)
}

func TestTrapByteArray(t *testing.T) {
	t.Parallel()
	st := rendered(t, plan.Request{Verb: plan.Select, List: "id", Spec: specOf(query.Where(thingUID.Eq(uid(1))))})
	if len(st.Args) != 1 {
		t.Errorf("%s %v", st.SQL, st.Args)
	}
}

func specOf(q query.Query[thing]) *plan.Spec { return q.Plan() }

func TestTrapInsertOfOtherLength(t *testing.T) {
	t.Parallel()
	// Columns and values of an insert come from one list: the arity of the
	// statement is what the server prepared.
	r := fillThings(t, thingsPool(t))
	v := thing{ID: 50, At: moment(1), Local: moment(1), Mood: "good"}
	if err := r.Create(t.Context(), &v); err != nil {
		t.Fatal(err)
	}
	wantIDs(t, "created", find(t, r, query.Where(thingID.Eq(50))), 50)
}
