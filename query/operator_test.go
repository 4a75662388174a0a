package query_test

import (
	"database/sql"
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/query"
)

type predicateCase struct {
	name string
	p    query.Predicate[thing]
	want []int64
}

func cases() []predicateCase {
	return slices.Concat(comparisonCases(), nullCases(), textCases(), arrayCases(), jsonCases(), rangeCases(), rawCases())
}

func ids(v ...int64) []int64 { return v }

func comparisonCases() []predicateCase {
	return []predicateCase{
		{"int16 eq", thingSmall.Eq(2), ids(2)},
		{"int16 in", thingSmall.In(1, 3, 99), ids(1, 3)},
		{"int32 ne", thingInt.Ne(20), ids(1, 3, 4)},
		{"int32 lt", thingInt.Lt(20), ids(1, 4)},
		{"int32 le", thingInt.Le(20), ids(1, 2, 4)},
		{"int64 gt", thingBig.Gt(200), ids(3)},
		{"int64 ge", thingBig.Ge(200), ids(2, 3)},
		{"int64 between", thingBig.Between(100, 200), ids(1, 2)},
		{"int64 between, reversed", thingBig.Between(200, 100), nil},
		{"int64 in", thingBig.In(100, 100, 300), ids(1, 3)},
		{"int64 not in", thingBig.NotIn(100, 300), ids(2, 4)},
		{"in nothing", thingBig.In(), nil},
		{"not in nothing", thingBig.NotIn(), ids(1, 2, 3, 4)},
		{"float32 eq", thingReal.Eq(2.5), ids(2)},
		{"float32 in", thingReal.In(2.5, 3.5), ids(2, 3)},
		{"float64 between", thingDouble.Between(1, 3), ids(1, 2)},
		{"float64 in", thingDouble.In(1.25), ids(1)},
		{"bool eq", thingFlag.Eq(true), ids(1)},
		{"bool in", thingFlag.In(true, false), ids(1, 2, 3, 4)},
		{"timestamptz ge", thingAt.Ge(moment(3)), ids(3, 4)},
		{"timestamptz elsewhere", thingAt.Eq(moment(3).In(time.FixedZone("", 5*3600))), ids(3)},
		{"timestamptz in", thingAt.In(moment(1), moment(2).In(time.FixedZone("", 90*60))), ids(1, 2)},
		{"timestamp eq", thingLocal.Eq(moment(2)), ids(2)},
		{"timestamp in", thingLocal.In(moment(2), moment(3)), ids(2, 3)},
		{"date eq", thingDay.Eq(moment(24)), ids(2)},
		{"date in", thingDay.In(moment(0), moment(48)), ids(1, 3)},
		{"date gt", thingDay.Gt(moment(0)), ids(2, 3)},
		{"uuid eq", thingUID.Eq(uid(3)), ids(3)},
		{"uuid in", thingUID.In(uid(3), uid(1)), ids(1, 3)},
		{"uuid not in", thingUID.NotIn(uid(3), uid(1)), ids(2, 4)},
		{"bytea eq", thingBlob.Eq([]byte{1, 0, 255}), ids(1)},
		{"bytea empty", thingBlob.Eq([]byte{}), ids(2)},
		{"bytea in", thingBlob.In([]byte("b"), []byte{1, 0, 255}), ids(1, 3)},
		{"numeric gt", thingAmount.Gt(numeric("1.4")), ids(1, 3)},
		{"numeric in", thingAmount.In(numeric("1.5"), numeric("-2.0")), ids(1, 2)},
		{"enum eq", thingMood.Eq("bad"), ids(2, 3)},
		{"enum in", thingMood.In("bad"), ids(2, 3)},
		{"enum not in", thingMood.NotIn("bad"), ids(1, 4)},
		{"array eq", thingTags.Eq([]string{"fruit", `q"\,`}), ids(1)},
		{"array empty", thingTags.Eq([]string{}), ids(2)},
		{"array in", thingTags.In([]string{}, []string{"fruit", "tool"}), ids(2, 3)},
		{"array not in", thingNums.NotIn([]int32{1, 2}), ids(2, 3, 4)},
		{"array in nothing", thingNums.In(), nil},
		{"range eq", thingSpan.Eq(span(5, 9)), ids(2)},
		{"and", query.And(thingInt.Gt(10), thingBig.Lt(300)), ids(2)},
		{"and nothing", query.And[thing](), ids(1, 2, 3, 4)},
		{"or", query.Or(thingInt.Eq(10), thingBig.Eq(300)), ids(1, 3)},
		{"or nothing", query.Or[thing](), nil},
		{"nested", query.And(query.Or(thingID.Eq(1), query.And(thingID.Eq(2), thingFlag.Eq(false))), query.Not(thingID.Eq(1))), ids(2)},
	}
}

