package plan

import (
	"database/sql/driver"
	"reflect"
)

// IsNullValue reports whether v stands for NULL: a nil pointer, slice or map, or a
// type of its own that says so, such as sql.NullString or pgtype.Int4.
func IsNullValue(v any) bool {
	rv := reflect.ValueOf(v)
	switch rv.Kind() {
	case reflect.Invalid:
		return true
	case reflect.Pointer, reflect.Slice, reflect.Map:
		return rv.IsNil()
	}
	if valuer, ok := v.(driver.Valuer); ok {
		dv, err := valuer.Value()
		return err == nil && dv == nil
	}
	return false
}
