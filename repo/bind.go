package repo

import (
	"fmt"
	"reflect"

	"github.com/smrt-go/smrt"
)

// Bind returns a copy of a struct whose fields are repositories and readers, with
// each of them on another handle, such as a transaction:
//
//	type Store struct {
//		Orders   *repo.Repository[Order, int64]
//		Products *repo.Repository[Product, int64]
//	}
//
//	err := txn.Run(ctx, pool, func(ctx context.Context, tx pgx.Tx) error {
//		s := repo.Bind(store, tx)
//		if err := s.Orders.Create(ctx, &order); err != nil {
//			return err
//		}
//		return s.Products.Patch(ctx, order.ProductID, query.Add(Stock, -1))
//	})
//
// Structs among the fields, embedded ones and those that a pointer leads to, are
// copied and bound too; other fields, fields that are not exported and nil
// repositories are copied as they are. Bind panics if S is not a struct with a
// repository or reader in it, or if one is where it cannot be bound: in a list,
// a map, or an interface.
func Bind[S any](store S, db smrt.DB) S {
	bindAll(reflect.ValueOf(&store).Elem(), db)
	return store
}

func bindAll(store reflect.Value, db smrt.DB) {
	if store.Kind() != reflect.Struct {
		panic(fmt.Sprintf("smrt: Bind of %s: it is not a struct", store.Type()))
	}
	if bindFields(store, db) == 0 {
		panic(fmt.Sprintf("smrt: Bind of %s: it has no exported fields that are repositories or readers", store.Type()))
	}
}

// bindFields binds the fields of a struct, and returns how many can be bound.
func bindFields(store reflect.Value, db smrt.DB) (n int) {
	for i := range store.NumField() {
		f, field := store.Field(i), store.Type().Field(i)
		switch {
		case f.Kind() == reflect.Struct && (f.CanSet() || field.Anonymous):
			n += bindFields(f, db)
		case !f.CanSet():
		case bound(f, db):
			n++
		case f.Kind() == reflect.Pointer && f.Type().Elem().Kind() == reflect.Struct && !f.IsNil():
			to := reflect.New(f.Type().Elem())
			to.Elem().Set(f.Elem())
			if in := bindFields(to.Elem(), db); in > 0 {
				f.Set(to)
				n += in
			}
		case hidesOne(f):
			panic(fmt.Sprintf("smrt: Bind of %s: field %s holds a repository where it cannot be bound", store.Type(), field.Name))
		}
	}
	return n
}

// bound binds a field that is a repository, a reader, or a type that embeds one
// and has a With of its own. It reports whether it is.
func bound(f reflect.Value, db smrt.DB) bool {
	with, ok := f.Type().MethodByName("With")
	if _, ours := f.Interface().(bindable); !ours || !ok || f.Kind() != reflect.Pointer || with.Type.Out(0) != f.Type() {
		return false
	}
	if !f.IsNil() {
		f.Set(with.Func.Call([]reflect.Value{f, reflect.ValueOf(&db).Elem()})[0])
	}
	return true
}

// hidesOne reports whether a field that is no repository holds one.
func hidesOne(f reflect.Value) bool {
	switch f.Kind() {
	case reflect.Slice, reflect.Array, reflect.Map:
		return f.Type().Elem().Implements(reflect.TypeFor[bindable]())
	case reflect.Interface:
		_, ours := f.Interface().(bindable)
		return ours
	}
	return false
}

// bindable are the types that Bind binds.
type bindable interface{ bindable() }

func (r *Reader[T, K, R]) bindable() {}
