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
// Structs among the fields are bound too; other fields, those that are not
// exported and nil repositories are copied as they are. Bind panics if S is not
// a struct with a repository or reader in it.
func Bind[S any](store S, db smrt.DB) S {
	bindAll(reflect.ValueOf(&store).Elem(), db)
	return store
}

func bindAll(store reflect.Value, db smrt.DB) {
	if store.Kind() != reflect.Struct || bindFields(store, db) == 0 {
		panic(fmt.Sprintf("smrt: Bind of %s: it is not a struct with exported fields that are repositories or readers", store.Type()))
	}
}

// bindFields binds the fields of a struct, and returns how many can be bound.
func bindFields(store reflect.Value, db smrt.DB) (n int) {
	for i := range store.NumField() {
		f := store.Field(i)
		if !f.CanSet() {
			continue
		}
		if f.Kind() == reflect.Struct {
			n += bindFields(f, db)
			continue
		}
		with, ok := f.Type().MethodByName("With")
		if _, ours := f.Interface().(interface{ bindable() }); !ours || !ok {
			continue
		}
		n++
		if !f.IsNil() {
			f.Set(with.Func.Call([]reflect.Value{f, reflect.ValueOf(&db).Elem()})[0])
		}
	}
	return n
}

// bindable marks the types that Bind binds.
func (r *Reader[T, R]) bindable() {}