func nullCases() []predicateCase {
	return []predicateCase{
		{"is null", thingMaybeInt.IsNull(), ids(4)},
		{"is not null", thingMaybeInt.IsNotNull(), ids(1, 2, 3)},
		{"eq", thingMaybeInt.Eq(2), ids(2)},
		{"ne includes NULL", thingMaybeInt.Ne(2), ids(1, 3, 4)},
		{"not eq includes NULL", query.Not(thingMaybeInt.Eq(2)), ids(1, 3, 4)},
		{"lt excludes NULL", thingMaybeInt.Lt(3), ids(1, 2)},
		{"not lt includes NULL", query.Not(thingMaybeInt.Lt(3)), ids(3, 4)},
		{"between", thingMaybeInt.Between(2, 9), ids(2, 3)},
		{"not between", query.Not(thingMaybeInt.Between(2, 9)), ids(1, 4)},
		{"in", thingMaybeInt.In(1, 2), ids(1, 2)},
		{"not in includes NULL", thingMaybeInt.NotIn(1, 2), ids(3, 4)},
		{"not in nothing includes NULL", thingMaybeInt.NotIn(), ids(1, 2, 3, 4)},
		{"pointer eq nil", thingPtrInt.Eq(nil), ids(4)},
		{"pointer ne nil", thingPtrInt.Ne(nil), ids(1, 2, 3)},
		{"pointer eq", thingPtrInt.Eq(ptr(int32(2))), ids(2)},
		{"pointer in with nil", thingPtrInt.In(ptr(int32(2)), nil), ids(2, 4)},
		{"pointer in nil only", thingPtrInt.In(nil), ids(4)},
		{"pointer not in with nil", thingPtrInt.NotIn(ptr(int32(2)), nil), ids(1, 3)},
		{"pointer not in nil only", thingPtrInt.NotIn(nil), ids(1, 2, 3)},
		{"sql null eq", thingWord.Eq(sql.NullString{}), ids(4)},
		{"sql null ne", thingWord.Ne(sql.NullString{}), ids(1, 2, 3)},
		{"sql value", thingWord.Eq(sql.NullString{Valid: true}), ids(3)},
		{"sql in", thingWord.In(sql.NullString{}, sql.NullString{String: "w1", Valid: true}), ids(1, 4)},
		{"sql not in", thingWord.NotIn(sql.NullString{String: "w1", Valid: true}), ids(2, 3, 4)},
		{"pgtype null", thingAmount.Eq(pgtype.Numeric{}), ids(4)},
		{"bytes nil", thingBlob.Eq(nil), ids(4)},
		{"bytes in nil", thingBlob.In(nil, []byte("b")), ids(3, 4)},
		{"array nil", thingTags.Eq(nil), ids(4)},
		{"array in nil", thingTags.In(nil), ids(4)},
		{"array not in nil", thingTags.NotIn(nil), ids(1, 2, 3)},
		{"json nil", thingDoc.Eq(nil), ids(4)},
		{"bool null", thingMaybeBit.Ne(true), ids(2, 3, 4)},
		{"uuid null", thingMaybeUID.NotIn(uid(1)), ids(2, 3, 4)},
		{"time null", thingMaybeAt.Ne(moment(1)), ids(2, 3, 4)},
		{"not null of and", query.Not(query.And(thingMaybeInt.Gt(1), thingFlag.Eq(false))), ids(1, 4)},
		{"not not", query.Not(query.Not(thingMaybeInt.Gt(1))), ids(2, 3)},
	}
}

