package load

import (
	"fmt"
	"reflect"
	"slices"

	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/plan"
	"github.com/smrt-go/smrt/internal/relation"
)

// Relation leads from rows of one type to rows of another. It is never changed.
type Relation struct {
	*Link
	spec   *plan.Spec // which related rows, in which order, how many for each parent
	single bool       // at most one for each parent
	inside bool       // loaded with its parents' statement
	held   *held      // by rows of another type than the table's; nil: by the table's own
}

// Link is what was declared of a relation. It never changes.
type Link struct {
	Kind  string
	Outer []Field // what of a parent
	Inner []Field // equals what of a related row
	Child *plan.Table
	Via   *Via   // of a many-to-many relation: what stands between them
	Steps *Steps // of a recursive relation

	parent  reflect.Type
	parents *plan.Table
}

// Via is the join table of a many-to-many relation.
type Via struct {
	Table       *plan.Table
	Left, Right []Field
}

// Steps is what a recursive relation follows.
type Steps struct {
	Of    *Relation
	Depth int // at most
}

func (l *Link) String() string {
	return fmt.Sprintf("%s %s -> %s", l.Kind, l.parent, l.Child.Struct.Type)
}

// Declare completes a link from the rows of a table. It is called by what the
// program calls.
func Declare(l *Link, parents *plan.Table, single bool) *Relation {
	l.parent, l.parents = parents.Struct.Type, parents
	if len(l.Outer) == 0 || len(l.Inner) == 0 {
		panic(fmt.Sprintf("smrt: relation %s: the table that is named by a foreign key must have a key: declare it with query.NewTable or query.NewCompositeTable", l))
	}
	if err := l.checkTenants(); err != nil {
		panic(fmt.Sprintf("smrt: relation %s: %v", l, err))
	}
	relation.Declare(l, l.declaration())
	return &Relation{Link: l, spec: (*plan.Spec)(nil).OrEmpty(), single: single}
}

// MaxSteps is how often a recursive relation may follow another one. It bounds
// the work that a ring makes.
const MaxSteps = 1_000

// Recursive declares the relation that leads from a row to all that are reached by
// following r, of a table with itself, in depth steps at most.
func Recursive(r *Relation, depth int) *Relation {
	switch {
	case r == nil:
		panic("smrt: recursive relation: the relation to follow has its zero value")
	case r.Steps != nil:
		panic(fmt.Sprintf("smrt: recursive relation: %s is recursive already", r))
	case r.held != nil:
		panic(fmt.Sprintf("smrt: recursive relation: %s is by the key that %s holds: make the relation recursive first", r, r.held.by))
	case r.parents != r.Child:
		panic(fmt.Sprintf("smrt: recursive relation: %s leads from table %s to table %s, and not from a table to itself", r, r.parents.Name, r.Child.Name))
	case r.Limited():
		panic(fmt.Sprintf("smrt: recursive relation: %s has a limit, which no step could keep: limit the recursive relation", r))
	case depth < 1 || depth > MaxSteps:
		panic(fmt.Sprintf("smrt: recursive relation of %s: the depth is %d, must be from 1 to %d", r, depth, MaxSteps))
	}
	l := &Link{
		Kind: "recursive", Outer: r.Outer, Inner: KeyFields(r.Child), Child: r.Child,
		Steps: &Steps{Of: r, Depth: depth}, parent: r.parent, parents: r.parents,
	}
	return &Relation{Link: l, spec: (*plan.Spec)(nil).OrEmpty().WithDeleted(r.spec.Deleted)}
}

// declaration describes l for observe, which sees the statements that it would
// save.
func (l *Link) declaration() relation.Relation {
	table, columns := l.Child, columnsOf(l.Inner)
	if l.Via != nil {
		table, columns = l.Via.Table, columnsOf(l.Via.Left)
	}
	r := relation.Relation{Kind: l.Kind, Parent: l.parent.String(), Child: l.Child.Struct.Type.String(), Table: table.Quoted}
	for _, c := range columns {
		r.Columns = append(r.Columns, c.Quoted)
	}
	r.Site = meta.Site("preload", "internal/load")
	r.From, r.To = endOf(l.parents, l.Outer), endOf(l.Child, l.Inner)
	if l.Via != nil {
		r.Left, r.Right = endOf(l.Via.Table, l.Via.Left), endOf(l.Via.Table, l.Via.Right)
	}
	return r
}

