package meta

import (
	"database/sql/driver"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
	"unsafe"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/smrt-go/smrt"
)

// Array is one column of many entities, or a list of values, as an argument
// that is a PostgreSQL array. It reads the entities where they lie; the only
// allocation is the Array itself.
type Array struct {
	column   *Column
	base     unsafe.Pointer
	stride   uintptr
	n        int
	rows     []int // nil: all n, in order
	pointers []unsafe.Pointer
}

// NewArray returns the column of n entities that lie stride bytes apart from
// base; of those with the given indexes, if rows is not nil. It refuses the
// first value that [Column.Arg] refuses.
func NewArray(c *Column, base unsafe.Pointer, stride uintptr, n int, rows []int) (*Array, error) {
	a := &Array{column: c, base: base, stride: stride, n: n, rows: rows}
	if rows != nil {
		a.n = len(rows)
	}
	return a, a.check()
}

// check refuses the first value that [Column.Arg] refuses.
func (a *Array) check() error {
	switch a.column.Encode {
	case KindString, KindTime, KindJSON, KindStrings:
	default:
		if a.column.other == nil {
			return nil // nothing to check
		}
	}
	for i := range a.n {
		if _, err := a.column.Arg(a.at(i)); err != nil {
			return AtRow(err, a.row(i))
		}
	}
	return nil
}

// NewArrayAt returns the column of the entities at the given addresses.
func NewArrayAt(c *Column, pointers []unsafe.Pointer) (*Array, error) {
	a := &Array{column: c, n: len(pointers), pointers: pointers}
	return a, a.check()
}

func (a *Array) row(i int) int {
	if a.rows != nil {
		return a.rows[i]
	}
	return i
}

func (a *Array) at(i int) unsafe.Pointer {
	if a.pointers != nil {
		return a.pointers[i]
	}
	return unsafe.Add(a.base, uintptr(a.row(i))*a.stride)
}

// Len returns the number of elements.
func (a *Array) Len() int { return a.n }

// longList is the number of elements up to which a plan that knows no list will
// do.
const longList = 1000

// Planned returns the arguments of a statement, with a mode of pgx in front if one
// of them is a long list. From its sixth execution on, the server may run a
// prepared statement by a plan that knows no list, and compares each row with
// each element: of seven loads of 10,000 keys from 30,000 rows without an index the
// second took 35 ms, the seventh 2.3 s. In this mode the statement has no name, and is planned for its arguments.
func Planned(args []any) []any {
	if HasLongList(args) {
		return append([]any{pgx.QueryExecModeCacheDescribe}, args...)
	}
	return args
}

// HasLongList reports whether a plan that knows no list may not do for args.
func HasLongList(args []any) bool {
	return slices.ContainsFunc(args, func(arg any) bool {
		list, ok := arg.(interface{ Len() int })
		return ok && list.Len() > longList
	})
}

// Dimensions implements pgtype.ArrayGetter.
func (a *Array) Dimensions() []pgtype.ArrayDimension { return dimensions(a.n) }

// Index implements pgtype.ArrayGetter.
func (a *Array) Index(i int) any {
	v, _ := a.column.arg(a.at(i)) // checked by NewArray: 0.5 % of an upsert of 1,000 rows
	return v
}

// IndexType implements pgtype.ArrayGetter.
func (a *Array) IndexType() any {
	switch a.column.Encode {
	case KindBool:
		return (*boolArg)(nil)
	case KindInt16:
		return (*int16Arg)(nil)
	case KindInt32:
		return (*int32Arg)(nil)
	case KindInt64:
		return (*int64Arg)(nil)
	case KindFloat32:
		return (*float32Arg)(nil)
	case KindFloat64:
		return (*float64Arg)(nil)
	case KindString:
		return (*stringArg)(nil)
	case KindTime:
		return (*timeArg)(nil)
	case KindUUID:
		return (*uuidArg)(nil)
	case KindJSON:
		return (*jsonArg)(nil)
	case KindStrings:
		return (*[]string)(nil)
	case KindBytes:
		return []byte(nil)
	}
	return reflect.Zero(a.column.Type).Interface()
}

// TextValue gives the array literal, for text format and for element types
// that pgx does not know, such as enums.
func (a *Array) TextValue() (pgtype.Text, error) {
	s, err := arrayText(a.n, false, func(i int) (string, bool, error) { return Text(a.Index(i)) })
	if err != nil {
		return pgtype.Text{}, fmt.Errorf("column %q: %w", a.column.Name, err)
	}
	return text(s)
}

