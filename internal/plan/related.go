package plan

import (
	"encoding/binary"
	"slices"
	"strconv"
	"strings"

	sq "github.com/Masterminds/squirrel"

	"github.com/smrt-go/smrt/internal/meta"
)

// Link ties the rows of a table to the row that asks for them: the values of
// each pair of columns are equal.
type Link struct {
	Table   *Table
	Outer   []*meta.Column // of the row that asks
	Inner   []*meta.Column // of Table
	Deleted Deleted

	Recursion *Recursion // leads to the rows in several steps; Inner is their key
}

// Envelope is text around a query, which becomes a part of a larger statement.
// For the three cheapest products of each category it is
//
//	Before:  SELECT smrt_r.* FROM unnest($1::bigint[]) AS smrt_k(k) CROSS JOIN LATERAL (
//	query:   SELECT ... FROM "products" WHERE ... ORDER BY "price_cents" LIMIT ...
//	After:   ) AS smrt_r
//
// Squirrel builds selects from clauses and has no name for "a select inside of
// this text". But it writes prefixes in front of everything and suffixes after
// everything, in the order in which they were added. So Before is the first
// prefix, and After the last suffix: after LIMIT and the row lock, which are
// suffixes too. Both texts are made of declarations and constants. Each counts
// its own arguments, from $1.
//
// Joined columns of a query in an envelope that begins with List are columns of
// the larger statement: what its LIMIT and its joins leave out does not get
// them.
type Envelope struct {
	Before, After         string
	BeforeArgs, AfterArgs []any

	List    string         // in front of the joined columns, which Before follows
	Row     string         // what the query's rows are called in List
	Columns []*meta.Column // that they have there under the names smrt_r0, smrt_r1, ...
}

// scope is a row that others refer to: of a table, or of a query that gave its
// columns the names smrt_r0, smrt_r1, ...
type scope struct {
	alias   string
	table   string         // of a row that a statement of the program's calls alias
	columns []*meta.Column // of a query
	result  *Table         // whose columns have the names smrt_c1, smrt_c2, ...
}

// column returns the name of a column of the row.
func (s scope) column(c *meta.Column) string {
	for i, of := range s.columns {
		if of.Name == c.Name {
			return s.alias + ".smrt_r" + strconv.Itoa(i)
		}
	}
	if s.result != nil {
		return s.alias + ".smrt_c" + strconv.Itoa(s.result.position(c))
	}
	return s.alias + "." + c.Quoted
}

func (b *builder) envelope(e *Envelope) {
	b.byte('f')
	b.text(e.List)
	b.text(e.Before)
	b.text(e.After)
	for _, args := range [][]any{e.BeforeArgs, e.AfterArgs} {
		for _, v := range args {
			if n, ok := v.(*Node); ok {
				b.node(n)
			} else {
				b.arg(v)
			}
		}
	}
}

// links appends the key of a link. The table's name would not do: the columns of
// another declaration have other numbers, and may say nothing of soft deletion.
func (b *builder) links(l *Link) {
	b.fail(l.Table.checkDeleted(l.Deleted))
	b.owns(l.Table)
	b.key = binary.AppendUvarint(b.key, l.Table.id)
	b.byte(byte(l.Deleted))
	b.uvarint(len(l.Inner))
	for i := range l.Inner {
		b.uvarint(l.Inner[i].Index)
		b.uvarint(l.Outer[i].Index)
	}
	b.recursion(l.Recursion)
}

// link appends the key of a condition on related rows.
func (b *builder) link(n *Node) {
	b.links(n.Link)
	outer := b.table
	b.table = n.Link.Table
	b.uvarint(len(n.Kids))
	for i := range n.Kids {
		b.node(&n.Kids[i])
	}
	if n.Op == Selected {
		b.byte(BoolByte(n.Via != nil))
		if n.Via != nil {
			b.links(n.Via)
		}
		b.column(n.Column)
	}
	b.table = outer
}

// related renders a condition on related rows.
func (w *renderer) related(n *Node) sq.Sqlizer {
	if n.Link.Recursion != nil {
		return w.reaching(n)
	}
	defer func(outer scope, depth int) { w.scope, w.depth = outer, depth }(w.scope, w.depth)
	alias := w.alias()
	q, _ := w.rowsOf(n.Link, alias, w.scope, &JoinedColumn{Spec: &Spec{Where: n.Kids}})
	return sq.Expr("EXISTS (?)", q.Columns("1"))
}

