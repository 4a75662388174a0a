package preload

import (
	"database/sql"
	"encoding/binary"
	"fmt"
	"reflect"
	"unsafe"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/smrt-go/smrt/internal/crud"
	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/plan"
	"github.com/smrt-go/smrt/query"
)

// ForeignKey is how a T names a row whose key is a K: the accessor of a column
// of that type; or of one that can be NULL, as a pointer, an sql.Null or the
// types of pgtype that sqlc uses; or the parts of a composite key, as in
// query.NewCompositeTable.
type ForeignKey[T any, K comparable] interface {
	func(*T) *K | func(*T) **K | func(*T) *sql.Null[K] |
		func(*T) *pgtype.Int2 | func(*T) *pgtype.Int4 | func(*T) *pgtype.Int8 |
		func(*T) *pgtype.Text | func(*T) *pgtype.UUID |
		query.Key[T, K]
}

// field is a column of a row that is compared with another row's.
type field struct {
	column *meta.Column
	value  *meta.Column // the value by itself, without what makes it nullable
	valid  uintptr      // where the flag is that says it is not NULL; 0: there is none
}

// fieldsOf finds the columns of a foreign key, in the order of the key of to.
func fieldsOf[T any, K comparable, F ForeignKey[T, K]](fk F, to *plan.Table) []field {
	switch fk := any(fk).(type) {
	case func(*T) *K:
		return single(query.Col(fk).Meta(), to)
	case func(*T) **K:
		return single(query.NullCol(fk).Meta(), to)
	case func(*T) *sql.Null[K]:
		return single(query.Col(fk).Meta(), to)
	case func(*T) *pgtype.Int2:
		return single(query.Col(fk).Meta(), to)
	case func(*T) *pgtype.Int4:
		return single(query.Col(fk).Meta(), to)
	case func(*T) *pgtype.Int8:
		return single(query.Col(fk).Meta(), to)
	case func(*T) *pgtype.Text:
		return single(query.Col(fk).Meta(), to)
	case func(*T) *pgtype.UUID:
		return single(query.Col(fk).Meta(), to)
	case query.Key[T, K]:
		parts := make([]meta.KeyPart, len(fk))
		for i, part := range fk {
			parts[i] = part.Meta()
		}
		return composite(parts, to)
	}
	panic("unreachable: ForeignKey has no other type")
}

// single is a foreign key of one column.
func single(column *meta.Column, to *plan.Table) []field {
	f := newField(column)
	if len(to.Key) != 1 {
		panic(fmt.Sprintf("smrt: relation to %s: its key has %d columns: give query.Key with a part for each", to.Name, len(to.Key)))
	}
	if key := newField(to.Key[0].Column); key.value.Encode != f.value.Encode || f.value.Encode == meta.KindOther && key.value.Type != f.value.Type {
		panic(fmt.Sprintf("smrt: relation to %s: column %q holds %s, but the key holds %s", to.Name, column.Name, f.value.Type, key.value.Type))
	}
	return []field{f}
}

// composite is a foreign key of several columns.
func composite(parts []meta.KeyPart, to *plan.Table) []field {
	if len(parts) != len(to.Key) {
		panic(fmt.Sprintf("smrt: relation to %s: its key has %d columns, but %d parts are given", to.Name, len(to.Key), len(parts)))
	}
	fs := make([]field, len(parts))
	for i, k := range to.Key {
		for _, part := range parts {
			if part.Offset == k.Offset {
				fs[i] = newField(part.Column)
			}
		}
		if fs[i].column == nil {
			panic(fmt.Sprintf("smrt: relation to %s: no part is for the key's column %q", to.Name, k.Column.Name))
		}
	}
	return fs
}

// newField looks for the value inside a column that may be NULL: behind a
// pointer, or in front of a field Valid as in the types of database/sql and
// pgtype.
func newField(c *meta.Column) field {
	f, t := field{column: c}, c.Type
	switch {
	case c.Ptr:
		t = t.Elem()
	case t.Kind() == reflect.Struct && t.NumField() == 2 && t.Field(1).Name == "Valid" && t.Field(1).Type.Kind() == reflect.Bool:
		t, f.valid = t.Field(0).Type, t.Field(1).Offset
	}
	f.value = meta.NewColumn(c.Name, t, 0)
	return f
}

// at returns the address of the value in the row at p, nil if it is NULL.
func (f *field) at(p unsafe.Pointer) unsafe.Pointer {
	v := unsafe.Add(p, f.column.Offset)
	switch {
	case f.column.Ptr:
		return *(*unsafe.Pointer)(v)
	case f.valid != 0 && !*(*bool)(unsafe.Add(v, f.valid)):
		return nil
	}
	return v
}

// index finds the group that a key belongs to. Rows with equal keys are in one
// group; groups are numbered as their keys first appear.
type index struct {
	ints    map[int64]int32
	texts   map[string]int32
	scratch []byte

	lastInt int64
	last    int32 // the group of lastInt: equal keys come in runs
	n       int32
}

func newIndex(f []field, capacity int) *index {
	x := &index{last: -1}
	switch f[0].value.Encode {
	case meta.KindInt64, meta.KindInt32, meta.KindInt16:
		if len(f) == 1 {
			x.ints = make(map[int64]int32, capacity)
			return x
		}
	}
	x.texts = make(map[string]int32, capacity)
	return x
}

// group returns the group of the key that the fields of the row at p hold, -1
// if one of them is NULL or, unless add is set, if the key is in none.
func (x *index) group(fs []field, p unsafe.Pointer, add bool) int32 {
	if x.ints != nil {
		v := fs[0].at(p)
		if v == nil {
			return -1
		}
		return x.groupOfInt(fs[0].value.Int(v), add)
	}
	key := x.scratch[:0]
	for i := range fs {
		v := fs[i].at(p)
		if v == nil {
			return -1
		}
		key = appendKey(key, fs[i].value, v)
	}
	x.scratch = key
	return x.groupOfText(key, add)
}

func (x *index) groupOfInt(k int64, add bool) int32 {
	if x.last >= 0 && x.lastInt == k {
		return x.last
	}
	g, ok := x.ints[k]
	switch {
	case ok:
	case add:
		g = x.n
		x.n++
		x.ints[k] = g
	default:
		return -1
	}
	x.lastInt, x.last = k, g
	return g
}

func (x *index) groupOfText(key []byte, add bool) int32 {
	g, ok := x.texts[string(key)]
	switch {
	case ok:
		return g
	case !add:
		return -1
	}
	g = x.n
	x.n++
	x.texts[string(key)] = g
	return g
}

// appendKey encodes a value so that equal values, and only those, are equal.
func appendKey(b []byte, c *meta.Column, v unsafe.Pointer) []byte {
	switch c.Encode {
	case meta.KindInt64, meta.KindInt32, meta.KindInt16:
		return binary.BigEndian.AppendUint64(b, uint64(c.Int(v)))
	case meta.KindString:
		s := *(*string)(v)
		return append(binary.AppendUvarint(b, uint64(len(s))), s...)
	case meta.KindUUID:
		return append(b, (*[16]byte)(v)[:]...)
	}
	return crud.AppendKey(b, c, v)
}
