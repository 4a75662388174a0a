package preload

import (
	"github.com/smrt-go/smrt/internal/load"
	"github.com/smrt-go/smrt/internal/plan"
	"github.com/smrt-go/smrt/query"
)

// ToOne is a relation that leads from a P to at most one C. Like a query it is
// a value: its methods return a new relation and leave the old one as it was. It
// holds no connection, belongs in a package variable, and is safe for
// concurrent use.
type ToOne[P, C any] struct{ relation *load.Relation }

// ToMany is a relation that leads from a P to any number of C. It is a value
// like [ToOne].
type ToMany[P, C any] struct{ relation *load.Relation }

// BelongsTo declares that a row of from references a row of to by a foreign key:
//
//	ProductCategory = preload.BelongsTo(Products, Categories, func(p *Product) *int64 { return &p.CategoryID })
//
// It panics if fk is not as [ForeignKey] says.
func BelongsTo[P, C any, PK, K comparable, F ForeignKey[P, K]](from *query.Table[P, PK], to *query.Table[C, K], fk F) ToOne[P, C] {
	l := &load.Link{Kind: load.BelongsTo, Outer: fieldsOf[P, K](fk, to.Plan()), Inner: load.KeyFields(to.Plan()), Child: to.Plan()}
	return ToOne[P, C]{load.Declare(l, from.Plan(), true)}
}

// HasOne declares that at most one row of children references a row of parents:
// the foreign key is unique. If several do, loading returns smrt.ErrTooManyRows.
func HasOne[P, C any, K, CK comparable, F ForeignKey[C, K]](parents *query.Table[P, K], children *query.Table[C, CK], fk F) ToOne[P, C] {
	return ToOne[P, C]{load.Declare(has[P, K]("has-one", parents.Plan(), children.Plan(), fieldsOf[C, K](fk, parents.Plan())), parents.Plan(), true)}
}

// HasMany declares that rows of children reference a row of parents by a foreign
// key:
//
//	OrderLines = preload.HasMany(Orders, OrderItems, func(i *OrderItem) *int64 { return &i.OrderID })
func HasMany[P, C any, K, CK comparable, F ForeignKey[C, K]](parents *query.Table[P, K], children *query.Table[C, CK], fk F) ToMany[P, C] {
	return ToMany[P, C]{load.Declare(has[P, K]("has-many", parents.Plan(), children.Plan(), fieldsOf[C, K](fk, parents.Plan())), parents.Plan(), false)}
}

// SelfRelation is a relation of a table with itself: a [ToOne] or a [ToMany] from P
// to P. There are no others.
type SelfRelation[P any] interface{ self(P, P) *load.Relation }

func (r ToOne[P, C]) self(P, C) *load.Relation  { return r.relation }
func (r ToMany[P, C]) self(P, C) *load.Relation { return r.relation }

// Recursive declares the relation that leads from a row to all rows that are
// reached by following r again and again:
//
//	CategoryAncestors   = preload.Recursive(CategoryParent, 20)
//	CategoryDescendants = preload.Recursive(CategoryChildren, 20)
//
// It takes steps steps at most, so rows that are farther away are left out. This
// also ends the way where rows refer to each other in a ring. A ring is followed to
// the last step, which makes a number far above what trees need slow.
//
// The row that it begins at is not among those that it leads to, except in a ring,
// and need not match anything. The conditions of r hold for every row on the way: one
// for which they do not hold ends it. Conditions that are added to the recursive
// relation choose among the rows that were reached. WithDeleted, of either, includes
// deleted rows on the way too.
//
// Rows come once, those reached in the fewest steps first and then in the order of
// r, unless the recursive relation has an order of its own. A limit and First choose
// among the rows that were reached, and so save no step.
//
// Loading is one statement and one recursion, however many parents there are.
// [ToMany.Has] is one recursion for the statement too, which begins at all rows that
// match and goes back. [ToMany.Count] and [Aggregate] are one for each row of P
// that the server looks at. So Has is for conditions that few rows match, such as
// the key of a category, and Count(...).Gt(0) for queries that look at few rows.
//
// Recursive panics if r is its zero value, has a limit, is recursive itself or leads
// to another table, or if steps is not from 1 to 1,000.
func Recursive[P any](r SelfRelation[P], steps int) ToMany[P, P] {
	var p P
	if r == nil {
		r = ToMany[P, P]{}
	}
	return ToMany[P, P]{load.Recursive(r.self(p, p), steps)}
}

