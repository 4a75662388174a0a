package meta

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/big"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"github.com/jackc/pgx/v5/pgtype"
)

// Bounds of values are compared as the server compares them:
//
//	integers         as they are
//	floats, numeric  as they are; a NaN breaks every bound, where for the server it is the greatest
//	times            by microseconds, which is what a timestamp keeps
//	dates            by the date, whatever clock they have
//
// There are no bounds of texts: their order is that of a collation.

// errNoBound is for a limit that is NULL, a NaN or infinite.
var errNoBound = errors.New("the limit must be a finite value")

// breaker reports whether the value at an address breaks a rule. Each is one closure
// with its limit beside it: what a check costs is the memory that it looks at, which
// other work has pushed out of the processor's caches since the last write.
type breaker = func(unsafe.Pointer) bool

// number makes the breakers of a kind of numbers.
type number struct {
	bound func(least bool, limit reflect.Value) breaker
	among func(values []reflect.Value) breaker
}

// numberOf returns number for V, into which as converts.
func numberOf[V cmp.Ordered](as func(reflect.Value) V) number {
	return number{
		bound: func(least bool, limit reflect.Value) breaker { return within(least, as(limit)) },
		among: func(values []reflect.Value) breaker { return among(values, as) },
	}
}

// numbers are those of the kinds of Go.
var numbers = map[reflect.Kind]number{
	reflect.Int:     numberOf(func(v reflect.Value) int { return int(v.Int()) }),
	reflect.Int8:    numberOf(func(v reflect.Value) int8 { return int8(v.Int()) }),
	reflect.Int16:   numberOf(func(v reflect.Value) int16 { return int16(v.Int()) }),
	reflect.Int32:   numberOf(func(v reflect.Value) int32 { return int32(v.Int()) }),
	reflect.Int64:   numberOf(reflect.Value.Int),
	reflect.Uint:    numberOf(func(v reflect.Value) uint { return uint(v.Uint()) }),
	reflect.Uint8:   numberOf(func(v reflect.Value) uint8 { return uint8(v.Uint()) }),
	reflect.Uint16:  numberOf(func(v reflect.Value) uint16 { return uint16(v.Uint()) }),
	reflect.Uint32:  numberOf(func(v reflect.Value) uint32 { return uint32(v.Uint()) }),
	reflect.Uint64:  numberOf(reflect.Value.Uint),
	reflect.Float32: numberOf(func(v reflect.Value) float32 { return float32(v.Float()) }),
	reflect.Float64: numberOf(reflect.Value.Float),
}

// within returns what reports whether a number breaks a bound. A NaN breaks all.
func within[V cmp.Ordered](least bool, limit V) breaker {
	if least {
		return func(p unsafe.Pointer) bool { return !(*(*V)(p) >= limit) }
	}
	return func(p unsafe.Pointer) bool { return !(*(*V)(p) <= limit) }
}

// compared is within for values that are compared by a function, which reports
// false for a NaN.
func compared(least bool, compare func(unsafe.Pointer) (int, bool)) breaker {
	return func(p unsafe.Pointer) bool {
		c, ok := compare(p)
		return !ok || least && c < 0 || !least && c > 0
	}
}

// compileBound returns a limit as it is listed, and what reports whether the value
// at an address, of the limit's type, breaks it.
func compileBound(least bool, limit any) (any, breaker, error) {
	switch x := limit.(type) {
	case time.Time:
		at := x.UnixMicro()
		return x, compared(least, func(p unsafe.Pointer) (int, bool) { return cmp.Compare((*time.Time)(p).UnixMicro(), at), true }), nil
	case pgtype.Timestamptz:
		return momentBound(least, x.Time, x.Valid && x.InfinityModifier == pgtype.Finite, func(p unsafe.Pointer) (time.Time, pgtype.InfinityModifier) {
			v := (*pgtype.Timestamptz)(p)
			return v.Time, v.InfinityModifier
		})
	case pgtype.Timestamp:
		return momentBound(least, clock(x.Time), x.Valid && x.InfinityModifier == pgtype.Finite, func(p unsafe.Pointer) (time.Time, pgtype.InfinityModifier) {
			v := (*pgtype.Timestamp)(p)
			return clock(v.Time), v.InfinityModifier
		})
	case pgtype.Date:
		return momentBound(least, day(x.Time), x.Valid && x.InfinityModifier == pgtype.Finite, func(p unsafe.Pointer) (time.Time, pgtype.InfinityModifier) {
			v := (*pgtype.Date)(p)
			return day(v.Time), v.InfinityModifier
		})
	case pgtype.Numeric:
		return numericBound(least, x)
	}
	v, ok := plain(limit)
	switch {
	case !ok || v.CanFloat() && (math.IsNaN(v.Float()) || math.IsInf(v.Float(), 0)):
		return nil, nil, errNoBound
	case v.Type() == durationType:
		return time.Duration(v.Int()), numbers[v.Kind()].bound(least, v), nil
	}
	return listed(v), numbers[v.Kind()].bound(least, v), nil
}

// listed returns a number or a text as rules list it.
func listed(v reflect.Value) any {
	switch {
	case v.CanInt():
		return v.Int()
	case v.CanUint():
		return v.Uint()
	case v.CanFloat():
		return v.Float()
	}
	return v.String()
}

