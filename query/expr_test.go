package query_test

import (
	"context"
	"database/sql"
	"errors"
	"reflect"
	"slices"
	"testing"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/plan"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// TestExpressionsInSQL pins what expressions become: written where they stand,
// with an argument for each value, however often a shape is used.
func TestExpressionsInSQL(t *testing.T) {
	t.Parallel()
	double := query.SQL[int64]("$1 * $2", thingInt, 2)
	sum := query.SQL[int64]("$1 + $2", double, thingBig)
	for want, r := range map[string]struct {
		plan.Request
		args []any
	}{
		`SELECT id FROM "things" WHERE ("things"."int" * $1) > $2 ORDER BY ("things"."int" * $3) DESC, "id"`: {
			plan.Request{Spec: query.Where(double.Gt(9)).OrderBy(double.Desc(), thingID.Asc()).Plan()}, []any{2, int64(9), 2},
		},
		`SELECT id FROM "things" WHERE (("things"."int" * $1) + "things"."big") IS DISTINCT FROM $2 ORDER BY "id"`: {
			plan.Request{Spec: query.Where(sum.Ne(9)).Plan()}, []any{2, int64(9)},
		},
		`SELECT id FROM "things" WHERE (("things"."int" * $1) + "things"."big") BETWEEN $2 AND $3 AND ("things"."int" * $4) = ANY($5) AND ("things"."int" * $6) IS NULL ORDER BY "id"`: {
			plan.Request{Spec: query.Where(sum.Between(1, 2), double.In(3), double.IsNull()).Plan()}, nil,
		},
		`SELECT id FROM "things" WHERE ("things"."int" < "things"."maybe_int") AND ("things"."maybe_int" IS NOT DISTINCT FROM "things"."maybe_int") AND ("things"."int" IS DISTINCT FROM "things"."maybe_int") ORDER BY "id"`: {
			plan.Request{Spec: query.Where(query.Compare(thingInt, "<", thingMaybeInt), query.Compare(thingMaybeInt, "=", thingMaybeInt), query.Compare(thingInt, "<>", thingMaybeInt)).Plan()}, nil,
		},
		`SELECT id FROM "things" WHERE ("things"."nick" ~* $1 AND ("things"."int" * $2) > $3) ORDER BY "id"`: {
			plan.Request{Spec: query.Where(query.Raw[thing]("$1 ~* $2 AND $3 > $4", thingNick, "^a", double, 5)).Plan()}, []any{"^a", 2, 5},
		},
		`UPDATE "things" SET "big" = (("things"."int" * $1) + "things"."big"), "int" = "things"."maybe_int", "small" = "things"."int" + $2 WHERE "id" = $3`: {
			plan.Request{Verb: plan.Update, Spec: query.Where(thingID.Eq(1)).Plan(), Sets: []plan.Set{
				thingBig.SetTo(sum).Plan(), thingInt.SetTo(thingMaybeInt).Plan(), thingSmall.SetExpr("$1 + $2", thingInt, 1).Plan(),
			}}, []any{2, 1, int64(1)},
		},
	} {
		for range 2 { // first rendered, then from the cache
			if r.Verb == plan.Select {
				r.List = "id"
			}
			got := rendered(t, r.Request)
			if got.SQL != want || r.args != nil && !reflect.DeepEqual(got.Args, r.args) {
				t.Errorf("got  %s %v\nwant %s %v", got.SQL, got.Args, want, r.args)
			}
		}
	}
}

// TestExpressionsOfRows orders by expressions and assigns them.
func TestExpressionsOfRows(t *testing.T) {
	t.Parallel()
	r := fillThings(t, thingsPool(t))
	all := check.Value(r.Find(t.Context(), query.All[thing]()))(t)
	remainder := query.SQL[int32]("$1 % $2", thingInt, 3)
	slices.SortFunc(all, func(a, b thing) int {
		if d := b.Int%3 - a.Int%3; d != 0 {
			return int(d)
		}
		return int(a.ID - b.ID)
	})
	want := []int64{}
	for i := range all {
		want = append(want, all[i].ID)
	}
	wantIDs(t, "order", find(t, r, query.All[thing]().OrderBy(remainder.Desc(), thingID.Asc())), want...)
	page := check.Value(r.PageNumber(t.Context(), query.All[thing]().OrderBy(remainder.Desc()), 2, 1))(t)
	check.Same(t, "second page", page.Items[0].ID, want[1])
	first := check.Value(r.Page(t.Context(), query.All[thing]().OrderBy(remainder.Desc(), thingID.Asc()), query.Page{Size: 1}))(t)
	check.Same(t, "first of a keyset page", first.Items[0].ID, want[0])
	other := query.SQL[int32]("$1 % $2", thingInt, 4)
	_, err := r.Page(t.Context(), query.All[thing]().OrderBy(other.Desc(), thingID.Asc()), query.Page{Size: 1, After: first.Next})
	check.Error(t, "a cursor of another expression", err, smrt.ErrBadCursor)

	half := query.SQL[float64]("$1 * $2::float8", thingInt, 0.5)
	var odd []int64
	for i := range all {
		if float64(all[i].Int)*0.5 >= 0.75 {
			odd = append(odd, all[i].ID)
		}
	}
	slices.Sort(odd)
	wantIDs(t, "a fraction", find(t, r, query.Where(half.Ge(0.75))), odd...)
	wantIDs(t, "a fraction of an integer", find(t, r, query.Where(query.SQL[float64]("$1", thingInt).In(1.5, 0.5))))
	wantIDs(t, "in a subquery", find(t, r, query.Where(query.SQL[int64]("(SELECT count(*) FROM things AS o WHERE o.int > $1)", thingInt).Eq(0)).OrderBy(thingID.Asc())),
		find(t, r, query.Where(query.Raw[thing]("int = (SELECT max(int) FROM things AS o)")).OrderBy(thingID.Asc()))...)

	check.NoError(t, r.Patch(t.Context(), all[0].ID, thingBig.SetTo(query.SQL[int64]("$1 + $2", thingBig, thingInt)), thingMaybeInt.SetTo(thingInt)))
	v := check.Value(r.Get(t.Context(), all[0].ID))(t)
	check.Same(t, "sum", v.Big, all[0].Big+int64(all[0].Int))
	check.Same(t, "copied", *v.MaybeInt, all[0].Int)
}

// TestWrongExpressions refuses what is wrong before anything is sent.
func TestWrongExpressions(t *testing.T) {
	t.Parallel()
	type other struct{ ID int64 }
	otherID := query.Col(func(o *other) *int64 { return &o.ID })
	for name, p := range map[string]query.Predicate[thing]{
		"another entity's column":     query.SQL[int64]("$1 + $2", thingInt, otherID).Gt(1),
		"another entity's expression": query.Raw[thing]("$1 > 0", query.SQL[int64]("$1 + 1", otherID)),
		"an aggregate":                query.Raw[thing]("$1 > 0", query.Sum[int64](thingInt)),
		"an unused argument":          query.SQL[int64]("$1 + 1", thingInt, 2).Gt(1),
		"an argument too few":         query.SQL[int64]("$1 + $2", thingInt).Gt(1),
		"a comment":                   query.SQL[int64]("$1 -- x", thingInt).Gt(1),
		"an unknown comparison":       query.Compare(thingInt, "~", thingInt),
		"a comparison with more":      query.Compare(thingInt, "= 1 OR 1 =", thingInt),
		"a float without a cast":      query.SQL[float64]("$1 * $2", thingInt, 1.5).Gt(1),
		"a null float without a cast": query.Raw[thing]("int > $1", sql.NullFloat64{}),
		"the zero Expr":               query.Expr[thing, int64]{}.Eq(1),
		"the zero Expr as an operand": query.SQL[int64]("$1 + 1", query.Expr[thing, int64]{}).Eq(1),
	} {
		_, err := things.Plan().Build(context.Background(), &plan.Request{List: "id", Spec: query.Where(p).Plan()})
		check.Error(t, name, err, smrt.ErrBadQuery)
	}
	_, err := things.Plan().Build(context.Background(), &plan.Request{Verb: plan.Update, Spec: query.Where(thingID.Eq(1)).Plan(), Sets: []plan.Set{thingInt.SetExpr("$1", otherID).Plan()}})
	check.Error(t, "an assignment of another entity's column", err, smrt.ErrBadQuery)
	var value *smrt.ValueError
	_, err = things.Plan().Build(context.Background(), &plan.Request{List: "id", Spec: query.Where(query.SQL[string]("lower($1)", thingName).Eq("a\x00")).Plan()})
	if !errors.As(err, &value) || value.Column != "lower($1)" {
		t.Errorf("a text that cannot be stored: %v", err)
	}
}

// TestExpressionsCostWhatColumnsCost compares the allocations of a query by an
// expression that is kept in a variable with those of a query by a column.
func TestExpressionsCostWhatColumnsCost(t *testing.T) {
	twice := query.SQL[int32]("$1 * 2", thingInt)
	build := func(x query.Expr[thing, int32]) float64 {
		return check.Allocations(func() error {
			_, err := things.Plan().Build(context.Background(), &plan.Request{List: "id", Spec: query.Where(x.Gt(5)).OrderBy(x.Asc()).Plan()})
			return err
		})
	}
	if column, expr := build(thingInt.Expr), build(twice); expr > column {
		t.Errorf("%v allocations by an expression, %v by a column", expr, column)
	}
}

// TestShapesOfExpressionsAreBounded builds expressions again and again: the
// shapes are as many as the texts.
func TestShapesOfExpressionsAreBounded(t *testing.T) {
	table := query.NewTable("things", func(t *thing) *int64 { return &t.ID })
	r := repo.New(thingsPool(t), table)
	for i := range 50 {
		x := query.SQL[int64]("$1 * $2", thingInt, i)
		check.Value(r.Find(t.Context(), query.Where(x.Gt(int64(i))).OrderBy(x.Asc())))(t)
	}
	if n := table.CacheStats().Size; n != 1 {
		t.Errorf("%d shapes of one query", n)
	}
}
