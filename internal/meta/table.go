package meta

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unsafe"
)

// Order is one term of an ORDER BY.
type Order struct {
	Column *Column
	Desc   bool
	Nulls  Nulls
}

// Expr is an expression that package plan renders.
type Expr interface{ Expression() }

// Nulls says where NULLs stand in an order.
type Nulls uint8

// Where NULLs stand. PostgreSQL's default is last when ascending and first when
// descending.
const (
	NullsDefault Nulls = iota
	NullsFirst
	NullsLast
)

// First reports whether NULLs come first.
func (o Order) First() bool {
	return o.Nulls == NullsFirst || o.Nulls == NullsDefault && o.Desc
}

// KeyPart ties a part of a key to its column.
type KeyPart struct {
	Column   *Column
	Offset   uintptr // inside the key
	Value    *Column // the part by itself, at its place in a key
	ByServer bool    // the server makes it for a row that is created with a zero
}

// Table is what was declared of one table. It is not changed once built.
type Table struct {
	Name   string // as declared, for messages
	Site   string // file:line of the declaration
	Quoted string // as an SQL name
	Struct *Struct

	Key          []KeyPart // empty: no key
	KeySize      uintptr   // of a key's Go type
	KeyType      reflect.Type
	MayLeaveOut  bool // triggers leave out rows that are inserted
	ReadOnly     bool // views
	SoftDelete   *Column
	Tenant       *Column // says whose row it is
	CreatedAt    *Column
	UpdatedAt    *Column
	Version      *Column
	DefaultOrder []Order

	Computed []*Column // never written, read back
	Defaults []*Column // left to the server when zero, and read back then
	ReadBack []*Column // written, and read back

	Rules []*Rule // of values, in the order of the declaration
}

// SetName parses a table name, which is one or two identifiers with a dot
// between them, taken literally: "Sales.Order Lines" is "Sales"."Order Lines".
func (t *Table) SetName(name string) error {
	t.Name = name
	parts := strings.Split(name, ".")
	if len(parts) > 2 {
		return fmt.Errorf("table name %q has more than two parts", name)
	}
	for i, part := range parts {
		if quoted(name) {
			part = name // "a.b" is in quotes, though neither half is
		}
		if err := CheckIdent(part); err != nil {
			return err
		}
		parts[i] = Quote(part)
	}
	t.Quoted = strings.Join(parts, ".")
	return nil
}

// Check refuses a definition that contradicts itself. The key is of type k.
func (t *Table) Check(k reflect.Type) error {
	var size uintptr
	for _, part := range t.Key {
		size += part.Column.Type.Size()
		if part.Column.Nullable && part.Column.Ptr {
			return fmt.Errorf("key column %q must not be a pointer: a key is never NULL", part.Column.Name)
		}
	}
	if len(t.Key) > 1 && k.Kind() != reflect.Struct {
		return fmt.Errorf("a composite key must be a struct, not %s", k)
	}
	if len(t.Key) > 1 && size > k.Size() {
		return fmt.Errorf("the parts of the key overlap in %s", k)
	}
	if len(t.Key) > 1 {
		if err := CheckParts(t.Key, k); err != nil {
			return err
		}
	}
	return t.checkRoles()
}

// CheckParts refuses parts of a key, of a struct k, that have a column or a field
// twice, or not all fields.
func CheckParts(parts []KeyPart, k reflect.Type) error {
	for i, part := range parts {
		for _, other := range parts[:i] {
			if part.Column == other.Column || part.Offset == other.Offset {
				return fmt.Errorf("key column %q is named twice", part.Column.Name)
			}
		}
	}
	for i := range k.NumField() {
		if f := k.Field(i); !slices.ContainsFunc(parts, func(part KeyPart) bool { return part.Offset == f.Offset }) {
			return fmt.Errorf("the key does not cover field %s of %s", f.Name, k)
		}
	}
	return nil
}

// KeyColumns returns the columns of the key, in its order.
func (t *Table) KeyColumns() []*Column {
	cols := make([]*Column, len(t.Key))
	for i, k := range t.Key {
		cols[i] = k.Column
	}
	return cols
}

// IsKey reports whether c is part of the key.
func (t *Table) IsKey(c *Column) bool {
	return slices.ContainsFunc(t.Key, func(k KeyPart) bool { return k.Column == c })
}

// MadeByServer reports whether c is a part of the key that the server makes for
// a row that is created with a zero there.
func (t *Table) MadeByServer(c *Column) bool {
	return slices.ContainsFunc(t.Key, func(k KeyPart) bool { return k.Column == c && k.ByServer })
}

// PartAt returns the column of the part of the key that is at an offset in it, nil
// for none.
func (t *Table) PartAt(offset uintptr) *Column {
	for _, k := range t.Key {
		if k.Offset == offset {
			return k.Column
		}
	}
	return nil
}

// LeaveKey leaves parts of the key to the server where they are zero: those
// named, or the only one. Without made, it leaves none.
func (t *Table) LeaveKey(columns []*Column, made bool) error {
	if made && len(columns) == 0 && len(t.Key) > 1 {
		return errors.New("the key is composite: name the parts that the database makes, as in KeyByDatabase(column)")
	}
	for i := range t.Key {
		t.Key[i].ByServer = made && (len(columns) == 0 || slices.Contains(columns, t.Key[i].Column))
	}
	for _, c := range columns {
		if !t.MadeByServer(c) {
			return fmt.Errorf("KeyByDatabase names column %q, which is not part of the key", c.Name)
		}
	}
	return nil
}

// KeyOf copies the key of the entity at p to the key at key.
func (t *Table) KeyOf(p, key unsafe.Pointer) {
	for _, k := range t.Key {
		dst := reflect.NewAt(k.Column.Type, unsafe.Add(key, k.Offset)).Elem()
		dst.Set(reflect.NewAt(k.Column.Type, unsafe.Add(p, k.Column.Offset)).Elem())
	}
}

// Targets returns the columns of the table's own struct, in order.
func (t *Table) Targets() []Target { return TargetsOf(t.Struct.Columns, 0) }

// TargetsOf returns columns of a struct that lies base bytes inside the row.
func TargetsOf(columns []*Column, base uintptr) []Target {
	ts := make([]Target, len(columns))
	for i, c := range columns {
		ts[i] = Target{Column: c, Base: base}
	}
	return ts
}

// Qualified returns the quoted names of columns with a qualifier in front.
func Qualified(qualifier string, columns []*Column) []string {
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = qualifier + c.Quoted
	}
	return names
}

// Numbered returns n names: the prefix with 0, 1, ... behind it.
func Numbered(prefix string, n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = prefix + strconv.Itoa(i)
	}
	return names
}

// AllEqual returns the condition that the values of two lists are equal, each to
// each.
func AllEqual(a, b []string) string {
	terms := make([]string, len(a))
	for i := range a {
		terms[i] = a[i] + " = " + b[i]
	}
	return strings.Join(terms, " AND ")
}

// List joins the quoted names of columns.
func List(columns []*Column) string {
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = c.Quoted
	}
	return strings.Join(names, ", ")
}
