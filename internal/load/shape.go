package load

import (
	"fmt"
	"reflect"
	"unsafe"

	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/table"
)

// shape is how a related row becomes an R: the entity itself, a struct that
// holds the entity, or one that names some of its columns.
type shape struct {
	structs table.Structs  // of the row
	columns []*meta.Column // what is read of the related table
	payload []*meta.Column // what is read of the join table
	targets []meta.Target  // where it goes: the payload, then the columns
	keys    []Field        // where the row holds the columns that tie it to its parent; nil: nowhere
}

// shapeOf finds out what row is to the rows that l leads to.
func shapeOf(l *Link, row reflect.Type) shape {
	s := shape{structs: table.StructsOf(row)}
	tied := l.Inner
	if l.Via != nil {
		tied = l.Via.Left
		if base, ok := holds(row, l.Via.Table.Struct.Type); ok && row != l.Child.Struct.Type {
			s.payload = l.Via.Table.Struct.Columns
			s.targets = meta.TargetsOf(s.payload, base)
			s.keys = moved(tied, base)
		}
	}
	base, ok := holds(row, l.Child.Struct.Type)
	if ok {
		s.columns = l.Child.Struct.Columns
		s.targets = append(s.targets, meta.TargetsOf(s.columns, base)...)
		if l.Via == nil {
			s.keys = moved(tied, base)
		}
		return s
	}
	some, err := meta.Of(row)
	if err != nil {
		panic(fmt.Sprintf("smrt: relation %s: %v", l, err))
	}
	for _, c := range some.Columns {
		of := l.Child.Struct.ByName(c.Name)
		if of == nil || of.Type != c.Type {
			panic(fmt.Sprintf("smrt: relation %s: %s is not the entity, does not hold it once, and its field for column %q is not one of the entity's with the same type",
				l, row, c.Name))
		}
		s.columns = append(s.columns, of)
		s.targets = append(s.targets, meta.Target{Column: c})
	}
	return s
}

// holds finds the entity in a row: the row itself, or one field of it. Of two
// fields neither is meant.
func holds(row, entity reflect.Type) (offset uintptr, ok bool) {
	if row == entity {
		return 0, true
	}
	if row.Kind() != reflect.Struct {
		return 0, false
	}
	for _, embedded := range []bool{true, false} { // what is embedded is meant rather than what is not
		for i := range row.NumField() {
			f := row.Field(i)
			if f.Anonymous != embedded || f.Type.Kind() != reflect.Struct {
				continue
			}
			if f.Type == entity {
				if ok {
					return 0, false
				}
				offset, ok = f.Offset, true
				continue
			}
			if inner, ok := holds(f.Type, entity); ok && embedded {
				return f.Offset + inner, true
			}
		}
		if ok {
			return offset, true
		}
	}
	return 0, false
}

// moved returns the fields of a struct that lies base bytes inside a row.
func moved(fs []Field, base uintptr) []Field {
	out := make([]Field, len(fs))
	for i, f := range fs {
		c := *f.column
		c.Offset += base
		out[i] = f
		out[i].column = &c
	}
	return out
}

// rows are structs that lie one after the other, or anywhere.
type rows struct {
	n        int
	base     unsafe.Pointer
	size     uintptr
	pointers []unsafe.Pointer // in place of base and size
}

func rowsOf(l *table.List) rows {
	r := l.Rows()
	return rows{base: r.Base, size: r.Size, n: r.N}
}

func (r *rows) at(i int) unsafe.Pointer {
	if r.pointers != nil {
		return r.pointers[i]
	}
	return unsafe.Add(r.base, uintptr(i)*r.size)
}

// groups are the parents by their keys.
type groups struct {
	*index
	of    []int32          // the group of each parent, -1: it has no key
	first []unsafe.Pointer // the first parent of each group
}

// groupsOf finds the groups of parents, whose keys lie where fs say.
func groupsOf(fs []Field, parents *rows) groups {
	g := groups{index: newIndex(fs, parents.n), of: make([]int32, parents.n)}
	g.first = make([]unsafe.Pointer, 0, parents.n)
	for i := range parents.n {
		p := parents.at(i)
		g.of[i] = g.group(fs, p, true)
		if int(g.n) > len(g.first) {
			g.first = append(g.first, p)
		}
	}
	return g
}
