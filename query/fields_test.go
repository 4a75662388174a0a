package query_test

import (
	"strings"
	"testing"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/query"
)

var thingFields = query.Fields[thing]{
	"id": thingID, "name": thingName, "nick": thingNick, "maybe": thingMaybeInt, "flag": thingFlag, "at": thingAt, "day": thingDay,
	"uid": thingUID, "amount": thingAmount, "double": thingDouble, "mood": thingMood, "half": query.SQL[int32]("$1 / 2", thingInt), "tags": thingTags, "zero": query.Expr[thing, int32]{},
}

// TestFields makes orders and filters of what users write.
func TestFields(t *testing.T) {
	t.Parallel()
	r := fillThings(t, thingsPool(t))
	for text, want := range map[string][]query.Order[thing]{
		"":               nil,
		"-id":            {thingID.Desc()},
		"name, -id":      {thingName.Asc(), thingID.Desc()},
		"-half,maybe,id": {query.SQL[int32]("$1 / 2", thingInt).Desc(), thingMaybeInt.Asc(), thingID.Asc()},
	} {
		q := query.All[thing]()
		if want != nil {
			q = q.OrderBy(want...)
		}
		ordered := check.Value(thingFields.OrderBy(query.All[thing](), text))(t)
		wantIDs(t, text, find(t, r, ordered), find(t, r, q)...)
	}
	all := check.Value(r.Find(t.Context(), query.All[thing]()))(t)
	one := all[0]
	at := one.At.UTC().Format("2006-01-02T15:04:05.999999Z07:00")
	for filter, p := range map[[3]string]query.Predicate[thing]{
		{"id", "=", "1"}:         thingID.Eq(1),
		{"id", ">", "1"}:         thingID.Gt(1),
		{"name", "<>", one.Name}: thingName.Ne(one.Name),
		{"maybe", "<>", "2"}:     thingMaybeInt.Ne(2),
		{"flag", "=", "true"}:    thingFlag.Eq(true),
		{"at", "<=", at}:         thingAt.Le(one.At),
		{"double", ">=", "0.5"}:  thingDouble.Ge(0.5),
		{"amount", ">", "1.25"}:  thingAmount.Gt(numeric("1.25")),
		{"half", "<", "3"}:       query.SQL[int32]("$1 / 2", thingInt).Lt(3),
		{"mood", "=", "good"}:    thingMood.Eq("good"),
		{"uid", "=", "00000000-0000-0000-0000-000000000001"}: thingUID.Eq(uid(1)),
		{"day", "=", "2024-02-29"}:                           thingDay.Eq(moment(0)),
	} {
		got := check.Value(thingFields.Filter(filter[0], filter[1], filter[2]))(t)
		wantIDs(t, strings.Join(filter[:], " "), find(t, r, query.Where(got)), find(t, r, query.Where(p))...)
	}
}

// TestWrongFields refuses what is not in the list, or is no value.
func TestWrongFields(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"price", "id,id", "id,,name", "-", "id desc", `id; DROP TABLE things`} {
		_, err := thingFields.OrderBy(query.All[thing](), text)
		check.Error(t, "order "+text, err, smrt.ErrBadQuery)
	}
	for filter, want := range map[[3]string]error{
		{"price", "=", "1"}:                    smrt.ErrBadQuery,
		{"id", "LIKE", "1"}:                    smrt.ErrBadQuery,
		{"tags", "=", "{a}"}:                   smrt.ErrBadQuery,
		{"zero", "=", "1"}:                     smrt.ErrBadQuery,
		{strings.Repeat("x", 1<<20), "=", "1"}: smrt.ErrBadQuery,
		{"id", "", "1"}:                        smrt.ErrBadQuery,
		{"id", "=", "secret"}:                  smrt.ErrWrongType,
		{"id", "=", ""}:                        smrt.ErrWrongType,
		{"maybe", "=", "3000000000"}:           smrt.ErrWrongType,
		{"at", "=", "yesterday"}:               smrt.ErrWrongType,
		{"uid", "=", "secret"}:                 smrt.ErrWrongType,
		{"amount", "=", "secret"}:              smrt.ErrWrongType,
		{"flag", "=", "secret"}:                smrt.ErrWrongType,
	} {
		_, err := thingFields.Filter(filter[0], filter[1], filter[2])
		check.Error(t, strings.Join(filter[:], " "), err, want)
		if err != nil && (strings.Contains(err.Error(), "secret") || len(err.Error()) > 1000) {
			t.Errorf("the error repeats the value: %v", err)
		}
	}
}
