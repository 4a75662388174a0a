package repo

import (
	"cmp"
	"context"
	"fmt"
	"reflect"
	"strings"
	"unsafe"

	"github.com/smrt-go/smrt/internal/crud"
	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/plan"
	"github.com/smrt-go/smrt/query"
)

// View reads the rows of a repository into structs that embed the entity:
//
//	type ProductView struct {
//		shop.Product
//		Margin int64
//	}
//
//	margin := query.SQL[int64]("$1 - $2", Price, Cost)
//	views := repo.View(products, func(v *ProductView) *shop.Product { return &v.Product },
//		query.Into(margin, func(v *ProductView) *int64 { return &v.Margin }))
//
// Queries, orders and pages are those of the entity; an expression that is read
// can be ordered and filtered by. Fields that are neither the entity's nor of an
// output are left alone; relations can be loaded into them.
//
// Views are made once, where the repository is, and bound with With. A view with
// an expression that has values of a request, such as a distance, is made for it.
// View panics if entity does not return the address of a field of its argument,
// or an output is not right.
func View[T any, K comparable, V any](r *Repository[T, K], entity func(*V) *T, outputs ...query.Output[T, V]) *Reader[T, K, V] {
	bound, err := viewOf(&r.bound, reflect.TypeFor[V](), meta.AccessorOf(entity), plan.All(outputs))
	if err != nil {
		panic(fmt.Sprintf("smrt: view %s: %v", reflect.TypeFor[V](), err))
	}
	return &Reader[T, K, V]{bound: *bound}
}

func viewOf(b *crud.Bound, view reflect.Type, entity meta.Accessor, outputs []plan.Output) (*crud.Bound, error) {
	base, err := meta.Locate(view, entity)
	targets := meta.TargetsOf(b.Table.Struct.Columns, base)
	var exprs []*meta.Column
	err = cmp.Or(err, plan.CheckOutputs(outputs))
	for _, o := range outputs {
		exprs, targets = append(exprs, o.Column), append(targets, o.Target)
	}
	var st plan.Statement
	if err == nil { // before the first query: a view is a declaration
		st, err = b.Table.Build(plan.Anybody(context.Background()), &plan.Request{Verb: plan.Select, List: b.Rows.List, Exprs: exprs})
	}
	if err != nil {
		return nil, err
	}
	rows := b.Table.Project(view, b.Rows.List, exprs, targets)
	return b.As(rows, func(p unsafe.Pointer) unsafe.Pointer { return unsafe.Add(p, base) }, len(st.Args) > 0), nil
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
func Select[V, T any, K comparable](r *Repository[T, K]) *Reader[T, K, V] {
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
	return &Reader[T, K, V]{
		bound: *r.bound.As(r.bound.Table.Project(s.Type, strings.Join(names, ", "), nil, meta.TargetsOf(s.Columns, 0)), nil, false),
	}
}
