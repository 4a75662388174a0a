package preload

import (
	"fmt"
	"reflect"
	"sync/atomic"
	"unsafe"

	"github.com/smrt-go/smrt/internal/crud"
	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/plan"
)

// Load says that a relation is to be loaded into a field of V. It is a value:
// made once, it serves any number of calls, concurrently.
type Load[V any] struct{ load *load }

// load is a Load without its type.
type load struct {
	*relation
	into     target
	offset   uintptr // of the field in a V
	keys     []field // of the parent, in a V
	shape    shape
	nested   []*load
	joined   []*load     // those of nested that travel in l's own statement: numbers first
	subs     []*plan.Sub // their columns
	height   int         // of the tree of loads, this one included
	maxDepth int
	core     *crud.Core
	plain    *form // nil: it depends on types that only the database knows
	learnt   atomic.Pointer[form]
}

// target is what kind of field the result goes to.
type target uint8

const (
	toPointer target = iota // *R
	toRef                   // Ref[R]
	toSlice                 // []R
	toCount                 // int64
	toExists                // bool
)

// DefaultMaxDepth is how deep loads may nest unless [Load.MaxDepth] allows
// more.
const DefaultMaxDepth = 3

// One loads the row that a relation leads to into a pointer, which is nil
// where there is none:
//
//	preload.One(shop.ProductCategory, func(p *ProductView) **shop.Category { return &p.Category })
//
// V is the entity P or a struct that holds it, R is C or a struct that holds
// or selects from it; see the package's documentation. Parents that lead to
// the same row share it. Loads of R are loaded into the rows found.
//
// One panics if V, R or the field are not as they must be.
func One[V, P, C, R any](r ToOne[P, C], field func(*V) **R, nested ...Load[R]) Load[V] {
	return Load[V]{newLoad(r.relation, toPointer, reflect.TypeFor[V](), reflect.TypeFor[R](),
		func(p unsafe.Pointer) unsafe.Pointer { return unsafe.Pointer(field((*V)(p))) }, untyped(nested))}
}

// Maybe is [One] for a field that tells a row that is missing from one that
// was not loaded.
func Maybe[V, P, C, R any](r ToOne[P, C], field func(*V) *Ref[R], nested ...Load[R]) Load[V] {
	return Load[V]{newLoad(r.relation, toRef, reflect.TypeFor[V](), reflect.TypeFor[R](),
		func(p unsafe.Pointer) unsafe.Pointer { return unsafe.Pointer(field((*V)(p))) }, untyped(nested))}
}

// Many loads the rows that a relation leads to into a slice, which is empty
// but not nil where there are none:
//
//	preload.Many(shop.OrderLines, func(o *OrderView) *[]shop.OrderItem { return &o.Lines })
//
// V and R are as in [One]. Of a many-to-many relation, R may hold the row of
// the join table too. Every parent has its own rows.
func Many[V, P, C, R any](r ToMany[P, C], field func(*V) *[]R, nested ...Load[R]) Load[V] {
	return Load[V]{newLoad(r.relation, toSlice, reflect.TypeFor[V](), reflect.TypeFor[R](),
		func(p unsafe.Pointer) unsafe.Pointer { return unsafe.Pointer(field((*V)(p))) }, untyped(nested))}
}

// Count loads the number of rows that a relation leads to. An order or limit
// of the relation does not matter.
func Count[V, P, C any](r ToMany[P, C], field func(*V) *int64) Load[V] {
	return Load[V]{newLoad(r.relation, toCount, reflect.TypeFor[V](), r.relation.child.Struct.Type,
		func(p unsafe.Pointer) unsafe.Pointer { return unsafe.Pointer(field((*V)(p))) }, nil)}
}

// Exists loads whether a relation leads to any row.
func Exists[V, P, C any](r ToMany[P, C], field func(*V) *bool) Load[V] {
	return Load[V]{newLoad(r.relation, toExists, reflect.TypeFor[V](), r.relation.child.Struct.Type,
		func(p unsafe.Pointer) unsafe.Pointer { return unsafe.Pointer(field((*V)(p))) }, nil)}
}

// MaxDepth allows loads to nest n deep below the rows that are loaded into, in
// place of [DefaultMaxDepth]. It is that of the outermost load that counts.
func (l Load[V]) MaxDepth(n int) Load[V] {
	c := l.load.copied()
	c.maxDepth = n
	return Load[V]{c}
}

// copied is l again, to be changed.
func (l *load) copied() *load {
	return &load{
		relation: l.relation, into: l.into, offset: l.offset, keys: l.keys, shape: l.shape, nested: l.nested, joined: l.joined, subs: l.subs,
		height: l.height, maxDepth: l.maxDepth, core: l.core, plain: l.plain,
	}
}

// untyped sees loads as what they hold: a Load is nothing but a pointer.
func untyped[V any](loads []Load[V]) []*load {
	return *(*[]*load)(unsafe.Pointer(&loads))
}

func newLoad(r *relation, into target, holder, row reflect.Type, field meta.Accessor, nested []*load) *load {
	l := &load{relation: r, into: into, maxDepth: DefaultMaxDepth}
	base, ok := holds(holder, r.parent)
	if !ok {
		l.refuse(holder, "it is neither %s nor a struct with one field of that type", r.parent)
	}
	offset, err := meta.Locate(holder, field)
	if err != nil {
		l.refuse(holder, "%v", err)
	}
	l.keys, l.offset, l.shape = moved(r.outer, base), offset, shapeOf(r.link, row)
	l.nest(nested, holder)
	return l
}

// refuse panics: a wrong declaration is a mistake in the program.
func (l *load) refuse(holder reflect.Type, format string, args ...any) {
	panic(fmt.Sprintf("smrt: load of %s into %s: %s", l.link, holder, fmt.Sprintf(format, args...)))
}

// Ref is a related row that may be missing, or not have been loaded at all.
// The zero Ref is not loaded.
type Ref[R any] struct {
	row    *R
	loaded bool
}

// ref is the layout of every Ref.
type ref struct {
	row    unsafe.Pointer
	loaded bool
}

// Get returns the row, and whether there is one. It panics if the relation was
// not loaded, which is a mistake in the program.
func (r Ref[R]) Get() (*R, bool) {
	if !r.loaded {
		panic(fmt.Sprintf("smrt: the related %s was not loaded: pass its load to the call that reads the row", reflect.TypeFor[R]()))
	}
	return r.row, r.row != nil
}

// Loaded tells whether the relation was loaded.
func (r Ref[R]) Loaded() bool { return r.loaded }
