package table

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/kept"
	"github.com/smrt-go/smrt/internal/meta"
)

// ArrayType is how the values of a column travel in an array.
type ArrayType struct {
	Param  string // type of the array parameter
	Cast   string // cast of an element, may be empty
	asText bool
	asJSON bool
}

// ArrayTypes returns how arrays of the columns travel, and reports whether all
// of them can. It remembers the answer for each column and type: asking pgx
// what it can encode takes longer than sending ten rows.
func (t *Table) ArrayTypes(c *Catalog, columns []*meta.Column) ([]ArrayType, bool) {
	out := make([]ArrayType, len(columns))
	for i, col := range columns {
		key := arrayTypeKey{col, c.Columns[col.Name]}
		known, ok := arrayTypes.Load(key)
		if !ok {
			if arrayTypes.known.Add(1) > maxArrayTypes {
				arrayTypes.Clear()
				arrayTypes.known.Store(1)
			}
			known, _ = arrayTypes.LoadOrStore(key, newArrayType(col, key.of))
		}
		if out[i] = known.(ArrayType); out[i].Param == "" {
			return nil, false
		}
	}
	return out, true
}

type arrayTypeKey struct {
	column *meta.Column
	of     ColumnType
}

// arrayTypes grows with the columns that a program declares, and with the
// databases and schemas in which they have types of their own.
var arrayTypes = newArrayTypes()

type arrayTypesKept struct {
	sync.Map // arrayTypeKey -> ArrayType

	known atomic.Int64 // about how many there are
}

func newArrayTypes() *arrayTypesKept {
	a := &arrayTypesKept{}
	kept.Add("array types", a, (*arrayTypesKept).report, (*arrayTypesKept).shrink)
	return a
}

// maxArrayTypes bounds what is remembered: the next one drops all.
const maxArrayTypes = 4096

// newArrayType returns how arrays of values of col travel to a column of type
// of. It returns the zero ArrayType if they cannot, because only a codec of the
// connection can encode the type.
func newArrayType(col *meta.Column, of ColumnType) ArrayType {
	switch {
	case of.isJSON && col.IsDocument():
		return ArrayType{Param: "text[]", Cast: "::" + of.Name, asJSON: true}
	case of.Base == pgtype.BPCharOID && col.Encode == meta.KindString:
		return ArrayType{Param: "text[]", Cast: "::" + of.Name} // as text, the blanks at its end would count
	case of.isText && col.Encode == meta.KindString:
		return ArrayType{Param: "text[]"}
	case col.Encode != meta.KindString && col.Encode != meta.KindJSON && col.Encode != meta.KindStrings && encodable(col, of.Base):
		return ArrayType{Param: of.Name + "[]"}
	case col.HasText() && col.Encode != meta.KindBytes:
		return ArrayType{Param: "text[]", Cast: "::" + of.Name, asText: col.Encode != meta.KindString}
	}
	return ArrayType{}
}

// encodable reports whether pgx itself knows how to encode an array of the
// column's values for a column of type oid.
func encodable(col *meta.Column, oid uint32) bool {
	m := pgtype.NewMap()
	t, ok := m.TypeForOID(oid)
	if !ok {
		return false
	}
	array, ok := m.TypeForName("_" + t.Name)
	if !ok {
		return false
	}
	empty, err := meta.NewArray(col, nil, 0, 0, nil)
	return err == nil && m.PlanEncode(array.OID, pgtype.BinaryFormatCode, empty) != nil
}

// Arg is the values of a column as an argument.
func (t ArrayType) Arg(a *meta.Array) (any, error) {
	switch {
	case t.asText:
		return meta.AsText{Array: a}, nil
	case t.asJSON:
		return meta.NewAsJSON(a)
	}
	return a, nil
}

// Arrays are the columns of the chosen rows as arguments.
func Arrays(columns []*meta.Column, types []ArrayType, rows Rows, chosen []int) ([]any, error) {
	args := make([]any, len(columns))
	for i, col := range columns {
		a, err := meta.NewArray(col, rows.Base, rows.Size, rows.N, chosen)
		if err != nil {
			return nil, err
		}
		if args[i], err = types[i].Arg(a); err != nil {
			return nil, err
		}
	}
	return args, nil
}

