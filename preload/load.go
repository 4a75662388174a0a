package preload

import (
	"fmt"
	"reflect"
	"unsafe"

	"github.com/smrt-go/smrt/internal/load"
	"github.com/smrt-go/smrt/internal/meta"
)

// Load says that a relation is to be loaded into a field of V. It is a value,
// made once and used by any number of calls, also at the same time.
type Load[V any] struct{ load *load.Load }

// DefaultMaxDepth is how deep loads may nest unless [Load.MaxDepth] allows
// more.
const DefaultMaxDepth = load.DefaultMaxDepth

// One loads the row that a relation leads to into a pointer, which is nil
// where there is none:
//
//	preload.One(shop.ProductCategory, func(p *ProductView) **shop.Category { return &p.Category })
//
// V is the entity P or a struct that holds it, R is C or a struct that holds
// or selects from it; see the package's documentation. Parents that lead to
// the same row share it. The nested loads are loaded into the rows found.
//
// One panics if V does not hold a P, if R cannot be read from a C, or if field
// does not return the address of a field of V.
func One[V, P, C, R any](r ToOne[P, C], field func(*V) **R, nested ...Load[R]) Load[V] {
	return Load[V]{load.New(r.relation, into[V, R](load.IntoPointer, field), untyped(nested))}
}

// Maybe is [One] for a field that distinguishes a row that is missing from one
// that was not loaded.
func Maybe[V, P, C, R any](r ToOne[P, C], field func(*V) *Ref[R], nested ...Load[R]) Load[V] {
	return Load[V]{load.New(r.relation, into[V, R](load.IntoRef, field), untyped(nested))}
}

// Many loads the rows that a relation leads to into a slice, which is empty
// but not nil where there are none:
//
//	preload.Many(shop.OrderLines, func(o *OrderView) *[]shop.OrderItem { return &o.Lines })
//
// V and R are as in [One]. If the relation is many-to-many, R may hold the row
// of the join table too. Every parent has its own rows.
func Many[V, P, C, R any](r ToMany[P, C], field func(*V) *[]R, nested ...Load[R]) Load[V] {
	return Load[V]{load.New(r.relation, into[V, R](load.IntoSlice, field), untyped(nested))}
}

// Count sets a field to the number of rows that a relation leads to. The
// relation's order and limit do not matter.
func Count[V, P, C any](r ToMany[P, C], field func(*V) *int64) Load[V] {
	return Load[V]{load.New(r.relation, into[V, C](load.IntoCount, field), nil)}
}

// Exists sets a field to whether a relation leads to any row.
func Exists[V, P, C any](r ToMany[P, C], field func(*V) *bool) Load[V] {
	return Load[V]{load.New(r.relation, into[V, C](load.IntoExists, field), nil)}
}

// MaxDepth allows n levels of loads, this one included, in place of
// [DefaultMaxDepth]. That of a nested load has no effect.
func (l Load[V]) MaxDepth(n int) Load[V] {
	return Load[V]{l.load.MaxDepth(n)}
}

// into describes the field of a V that field returns, for rows that are read as
// R.
func into[V, R, F any](kind load.Into, field func(*V) *F) load.Destination {
	return load.Destination{Into: kind, Holder: reflect.TypeFor[V](), Field: meta.AccessorOf(field), Row: reflect.TypeFor[R]()}
}

// untyped sees loads as what they hold: a Load is nothing but a pointer.
func untyped[V any](loads []Load[V]) load.Loads {
	return *(*load.Loads)(unsafe.Pointer(&loads))
}

// Ref is a related row that may be missing, or not have been loaded at all.
// The zero Ref is not loaded.
type Ref[R any] struct { // the layout of a load.Ref
	row    *R
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

// Loaded reports whether the relation was loaded.
func (r Ref[R]) Loaded() bool { return r.loaded }
