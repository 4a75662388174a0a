package meta

import (
	"fmt"
	"reflect"
	"strings"
	"unsafe"

	"github.com/jackc/pgx/v5/pgtype"
)

// other makes an argument of a value at an address, which pgx's codecs do not
// write as they should, or not in every mode.
type other func(c *Column, value unsafe.Pointer) (any, error)

var (
	intervalType    = reflect.TypeFor[pgtype.Interval]()
	timestamptzType = reflect.TypeFor[pgtype.Timestamptz]()
	rangeType       = reflect.TypeFor[pgtype.RangeValuer]()
	multirangeType  = reflect.TypeFor[pgtype.MultirangeGetter]()
)

// otherOf returns how values of type t become arguments, nil if as they are.
func otherOf(t reflect.Type) other {
	switch {
	case t == intervalType:
		return func(_ *Column, p unsafe.Pointer) (any, error) { return (*intervalArg)(p), nil }
	case t == timestamptzType:
		return func(_ *Column, p unsafe.Pointer) (any, error) { return (*timestamptzArg)(p), nil }
	case isSQLNull(t):
		return nullOther(t)
	case writesByAddress(t):
		return func(_ *Column, p unsafe.Pointer) (any, error) { return reflect.NewAt(t, p).Interface(), nil }
	case t.Implements(rangeType):
		return func(_ *Column, p unsafe.Pointer) (any, error) {
			return rangeArg{reflect.NewAt(t, p).Elem().Interface().(pgtype.RangeValuer)}, nil
		}
	case t.Implements(multirangeType):
		return func(_ *Column, p unsafe.Pointer) (any, error) {
			return multirangeArg{reflect.NewAt(t, p).Elem().Interface().(pgtype.MultirangeGetter)}, nil
		}
	case isByteArray(t):
		return func(_ *Column, p unsafe.Pointer) (any, error) { return unsafe.Slice((*byte)(p), t.Len()), nil }
	case t.Kind() == reflect.Slice || t.Kind() == reflect.Array:
		return listOther(t)
	}
	return nil
}

// isByteArray reports whether t is an array of bytes, which pgx would write as
// an array of numbers.
func isByteArray(t reflect.Type) bool {
	return t.Kind() == reflect.Array && t.Elem().Kind() == reflect.Uint8
}

// writesByAddress reports whether *t writes itself, but not t. pgx, which is
// given a t, would write what lies below its name.
func writesByAddress(t reflect.Type) bool {
	return implementsValue(t) && !t.Implements(valuerType)
}

// isSQLNull reports whether t is one of the nullable types of database/sql: a
// value and whether it is valid.
func isSQLNull(t reflect.Type) bool {
	return t.PkgPath() == "database/sql" && t.Kind() == reflect.Struct && t.NumField() == 2 && t.Field(1).Name == "Valid"
}

// nullOther writes the value inside like a field of its type.
func nullOther(t reflect.Type) other {
	inner, valid := NewColumn("", t.Field(0).Type, 0), t.Field(1).Offset
	return func(c *Column, p unsafe.Pointer) (any, error) {
		if !*(*bool)(unsafe.Add(p, valid)) {
			return nil, nil
		}
		v, err := inner.Arg(p)
		if err != nil {
			err = InColumn(err, c.Name)
		}
		return v, err
	}
}

// listOther writes lists whose elements need an argument of their own.
func listOther(t reflect.Type) other {
	element := t.Elem()
	for element.Kind() == reflect.Slice || element.Kind() == reflect.Array {
		element = element.Elem()
	}
	if writesByAddress(element) {
		return func(_ *Column, p unsafe.Pointer) (any, error) {
			v := reflect.NewAt(t, p).Elem()
			if v.Kind() == reflect.Slice && v.IsNil() {
				return nil, nil
			}
			return addresses(v).Interface(), nil
		}
	}
	element = t.Elem()
	if element.Kind() == reflect.Pointer {
		element = element.Elem()
	}
	switch {
	case t.Kind() != reflect.Slice:
	case element == timeType, element == intervalType, element == timestamptzType, isSQLNull(element):
		column := NewColumn("", t.Elem(), 0)
		return func(c *Column, p unsafe.Pointer) (any, error) {
			v := reflect.NewAt(t, p).Elem()
			if v.IsNil() {
				return nil, nil
			}
			a, err := NewArray(column, v.UnsafePointer(), t.Elem().Size(), v.Len(), nil)
			if err != nil {
				err = InColumn(err, c.Name)
			}
			return listArg{a, v}, err
		}
	}
	return nil
}