// placeholder returns the placeholder of argument i, from 0.
func placeholder(i int) string { return "$" + strconv.Itoa(i+1) }

// Unnest is the FROM item that turns the arrays into rows u(c0, c1, ...), and
// the expressions that are their columns.
func Unnest(types []ArrayType, ordinality bool) (from string, exprs []string) {
	params := make([]string, len(types))
	names := make([]string, len(types))
	for i, k := range types {
		params[i] = placeholder(i) + "::" + k.Param
		names[i] = "c" + strconv.Itoa(i)
		exprs = append(exprs, "u."+names[i]+k.Cast)
	}
	from = "unnest(" + strings.Join(params, ", ") + ")"
	if ordinality {
		from += " WITH ORDINALITY"
		names = append(names, "ord")
	}
	return from + " AS u(" + strings.Join(names, ", ") + ")", exprs
}

// AppendArrayTypes appends to the key of a statement what its text says of the
// types of its arrays.
func AppendArrayTypes(key []byte, types []ArrayType) []byte {
	for _, typ := range types {
		key = append(append(append(key, typ.Param...), typ.Cast...), 0)
	}
	return key
}

// KeyTable is how lists of keys travel as the rows of an unnest.
type KeyTable struct {
	From  string   // unnest($1::bigint[], $2::text[])
	Exprs []string // what a key's columns are equal to: "c0", "c1::citext"

	types []ArrayType
}

// Equal reports whether two key tables make the same text.
func (t *KeyTable) Equal(other *KeyTable) bool {
	return t.From == other.From && slices.Equal(t.Exprs, other.Exprs) && slices.Equal(t.types, other.types)
}

// blankPadded is the cast of a text to char(n), which compares without the
// blanks at its end.
const blankPadded = "::pg_catalog.bpchar"

// AsBlankPadded says that the values of column i come of a column of char(n).
func (t *KeyTable) AsBlankPadded(i int) {
	name, cast, _ := strings.Cut(t.Exprs[i], "::")
	if t.types[i].Param != "text[]" || "::"+cast == blankPadded {
		return
	}
	if cast != "" {
		cast = "::" + cast
	}
	t.Exprs[i] = name + blankPadded + cast
}

// KeyTable finds out how keys made of columns travel. It asks the catalog only
// for types that the Go type leaves open.
func (t *Table) KeyTable(ctx context.Context, db smrt.DB, columns []*meta.Column) (*KeyTable, error) {
	list := &KeyTable{types: make([]ArrayType, len(columns))}
	params := make([]string, len(columns))
	for i, col := range columns {
		var err error
		if list.types[i], err = t.keyArrayType(ctx, db, col); err != nil {
			return nil, err
		}
		params[i] = placeholder(i) + "::" + list.types[i].Param
		list.Exprs = append(list.Exprs, "c"+strconv.Itoa(i)+list.types[i].Cast)
	}
	list.From = "unnest(" + strings.Join(params, ", ") + ")"
	return list, nil
}

func (t *Table) keyArrayType(ctx context.Context, db smrt.DB, col *meta.Column) (ArrayType, error) {
	switch col.Encode {
	case meta.KindInt16:
		return ArrayType{Param: "smallint[]"}, nil
	case meta.KindInt32:
		return ArrayType{Param: "integer[]"}, nil
	case meta.KindInt64:
		return ArrayType{Param: "bigint[]"}, nil
	case meta.KindUUID:
		return ArrayType{Param: "uuid[]"}, nil
	}
	c, err := t.Catalog(ctx, db)
	if err != nil {
		return ArrayType{}, err
	}
	known, ok := t.ArrayTypes(c, []*meta.Column{col})
	if !ok {
		return ArrayType{}, &smrt.QueryError{Reason: "the key column " + t.Name + "." + col.Name + " has a type that arrays cannot carry"}
	}
	return known[0], nil
}

// Arg is the list of the values of column i as an argument.
func (t *KeyTable) Arg(i int, a *meta.Array) (any, error) { return t.types[i].Arg(a) }

// Names are the names of the unnest's columns.
func (t *KeyTable) Names() string {
	names := make([]string, len(t.types))
	for i := range names {
		names[i] = "c" + strconv.Itoa(i)
	}
	return strings.Join(names, ", ")
}
