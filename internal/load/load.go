package load

import (
	"fmt"
	"reflect"
	"strings"
	"sync/atomic"
	"unsafe"

	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/plan"
	"github.com/smrt-go/smrt/internal/table"
)

// Load is a relation that is to be loaded into a field. It is safe for
// concurrent use.
type Load struct {
	*Relation
	into   Into
	offset uintptr // of the field in its struct
	holder reflect.Type
	keys   []Field // of the parent, in that struct
	shape  shape

	nested        []*Load
	joined        []*Load              // those of nested that travel in l's own statement: numbers first
	joinedColumns []*plan.JoinedColumn // of those
	height        int                  // of the tree of loads, this one included
	maxDepth      int

	core   *table.Table
	plain  *form        // nil: it depends on types that only the database knows
	learnt *learnt      // the form with those types; the copies of a Load share it
	wide   *form        // plain, for keys that may not fit the column's type; nil: there is none
	narrow *atomic.Bool // some did not
	cast   string       // of the keys of wide
}

// Into is what kind of field a load sets.
type Into uint8

// The kinds of field, of which R is the related row.
const (
	IntoPointer Into = iota // *R
	IntoRef                 // Ref
	IntoSlice               // []R
	IntoCount               // int64
	IntoExists              // bool
)

// Destination is a field that a relation is loaded into.
type Destination struct {
	Into   Into
	Holder reflect.Type // the struct of the field
	Field  meta.Accessor
	Row    reflect.Type // what a related row is read as
}

// Ref is the layout of every preload.Ref.
type Ref struct {
	Row    unsafe.Pointer
	Loaded bool
}

// DefaultMaxDepth is how deep loads may nest where nothing is said.
const DefaultMaxDepth = 3

// New returns a load of a relation into a field. It panics if they do not fit:
// a wrong declaration is a mistake in the program.
func New(r *Relation, to Destination, nested []*Load) *Load {
	l := &Load{Relation: r, into: to.Into, holder: to.Holder}
	row, keys := r.rows()
	base, ok := holds(l.holder, row)
	if !ok {
		l.refuse("it is neither %s nor a struct with one field of that type", row)
	}
	offset, err := meta.Locate(l.holder, to.Field)
	if err != nil {
		l.refuse("%v", err)
	}
	l.keys, l.offset = moved(keys, base), offset
	return l.complete(to.Row, nested)
}

// Aligned returns a load of a relation whose results go next to the parents,
// which are what the relation leads from.
func Aligned(r *Relation, into Into, nested []*Load) *Load {
	l := &Load{Relation: r, into: into}
	l.holder, l.keys = r.rows()
	return l.complete(r.Child.Struct.Type, nested)
}

// complete works out all that calls of l have in common.
func (l *Load) complete(row reflect.Type, nested []*Load) *Load {
	if l.into == IntoExists {
		l.Relation = l.anyRow()
	}
	l.Relation = l.checked()
	l.shape, l.core, l.learnt = shapeOf(l.Link, row), table.Of(l.Child), &learnt{}
	l.narrow = &atomic.Bool{}
	l.nested, l.height, l.maxDepth = nested, 1, DefaultMaxDepth
	for i, n := range nested {
		if n == nil {
			l.refuse("a nested load is the zero Load")
		}
		if o := Loads(nested[:i]).at(n.offset); o != nil {
			l.refuse("two nested loads, of %s and of %s, go into the same field %s", o.Link, n.Link, n.field())
		}
		l.height = max(l.height, n.height+1)
	}
	if l.held != nil || l.Steps != nil && l.into < IntoCount {
		l.Relation = l.Within(false)
	}
	l.joined, l.joinedColumns = pickJoined(nested)
	l.plain = l.form(nil)
	l.wide = l.widen()
	return l
}

// MaxDepth returns a copy of l whose tree may be n high.
func (l *Load) MaxDepth(n int) *Load {
	c := *l
	c.maxDepth = n
	return &c
}

func (l *Load) refuse(format string, args ...any) {
	panic(fmt.Sprintf("smrt: load of %s into %s: %s", l.Link, l.holder, fmt.Sprintf(format, args...)))
}

// field names the field that l goes into, as Go does.
func (l *Load) field() string { return fieldAt(l.holder, l.offset) }

// fieldAt names the field of t that begins at an offset: the innermost, but not
// what is inside a preload.Ref.
func fieldAt(t reflect.Type, offset uintptr) string {
	for i := range t.NumField() {
		f := t.Field(i)
		if offset < f.Offset || offset >= f.Offset+f.Type.Size() {
			continue
		}
		if f.Type.Kind() == reflect.Struct && !strings.HasPrefix(f.Type.Name(), "Ref[") {
			return f.Name + "." + fieldAt(f.Type, offset-f.Offset)
		}
		return f.Name
	}
	return fmt.Sprintf("at byte %d", offset)
}