func textCases() []predicateCase {
	return []predicateCase{
		{"prefix", thingName.HasPrefix("red"), ids(1)},
		{"prefix literal", thingName.HasPrefix("100%"), ids(2)},
		{"prefix percent", thingName.HasPrefix("%"), nil},
		{"prefix empty", thingName.HasPrefix(""), ids(1, 2, 3, 4)},
		{"suffix", thingName.HasSuffix("wine"), ids(2)},
		{"suffix backslash", thingName.HasSuffix(`\temp`), ids(3)},
		{"contains", thingName.Contains("p"), ids(1, 3)},
		{"contains underscore", thingName.Contains("_"), ids(2)},
		{"contains backslash", thingName.Contains(`\`), ids(3)},
		{"contains fold", thingName.ContainsFold("rEd"), ids(1, 2)},
		{"contains fold literal", thingName.ContainsFold("d_W"), ids(2)},
		{"like", thingName.Like("%e_"), ids(1)},
		{"like escaped", thingName.Like(`%\_%`), ids(2)},
		{"like exact", thingName.Like("red apples"), ids(1)},
		{"like empty", thingName.Like(""), ids(4)},
		{"ilike", thingName.ILike("RED%"), ids(1)},
		{"nick underscore", thingNick.Contains("_"), ids(3)},
		{"nick percent", thingNick.HasPrefix("a%"), ids(1)},
		{"nick backslash", thingNick.HasPrefix(`a\`), ids(2)},
		{"nick empty matches no NULL", thingNick.Contains(""), ids(1, 2, 3)},
		{"nick not contains", query.Not(thingNick.Contains("_")), ids(1, 2, 4)},
		{"text in", thingName.In("", `C:\temp`, `a"b`, "{x,y}", "NULL"), ids(3, 4)},
		{"nick in", thingNick.In("a_b", "a%b"), ids(1, 3)},
		{"text eq quote", thingName.Eq(`'; DROP TABLE things; --`), nil},
		{"search", thingSearch.Matches("apple"), ids(1)},
		{"search or", thingSearch.Matches("apple or wine"), ids(1, 2)},
		{"search minus", thingSearch.Matches("red -wine"), ids(1)},
		{"search phrase", thingSearch.Matches(`"red apples"`), ids(1)},
		{"search nothing", thingSearch.Matches(""), nil},
		{"search odd", thingSearch.Matches(`" & | ! ( :* <->`), nil},
	}
}

func arrayCases() []predicateCase {
	return []predicateCase{
		{"has", thingTags.Has("fruit"), ids(1, 3)},
		{"has odd", thingTags.Has(`q"\,`), ids(1)},
		{"not has", query.Not(thingTags.Has("fruit")), ids(2, 4)},
		{"has number", thingNums.Has(2), ids(1, 2)},
		{"contains all", thingTags.ContainsAll("tool", "fruit"), ids(3)},
		{"contains all of nothing", thingTags.ContainsAll(), ids(1, 2, 3)},
		{"contains all numbers", thingNums.ContainsAll(3, 2), ids(2)},
		{"overlaps", thingTags.Overlaps("tool", `q"\,`), ids(1, 3)},
		{"overlaps nothing", thingTags.Overlaps(), nil},
		{"overlaps numbers", thingNums.Overlaps(1, 3), ids(1, 2)},
		{"within", thingTags.Within("fruit", "tool", "x"), ids(2, 3)},
		{"within nothing", thingTags.Within(), ids(2)},
		{"not within", query.Not(thingTags.Within("fruit", "tool")), ids(1, 4)},
		{"not overlaps", query.Not(thingNums.Overlaps(1)), ids(2, 3, 4)},
	}
}

func jsonCases() []predicateCase {
	return []predicateCase{
		{"contains", thingDoc.Contains(map[string]any{"a": 1}), ids(1)},
		{"contains nested", thingDoc.Contains(map[string]any{"b": map[string]any{"c": []string{"y"}}}), ids(1)},
		{"contains raw", thingDoc.Contains(json.RawMessage(`["z"]`)), ids(3)},
		{"contains null", thingDoc.Contains(map[string]any{"d": nil}), ids(2)},
		{"not contains", query.Not(thingDoc.Contains(map[string]any{"a": 1})), ids(2, 3, 4)},
		{"has key", thingDoc.HasKey("a"), ids(1, 2, 3)},
		{"not has key", query.Not(thingDoc.HasKey("b")), ids(2, 3, 4)},
		{"path eq", thingDoc.PathEq(2, "a"), ids(2)},
		{"path eq deep", thingDoc.PathEq("y", "b", "c", "1"), ids(1)},
		{"path eq null", thingDoc.PathEq(nil, "d"), ids(2)},
		{"path eq root", thingDoc.PathEq([]string{"a", "z"}), ids(3)},
		{"not path eq", query.Not(thingDoc.PathEq(2, "a")), ids(1, 3, 4)},
		{"path text", thingDoc.PathText("x", "b", "c", "0"), ids(1)},
		{"path odd", thingDoc.PathText("x", `b'"}`, "{c", ""), nil},
		{"not path text", query.Not(thingDoc.PathText("1", "a")), ids(2, 3, 4)},
		{"eq", thingDoc.Eq(json.RawMessage(`{"d":null,"a":2}`)), ids(2)},
		{"ne", thingDoc.Ne(json.RawMessage(`{"d":null,"a":2}`)), ids(1, 3, 4)},
		{"in", thingDoc.In(json.RawMessage(`["a","z"]`), nil), ids(3, 4)},
		{"struct contains", thingOpts.Contains(map[string]int{"level": 2}), ids(2)},
		{"struct path", thingOpts.PathEq("m", "note"), ids(2)},
	}
}

func rangeCases() []predicateCase {
	unbounded := pgtype.Range[int32]{LowerType: pgtype.Unbounded, Upper: 5, UpperType: pgtype.Exclusive, Valid: true}
	return []predicateCase{
		{"has", thingSpan.Has(5), ids(2)},
		{"has upper bound", thingSpan.Has(10), nil},
		{"not has", query.Not(thingSpan.Has(5)), ids(1, 3, 4)},
		{"contains", thingSpan.Contains(span(6, 8)), ids(2)},
		{"overlaps", thingSpan.Overlaps(span(4, 6)), ids(1, 2)},
		{"overlaps unbounded", thingSpan.Overlaps(unbounded), ids(1)},
		{"null", thingSpan.IsNull(), ids(4)},
		{"time has", thingPeriod.Has(moment(5)), ids(2)},
		{"time contains", thingPeriod.Contains(period(2, 3)), ids(1)},
		{"time overlaps", thingPeriod.Overlaps(period(4, 6)), ids(1, 2)},
	}
}

func rawCases() []predicateCase {
	return []predicateCase{
		{"plain", query.Raw[thing]("big > 100"), ids(2, 3)},
		{"argument", query.Raw[thing]("big > $1", 100), ids(2, 3)},
		{"argument twice", query.Raw[thing]("big = $1 OR big = $2 OR big - 100 = $1", 100, 300), ids(1, 2, 3)},
		{"backwards", query.Raw[thing]("big BETWEEN $2 AND $1", 200, 100), ids(1, 2)},
		{"question mark", query.Raw[thing]("doc ? 'b'"), ids(1)},
		{"question marks", query.Raw[thing]("doc ?| ARRAY['b', $1] AND NOT doc ?& ARRAY['a','b']", "z"), ids(3)},
		{"question mark after argument", query.Raw[thing]("$1::jsonb ? 'k' AND id = $2", `{"k":1}`, 3), ids(3)},
		{"text", query.Raw[thing]("name <> 'what? $1 --' AND big = $1", 200), ids(2)},
		{"escape text", query.Raw[thing](`name <> E'it\'s $1 ?' AND big = $1`, 200), ids(2)},
		{"doubled quote", query.Raw[thing](`name <> 'it''s ?' AND big = $1`, 200), ids(2)},
		{"dollar quotes", query.Raw[thing]("name <> $$ ?$1 $$ AND name <> $q$ $$ ? $1 $q$ AND big = $1", 200), ids(2)},
		{"identifier", query.Raw[thing](`"double" > $1::float8`, 2.0), ids(2, 3)},
		{"or stays inside", query.And(thingID.Gt(1), query.Raw[thing]("id = 1 OR id = 2")), ids(2)},
		{"not NULL", query.Not(query.Raw[thing]("maybe_int > 1")), ids(1, 4)},
		{"minus", query.Raw[thing]("big = 300 - $1", -0), ids(3)},
		{"negative", query.Raw[thing]("big = 99 -$1", -1), ids(1)},
	}
}

// TestOperators runs each operator on each kind of column, then its negation,
// which must match exactly the other rows.
func TestOperators(t *testing.T) {
	t.Parallel()
	r := fillThings(t, thingsPool(t))
	all := ids(1, 2, 3, 4)
	for _, c := range cases() {
		wantIDs(t, c.name, find(t, r, query.Where(c.p)), c.want...)
		others := slices.DeleteFunc(slices.Clone(all), func(id int64) bool { return slices.Contains(c.want, id) })
		wantIDs(t, "not "+c.name, find(t, r, query.Where(query.Not(c.p))), others...)
	}
}

func TestOrders(t *testing.T) {
	t.Parallel()
	r := fillThings(t, thingsPool(t))
	for _, c := range []struct {
		name  string
		terms []query.Order[thing]
		want  []int64
	}{
		{"ascending: NULLs last", []query.Order[thing]{thingMaybeInt.Asc()}, ids(1, 2, 3, 4)},
		{"descending: NULLs first", []query.Order[thing]{thingMaybeInt.Desc()}, ids(4, 3, 2, 1)},
		{"NULLs first", []query.Order[thing]{thingMaybeInt.Asc().NullsFirst()}, ids(4, 1, 2, 3)},
		{"NULLs last", []query.Order[thing]{thingMaybeInt.Desc().NullsLast()}, ids(3, 2, 1, 4)},
		{"two terms", []query.Order[thing]{thingMood.Desc(), thingID.Desc()}, ids(3, 2, 4, 1)},
		{"the same twice", []query.Order[thing]{thingID.Desc(), thingID.Asc()}, ids(4, 3, 2, 1)},
	} {
		wantIDs(t, c.name, find(t, r, query.All[thing]().OrderBy(c.terms...)), c.want...)
	}
	wantIDs(t, "default", find(t, r, query.All[thing]()), 1, 2, 3, 4)
	wantIDs(t, "limit", find(t, r, query.All[thing]().Limit(2)), 1, 2)
	wantIDs(t, "limit 0", find(t, r, query.All[thing]().Limit(0)))
	wantIDs(t, "offset", find(t, r, query.All[thing]().Offset(3)), 4)
	wantIDs(t, "both", find(t, r, query.All[thing]().OrderBy(thingID.Desc()).Limit(2).Offset(1)), 3, 2)
	if got := find(t, r, query.All[thing]().OrderBy()); len(got) != 4 {
		t.Errorf("unordered: %v", got)
	}
	n, err := r.Count(t.Context(), query.Where(thingID.Gt(1)).OrderBy(thingName.Asc()).Limit(2).Offset(2))
	if n != 1 || err != nil {
		t.Errorf("count within limit and offset: %d, %v", n, err)
	}
}

func TestAssignments(t *testing.T) {
	t.Parallel()
	r := fillThings(t, thingsPool(t))
	set := func(sets ...query.Assignment[thing]) *thing {
		t.Helper()
		if err := r.Patch(t.Context(), 1, sets...); err != nil {
			t.Fatal(err)
		}
		got, err := r.Get(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	got := set(thingName.Set(""), thingMaybeInt.Set(7), thingFlag.Set(false), thingAt.Set(moment(9)), thingMood.Set("bad"),
		thingTags.Set([]string{"n"}), thingUID.Set(uid(9)), thingDoc.Set(json.RawMessage(`{"n":1}`)), thingSpan.Set(span(7, 8)),
		thingAmount.Set(numeric("9.9")), thingBlob.Set([]byte{}), thingDouble.Set(0.1), thingDay.Set(moment(72)), thingNums.Set([]int32{9}))
	if got.Name != "" || *got.MaybeInt != 7 || got.Flag || !got.At.Equal(moment(9)) || got.Mood != "bad" || got.Tags[0] != "n" ||
		got.UID != uid(9) || string(got.Doc) != `{"n": 1}` || got.Span != span(7, 8) || got.Blob == nil || got.Double != 0.1 ||
		got.Day.Day() != 3 || got.Nums[0] != 9 {
		t.Errorf("set: %+v", got)
	}
	got = set(thingMaybeInt.SetNull(), thingTags.Set(nil), thingWord.Set(sql.NullString{}), thingDoc.Set(nil), thingMood.SetDefault(), thingDay.SetNull())
	if got.MaybeInt != nil || got.Tags != nil || got.Word.Valid || got.Doc != nil || got.Mood != "good" || got.Day != nil {
		t.Errorf("null and default: %+v", got)
	}
	got = set(query.Add(thingBig, -30), query.Add(thingInt, 5), query.Add(thingDouble, 1), thingLocal.SetExpr("local + $1", 90*time.Minute), thingName.SetExpr("$1 || '?' || $2 || $1", "a", "b"))
	if got.Big != 70 || got.Int != 15 || got.Double != 1.1 || !got.Local.Equal(moment(2).Add(30*time.Minute)) || got.Name != "a?ba" {
		t.Errorf("add and expression: %+v", got)
	}
	n, err := r.UpdateWhere(t.Context(), query.Where(thingID.In(1, 2)), thingOpts.Set(options{5, "z"}))
	if n != 2 || err != nil {
		t.Error(n, err)
	}
	wantIDs(t, "struct as json", find(t, r, query.Where(thingOpts.Contains(options{5, "z"}))), 1, 2)
}

func TestBadOperands(t *testing.T) {
	t.Parallel()
	r := fillThings(t, thingsPool(t))
	for _, c := range []struct {
		name string
		p    query.Predicate[thing]
		want error
	}{
		{"NUL", thingName.Eq("a\x00b"), smrt.ErrInvalidText},
		{"NUL in a list", thingName.In("a", "a\x00b"), smrt.ErrInvalidText},
		{"NUL in a part", thingName.Contains("a\x00b"), smrt.ErrInvalidText},
		{"NUL in a nullable column", thingNick.Eq("a\x00b"), smrt.ErrInvalidText},
		{"not UTF-8", thingName.HasPrefix("a\xff"), smrt.ErrInvalidText},
		{"not UTF-8 in an enum", thingMood.Eq("a\xff"), smrt.ErrInvalidText},
		{"element", thingTags.Has("\x00"), smrt.ErrInvalidText},
		{"elements", thingTags.Overlaps("", "\x00"), smrt.ErrInvalidText},
		{"array", thingTags.Eq([]string{"\xff"}), smrt.ErrInvalidText},
		{"arrays", thingTags.In([]string{"\xff"}), smrt.ErrInvalidText},
		{"sql text", thingWord.Eq(sql.NullString{String: "\x00", Valid: true}), smrt.ErrInvalidText},
		{"key", thingDoc.HasKey("\x00"), smrt.ErrInvalidText},
		{"path", thingDoc.PathEq(1, "a", "\xff"), smrt.ErrInvalidText},
		{"path text", thingDoc.PathText("\x00", "a"), smrt.ErrInvalidText},
		{"json NUL", thingDoc.Contains("a\x00"), smrt.ErrInvalidJSON},
		{"json NUL escaped backslash", thingDoc.Eq(json.RawMessage(`"\\\u0000"`)), smrt.ErrInvalidJSON},
		{"json syntax", thingDoc.Eq(json.RawMessage(`{"a"`)), smrt.ErrInvalidJSON},
		{"json value", thingDoc.Contains(func() {}), smrt.ErrInvalidJSON},
		{"json path value", thingDoc.PathEq(make(chan int)), smrt.ErrInvalidJSON},
		{"json list", thingDoc.In(json.RawMessage(`}`)), smrt.ErrInvalidJSON},
		{"search", thingSearch.Matches("\x00"), smrt.ErrInvalidText},
		{"time too late", thingAt.Lt(time.Date(300000, 1, 1, 0, 0, 0, 0, time.UTC)), smrt.ErrOutOfRange},
		{"time before Christ", thingMaybeAt.Between(time.Date(-1, 1, 1, 0, 0, 0, 0, time.UTC), moment(0)), smrt.ErrOutOfRange},
		{"times", thingAt.In(moment(0), time.Date(-1, 1, 1, 0, 0, 0, 0, time.UTC)), smrt.ErrOutOfRange},
		{"pattern", thingName.Like(`a\`), smrt.ErrBadQuery},
		{"pattern ilike", thingName.ILike(`a\\\`), smrt.ErrBadQuery},
		{"raw NUL", query.Raw[thing]("name = $1", "\x00"), smrt.ErrInvalidText},
		{"deep", query.And(query.Or(query.Not(thingName.Eq("\x00")))), smrt.ErrInvalidText},
	} {
		_, err := r.Find(t.Context(), query.Where(c.p))
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
		if sqlState(err) != "" {
			t.Errorf("%s: only the server noticed: %v", c.name, err)
		}
	}
	wantIDs(t, "an escaped backslash ends a pattern", find(t, r, query.Where(thingName.Like(`C:\\temp%\\`))))
	wantIDs(t, "an escaped escape is no NUL", find(t, r, query.Where(thingDoc.Contains(json.RawMessage(`"\\u0000"`)))))
}