func endOf(t *plan.Table, fields []Field) relation.End {
	end := relation.End{Table: t.Quoted}
	for _, c := range columnsOf(fields) {
		end.Columns = append(end.Columns, c.Name)
	}
	return end
}

// KeyFields returns the columns of a table's key as fields of its rows.
func KeyFields(t *plan.Table) []Field {
	fs := make([]Field, len(t.Key))
	for i, k := range t.Key {
		fs[i] = newField(k.Column)
	}
	return fs
}

func columnsOf(fs []Field) []*meta.Column {
	cs := make([]*meta.Column, len(fs))
	for i, f := range fs {
		cs[i] = f.column
	}
	return cs
}

// Spec returns the query for the related rows.
func (r *Relation) Spec() *plan.Spec { return r.spec }

// With returns a copy of r with another query.
func (r *Relation) With(s *plan.Spec) *Relation {
	c := *r
	c.spec = s
	return &c
}

// First returns a relation that leads to the first row only.
func (r *Relation) First() *Relation {
	first := r.With(r.spec.WithLimit(1))
	first.single = true
	return first
}

// checked returns r, or a copy with an error that calls return, if a term of its
// order was not declared.
func (r *Relation) checked() *Relation {
	terms := r.spec.Order
	if r.Steps != nil {
		terms = slices.Concat(terms, r.Steps.Of.spec.Order)
	}
	if !slices.ContainsFunc(terms, func(o meta.Order) bool { return o.Column == nil || o.Column == plan.Undeclared }) {
		return r
	}
	s := *r.spec
	s.Err = plan.ErrUndeclared
	return r.With(&s)
}

// Within returns a copy of r that is loaded with its parents' statement, or by
// one of its own.
func (r *Relation) Within(inside bool) *Relation {
	c := *r
	c.inside = inside
	return &c
}

// WithDeleted returns a copy of r that leads to rows that are deleted softly too,
// and, if it is recursive, through them.
func (r *Relation) WithDeleted() *Relation {
	c := r.With(r.spec.WithDeleted(plan.WithDeleted))
	if r.Steps != nil {
		link := *r.Link
		link.Steps = &Steps{Of: r.Steps.Of.WithDeleted(), Depth: r.Steps.Depth}
		c.Link = &link
	}
	return c
}

// anyRow returns a relation that leads to a row if r does: a recursive one without
// conditions of its own does if its first step does.
func (r *Relation) anyRow() *Relation {
	if r.Steps != nil && len(r.spec.Where) == 0 {
		return r.Steps.Of.heldBy(r.held)
	}
	return r
}

// Related returns the condition that r leads to a row.
func (r *Relation) Related() plan.Node {
	r = r.anyRow()
	link, via := r.links()
	n := plan.Node{Op: plan.Related, Kids: r.spec.Where, Link: link}
	if via != nil { // there is a row of the join table that leads to such a row
		n = plan.Node{Op: plan.Related, Kids: []plan.Node{n}, Link: via}
	}
	n.Err = r.held.condition()
	return n
}

// Selected returns what c is in the row that r leads to, or, if it is an
// aggregate, over all rows.
func (r *Relation) Selected(c *meta.Column) plan.Node {
	link, via := r.links()
	return plan.Node{Op: plan.Selected, Column: c, Kids: r.spec.Where, Link: link, Via: via, Err: r.held.condition()}
}

// Counted returns the number of rows that r leads to.
func (r *Relation) Counted() plan.Node { return r.Selected(rowCount.Column) }

var rowCount = plan.Computed(countColumn, "count", false, plan.Aggregate("count(*)", nil, nil, nil))

// links returns the link to the rows that r leads to, and the link to the join
// table where that one begins, nil if there is none.
func (r *Relation) links() (link, via *plan.Link) {
	link = &plan.Link{Table: r.Child, Deleted: r.spec.Deleted, Outer: columnsOf(r.Outer), Inner: columnsOf(r.Inner)}
	if r.Steps != nil {
		link.Recursion = r.Steps.recursion()
	}
	if r.Via != nil {
		link.Outer = columnsOf(r.Via.Right)
		via = &plan.Link{Table: r.Via.Table, Outer: columnsOf(r.Outer), Inner: columnsOf(r.Via.Left)}
	}
	return link, via
}

func (s *Steps) recursion() *plan.Recursion {
	step, via := s.Of.links()
	return &plan.Recursion{Step: step, Via: via, Where: s.Of.spec.Where, Depth: s.Depth}
}

// Limited reports whether r leads to some of the rows only.
func (r *Relation) Limited() bool { return r.spec.HasLimit }
