package meta

import (
	"fmt"
	"reflect"
)

// ResultOf describes the rows of a statement that are read into t, a struct: its exported
// fields in their order, which is that of the columns. The fields of a struct that is not
// a value by itself are columns each, as sqlc.embed makes them. A column is called what
// its field is.
func ResultOf(t reflect.Type) (*Struct, error) {
	if s, ok := structs.Load(result{t}); ok {
		return s.(*Struct), nil
	}
	if t.Kind() != reflect.Struct {
		return nil, fmt.Errorf("%s is not a struct", t)
	}
	s := &Struct{Type: t}
	s.addResult(t, 0, "")
	if len(s.Columns) == 0 {
		return nil, fmt.Errorf("%s has no exported field that could be a column", t)
	}
	actual, _ := structs.LoadOrStore(result{t}, s)
	return actual.(*Struct), nil
}

// result is the key of what ResultOf returns, among what Of returns.
type result struct{ of reflect.Type }

func (s *Struct) addResult(t reflect.Type, base uintptr, prefix string) {
	for i := range t.NumField() {
		f := t.Field(i)
		switch {
		case !f.IsExported():
		case f.Type.Kind() == reflect.Struct && !isValue(f.Type):
			s.addResult(f.Type, base+f.Offset, prefix+f.Name+".")
		default:
			c := NewColumn(prefix+f.Name, f.Type, base+f.Offset)
			c.Index = len(s.Columns)
			s.Columns = append(s.Columns, c)
		}
	}
}

// At returns the column at an offset whose field is of type f, or nil.
func (s *Struct) At(offset uintptr, f reflect.Type) *Column {
	for _, c := range s.Columns {
		if c.Offset == offset && c.Type == f {
			return c
		}
	}
	return nil
}

// ResolveResult is Resolve for the rows of a statement, see ResultOf.
func ResolveResult(t, f reflect.Type, access Accessor) (*Column, error) {
	s, err := ResultOf(t)
	if err != nil {
		return nil, err
	}
	offset, err := Locate(t, access)
	if err != nil {
		return nil, err
	}
	c := s.At(offset, f)
	if c == nil {
		return nil, fmt.Errorf("the field of type %s that the accessor returns is not a column of a result that is read into %s", f, t)
	}
	return c, nil
}
