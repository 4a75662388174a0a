package preload

import (
	"fmt"
	"path/filepath"
	"reflect"
	"runtime"
	"strconv"

	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/plan"
	"github.com/smrt-go/smrt/query"
)

// ToOne is a relation that leads from a P to at most one C. Like a query it is
// a value: its methods return a new relation and leave the old as it was. It
// holds no connection, belongs in a package variable, and is safe for
// concurrent use.
type ToOne[P, C any] struct{ relation *relation }

// ToMany is a relation that leads from a P to any number of C. It is a value
// like [ToOne].
type ToMany[P, C any] struct{ relation *relation }

// relation is what ToOne and ToMany are without their types.
type relation struct {
	*link
	spec   *plan.Spec // which related rows, in which order, how many for each parent
	single bool       // at most one for each parent
	inside bool       // loaded with its parents' statement
}

// link is what was declared of a relation. It never changes.
type link struct {
	kind   string
	parent reflect.Type
	outer  []field // what of a P
	inner  []field // equals what of a C
	child  *plan.Table
	via    *via // of a many-to-many relation: what stands between them
}

// via is the join table of a many-to-many relation.
type via struct {
	table       *plan.Table
	left, right []field
}

func (l *link) String() string {
	return fmt.Sprintf("%s %s -> %s", l.kind, l.parent, l.child.Struct.Type)
}

// BelongsTo declares that a row of from names a row of to by a foreign key:
//
//	ProductCategory = preload.BelongsTo(Products, Categories, func(p *Product) *int64 { return &p.CategoryID })
//
// It panics if fk is not as [ForeignKey] says.
func BelongsTo[P, C any, PK, K comparable, F ForeignKey[P, K]](from *query.Table[P, PK], to *query.Table[C, K], fk F) ToOne[P, C] {
	l := &link{kind: "belongs-to", outer: fieldsOf[P, K](fk, to.Plan()), inner: keyFields(to.Plan()), child: to.Plan()}
	return ToOne[P, C]{declare(l, from.Plan(), true)}
}

// HasOne declares that at most one row of children names a row of parents:
// the foreign key is unique. Where several do, loading answers
// smrt.ErrTooManyRows.
func HasOne[P, C any, K, CK comparable, F ForeignKey[C, K]](parents *query.Table[P, K], children *query.Table[C, CK], fk F) ToOne[P, C] {
	return ToOne[P, C]{declare(has[P, K]("has-one", parents.Plan(), children.Plan(), fieldsOf[C, K](fk, parents.Plan())), parents.Plan(), true)}
}

// HasMany declares that rows of children name a row of parents by a foreign
// key:
//
//	OrderLines = preload.HasMany(Orders, OrderItems, func(i *OrderItem) *int64 { return &i.OrderID })
func HasMany[P, C any, K, CK comparable, F ForeignKey[C, K]](parents *query.Table[P, K], children *query.Table[C, CK], fk F) ToMany[P, C] {
	return ToMany[P, C]{declare(has[P, K]("has-many", parents.Plan(), children.Plan(), fieldsOf[C, K](fk, parents.Plan())), parents.Plan(), false)}
}

func has[P any, K comparable](kind string, parents, children *plan.Table, fk []field) *link {
	return &link{kind: kind, outer: keyFields(parents), inner: fk, child: children}
}

// ManyToMany declares that rows of through tie rows of parents, named by left,
// to rows of children, named by right:
//
//	ProductTags = preload.ManyToMany(Products, ProductTagRows, Tags,
//		func(t *ProductTag) *int64 { return &t.ProductID },
//		func(t *ProductTag) *int64 { return &t.TagID })
func ManyToMany[P, J, C any, PK, JK, CK comparable, L ForeignKey[J, PK], R ForeignKey[J, CK]](
	parents *query.Table[P, PK], through *query.Table[J, JK], children *query.Table[C, CK], left L, right R,
) ToMany[P, C] {
	l := &link{
		kind: "many-to-many", outer: keyFields(parents.Plan()), inner: keyFields(children.Plan()), child: children.Plan(),
		via: &via{
			table: through.Plan(),
			left:  fieldsOf[J, PK](left, parents.Plan()),
			right: fieldsOf[J, CK](right, children.Plan()),
		},
	}
	return ToMany[P, C]{declare(l, parents.Plan(), false)}
}

// declare completes a link.
func declare(l *link, parents *plan.Table, single bool) *relation {
	l.parent = parents.Struct.Type
	if len(l.outer) == 0 || len(l.inner) == 0 {
		panic(fmt.Sprintf("smrt: relation %s: the table that is named by a foreign key must have a key", l))
	}
	meta.DeclareRelation(l.declaration())
	return &relation{link: l, spec: (*plan.Spec)(nil).OrEmpty(), single: single}
}

