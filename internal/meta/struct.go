package meta

import (
	"cmp"
	"fmt"
	"reflect"
	"strings"
	"sync"

	"github.com/smrt-go/smrt/internal/kept"
)

// Column is one field of a struct that is a column.
type Column struct {
	Name     string
	Quoted   string // Name as an SQL identifier
	Index    int    // position in Struct.Columns
	Offset   uintptr
	Type     reflect.Type // of the field
	Kind     Kind         // how the value, or the value pointed to, is decoded
	Encode   Kind         // how it is encoded: an sqlc enum scans itself but has no Valuer
	Ptr      bool         // the field is a pointer to a value of these kinds
	Nullable bool         // the field can hold a NULL
	Expr     Expr         // what is computed in place of a column

	valuer bool  // the value, or its address, has the method of driver.Valuer
	other  other // how a KindOther becomes an argument; nil: as it is
}

// Struct describes the columns of a Go struct.
type Struct struct {
	Type    reflect.Type
	Columns []*Column
	fields  map[fieldKey][]*Column
}

// fieldKey finds a column by what an accessor returns. The offset alone is not
// enough: a struct and its first field lie at the same offset.
type fieldKey struct {
	offset uintptr
	typ    reflect.Type
}

// structs caches Of by type. It only grows with the number of struct types
// that a program declares.
var structs = newStructs()

type structsKept struct{ sync.Map } // reflect.Type -> *Struct

func newStructs() *structsKept {
	s := &structsKept{}
	kept.Add("structs", s, (*structsKept).report, kept.Never[*structsKept])
	return s
}

// columnBytes is about what is kept of a column.
const columnBytes = 320

func (s *structsKept) report() (r kept.Report) {
	s.Range(func(_, v any) bool {
		r.Entries++
		r.Bytes += int64(len(v.(*Struct).Columns) * columnBytes)
		return true
	})
	return r
}

// Of describes t, which must be a struct.
func Of(t reflect.Type) (*Struct, error) {
	if s, ok := structs.Load(t); ok {
		return s.(*Struct), nil
	}
	if t.Kind() != reflect.Struct {
		return nil, fmt.Errorf("%s is not a struct", t)
	}
	s := &Struct{Type: t, fields: map[fieldKey][]*Column{}}
	if err := s.add(t, 0); err != nil {
		return nil, err
	}
	if len(s.Columns) == 0 {
		return nil, fmt.Errorf("%s has no exported field that could be a column", t)
	}
	seen := map[string]bool{}
	for _, c := range s.Columns {
		if seen[c.Name] {
			return nil, fmt.Errorf("%s has two fields for column %q", t, c.Name)
		}
		seen[c.Name] = true
	}
	actual, _ := structs.LoadOrStore(t, s)
	return actual.(*Struct), nil
}

func (s *Struct) add(t reflect.Type, base uintptr) error {
	for i := range t.NumField() {
		f := t.Field(i)
		tag, tagged := f.Tag.Lookup("db")
		tag, _, _ = strings.Cut(tag, ",")
		if tag == "-" {
			continue
		}
		if f.Anonymous && !tagged && f.Type.Kind() == reflect.Struct && !isValue(f.Type) {
			if err := s.add(f.Type, base+f.Offset); err != nil {
				return err
			}
			continue
		}
		if !f.IsExported() {
			continue
		}
		if tag == "" && !isValue(f.Type) {
			return fmt.Errorf("%s.%s: a field of type %s is a column only with a tag db:\"name\"; tag it db:\"-\" if it is not a column",
				t, f.Name, f.Type)
		}
		if tag == "" {
			tag = SnakeCase(f.Name)
		}
		if err := cmp.Or(CheckIdent(tag), checkWritable(f.Type)); err != nil {
			return fmt.Errorf("%s.%s: %w", t, f.Name, err)
		}
		c := NewColumn(tag, f.Type, base+f.Offset)
		c.Index = len(s.Columns)
		s.Columns = append(s.Columns, c)
		key := fieldKey{c.Offset, c.Type}
		s.fields[key] = append(s.fields[key], c)
	}
	return nil
}

// ColumnFor describes a value of type V that is no field.
func ColumnFor[V any](name string) *Column { return NewColumn(name, reflect.TypeFor[V](), 0) }

// NewColumn describes a field at an offset. It need not be part of a Struct: a
// computed column of a view is not.
func NewColumn(name string, t reflect.Type, offset uintptr) *Column {
	c := &Column{Name: name, Quoted: Quote(name), Offset: offset, Type: t, Nullable: holdsNull(t)}
	value := t
	if t.Kind() == reflect.Pointer {
		c.Ptr, value = true, t.Elem()
	}
	kind := kindOf(value)
	if c.Ptr && (kind == KindBytes || kind == KindStrings || kind == KindJSON) {
		kind = KindOther // a pointer to a slice: two ways of being NULL, left to pgx
	}
	// Reading and writing are decided apart: an enum of sqlc has a Scan method of
	// its own and is written as the text it is. time.Time and json.RawMessage are
	// always read and written here.
	exact := value == timeType || value == rawJSONType
	if exact || !implementsScan(value) {
		c.Kind = kind
	}
	if t == tsvectorType {
		c.Kind = KindTSVector
	}
	c.valuer = implementsValue(value)
	if exact || !c.valuer && !hasPgxValue(value) {
		c.Encode = kind
	}
	if c.Encode == KindOther {
		c.other = otherOf(value)
	}
	return c
}

// value returns the type of the value, without a pointer to it.
func (c *Column) value() reflect.Type {
	if c.Ptr {
		return c.Type.Elem()
	}
	return c.Type
}

// IsNamedText reports whether the field is of a text type of the program's own,
// as those for enums are.
func (c *Column) IsNamedText() bool { return c.Encode == KindString && c.value().PkgPath() != "" }

// IsInteger reports whether the field is an integer and no pointer to one, as
// keys that the server counts and versions must be.
func (c *Column) IsInteger() bool {
	return !c.Ptr && (c.Encode == KindInt16 || c.Encode == KindInt32 || c.Encode == KindInt64)
}

// IsArray reports whether the values of c are arrays to PostgreSQL.
func (c *Column) IsArray() bool {
	return c.Encode == KindStrings || c.Encode == KindOther && c.Type.Kind() == reflect.Slice && !c.valuer
}

// ByName returns the column called name, or nil.
func (s *Struct) ByName(name string) *Column {
	for _, c := range s.Columns {
		if c.Name == name {
			return c
		}
	}
	return nil
}
