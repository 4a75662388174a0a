package load

import (
	"encoding/binary"
	"fmt"
	"reflect"
	"strings"
	"unsafe"

	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/plan"
	"github.com/smrt-go/smrt/internal/table"
)

// Field is a column of a row that is compared with another row's.
type Field struct {
	column *meta.Column
	value  *meta.Column // the value by itself, without what makes it nullable
	valid  uintptr      // where the flag is that says it is not NULL; 0: there is none
}

// Single returns a foreign key of one column.
func Single(column *meta.Column, to *plan.Table) []Field {
	f := newField(column)
	if len(to.Key) != 1 {
		panic(fmt.Sprintf("smrt: relation to %s: its key has %d columns: write a query.Key with a query.Part for each of %s", to.Name, len(to.Key), names(to)))
	}
	if key := newField(to.Key[0].Column); key.value.Encode != f.value.Encode || f.value.Encode == meta.KindOther && key.value.Type != f.value.Type {
		panic(fmt.Sprintf("smrt: relation to %s: column %q holds %s, but the key holds %s: name a field of type %s, or *%s if it can be NULL",
			to.Name, column.Name, f.value.Type, key.value.Type, key.value.Type, key.value.Type))
	}
	return []Field{f}
}

// Composite returns a foreign key of several columns.
func Composite(parts []meta.KeyPart, to *plan.Table) []Field {
	if len(parts) != len(to.Key) {
		panic(fmt.Sprintf("smrt: relation to %s: its key has %d columns, but %d parts are given: write a query.Part for each of %s", to.Name, len(to.Key), len(parts), names(to)))
	}
	fs := make([]Field, len(parts))
	for i, k := range to.Key {
		for _, part := range parts {
			if part.Offset == k.Offset {
				fs[i] = newField(part.Column)
			}
		}
		if fs[i].column == nil {
			panic(fmt.Sprintf("smrt: relation to %s: no part is for the key's column %q: write a query.Part, or a query.NullPart, whose second accessor leads to it", to.Name, k.Column.Name))
		}
	}
	return fs
}

// names lists the columns of a table's key.
func names(t *plan.Table) string {
	columns := make([]string, len(t.Key))
	for i, k := range t.Key {
		columns[i] = k.Column.Name
	}
	return strings.Join(columns, ", ")
}

// newField looks for the value inside a column that may be NULL: behind a
// pointer, or in front of a field Valid as in the types of database/sql and
// pgtype.
func newField(c *meta.Column) Field {
	f, t := Field{column: c}, c.Type
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
func (f *Field) at(p unsafe.Pointer) unsafe.Pointer {
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
	wide    bool // a key that an integer of 32 bits does not hold
}

func newIndex(f []Field, capacity int) *index {
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
func (x *index) group(fs []Field, p unsafe.Pointer, add bool) int32 {
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
		x.wide = x.wide || k != int64(int32(k))
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
	return table.AppendKey(b, c, v)
}
