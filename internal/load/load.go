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
	into     Target
	offset   uintptr // of the field in its struct
	holder   reflect.Type
	keys     []Field // of the parent, in that struct
	shape    shape
	nested   []*Load
	joined   []*Load              // those of nested that travel in l's own statement: numbers first
	subs     []*plan.JoinedColumn // their columns
	height   int                  // of the tree of loads, this one included
	maxDepth int
	core     *table.Table
	plain    *form // nil: it depends on types that only the database knows
	learnt   atomic.Pointer[form]
}

// Target is what kind of field the result goes to.
type Target uint8

// The kinds of field, of which R is the related row.
const (
	ToPointer Target = iota // *R
	ToRef                   // Ref
	ToSlice                 // []R
	ToCount                 // int64
	ToExists                // bool
)

// Ref is the layout of every preload.Ref.
type Ref struct {
	Row    unsafe.Pointer
	Loaded bool
}

// DefaultMaxDepth is how deep loads may nest where nothing is said.
const DefaultMaxDepth = 3

// New is a load of a relation into a field of holder, of rows of type row. It
// panics if they do not fit: a wrong declaration is a mistake in the program.
func New(r *Relation, into Target, holder, row reflect.Type, field meta.Accessor, nested []*Load) *Load {
	l := &Load{Relation: r, into: into, holder: holder, maxDepth: DefaultMaxDepth}
	base, ok := holds(holder, r.parent)
	if !ok {
		l.refuse("it is neither %s nor a struct with one field of that type", r.parent)
	}
	offset, err := meta.Locate(holder, field)
	if err != nil {
		l.refuse("%v", err)
	}
	l.keys, l.offset, l.shape = moved(r.Outer, base), offset, shapeOf(r.Link, row)
	l.nest(nested)
	return l
}

// Aligned is a load of a relation beside its parents, not into them.
func Aligned(r *Relation, into Target, nested []*Load) *Load {
	l := &Load{Relation: r, into: into, holder: r.parent, keys: r.Outer, shape: shapeOf(r.Link, r.Child.Struct.Type), maxDepth: DefaultMaxDepth}
	l.nest(nested)
	return l
}

// nest completes a load with those below it.
func (l *Load) nest(nested []*Load) {
	l.nested, l.core, l.height = nested, table.Of(l.Child), 1
	for i, n := range nested {
		if n == nil {
			l.refuse("a nested load is the zero Load")
		}
		if o := Loads(nested[:i]).into(n.offset); o != nil {
			l.refuse("two nested loads, of %s and of %s, go into the same field %s", o.Link, n.Link, n.field())
		}
		l.height = max(l.height, n.height+1)
	}
	for _, o := range l.spec.Order {
		if o.Expr != nil && (l.Via != nil || l.byNumber()) {
			l.refuse("rows that are limited for each parent, reached through a join table, or named by a key of text can be ordered by columns only")
		}
	}
	l.joined, l.subs = pickJoined(nested)
	l.plain = l.form(nil)
}

// MaxDepth is l whose tree may be n high.
func (l *Load) MaxDepth(n int) *Load {
	return &Load{
		Relation: l.Relation, into: l.into, offset: l.offset, holder: l.holder, keys: l.keys, shape: l.shape, nested: l.nested, joined: l.joined, subs: l.subs,
		height: l.height, maxDepth: n, core: l.core, plain: l.plain,
	}
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
