package meta

import (
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"
	"unsafe"

	"github.com/jackc/pgx/v5/pgtype"
)

// Kind is the shape of a field whose values are decoded and encoded here.
// Everything else is KindOther and left to pgx's codecs.
type Kind uint8

// The kinds with a plan of their own.
const (
	KindOther Kind = iota
	KindBool
	KindInt16
	KindInt32
	KindInt64
	KindFloat32
	KindFloat64
	KindString
	KindBytes
	KindTime
	KindUUID
	KindJSON
	KindStrings
	KindTSVector // decoded only
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
var structs sync.Map // reflect.Type -> *Struct

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
		if err := CheckIdent(tag); err != nil {
			return fmt.Errorf("%s.%s: %w", t, f.Name, err)
		}
		c := newColumn(tag, f.Type, base+f.Offset)
		c.Index = len(s.Columns)
		s.Columns = append(s.Columns, c)
		key := fieldKey{c.Offset, c.Type}
		s.fields[key] = append(s.fields[key], c)
	}
	return nil
}

// NewColumn describes a field that is not part of a Struct, such as a computed
// column of a view.
func NewColumn(name string, t reflect.Type, offset uintptr) *Column {
	return newColumn(name, t, offset)
}

// ColumnFor describes a value of type V that is no field.
func ColumnFor[V any](name string) *Column { return newColumn(name, reflect.TypeFor[V](), 0) }

func newColumn(name string, t reflect.Type, offset uintptr) *Column {
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
	if exact || !value.Implements(valuerType) && !hasPgxValue(value) {
		c.Encode = kind
	}
	return c
}

// IsInteger reports whether the field is an integer and no pointer to one, as
// keys that the server counts and versions must be.
func (c *Column) IsInteger() bool {
	return !c.Ptr && (c.Encode == KindInt16 || c.Encode == KindInt32 || c.Encode == KindInt64)
}