// plain returns the number or text in a value, which those of pgtype have as their
// first field. It reports false for NULL.
func plain(value any) (reflect.Value, bool) {
	v := reflect.ValueOf(value)
	if validOffset(v.Type()) == 0 {
		return v, true
	}
	return v.Field(0), v.FieldByName("Valid").Bool()
}

// momentBound is compileBound for pgtype's times, of which read returns the moment.
func momentBound(least bool, limit time.Time, finite bool, read func(unsafe.Pointer) (time.Time, pgtype.InfinityModifier)) (any, breaker, error) {
	if !finite {
		return nil, nil, errNoBound
	}
	at := limit.UnixMicro()
	return limit, compared(least, func(p unsafe.Pointer) (int, bool) {
		t, infinity := read(p)
		if infinity != pgtype.Finite {
			return int(infinity), true
		}
		return cmp.Compare(t.UnixMicro(), at), true
	}), nil
}

// clock returns what the clock shows at t, as of UTC: a timestamp knows no zone.
func clock(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
}

// day returns the date of t, as of UTC.
func day(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC)
}

func numericBound(least bool, limit pgtype.Numeric) (any, breaker, error) {
	if !limit.Valid || limit.NaN || limit.InfinityModifier != pgtype.Finite {
		return nil, nil, errNoBound
	}
	own := pgtype.Numeric{Int: new(big.Int), Exp: limit.Exp, Valid: true}
	if limit.Int != nil {
		own.Int.Set(limit.Int)
	}
	return own, compared(least, func(p unsafe.Pointer) (int, bool) {
		v := (*pgtype.Numeric)(p)
		if v.InfinityModifier != pgtype.Finite {
			return int(v.InfinityModifier), !v.NaN
		}
		return compareNumeric(v, &own), !v.NaN
	}), nil
}

// compareNumeric compares two finite numbers. It looks at their magnitudes first,
// so that an exponent of a million needs no number with a million digits.
func compareNumeric(a, b *pgtype.Numeric) int {
	x, y := a.Int, b.Int
	if x == nil {
		x = new(big.Int)
	}
	if x.Sign() != y.Sign() || x.Sign() == 0 || a.Exp == b.Exp {
		return x.Cmp(y)
	}
	if c := cmp.Compare(digits(x)+int64(a.Exp), digits(y)+int64(b.Exp)); c != 0 {
		return c * x.Sign()
	}
	switch d := int64(a.Exp) - int64(b.Exp); { // no more than one has digits
	case d > 0:
		x = shifted(x, d)
	default:
		y = shifted(y, -d)
	}
	return x.Cmp(y)
}

// digits returns how many decimal digits n has.
func digits(n *big.Int) int64 { return int64(len(strings.TrimPrefix(n.Text(10), "-"))) }

// shifted returns n with so many zeros behind it.
func shifted(n *big.Int, zeros int64) *big.Int {
	return new(big.Int).Mul(n, new(big.Int).Exp(big.NewInt(10), big.NewInt(zeros), nil))
}

// fewValues is for how many values a list is searched from its start, which is
// faster than a map for so many.
const fewValues = 8

// among returns what reports whether a value is none of a list.
func among[V comparable](list []reflect.Value, as func(reflect.Value) V) breaker {
	values, set := make([]V, len(list)), make(map[V]bool, len(list))
	for i, v := range list {
		values[i] = as(v)
		set[values[i]] = true
	}
	if len(values) <= fewValues {
		return func(p unsafe.Pointer) bool { return !slices.Contains(values, *(*V)(p)) }
	}
	return func(p unsafe.Pointer) bool { return !set[*(*V)(p)] }
}

// compileOneOf returns values as they are listed, and what reports whether the value
// at an address, of their type, is none of them.
func compileOneOf(given []any) (limits []any, breaks breaker, err error) {
	if len(given) == 0 {
		return nil, nil, errors.New("it names no value")
	}
	values := make([]reflect.Value, len(given))
	for i, value := range given {
		v, ok := plain(value)
		if !ok {
			return nil, nil, errors.New("NULL is none of the values: it passes every rule but Required and NotBlank")
		}
		if slices.Contains(limits, listed(v)) {
			return nil, nil, fmt.Errorf("it names %q twice", limitText(listed(v), nil))
		}
		values[i], limits = v, append(limits, listed(v))
	}
	if n, ok := numbers[values[0].Kind()]; ok {
		return limits, n.among(values), nil
	}
	return limits, among(values, reflect.Value.String), nil
}

// limitText returns a limit for people.
func limitText(limit, given any) string {
	switch x := limit.(type) {
	case time.Time:
		return x.Format(time.RFC3339Nano)
	case pgtype.Numeric:
		text, _ := x.Value()
		return fmt.Sprint(text)
	case float64:
		bits := 64
		if v, ok := plain(given); ok && v.Kind() == reflect.Float32 {
			bits = 32 // 0.1 and not 0.10000000149011612
		}
		if math.Abs(x) < 1e15 {
			return strconv.FormatFloat(x, 'f', -1, bits)
		}
	}
	return fmt.Sprint(limit)
}