// addresses returns a list with the address of each element, also of those of
// the lists inside.
func addresses(v reflect.Value) reflect.Value {
	nested := v.Type().Elem().Kind() == reflect.Slice || v.Type().Elem().Kind() == reflect.Array
	var out reflect.Value
	for i := range v.Len() {
		e := v.Index(i)
		if nested {
			e = addresses(e)
		} else {
			e = e.Addr()
		}
		if i == 0 {
			out = reflect.MakeSlice(reflect.SliceOf(e.Type()), 0, v.Len())
		}
		out = reflect.Append(out, e)
	}
	if !out.IsValid() {
		return reflect.ValueOf([]string{}) // an empty array is the same of any type
	}
	return out
}

// checkWritable refuses types of fields whose elements would not be asked for
// their value, which pgx's generic types are not made for.
func checkWritable(t reflect.Type) error {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.PkgPath() != "github.com/jackc/pgx/v5/pgtype" || !strings.Contains(t.Name(), "[") || strings.HasPrefix(t.Name(), "FlatArray[") {
		return nil
	}
	for t.Kind() == reflect.Slice || t.Kind() == reflect.Struct && t.NumField() > 0 && strings.Contains(t.Name(), "[") {
		if t.Kind() == reflect.Slice {
			t = t.Elem()
		} else {
			t = t.Field(0).Type
		}
	}
	if writesByAddress(t) && t.PkgPath() != "github.com/jackc/pgx/v5/pgtype" {
		return fmt.Errorf("Value is a method of *%s, and is not called for the elements of a type of pgtype: use []%s, or let Value be a method of %s", t, t, t)
	}
	return nil
}

// intervalArg is an interval. Its text is that of ISO 8601, which means the same
// in each IntervalStyle: for sql_standard a sign in front of the first number of
// another form is that of all.
type intervalArg pgtype.Interval

// IntervalValue implements pgtype.IntervalValuer.
func (a *intervalArg) IntervalValue() (pgtype.Interval, error) { return pgtype.Interval(*a), nil }

// TextValue implements pgtype.TextValuer.
func (a *intervalArg) TextValue() (pgtype.Text, error) {
	return pgtype.Text{String: a.String(), Valid: a.Valid}, nil
}

func (a *intervalArg) String() string {
	sign, us := "", uint64(a.Microseconds)
	if a.Microseconds < 0 {
		sign, us = "-", -us
	}
	return fmt.Sprintf("P%dM%dDT%s%d.%06dS", a.Months, a.Days, sign, us/1e6, us%1e6)
}

// timestamptzArg is a moment or an infinity. As a time.Time it gives a column
// without a zone the clock of its location.
type timestamptzArg pgtype.Timestamptz

// TimestamptzValue implements pgtype.TimestamptzValuer.
func (a *timestamptzArg) TimestamptzValue() (pgtype.Timestamptz, error) {
	return pgtype.Timestamptz(*a), nil
}

// TextValue implements pgtype.TextValuer.
func (a *timestamptzArg) TextValue() (pgtype.Text, error) {
	return pgtype.Text{String: a.String(), Valid: a.Valid}, nil
}

func (a *timestamptzArg) String() string {
	switch a.InfinityModifier {
	case pgtype.Infinity:
		return "infinity"
	case pgtype.NegativeInfinity:
		return "-infinity"
	}
	return (*timeArg)(&a.Time).String()
}

// rangeArg is a range, with a text where pgx does not know the column's type.
type rangeArg struct{ pgtype.RangeValuer }

// TextValue implements pgtype.TextValuer.
func (a rangeArg) TextValue() (pgtype.Text, error) {
	s, null, err := rangeLiteral(a.RangeValuer)
	return pgtype.Text{String: s, Valid: !null}, err
}

// multirangeArg is a multirange, with a text like that of rangeArg.
type multirangeArg struct{ pgtype.MultirangeGetter }

// TextValue implements pgtype.TextValuer.
func (a multirangeArg) TextValue() (pgtype.Text, error) {
	s, null, err := multirangeLiteral(a.MultirangeGetter)
	return pgtype.Text{String: s, Valid: !null}, err
}

// listArg is a list for a column that is an array. It has no TextValue, which
// would go before what encoding/json makes of it for a json column.
type listArg struct {
	array *Array
	value reflect.Value
}

// Dimensions implements pgtype.ArrayGetter, as the next two do.
func (a listArg) Dimensions() []pgtype.ArrayDimension { return a.array.Dimensions() }

// Index returns an element.
func (a listArg) Index(i int) any { return a.array.Index(i) }

// IndexType returns a value of the elements' type.
func (a listArg) IndexType() any { return a.array.IndexType() }

// MarshalJSON implements json.Marshaler.
func (a listArg) MarshalJSON() ([]byte, error) {
	s, _, err := JSON(a.value.Interface())
	return []byte(s), err
}

// String gives the literal of the array, which pgx sends where it does not know
// the column's type.
func (a listArg) String() string {
	t, _ := a.array.TextValue() // elements of these types have one
	return t.String
}