// IsArray reports whether the values of c are arrays to PostgreSQL.
func (c *Column) IsArray() bool {
	return c.Encode == KindStrings || c.Encode == KindOther && c.Type.Kind() == reflect.Slice && !c.Type.Implements(valuerType)
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

// Accessor is a function from the address of a struct to that of one of its
// fields.
type Accessor func(unsafe.Pointer) unsafe.Pointer

// AccessorOf returns field without its types.
func AccessorOf[T, F any](field func(*T) *F) Accessor {
	return func(p unsafe.Pointer) unsafe.Pointer { return unsafe.Pointer(field((*T)(p))) }
}

// ColumnOf returns the column behind the field that field returns the address
// of. It panics if there is none: a wrong declaration is a mistake in the
// program.
func ColumnOf[T, F any](field func(*T) *F) *Column {
	return MustResolve((*T)(nil), (*F)(nil), AccessorOf(field))
}

// ColumnOfFunc is ColumnOf for a function whose type is known at run time only.
func ColumnOfFunc(field any) *Column {
	f := reflect.ValueOf(field)
	return MustResolve(reflect.Zero(f.Type().In(0)).Interface(), reflect.Zero(f.Type().Out(0)).Interface(), func(p unsafe.Pointer) unsafe.Pointer {
		return f.Call([]reflect.Value{reflect.NewAt(f.Type().In(0).Elem(), p)})[0].UnsafePointer()
	})
}

// MustResolve is Resolve for nil pointers to the types. It panics where Resolve
// returns an error.
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

// Locate returns how far behind the start of a t the field lies that an
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

var (
	scannerType  = reflect.TypeFor[sql.Scanner]()
	valuerType   = reflect.TypeFor[driver.Valuer]()
	timeType     = reflect.TypeFor[time.Time]()
	durationType = reflect.TypeFor[time.Duration]()
	rawJSONType  = reflect.TypeFor[json.RawMessage]()
	tsvectorType = reflect.TypeFor[pgtype.TSVector]()
)

// kindOf returns the kind of a type by what lies below its name, so that type
// Cents int64 is read like an int64.
func kindOf(t reflect.Type) Kind {
	switch {
	case t == timeType:
		return KindTime
	case t == rawJSONType:
		return KindJSON
	case t == durationType, t.PkgPath() == "net":
		return KindOther // an interval and addresses to pgx, whatever lies below
	}
	switch t.Kind() {
	case reflect.Bool:
		return KindBool
	case reflect.Int16:
		return KindInt16
	case reflect.Int32:
		return KindInt32
	case reflect.Int64:
		return KindInt64
	case reflect.Int:
		if t.Size() == 8 {
			return KindInt64
		}
		return KindInt32
	case reflect.Float32:
		return KindFloat32
	case reflect.Float64:
		return KindFloat64
	case reflect.String:
		return KindString
	case reflect.Slice:
		switch {
		case t.Elem().Kind() == reflect.Uint8 && t.Elem().PkgPath() == "":
			return KindBytes
		case t.Elem() == reflect.TypeFor[string]():
			return KindStrings
		}
	case reflect.Array:
		if t.Len() == 16 && t.Elem().Kind() == reflect.Uint8 {
			return KindUUID
		}
	}
	return KindOther
}

// implementsScan reports whether *t reads itself: as a Scanner of database/sql,
// or by one of the many interfaces of pgx.
func implementsScan(t reflect.Type) bool {
	return implementsAny(t, scanners)
}

// hasPgxValue reports whether t has one of pgx's value methods (TextValue,
// Int64Value, ...), or is an array or range of its own.
func hasPgxValue(t reflect.Type) bool {
	return implementsAny(t, valuers)
}

func implementsAny(t reflect.Type, interfaces []reflect.Type) bool {
	p := reflect.PointerTo(t)
	return slices.ContainsFunc(interfaces, p.Implements)
}

// The interfaces by which a type reads and writes itself. They are named one by
// one: looking methods up with reflect.Type.Method would make the linker keep
// every method of every type of a program, 124 KB for each repository.
var (
	scanners = []reflect.Type{
		scannerType,
		reflect.TypeFor[pgtype.ArraySetter](), reflect.TypeFor[pgtype.BitsScanner](), reflect.TypeFor[pgtype.BoolScanner](),
		reflect.TypeFor[pgtype.BoxScanner](), reflect.TypeFor[pgtype.BytesScanner](), reflect.TypeFor[pgtype.CircleScanner](),
		reflect.TypeFor[pgtype.CompositeIndexScanner](), reflect.TypeFor[pgtype.DateScanner](), reflect.TypeFor[pgtype.Float64Scanner](),
		reflect.TypeFor[pgtype.HstoreScanner](), reflect.TypeFor[pgtype.Int64Scanner](), reflect.TypeFor[pgtype.IntervalScanner](),
		reflect.TypeFor[pgtype.LineScanner](), reflect.TypeFor[pgtype.LsegScanner](), reflect.TypeFor[pgtype.NetipPrefixScanner](),
		reflect.TypeFor[pgtype.NumericScanner](), reflect.TypeFor[pgtype.PathScanner](), reflect.TypeFor[pgtype.PointScanner](),
		reflect.TypeFor[pgtype.PolygonScanner](), reflect.TypeFor[pgtype.RangeScanner](), reflect.TypeFor[pgtype.TIDScanner](),
		reflect.TypeFor[pgtype.TSVectorScanner](), reflect.TypeFor[pgtype.TextScanner](), reflect.TypeFor[pgtype.TimeScanner](),
		reflect.TypeFor[pgtype.TimestampScanner](), reflect.TypeFor[pgtype.TimestamptzScanner](), reflect.TypeFor[pgtype.UUIDScanner](),
		reflect.TypeFor[pgtype.Uint32Scanner](), reflect.TypeFor[pgtype.Uint64Scanner](),
	}
	valuers = []reflect.Type{
		reflect.TypeFor[pgtype.ArrayGetter](), reflect.TypeFor[pgtype.BitsValuer](), reflect.TypeFor[pgtype.BoolValuer](),
		reflect.TypeFor[pgtype.BoxValuer](), reflect.TypeFor[pgtype.BytesValuer](), reflect.TypeFor[pgtype.CircleValuer](),
		reflect.TypeFor[pgtype.CompositeIndexGetter](), reflect.TypeFor[pgtype.DateValuer](), reflect.TypeFor[pgtype.Float64Valuer](),
		reflect.TypeFor[pgtype.HstoreValuer](), reflect.TypeFor[pgtype.Int64Valuer](), reflect.TypeFor[pgtype.IntervalValuer](),
		reflect.TypeFor[pgtype.LineValuer](), reflect.TypeFor[pgtype.LsegValuer](), reflect.TypeFor[pgtype.NetipPrefixValuer](),
		reflect.TypeFor[pgtype.NumericValuer](), reflect.TypeFor[pgtype.PathValuer](), reflect.TypeFor[pgtype.PointValuer](),
		reflect.TypeFor[pgtype.PolygonValuer](), reflect.TypeFor[pgtype.RangeValuer](), reflect.TypeFor[pgtype.TIDValuer](),
		reflect.TypeFor[pgtype.TSVectorValuer](), reflect.TypeFor[pgtype.TextValuer](), reflect.TypeFor[pgtype.TimeValuer](),
		reflect.TypeFor[pgtype.TimestampValuer](), reflect.TypeFor[pgtype.TimestamptzValuer](), reflect.TypeFor[pgtype.UUIDValuer](),
		reflect.TypeFor[pgtype.Uint32Valuer](), reflect.TypeFor[pgtype.Uint64Valuer](),
	}
)

// isValue reports whether a field of type t is a column without being told so by
// a tag: everything but the shapes that relations have (a struct, a pointer to
// one, a slice or map of them), unless the type reads itself.
func isValue(t reflect.Type) bool {
	if t == timeType || t == rawJSONType || implementsScan(t) {
		return true
	}
	switch t.Kind() {
	case reflect.Struct:
		return t.PkgPath() == "github.com/jackc/pgx/v5/pgtype" || t.PkgPath() == "net" || t.PkgPath() == "net/netip"
	case reflect.Pointer:
		return isValue(t.Elem())
	case reflect.Slice, reflect.Array:
		return isValue(t.Elem())
	case reflect.Map, reflect.Chan, reflect.Func, reflect.Interface:
		return t.PkgPath() == "github.com/jackc/pgx/v5/pgtype"
	}
	return true
}

// holdsNull reports whether a value of type t can represent NULL.
func holdsNull(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map, reflect.Interface:
		return true
	case reflect.Struct:
		return t != timeType && implementsScan(t)
	}
	return implementsScan(t) && takesNull(t)
}