// String gives the number of elements, for tracers.
func (a *Array) String() string { return fmt.Sprintf("%d values of %s", a.n, a.column.Name) }

// AsText is an array whose elements are the literals of other values, for the
// column types that only the server can read.
type AsText struct{ *Array }

// Index implements pgtype.ArrayGetter. A value that says it cannot be written is
// returned as it is, so that pgx reports its error.
func (a AsText) Index(i int) any {
	v := a.Array.Index(i)
	s, null, err := Text(v)
	switch {
	case err != nil:
		return v
	case null:
		return nil
	}
	return s
}

// IndexType implements pgtype.ArrayGetter.
func (a AsText) IndexType() any { return "" }

// AsJSON is an array whose elements are the JSON of other values, for columns
// of type json and jsonb.
type AsJSON struct{ *Array }

// Index implements pgtype.ArrayGetter.
func (a AsJSON) Index(i int) any {
	s, null, err := JSON(a.column.Value(a.at(i)))
	if null || err != nil {
		return nil // the values were encoded once before
	}
	return s
}

// IndexType implements pgtype.ArrayGetter.
func (a AsJSON) IndexType() any { return "" }

// TextValue gives the array literal.
func (a AsJSON) TextValue() (pgtype.Text, error) {
	s, err := arrayText(a.n, false, func(i int) (string, bool, error) { return JSON(a.column.Value(a.at(i))) })
	if err != nil {
		return pgtype.Text{}, err
	}
	return text(s)
}

// NewAsJSON encodes a's values once, so that none fails later.
func NewAsJSON(a *Array) (AsJSON, error) {
	for i := range a.n {
		if _, _, err := JSON(a.column.Value(a.at(i))); err != nil {
			fault := a.column.fault(smrt.ErrInvalidJSON)
			fault.Row, fault.Cause = a.row(i), err
			fault.Reason = "a value of type " + a.column.Type.String() + " cannot be encoded"
			return AsJSON{}, fault
		}
	}
	return AsJSON{a}, nil
}

// arrayText writes an array literal such as {"a","b",NULL}. Elements are quoted,
// because one that reads NULL without quotes would be NULL, but not those that
// are arrays themselves.
func arrayText(n int, nested bool, element func(i int) (s string, null bool, err error)) (string, error) {
	var b strings.Builder
	b.WriteByte('{')
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		s, null, err := element(i)
		switch {
		case err != nil:
			return "", err
		case null:
			b.WriteString("NULL")
		case nested:
			b.WriteString(s)
		default:
			quoteElement(&b, s)
		}
	}
	b.WriteByte('}')
	return b.String(), nil
}

// IsDocument reports whether pgx writes the values of c to a json column by
// encoding/json.
func (c *Column) IsDocument() bool {
	return c.Encode == KindStrings || c.Encode == KindOther && !c.valuer && !hasPgxValue(c.Type)
}

// IsDocument reports it of the elements.
func (a *Array) IsDocument() bool { return a.column.IsDocument() }

// IsDocument reports whether pgx writes an operand to a json column by
// encoding/json.
func IsDocument(v any) bool {
	t := reflect.TypeOf(v)
	return t != nil && !isArgument(t) && NewColumn("", t, 0).IsDocument()
}

// HasText reports whether the values of c can be written as literals here.
func (c *Column) HasText() bool {
	return c.Encode != KindOther || c.valuer
}

// Text returns the literal of an argument.
func Text(v any) (s string, null bool, err error) {
	switch v := v.(type) {
	case nil:
		return "", true, nil
	case pgtype.TextValuer:
		t, err := v.TextValue()
		return t.String, !t.Valid, err
	case string:
		return v, false, nil
	case []byte:
		return fmt.Sprintf(`\x%x`, v), false, nil
	case time.Time:
		return (*timeArg)(&v).String(), false, nil
	case pgtype.Interval:
		return (*intervalArg)(&v).String(), !v.Valid, nil
	case driver.Valuer:
		if rv := reflect.ValueOf(v); rv.Kind() == reflect.Pointer && rv.IsNil() {
			return "", true, nil
		}
		dv, err := v.Value()
		if err != nil {
			return "", false, err
		}
		return Text(dv)
	case int64, float64, bool:
		return fmt.Sprint(v), false, nil
	}
	return literal(v)
}
