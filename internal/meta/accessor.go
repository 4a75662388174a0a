package meta

import (
	"fmt"
	"reflect"
	"unsafe"
)

// Accessor is a function from the address of a struct to that of one of its
// fields.
type Accessor func(unsafe.Pointer) unsafe.Pointer

// AccessorOf returns field without its types.
func AccessorOf[T, F any](field func(*T) *F) Accessor {
	return func(p unsafe.Pointer) unsafe.Pointer { return unsafe.Pointer(field((*T)(p))) }
}

// ColumnOf returns the column whose field the function field returns the address
// of. It panics if there is none: a wrong declaration is a mistake in the
// program.
func ColumnOf[T, F any](field func(*T) *F) *Column {
	return MustResolve((*T)(nil), (*F)(nil), AccessorOf(field))
}

// ColumnOfFunc does what ColumnOf does for a function whose type is known at
// run time only.
func ColumnOfFunc(field any) *Column {
	f := reflect.ValueOf(field)
	return MustResolve(reflect.Zero(f.Type().In(0)).Interface(), reflect.Zero(f.Type().Out(0)).Interface(), func(p unsafe.Pointer) unsafe.Pointer {
		return f.Call([]reflect.Value{reflect.NewAt(f.Type().In(0).Elem(), p)})[0].UnsafePointer()
	})
}

// MustResolve calls Resolve for nil pointers to the types. It panics where
// Resolve returns an error.
func MustResolve(entity, field any, access Accessor) *Column {
	c, err := Resolve(reflect.TypeOf(entity).Elem(), reflect.TypeOf(field).Elem(), access)
	if err != nil {
		panic(fmt.Sprintf("smrt: %v", err))
	}
	return c
}

// Resolve finds the column of t, of type f, that an accessor leads to, by
// calling it on a zero t and looking where the address it returns lies.
func Resolve(t, f reflect.Type, access Accessor) (*Column, error) {
	s, err := Of(t)
	if err != nil {
		return nil, err
	}
	offset, err := Locate(t, access)
	if err != nil {
		return nil, err
	}
	switch cs := s.fields[fieldKey{offset, f}]; len(cs) {
	case 1:
		return cs[0], nil
	case 0:
		return nil, fmt.Errorf("the field of type %s that the accessor returns is not a column of %s", f, t)
	default:
		return nil, fmt.Errorf("the accessor's field in %s is ambiguous: %q and %q have the same address", t, cs[0].Name, cs[1].Name)
	}
}

// Locate returns the offset, from the start of a t, of the field that an
// accessor leads to.
func Locate(t reflect.Type, access Accessor) (offset uintptr, err error) {
	defer func() {
		if r := recover(); r != nil { // it followed a pointer, which is nil in a zero t
			err = fmt.Errorf("an accessor of %s must return the address of a field of its argument: it panicked: %v", t, r)
		}
	}()
	zero := reflect.New(t).UnsafePointer()
	field := access(zero)
	if field == nil {
		return 0, fmt.Errorf("an accessor of %s returned nil: it must return the address of a field of its argument", t)
	}
	offset = uintptr(field) - uintptr(zero)
	if uintptr(field) < uintptr(zero) || offset >= t.Size() && t.Size() > 0 {
		return 0, fmt.Errorf("an accessor of %s must return the address of a field of its argument", t)
	}
	return offset, nil
}
