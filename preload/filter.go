package preload

import (
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
	return plan.As[query.Predicate[P]](filtered(r.relation, ps).Node(plan.Related))
}

// Has matches the rows of P that lead to a row of C that matches all of ps. It
// is an EXISTS, so no row of P comes twice. The conditions of the relation
// itself hold too; its order and limit do not matter.
func (r ToMany[P, C]) Has(ps ...query.Predicate[C]) query.Predicate[P] {
	return plan.As[query.Predicate[P]](filtered(r.relation, ps).Node(plan.Related))
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
func (r ToMany[P, C]) Count(ps ...query.Predicate[C]) Number[P] {
	return Number[P]{filtered(r.relation, ps).Node(plan.Counted)}
}

// Number is the number of rows that a row of P leads to.
type Number[P any] struct{ node plan.Node }

func (n Number[P]) compare(op string, v int64) query.Predicate[P] {
	n.node.SQL, n.node.A = op, v
	return plan.As[query.Predicate[P]](n.node)
}

// Eq matches rows that lead to exactly v rows.
func (n Number[P]) Eq(v int64) query.Predicate[P] { return n.compare("=", v) }

// Ne matches rows that lead to fewer or more than v rows.
func (n Number[P]) Ne(v int64) query.Predicate[P] { return n.compare("<>", v) }

// Lt matches rows that lead to fewer than v rows.
func (n Number[P]) Lt(v int64) query.Predicate[P] { return n.compare("<", v) }

// Le matches rows that lead to at most v rows.
func (n Number[P]) Le(v int64) query.Predicate[P] { return n.compare("<=", v) }

// Gt matches rows that lead to more than v rows.
func (n Number[P]) Gt(v int64) query.Predicate[P] { return n.compare(">", v) }

// Ge matches rows that lead to at least v rows.
func (n Number[P]) Ge(v int64) query.Predicate[P] { return n.compare(">=", v) }

// Asc orders by the number, smallest first.
func (n Number[P]) Asc() query.Order[P] { return plan.As[query.Order[P]](meta.Order{Expr: &n.node}) }

// Desc orders by the number, greatest first.
func (n Number[P]) Desc() query.Order[P] {
	return plan.As[query.Order[P]](meta.Order{Expr: &n.node, Desc: true})
}
