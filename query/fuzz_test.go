package query_test

import (
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/plan"
	"github.com/smrt-go/smrt/query"
)

// taint marks every text that comes from the fuzzer: it must never show in SQL.
const taint = "t4k9q7z"

// source draws values from the fuzzer's bytes; at their end all are zero.
type source struct{ data []byte }

func (s *source) n(below int) int {
	if len(s.data) == 0 {
		return 0
	}
	b := s.data[0]
	s.data = s.data[1:]
	return int(b) % below
}

func (s *source) int64() int64 {
	var v int64
	for range s.n(9) {
		v = v<<8 | int64(s.n(256))
	}
	if s.n(2) == 1 {
		return -v
	}
	return v
}

func (s *source) text() string {
	n := min(s.n(40), len(s.data))
	text := string(s.data[:n])
	s.data = s.data[n:]
	return text + taint + []string{"", "'", `"`, `\`, ";--", "$1", "?", "/*", "%", "\x00"}[s.n(10)]
}

func (s *source) texts() []string {
	out := make([]string, s.n(4))
	for i := range out {
		out[i] = s.text()
	}
	return out
}

func (s *source) time() time.Time { return time.Unix(s.int64()>>20, s.int64()%1e9) }

func (s *source) uid() (u [16]byte) {
	for i := range u {
		u[i] = byte(s.n(256))
	}
	return u
}

// any draws a value that JSON may or may not be able to carry.
func (s *source) any() any {
	switch s.n(7) {
	case 0:
		return nil
	case 1:
		return s.int64()
	case 2:
		return s.text()
	case 3:
		return map[string]any{s.text(): s.text()}
	case 4:
		return s.texts()
	case 5:
		return json.RawMessage(s.text())
	}
	return math.Float64frombits(uint64(s.int64()))
}

func compare[V any](s *source, c query.Column[thing, V], draw func() V) query.Predicate[thing] {
	vs := make([]V, s.n(4))
	for i := range vs {
		vs[i] = draw()
	}
	switch s.n(11) {
	case 0:
		return c.Eq(draw())
	case 1:
		return c.Ne(draw())
	case 2:
		return c.Lt(draw())
	case 3:
		return c.Le(draw())
	case 4:
		return c.Gt(draw())
	case 5:
		return c.Ge(draw())
	case 6:
		return c.Between(draw(), draw())
	case 7:
		return c.In(vs...)
	case 8:
		return c.NotIn(vs...)
	case 9:
		return c.IsNull()
	}
	return c.IsNotNull()
}

func (s *source) textPredicate(c query.TextColumn[thing, string]) query.Predicate[thing] {
	switch s.n(7) {
	case 0:
		return c.HasPrefix(s.text())
	case 1:
		return c.HasSuffix(s.text())
	case 2:
		return c.Contains(s.text())
	case 3:
		return c.ContainsFold(s.text())
	case 4:
		return c.Like(s.text())
	case 5:
		return c.ILike(s.text())
	}
	return compare(s, c.Column, s.text)
}

func (s *source) arrayPredicate() query.Predicate[thing] {
	switch s.n(6) {
	case 0:
		return thingTags.Has(s.text())
	case 1:
		return thingTags.ContainsAll(s.texts()...)
	case 2:
		return thingTags.Overlaps(s.texts()...)
	case 3:
		return thingTags.Within(s.texts()...)
	case 4:
		return thingNums.ContainsAll(int32(s.int64()), int32(s.int64()))
	}
	return compare(s, thingTags.Column, s.texts)
}

func (s *source) jsonPredicate() query.Predicate[thing] {
	switch s.n(6) {
	case 0:
		return thingDoc.Contains(s.any())
	case 1:
		return thingDoc.HasKey(s.text())
	case 2:
		return thingDoc.PathEq(s.any(), s.texts()...)
	case 3:
		return thingDoc.PathText(s.text(), s.texts()...)
	case 4:
		return thingOpts.Contains(s.any())
	}
	return compare(s, thingDoc.Column, func() json.RawMessage { return json.RawMessage(s.text()) })
}

func (s *source) rangePredicate() query.Predicate[thing] {
	low, high := int32(s.int64()), int32(s.int64())
	switch s.n(4) {
	case 0:
		return thingSpan.Has(low)
	case 1:
		return thingSpan.Contains(span(min(low, high), max(low, high)))
	case 2:
		return thingPeriod.Has(s.time())
	}
	return thingSpan.Overlaps(span(min(low, high), max(low, high)))
}

func (s *source) fragment() query.Predicate[thing] {
	switch s.n(4) {
	case 0:
		return query.Raw[thing]("name = $1 OR doc ? $1", s.text())
	case 1:
		return query.Raw[thing]("lower(nick) = ANY($2) AND 'a?$1' <> $1", s.text(), s.texts())
	case 2:
		return query.Raw[thing]("at > now() - $1::interval", time.Duration(s.int64()))
	}
	return query.Raw[thing]("name LIKE $1 || $$?%$$", s.text())
}

func (s *source) predicate(depth int) query.Predicate[thing] {
	if depth > 0 {
		switch s.n(4) {
		case 0:
			return query.Not(s.predicate(depth - 1))
		case 1, 2:
			ps := make([]query.Predicate[thing], s.n(4))
			for i := range ps {
				ps[i] = s.predicate(depth - 1)
			}
			if s.n(2) == 0 {
				return query.And(ps...)
			}
			return query.Or(ps...)
		}
	}
	switch s.n(16) {
	case 0:
		return s.textPredicate(thingName)
	case 1:
		return s.textPredicate(thingNick)
	case 2:
		return s.arrayPredicate()
	case 3:
		return s.jsonPredicate()
	case 4:
		return s.rangePredicate()
	case 5:
		return s.fragment()
	case 6:
		return compare(s, thingSmall, func() int16 { return int16(s.int64()) })
	case 7:
		return compare(s, thingBig, s.int64)
	case 8:
		return compare(s, thingPtrInt, func() *int32 { return []*int32{nil, ptr(int32(s.int64()))}[s.n(2)] })
	case 9:
		return compare(s, thingDouble, func() float64 { return math.Float64frombits(uint64(s.int64())) })
	case 10:
		return compare(s, thingAt, s.time)
	case 11:
		return compare(s, thingDay, s.time)
	case 12:
		return compare(s, thingMaybeUID, s.uid)
	case 13:
		return compare(s, thingBlob, func() []byte { return []byte(s.text()) })
	case 14:
		return compare(s, thingWord, func() sql.NullString { return sql.NullString{String: s.text(), Valid: s.n(2) == 1} })
	}
	return query.Or(thingSearch.Matches(s.text()), compare(s, thingAmount, func() pgtype.Numeric { return pgtype.Numeric{Int: nil, Valid: false} }))
}

func (s *source) query() query.Query[thing] {
	q := query.Where(s.predicate(3))
	for range s.n(3) {
		q = q.Where(s.predicate(2))
	}
	orders := []query.Order[thing]{thingName.Asc(), thingMaybeInt.Desc().NullsLast(), thingDoc.Asc(), thingSpan.Desc(), thingTags.Asc().NullsFirst()}
	q = q.OrderBy(orders[s.n(5)], orders[s.n(5)])
	if s.n(2) == 1 {
		q = q.Limit(int(s.int64()))
	}
	if s.n(2) == 1 {
		q = q.Offset(int(s.int64()))
	}
	if s.n(4) == 3 {
		q = q.Lock(query.Lock(s.n(6)), query.Wait(s.n(4)))
	}
	return q
}

// The states that say that a statement is no SQL, or names what does not exist:
// no input may lead to one.
var syntax = map[string]bool{"42601": true, "42703": true, "42P01": true, "42P18": true, "42883": true, "42804": true, "42P02": true, "08P01": true}

// FuzzPredicate builds queries and updates out of arbitrary bytes.
func FuzzPredicate(f *testing.F) {
	for _, seed := range []string{
		"", "00", "0001020304050607", "03000100", "0303ff05616263640000", "0102030405060708090a0b0c0d0e0f", "ffffffffffffffffffffffffffffffff",
		"030201000102030201020103010203020102030201020302010203", "0300000061", "030005020178", "0303020127273b2d2d", "03030303030303",
		"03020304010203040a0b0c", "0305010203", "030e0101", "0300040127000500", "03010101010101010101010101010102020202020202",
		"2803c0ffee2a5c5c255f00", "0300062702022222270303", "034f05071f2c81ff7e6d5c4b3a291807f6e5d4c3b2a190807060504030201000",
	} {
		data, err := hex.DecodeString(seed)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	pool := thingsPool(f)
	r := fillThings(f, pool)
	ctx := context.Background()
	f.Fuzz(func(t *testing.T, data []byte) {
		s := &source{data: data}
		q := s.query()
		read := plan.Request{Verb: plan.Select, List: "id", Spec: q.Plan()}
		if st, err := things.Plan().Build(context.Background(), &read); err == nil && strings.Contains(st.SQL, taint) {
			t.Fatalf("a value is part of the SQL: %s", st.SQL)
		}
		p := s.predicate(2)
		check := func(what string, err error) {
			t.Helper()
			if syntax[sqlState(err)] {
				st, _ := things.Plan().Build(context.Background(), &read)
				t.Fatalf("%s: %v: %v\n%s %v", what, err, errors.Unwrap(err), st.SQL, st.Args)
			}
			if err != nil && strings.Contains(err.Error(), taint) {
				t.Fatalf("%s: a value is part of the error: %v", what, err)
			}
		}
		_, err := r.Find(ctx, q)
		check("find", err)
		_, err = r.Count(ctx, q)
		check("count", err)
		_, err = r.UpdateWhere(ctx, query.Where(p, query.Not(p)), thingName.Set(s.text()), thingTags.Set(s.texts()), query.Add(thingBig, s.int64()),
			thingAt.Set(s.time()), thingDoc.Set(json.RawMessage(s.text())), thingNick.SetExpr("$1 || '?'", s.text()))
		check("update", err)
		if n, err := r.Count(ctx, query.All[thing]()); n != 4 && !errors.Is(err, smrt.ErrNotFound) {
			t.Fatalf("%d rows are left: %v", n, err)
		}
	})
}