// takesNull reports whether a type that scans itself, such as an enum of sqlc,
// takes NULL for a value. A number or text has no place for it, but a type may
// choose one, such as the empty text. It is asked, because a comparison with <>
// leaves out rows with NULL.
func takesNull(t reflect.Type) (takes bool) {
	scanner, ok := reflect.New(t).Interface().(sql.Scanner)
	if !ok {
		return true
	}
	defer func() {
		if recover() != nil {
			takes = true
		}
	}()
	if v, ok := reflect.Zero(t).Interface().(driver.Valuer); ok {
		if zero, err := v.Value(); zero == nil && err == nil {
			return true
		}
	}
	return scanner.Scan(nil) == nil
}

// SnakeCase gives the column name of a field without a tag: CustomerID becomes
// customer_id, HTTPStatus http_status.
func SnakeCase(name string) string {
	var b strings.Builder
	rs := []rune(name)
	for i, r := range rs {
		if unicode.IsUpper(r) && i > 0 {
			startsWord := !unicode.IsUpper(rs[i-1]) || (i+1 < len(rs) && unicode.IsLower(rs[i+1]))
			if startsWord && rs[i-1] != '_' {
				b.WriteByte('_')
			}
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// Quote returns name as a quoted SQL identifier.
func Quote(name string) string {
	return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
}

// maxIdent is the longest identifier PostgreSQL keeps; it cuts longer ones
// silently, so that two of them could become one.
const maxIdent = 63

// CheckIdent refuses what cannot be an identifier.
func CheckIdent(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("an identifier is empty")
	case strings.ContainsRune(name, 0):
		return fmt.Errorf("identifier %q contains a NUL byte", name)
	case strings.HasPrefix(name, "smrt_"):
		return fmt.Errorf("identifier %q begins with smrt_, as the names do that statements use for themselves", name)
	case len(name) > maxIdent:
		return fmt.Errorf("identifier %q is longer than %d bytes", name, maxIdent)
	}
	return nil
}
