package meta

import (
	"bytes"
	"math"
	"reflect"
	"time"
	"unsafe"
)

// Zero reports whether the column of the entity at p has its zero value.
func (c *Column) Zero(p unsafe.Pointer) bool {
	field := unsafe.Add(p, c.Offset)
	switch {
	case c.Ptr:
		return *(*unsafe.Pointer)(field) == nil
	case c.Encode == KindInt64:
		return *(*int64)(field) == 0
	case c.Encode == KindTime:
		return (*time.Time)(field).IsZero()
	}
	return reflect.NewAt(c.Type, field).Elem().IsZero()
}

// Copy copies a field of the column's type.
func (c *Column) Copy(dst, src unsafe.Pointer) {
	switch {
	case c.Ptr:
		*(*unsafe.Pointer)(dst) = *(*unsafe.Pointer)(src)
	case c.Encode == KindInt64:
		*(*int64)(dst) = *(*int64)(src)
	case c.Encode == KindTime:
		*(*time.Time)(dst) = *(*time.Time)(src)
	default:
		reflect.NewAt(c.Type, dst).Elem().Set(reflect.NewAt(c.Type, src).Elem())
	}
}

// Same reports whether two fields of the column's type hold the same: equal
// values, or, where Go compares none, the same memory.
func (c *Column) Same(a, b unsafe.Pointer) bool {
	size := c.Type.Size()
	if bytes.Equal(unsafe.Slice((*byte)(a), size), unsafe.Slice((*byte)(b), size)) {
		return true
	}
	x, y := reflect.NewAt(c.Type, a).Elem(), reflect.NewAt(c.Type, b).Elem()
	return x.Comparable() && y.Comparable() && x.Equal(y)
}

// Int returns the column of the entity at p, which must be of an integer kind.
func (c *Column) Int(p unsafe.Pointer) int64 {
	field := unsafe.Add(p, c.Offset)
	switch c.Encode {
	case KindInt16:
		return int64(*(*int16)(field))
	case KindInt32:
		return int64(*(*int32)(field))
	}
	return *(*int64)(field)
}

// WiderThan reports whether the column is an integer, and no pointer to one,
// that can be greater than limit.
func (c *Column) WiderThan(limit int64) bool {
	switch {
	case c.Ptr:
		return false
	case c.Encode == KindInt64:
		return limit < math.MaxInt64
	case c.Encode == KindInt32:
		return limit < math.MaxInt32
	}
	return false
}

// Value returns the column of the entity at p, copied.
func (c *Column) Value(p unsafe.Pointer) any {
	return reflect.NewAt(c.Type, unsafe.Add(p, c.Offset)).Elem().Interface()
}

// Moment returns the column of the entity at p, which must be a time, as the
// server keeps it: microseconds of UTC.
func (c *Column) Moment(p unsafe.Pointer) time.Time {
	field := unsafe.Add(p, c.Offset)
	if c.Ptr {
		field = *(*unsafe.Pointer)(field)
	}
	return (*time.Time)(field).Truncate(time.Microsecond).UTC()
}

// NotFinite reports whether the column holds a NaN or an infinity, which some
// column types take and others must not.
func (c *Column) NotFinite(p unsafe.Pointer) bool {
	if c.Encode != KindFloat32 && c.Encode != KindFloat64 {
		return false
	}
	v, _ := c.Arg(p)
	return NotFinite(v)
}

// NotFinite reports whether an operand is a NaN or an infinity.
func NotFinite(v any) bool {
	var f float64
	switch v := v.(type) {
	case float64:
		f = v
	case float32:
		f = float64(v)
	case *float64:
		if v == nil {
			return false
		}
		f = *v
	case *float64Arg:
		f = float64(*v)
	case *float32Arg:
		f = float64(*v)
	}
	return math.IsNaN(f) || math.IsInf(f, 0)
}