// declaration describes l to whoever sees statements that it would save.
func (l *link) declaration() meta.Relation {
	table, columns := l.child, columnsOf(l.inner)
	if l.via != nil {
		table, columns = l.via.table, columnsOf(l.via.left)
	}
	r := meta.Relation{Kind: l.kind, Parent: l.parent.String(), Child: l.child.Struct.Type.String(), Table: table.Quoted}
	for _, c := range columns {
		r.Columns = append(r.Columns, c.Quoted)
	}
	if _, file, line, ok := runtime.Caller(3); ok { // whoever called the constructor
		r.Site = filepath.Base(file) + ":" + strconv.Itoa(line)
	}
	return r
}

// keyFields are the columns of a table's key as fields of its rows.
func keyFields(t *plan.Table) []field {
	fs := make([]field, len(t.Key))
	for i, k := range t.Key {
		fs[i] = newField(k.Column)
	}
	return fs
}

func columnsOf(fs []field) []*meta.Column {
	cs := make([]*meta.Column, len(fs))
	for i, f := range fs {
		cs[i] = f.column
	}
	return cs
}

// with is r with another query.
func (r *relation) with(s *plan.Spec) *relation {
	c := *r
	c.spec = s
	return &c
}

// filtered is r with more conditions.
func filtered[C any](r *relation, ps []query.Predicate[C]) *relation {
	return r.with(r.spec.And(query.Where(ps...).Spec().Where))
}

// Where leads only to the rows that match all of ps.
func (r ToOne[P, C]) Where(ps ...query.Predicate[C]) ToOne[P, C] {
	return ToOne[P, C]{filtered(r.relation, ps)}
}

// Where leads only to the rows that match all of ps.
func (r ToMany[P, C]) Where(ps ...query.Predicate[C]) ToMany[P, C] {
	return ToMany[P, C]{filtered(r.relation, ps)}
}

// WithDeleted leads also to rows that are soft-deleted.
func (r ToOne[P, C]) WithDeleted() ToOne[P, C] {
	return ToOne[P, C]{r.relation.with(r.relation.spec.OfDeleted(plan.WithDeleted))}
}

// WithDeleted leads also to rows that are soft-deleted.
func (r ToMany[P, C]) WithDeleted() ToMany[P, C] {
	return ToMany[P, C]{r.relation.with(r.relation.spec.OfDeleted(plan.WithDeleted))}
}

// OrderBy sets the order in which the rows of each parent come. Without it,
// that is the order declared for the table of C, or else that of its key.
func (r ToMany[P, C]) OrderBy(terms ...query.Order[C]) ToMany[P, C] {
	return ToMany[P, C]{r.relation.with(r.relation.spec.OrderBy(query.All[C]().OrderBy(terms...).Spec().Order))}
}

// Limit leads to the first n rows of each parent. An index on the foreign key
// is needed for this to be fast: the server looks them up parent by parent. A
// negative n is an error when the relation is loaded.
func (r ToMany[P, C]) Limit(n int) ToMany[P, C] {
	return ToMany[P, C]{r.relation.with(r.relation.spec.AtMost(n))}
}

// First leads to the first row only, such as the latest order of a customer.
func (r ToMany[P, C]) First() ToOne[P, C] {
	first := r.relation.with(r.relation.spec.AtMost(1))
	first.single = true
	return ToOne[P, C]{first}
}

// Joined loads the rows in the statement that reads their parents, as a column
// that is an array of records, in place of a statement of their own: one round
// trip less, for a query for each parent inside the server. It pays where
// parents are few, such as one, or the network is slow. Rows that several
// parents lead to are then not shared.
//
// It is a wish: a statement of their own is sent where it cannot be, which is
// for the parents of Page, Stream, GetMany and Fill, in exec mode, whose results
// are texts, and for columns of types that pgx does not know.
func (r ToOne[P, C]) Joined() ToOne[P, C] { return ToOne[P, C]{r.relation.within(true)} }

// Joined loads the rows in the statement that reads their parents; see
// [ToOne.Joined].
func (r ToMany[P, C]) Joined() ToMany[P, C] { return ToMany[P, C]{r.relation.within(true)} }

// Separate loads the rows by a statement of their own, which is the default.
func (r ToOne[P, C]) Separate() ToOne[P, C] { return ToOne[P, C]{r.relation.within(false)} }

// Separate loads the rows by a statement of their own, which is the default.
func (r ToMany[P, C]) Separate() ToMany[P, C] { return ToMany[P, C]{r.relation.within(false)} }

func (r *relation) within(inside bool) *relation {
	c := *r
	c.inside = inside
	return &c
}
