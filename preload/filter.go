package preload

import (
	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/plan"
	"github.com/smrt-go/smrt/query"
)

// Has matches the rows of P that lead to a row of C that matches all of ps:
//
//	query.Where(shop.ProductCategory.Has(shop.CategorySlug.Eq("tea")))
//
// It is an EXISTS, so no row of P comes twice. The conditions of the relation
// itself hold too; its order and limit do not matter.
func (r ToOne[P, C]) Has(ps ...query.Predicate[C]) query.Predicate[P] {
	return plan.As[query.Predicate[P]](filtered(r.relation, ps).Related())
}

// Has matches the rows of P that lead to a row of C that matches all of ps. It
// is an EXISTS, so no row of P comes twice. The conditions of the relation
// itself hold too; its order and limit do not matter.
func (r ToMany[P, C]) Has(ps ...query.Predicate[C]) query.Predicate[P] {
	return plan.As[query.Predicate[P]](filtered(r.relation, ps).Related())
}

// HasNot matches the rows of P that lead to no row of C that matches all of ps.
func (r ToOne[P, C]) HasNot(ps ...query.Predicate[C]) query.Predicate[P] {
	return query.Not(r.Has(ps...))
}

// HasNot matches the rows of P that lead to no row of C that matches all of ps.
func (r ToMany[P, C]) HasNot(ps ...query.Predicate[C]) query.Predicate[P] {
	return query.Not(r.Has(ps...))
}

// Count returns the number of rows of C that a row of P leads to and that match
// all of ps. Rows of P can be filtered and ordered by it:
//
//	query.Where(shop.OrderLines.Count().Ge(3)).OrderBy(shop.OrderLines.Count().Desc())
//
// The server counts for each row of P that it looks at.
func (r ToMany[P, C]) Count(ps ...query.Predicate[C]) query.Expr[P, int64] {
	n := filtered(r.relation, ps).Counted()
	return valueOf[int64, P](&n, "count", false)
}

// Aggregate returns an aggregate of the rows of C that a row of P leads to. Rows
// of P can be filtered and ordered by it:
//
//	latest := preload.Aggregate(shop.CustomerOrders, query.Max(shop.PlacedAt))
//	query.All[shop.Customer]().OrderBy(latest.Desc().NullsLast())
//
// The server computes it for each row of P that it looks at. The conditions of
// the relation hold; its order and limit do not matter.
func Aggregate[P, C, V any](r ToMany[P, C], x query.Operand[query.Groups[C], V]) query.Expr[P, V] {
	n := r.relation.Selected(x.Plan())
	return valueOf[V, P](&n, x.Plan().Name, true)
}

// Value returns what x is in the row of C that a row of P leads to, NULL if there
// is none:
//
//	query.All[shop.Product]().OrderBy(preload.Value(shop.ProductCategory, shop.CategoryName).Asc())
//
// If there are several the query fails with smrt.ErrTooManyRows. The first of
// several, see [ToMany.First], cannot be asked for in this way.
func Value[P, C, V any](r ToOne[P, C], x query.Operand[C, V]) query.Expr[P, V] {
	n := r.relation.Selected(x.Plan())
	if r.relation.Limited() {
		n.Err = errFirst
	}
	return valueOf[V, P](&n, x.Plan().Name, true)
}

var errFirst = &smrt.QueryError{Reason: "a value of the first of several related rows cannot be compared: load that row, or use preload.Aggregate with query.Min or query.Max"}

func valueOf[V, P any](n *plan.Node, name string, nullable bool) query.Expr[P, V] {
	return plan.AsExpr[query.Expr[P, V]](plan.Computed(meta.ColumnFor[V]("value"), name, nullable, n))
}
