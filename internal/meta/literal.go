package meta

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"unsafe"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/smrt-go/smrt/internal/kept"
)

// Literals are for values that pgx cannot encode because it does not know the
// type they are for: in exec mode, and for domains.

// textMaps lends maps of pgx's own types, which cost much to make and are not
// safe for concurrent use.
var textMaps = sync.Pool{New: func() any { return pgtype.NewMap() }}

// literal does what Text does for the types that have to be looked at.
func literal(v any) (s string, null bool, err error) {
	types := textMaps.Get().(*pgtype.Map)
	b, err := types.Encode(0, pgtype.TextFormatCode, v, make([]byte, 0, 32))
	textMaps.Put(types)
	if err == nil {
		return string(b), b == nil, nil
	}
	switch v := v.(type) {
	case pgtype.RangeValuer:
		return rangeLiteral(v)
	case pgtype.MultirangeGetter:
		return multirangeLiteral(v)
	}
	rv := reflect.ValueOf(v)
	switch rv.Kind() {
	case reflect.Pointer:
		if rv.IsNil() {
			return "", true, nil
		}
		return Text(rv.Elem().Interface())
	case reflect.Array:
		switch {
		case kindOf(rv.Type()) == KindUUID:
			var id uuidArg
			reflect.Copy(reflect.ValueOf(&id).Elem(), rv)
			return id.String(), false, nil
		case rv.Type().Elem().Kind() != reflect.Uint8:
			return arrayLiteral(rv)
		}
		b := make([]byte, rv.Len())
		reflect.Copy(reflect.ValueOf(b), rv)
		return Text(b)
	case reflect.Slice:
		return arrayLiteral(rv)
	case reflect.String:
		return rv.String(), false, nil
	case reflect.Bool:
		return strconv.FormatBool(rv.Bool()), false, nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return strconv.FormatInt(rv.Int(), 10), false, nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return strconv.FormatUint(rv.Uint(), 10), false, nil
	case reflect.Float32, reflect.Float64:
		return formatFloat(rv.Float(), rv.Type().Bits()), false, nil
	}
	return "", false, fmt.Errorf("a value of type %T has no text form", v)
}

// arrayLiteral writes a slice as an array.
func arrayLiteral(rv reflect.Value) (s string, null bool, err error) {
	if rv.Kind() == reflect.Slice && rv.IsNil() {
		return "", true, nil
	}
	s, err = arrayText(rv.Len(), isNested(rv.Type().Elem()), func(i int) (string, bool, error) { return Text(rv.Index(i).Interface()) })
	return s, false, err
}

// isNested reports whether an element of type t is an array inside an array.
func isNested(t reflect.Type) bool {
	return t.Kind() == reflect.Slice && t.Elem().Kind() != reflect.Uint8 && !implementsValue(t)
}

// rangeLiteral writes a range such as [1,5). An empty range has no bounds, and a
// bound that is missing is written as nothing.
func rangeLiteral(r pgtype.RangeValuer) (s string, null bool, err error) {
	if r.IsNull() {
		return "", true, nil
	}
	var b strings.Builder
	below, above := r.BoundTypes()
	if below == pgtype.Empty {
		return "empty", false, nil
	}
	low, high := r.Bounds()
	b.WriteByte(map[bool]byte{true: '[', false: '('}[below == pgtype.Inclusive])
	for i, bound := range []any{low, high} {
		if i == 1 {
			b.WriteByte(',')
		}
		if []pgtype.BoundType{below, above}[i] == pgtype.Unbounded {
			continue
		}
		s, _, err := Text(bound)
		if err != nil {
			return "", false, err
		}
		quoteElement(&b, s)
	}
	b.WriteByte(map[bool]byte{true: ']', false: ')'}[above == pgtype.Inclusive])
	return b.String(), false, nil
}

func multirangeLiteral(m pgtype.MultirangeGetter) (s string, null bool, err error) {
	if m.IsNull() {
		return "", true, nil
	}
	ranges := make([]string, m.Len())
	for i := range ranges {
		if ranges[i], _, err = Text(m.Index(i)); err != nil {
			return "", false, err
		}
	}
	return "{" + strings.Join(ranges, ",") + "}", false, nil
}

// JSON returns the JSON of a value for a json column. A nil pointer, slice or
// map is NULL, as it is to pgx.
func JSON(v any) (s string, null bool, err error) {
	switch rv := reflect.ValueOf(v); rv.Kind() {
	case reflect.Invalid:
		return "", true, nil
	case reflect.Pointer, reflect.Slice, reflect.Map:
		if rv.IsNil() {
			return "", true, nil
		}
	}
	b, err := json.Marshal(v)
	return string(b), false, err
}

// operandColumns describe the types of operands. They grow with the types that
// a program compares.
var operandColumns = newOperands()

type operandsKept struct{ sync.Map } // reflect.Type -> *Column

func newOperands() *operandsKept {
	o := &operandsKept{}
	kept.Add("structs", o, (*operandsKept).report, kept.Never[*operandsKept])
	return o
}

func (o *operandsKept) report() (r kept.Report) {
	o.Range(func(_, _ any) bool {
		r.Entries++
		return true
	})
	r.Bytes = int64(r.Entries * columnBytes)
	return r
}

// Operand returns a value outside an entity as an argument: the one that the
// same value in an entity is, so that a row is found by what was written to it.
func Operand(v any) (any, error) {
	switch v.(type) {
	case nil, bool, int, int16, int32, int64, string:
		return v, nil // the same to pgx as the argument of a field
	}
	t := reflect.TypeOf(v)
	if isArgument(t) {
		return v, nil
	}
	known, ok := operandColumns.Load(t)
	if !ok {
		known, _ = operandColumns.LoadOrStore(t, NewColumn("", t, 0))
	}
	c := known.(*Column)
	if c.Encode != KindOther && !c.Ptr {
		return c.Arg(boxed(&v))
	}
	field := reflect.New(t)
	field.Elem().Set(reflect.ValueOf(v))
	return c.Arg(field.UnsafePointer())
}

// boxed returns the address of the value in an interface. It must not be a
// pointer, and what lies there must not be changed: copying it would cost each
// operand two allocations.
func boxed(v *any) unsafe.Pointer {
	return (*struct{ typ, value unsafe.Pointer })(unsafe.Pointer(v)).value
}

var thisPackage = reflect.TypeFor[Column]().PkgPath()

// isArgument reports whether values of t were made by this package.
func isArgument(t reflect.Type) bool {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.PkgPath() == thisPackage
}

// NeedsType reports whether pgx can encode v only where it knows the type of the
// column, and v has a literal for where it does not.
func NeedsType(v any) bool {
	switch v.(type) {
	case pgtype.RangeValuer, pgtype.MultirangeGetter:
	default:
		if reflect.ValueOf(v).Kind() != reflect.Slice {
			return false
		}
	}
	types := textMaps.Get().(*pgtype.Map)
	defer textMaps.Put(types)
	_, known := types.TypeForValue(v)
	return !known
}
