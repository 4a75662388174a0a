package repo

import (
	"fmt"
	"reflect"
	"strings"
	"unsafe"

	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/plan"
)

// View reads the rows of a repository into structs that embed the entity:
//
//	type ProductView struct {
//		shop.Product
//		Margin int64
//	}
//
//	views := repo.View(products, func(v *ProductView) *shop.Product { return &v.Product },
//		repo.Computed(func(v *ProductView) *int64 { return &v.Margin }, "price_cents - cost_cents"))
//
// Queries, orders and pages are those of the entity. Fields that are neither
// the entity's nor [Computed] are left alone; relations can be loaded into
// them.
//
// Views are made once, where the repository is, and bound with With. View
// panics if entity does not return the address of a field of its argument.
func View[T any, K comparable, V any](r *Repository[T, K], entity func(*V) *T, computed ...ComputedColumn[V]) *Reader[T, V] {
	base, err := meta.Locate(reflect.TypeFor[V](), func(p unsafe.Pointer) unsafe.Pointer { return unsafe.Pointer(entity((*V)(p))) })
	if err != nil {
		panic(fmt.Sprintf("smrt: view: %v", err))
	}
	list := r.bound.Rows.List
	targets := meta.TargetsOf(r.bound.Table.Struct.Columns, base)
	for _, c := range computed {
		list += ", (" + c.sql + ")"
		targets = append(targets, meta.Target{Column: c.column})
	}
	return &Reader[T, V]{
		bound: *r.bound.As(reflect.TypeFor[V](), list, targets, func(p unsafe.Pointer) unsafe.Pointer { return unsafe.Add(p, base) }),
	}
}

// ComputedColumn is a column of a view that an SQL expression computes.
type ComputedColumn[V any] struct {
	sql    string
	column *meta.Column
}

// constant is the type of parameters that take SQL: only constants of the
// program convert to it.
type constant string

// Computed declares that a field of the view V receives the value of an SQL
// expression over the table's columns. The text is a fragment like that of
// [query.Raw], without arguments. It panics if it is not, or if field does not
// return the address of a field of its argument.
func Computed[V, F any](field func(*V) *F, sql constant) ComputedColumn[V] {
	offset, err := meta.Locate(reflect.TypeFor[V](), func(p unsafe.Pointer) unsafe.Pointer { return unsafe.Pointer(field((*V)(p))) })
	if err == nil {
		err = plan.CheckFragment(string(sql))
	}
	if err != nil {
		panic(fmt.Sprintf("smrt: computed column %q: %v", string(sql), err))
	}
	return ComputedColumn[V]{sql: string(sql), column: meta.NewColumn(string(sql), reflect.TypeFor[F](), offset)}
}

// Select reads only the columns that V names, which is faster where rows are
// wide:
//
//	type ProductName struct {
//		ID   int64
//		Name string
//	}
//
//	names := repo.Select[ProductName](products)
//
// Each field of V must be a column of the table with the same Go type as in
// the entity. Select panics otherwise.
func Select[V, T any, K comparable](r *Repository[T, K]) *Reader[T, V] {
	s, err := meta.Of(reflect.TypeFor[V]())
	if err != nil {
		panic(fmt.Sprintf("smrt: %v", err))
	}
	names := make([]string, len(s.Columns))
	for i, c := range s.Columns {
		of := r.bound.Table.Struct.ByName(c.Name)
		if of == nil || of.Type != c.Type {
			panic(fmt.Sprintf("smrt: %s.%s must be a column of %s with the same type as in %s", s.Type, c.Name, r.bound.Table.Name, r.bound.Table.Struct.Type))
		}
		names[i] = c.Quoted
	}
	return &Reader[T, V]{
		bound: *r.bound.As(s.Type, strings.Join(names, ", "), meta.TargetsOf(s.Columns, 0), nil),
	}
}
