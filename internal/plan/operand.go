package plan

import (
	"database/sql/driver"
	"reflect"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgtype"
)

// Copy returns v, or a copy if v refers to memory that its owner may change: a
// query keeps its operands until it is run.
func Copy(v any) any {
	switch v := v.(type) {
	case nil, bool, int, int16, int32, int64, float32, float64, string, time.Time:
		return v
	}
	rv := reflect.ValueOf(v)
	if c := deepCopy(rv); c != rv {
		return c.Interface()
	}
	return v
}

// deepCopy does what Copy does, by reflection.
func deepCopy(v reflect.Value) reflect.Value {
	switch v.Kind() {
	case reflect.Slice:
		if v.IsNil() {
			return v
		}
		c := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		reflect.Copy(c, v)
		copyElements(c)
		return c
	case reflect.Pointer:
		// Other types may not be made for copies of their values.
		if v.IsNil() || v.Elem().Kind() == reflect.Struct && v.Type().Elem() != reflect.TypeFor[time.Time]() {
			return v
		}
		c := reflect.New(v.Type().Elem())
		c.Elem().Set(deepCopy(v.Elem()))
		if c.Type() != v.Type() {
			return c.Convert(v.Type())
		}
		return c
	}
	return v
}

// copyElements copies what the elements of a slice refer to.
func copyElements(slice reflect.Value) {
	switch slice.Type().Elem().Kind() {
	case reflect.Slice, reflect.Pointer:
	default:
		return
	}
	for i := range slice.Len() {
		slice.Index(i).Set(deepCopy(slice.Index(i)))
	}
}

// CopyAll copies what the elements of vs, a slice, refer to, in their place.
func CopyAll(vs any) { copyElements(reflect.ValueOf(vs)) }

// CopyArgs returns a copy of the arguments of a fragment.
func CopyArgs(args []any) []any {
	args = slices.Clone(args)
	for i, v := range args {
		args[i] = Copy(v)
	}
	return args
}

// IsNullValue reports whether v stands for NULL: a nil pointer, slice or map,
// or a type of its own that says so, such as sql.NullString or pgtype.Int4.
func IsNullValue(v any) bool {
	rv := reflect.ValueOf(v)
	switch rv.Kind() {
	case reflect.Invalid:
		return true
	case reflect.Pointer, reflect.Slice, reflect.Map:
		return rv.IsNil()
	}
	switch v := v.(type) {
	case pgtype.RangeValuer:
		return v.IsNull()
	case pgtype.ArrayGetter:
		return v.Dimensions() == nil
	}
	valuer, ok := v.(driver.Valuer)
	if !ok { // a method of the address, perhaps
		p := reflect.New(rv.Type())
		p.Elem().Set(rv)
		valuer, ok = p.Interface().(driver.Valuer)
	}
	if ok {
		dv, err := valuer.Value()
		return err == nil && dv == nil
	}
	return false
}