func has[P any, K comparable](kind string, parents, children *plan.Table, fk []load.Field) *load.Link {
	return &load.Link{Kind: kind, Outer: load.KeyFields(parents), Inner: fk, Child: children}
}

// ManyToMany declares that rows of through connect rows of parents, referenced
// by left, with rows of children, referenced by right:
//
//	ProductTags = preload.ManyToMany(Products, ProductTagRows, Tags,
//		func(t *ProductTag) *int64 { return &t.ProductID },
//		func(t *ProductTag) *int64 { return &t.TagID })
func ManyToMany[P, J, C any, PK, JK, CK comparable, L ForeignKey[J, PK], R ForeignKey[J, CK]](
	parents *query.Table[P, PK], through *query.Table[J, JK], children *query.Table[C, CK], left L, right R,
) ToMany[P, C] {
	l := &load.Link{
		Kind: "many-to-many", Outer: load.KeyFields(parents.Plan()), Inner: load.KeyFields(children.Plan()), Child: children.Plan(),
		Via: &load.Via{
			Table: through.Plan(),
			Left:  fieldsOf[J, PK](left, parents.Plan()),
			Right: fieldsOf[J, CK](right, children.Plan()),
		},
	}
	return ToMany[P, C]{load.Declare(l, parents.Plan(), false)}
}

// filtered returns r with more conditions.
func filtered[C any](r *load.Relation, ps []query.Predicate[C]) *load.Relation {
	return r.With(r.Spec().And(query.Where(ps...).Plan().Where))
}

// Where restricts the relation to the rows that match all of ps.
func (r ToOne[P, C]) Where(ps ...query.Predicate[C]) ToOne[P, C] {
	return ToOne[P, C]{filtered(r.relation, ps)}
}

// Where restricts the relation to the rows that match all of ps.
func (r ToMany[P, C]) Where(ps ...query.Predicate[C]) ToMany[P, C] {
	return ToMany[P, C]{filtered(r.relation, ps)}
}

// WithDeleted includes rows that are soft-deleted.
func (r ToOne[P, C]) WithDeleted() ToOne[P, C] { return ToOne[P, C]{r.relation.WithDeleted()} }

// WithDeleted includes rows that are soft-deleted.
func (r ToMany[P, C]) WithDeleted() ToMany[P, C] { return ToMany[P, C]{r.relation.WithDeleted()} }

// OrderBy sets the order in which the rows of each parent come. The default is
// the order declared for the table of C. Rows that an order leaves equal come in
// that of their key.
func (r ToMany[P, C]) OrderBy(terms ...query.Order[C]) ToMany[P, C] {
	return ToMany[P, C]{r.relation.With(r.relation.Spec().OrderBy(query.All[C]().OrderBy(terms...).Plan().Order))}
}

// Limit restricts the relation to the first n rows of each parent. The server
// looks them up parent by parent, so this is fast only with an index on the
// foreign key. Loading a relation with a negative n returns an error.
func (r ToMany[P, C]) Limit(n int) ToMany[P, C] {
	return ToMany[P, C]{r.relation.With(r.relation.Spec().WithLimit(n))}
}

// First restricts the relation to the first row, such as the latest order of a
// customer.
func (r ToMany[P, C]) First() ToOne[P, C] {
	return ToOne[P, C]{r.relation.First()}
}

// Joined loads the rows in the statement that reads their parents, as a column
// that is an array of records. It saves a round trip, and makes the server run a
// subquery for each parent, which needs an index on the foreign key. So it is
// faster if there are few parents or the network is slow. Rows that several
// parents lead to are then not shared.
//
// A statement of their own is sent all the same for the parents of Page, Stream,
// GetMany and Fill, for the rows of a recursive relation, in exec mode, in which
// results are text, and for columns of types that pgx does not know, other than
// domains and enums. The first rows with one of those are read twice: the catalog
// is asked what it stands for.
func (r ToOne[P, C]) Joined() ToOne[P, C] { return ToOne[P, C]{r.relation.Within(true)} }

// Joined loads the rows in the statement that reads their parents; see
// [ToOne.Joined].
func (r ToMany[P, C]) Joined() ToMany[P, C] { return ToMany[P, C]{r.relation.Within(true)} }

// Separate loads the rows by a statement of their own, which is the default.
func (r ToOne[P, C]) Separate() ToOne[P, C] { return ToOne[P, C]{r.relation.Within(false)} }

// Separate loads the rows by a statement of their own, which is the default.
func (r ToMany[P, C]) Separate() ToMany[P, C] { return ToMany[P, C]{r.relation.Within(false)} }
