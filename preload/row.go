package preload

import (
	"reflect"

	"github.com/smrt-go/smrt/internal/load"
	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/plan"
	"github.com/smrt-go/smrt/query"
)

// ToOneBy returns r for rows of another type, such as those of a query of sqlc, which
// hold the key by which r finds a row of C: the foreign key if r was declared by
// [BelongsTo], else the key of a P.
//
//	ReportCustomer = preload.ToOneBy(OrderCustomer, func(r *shopdb.OrderReportRow) *int64 { return &r.CustomerID })
//
// It is declared once, and loaded like any other relation, into a struct that holds
// the row, or next to the rows:
//
//	customers, err := ReportCustomer.Load(ctx, db, rows) // []*Customer, one for each row
//
// The field may also be a pointer, an sql.Null or one of the types of pgtype, for a
// key that can be NULL. Conditions, order and limit of r are kept. The relation is
// for loads: a query that has it in a condition or an order is smrt.ErrBadQuery.
//
// ToOneBy panics if r is its zero value, if its key has several columns, or if the
// field has another type than the key.
func ToOneBy[V, P, C, F any](r ToOne[P, C], key func(*V) *F) ToOne[V, C] {
	return ToOne[V, C]{by(r.relation, key)}
}

// ToManyBy is [ToOneBy] for a relation that leads to many rows:
//
//	ReportLines = preload.ToManyBy(OrderLines, func(r *shopdb.OrderReportRow) *int64 { return &r.ID })
func ToManyBy[V, P, C, F any](r ToMany[P, C], key func(*V) *F) ToMany[V, C] {
	return ToMany[V, C]{by(r.relation, key)}
}

// ToOneByKey is [ToOneBy] for a key of several columns. The parts tie the fields of
// the row to those of the key, as in query.NewCompositeTable; a field that can be
// NULL is tied by query.NullPart.
func ToOneByKey[V, P, C any, K comparable](r ToOne[P, C], key query.Key[V, K]) ToOne[V, C] {
	return ToOne[V, C]{byParts(r.relation, key)}
}

// ToManyByKey is [ToOneByKey] for a relation that leads to many rows.
func ToManyByKey[V, P, C any, K comparable](r ToMany[P, C], key query.Key[V, K]) ToMany[V, C] {
	return ToMany[V, C]{byParts(r.relation, key)}
}

func by[V, F any](r *load.Relation, key func(*V) *F) *load.Relation {
	return r.By(reflect.TypeFor[V](), reflect.TypeFor[F](), meta.AccessorOf(key))
}

func byParts[V any, K comparable](r *load.Relation, key query.Key[V, K]) *load.Relation {
	return r.ByParts(reflect.TypeFor[V](), reflect.TypeFor[K](), plan.All(key))
}