// selected renders a value of related rows. For the sum of an order's lines, and
// for the number of a product's tags, which have a join table:
//
//	(SELECT sum("amount") FROM "order_items" JOIN (SELECT "orders"."id" AS smrt_k0) AS "smrt_1"
//		ON "order_items"."order_id" = "smrt_1".smrt_k0 WHERE ...)
//
//	(SELECT count(*) FROM "tags" JOIN (SELECT "smrt_2"."tag_id" AS smrt_k0 FROM "product_tags" AS "smrt_2"
//		WHERE "smrt_2"."product_id" = "products"."id") AS "smrt_1" ON "tags"."id" = "smrt_1".smrt_k0 WHERE ...)
//
// The value and the conditions are expressions of the rows, whose table so has its
// own name; the row around it may be of the same table, and hands in its key by a
// derived table, which the planner sees through.
func (w *renderer) selected(n *Node) sq.Sqlizer {
	outer := w.scope
	defer func(depth int) { w.scope, w.depth = outer, depth }(w.depth)
	t, alias := n.Link.Table, w.alias()
	keys := w.outerKeys(n, outer)
	w.scope = scope{alias: t.Quoted}
	on := make([]string, len(n.Link.Inner))
	for i, c := range n.Link.Inner {
		on[i] = escape(w.scope.column(c)) + " = " + alias + ".smrt_k" + strconv.Itoa(i)
	}
	q := sq.Select().From(escape(t.Quoted)).JoinClause(sq.Expr("JOIN (?) AS "+alias+" ON "+strings.Join(on, " AND "), keys))
	if sql := t.seenCondition("", n.Link.Deleted); sql != "" {
		q = q.Where(sql)
	}
	if len(n.Kids) > 0 {
		q = q.Where(w.junction(&Node{Op: And, Kids: n.Kids}))
	}
	return sq.Expr("(?)", q.Column(w.column(n.Column)))
}

// outerKeys selects what rows have in common with the row outer from which the links
// of n lead to them, as smrt_k0, smrt_k1, ...
func (w *renderer) outerKeys(n *Node, outer scope) sq.Sqlizer {
	if n.Link.Recursion != nil {
		w.scope = scope{alias: n.Link.Table.Quoted}
		return w.reached(n.Link, outer)
	}
	keys, holder := sq.Select(), outer
	if n.Via != nil {
		holder = scope{alias: w.alias()}
		keys = w.linked(keys.From(escape(n.Via.Table.Quoted)+" AS "+holder.alias), n.Via, holder.alias, outer)
	}
	for i, c := range n.Link.Outer {
		keys = keys.Column(escape(holder.column(c)) + " AS smrt_k" + strconv.Itoa(i))
	}
	return keys
}

// rowsOf selects from the rows that l leads to from the row outer, with the
// conditions of c. They have an alias, so that a table that is related to itself
// can be told from itself. Conditions, and what is computed for an order, stand
// in a derived table, where the table has its own name: so a fragment of the
// program means the same row wherever it stands, whether it names the table or
// not. The planner sees through a derived table of this kind. rowsOf also
// returns what the order of c compares.
func (w *renderer) rowsOf(l *Link, alias string, outer scope, c *JoinedColumn) (q sq.SelectBuilder, compared []string) {
	inner := sq.Select().From(escape(l.Table.Quoted))
	w.scope = scope{alias: l.Table.Quoted}
	derived := len(c.Spec.Where) > 0
	if derived {
		inner = inner.Where(w.junction(&Node{Op: And, Kids: c.Spec.Where}))
	}
	needed := slices.Concat(l.Inner, c.Columns)
	if l.Table.SoftDelete != nil {
		needed = append(needed, l.Table.SoftDelete)
	}
	if l.Table.Tenant != nil {
		needed = append(needed, l.Table.Tenant)
	}
	compared = make([]string, len(c.Order))
	for i, o := range c.Order {
		if o.Column.Expr == nil {
			needed = append(needed, o.Column)
			compared[i] = escape(alias + "." + o.Column.Quoted)
			continue
		}
		derived = true
		inner = inner.Column(sq.Expr("? AS smrt_o"+strconv.Itoa(i), w.column(o.Column)))
		compared[i] = alias + ".smrt_o" + strconv.Itoa(i)
	}
	if !derived {
		return w.linked(sq.Select().From(escape(l.Table.Quoted)+" AS "+alias), l, alias, outer), compared
	}
	for i, col := range needed {
		if slices.Index(needed, col) == i {
			inner = inner.Column(escape(col.Quoted))
		}
	}
	return w.linked(sq.Select().FromSelect(inner, alias), l, alias, outer), compared
}

// alias names a table of a subquery.
func (w *renderer) alias() string {
	w.depth++
	return `"smrt_` + strconv.Itoa(w.depth) + `"`
}

// linked restricts q to the rows of the table called alias that l leads to from
// the row outer.
func (w *renderer) linked(q sq.SelectBuilder, l *Link, alias string, outer scope) sq.SelectBuilder {
	for i := range l.Inner {
		q = q.Where(escape(alias + "." + l.Inner[i].Quoted + " = " + outer.column(l.Outer[i])))
	}
	if sql := l.Table.seenCondition(alias+".", l.Deleted); sql != "" {
		q = q.Where(sql)
	}
	return q
}

// seenCondition is seen as a text of squirrel's.
func (t *Table) seenCondition(qualifier string, d Deleted) string {
	return escape(t.seen(qualifier, d))
}

// deleted is the part of seen for rows that are deleted softly.
func (t *Table) deleted(qualifier string, d Deleted) string {
	switch {
	case t.SoftDelete == nil || d == WithDeleted:
		return ""
	case d == OnlyDeleted:
		return qualifier + t.SoftDelete.Quoted + " IS NOT NULL"
	}
	return qualifier + t.SoftDelete.Quoted + " IS NULL"
}
