package plan

import (
	"encoding/binary"
	"strconv"
	"strings"

	sq "github.com/Masterminds/squirrel"

	"github.com/smrt-go/smrt/internal/meta"
)

// Recursion is a link of a table with itself that is followed again and again: from
// a row to those that Step leads to, from these in turn, and so on. For the
// ancestors of a category it is
//
//	WITH RECURSIVE smrt_w AS (
//		SELECT smrt_k.ord, smrt_s.smrt_b0, smrt_s.smrt_k0, 1 AS smrt_d FROM ... AS smrt_k
//			JOIN (SELECT "id" AS smrt_a0, "parent_id" AS smrt_b0, "id" AS smrt_k0 FROM "categories" WHERE ...) AS smrt_s ON smrt_s.smrt_a0 = ...
//		UNION ALL SELECT smrt_w.ord, smrt_s.smrt_b0, smrt_s.smrt_k0, smrt_w.smrt_d + 1 FROM smrt_w
//			JOIN (...) AS smrt_s ON smrt_s.smrt_a0 = smrt_w.smrt_b0 WHERE smrt_w.smrt_d < 20)
//	SELECT ord, smrt_k0, min(smrt_d) AS smrt_d FROM smrt_w GROUP BY ord, smrt_k0
//
// The names are
//
//	smrt_w          the rows reached, with the number of steps smrt_d
//	smrt_s          rows that a step may lead to, with the conditions of the link;
//	                a derived table, in which the table has its own name
//	smrt_v          the join table
//	smrt_a0, ...    of smrt_s: what a step arrives at
//	smrt_b0, ...    what the next one begins with
//	smrt_k0, ...    the key
//
// Where several ways of as many steps may lead to a row, it is UNION in place of
// UNION ALL, which drops all but one, so that the work is at most rows times steps.
// It is the depth that ends a ring: CYCLE would keep every way.
type Recursion struct {
	Step  *Link  // to the next row
	Via   *Link  // from a row to the join table, where Step begins at one; else nil
	Where []Node // of all rows on the way
	Depth int    // steps at most
}

// from returns the columns that a step begins with.
func (r *Recursion) from() []*meta.Column {
	if r.Via != nil {
		return r.Via.Outer
	}
	return r.Step.Outer
}

// rows returns the rows that a step may lead to and for which the conditions hold.
func (r *Recursion) rows(conditions ...string) string {
	t := r.Step.Table
	var list []string
	for _, columns := range []struct {
		name string
		of   []*meta.Column
	}{{"smrt_a", r.Step.Inner}, {"smrt_b", r.from()}, {"smrt_k", t.KeyColumns()}} {
		for i, c := range columns.of {
			list = append(list, c.Quoted+" AS "+columns.name+strconv.Itoa(i))
		}
	}
	text := "(SELECT " + strings.Join(list, ", ") + " FROM " + t.Quoted
	if all := joinedBy(" AND ", append(conditions, t.seen("", r.Step.Deleted))...); all != "" {
		text += " WHERE " + all
	}
	return text + ") AS smrt_s"
}

// arrive returns the join of the rows that a step leads to from a row with these
// values.
func (r *Recursion) arrive(values []string, conditions string) string {
	join := ""
	if r.Via != nil {
		join = " JOIN " + r.Via.Table.Quoted + " AS smrt_v ON " + r.via(r.Via.Inner, values)
		values = meta.Qualified("smrt_v.", r.Step.Outer)
	}
	return join + " JOIN " + r.rows(conditions) + " ON " + meta.AllEqual(meta.Numbered("smrt_s.smrt_a", len(values)), values)
}

// via is the condition that columns of the join table have values, in a row that
// is not deleted.
func (r *Recursion) via(columns []*meta.Column, values []string) string {
	return joinedBy(" AND ", meta.AllEqual(meta.Qualified("smrt_v.", columns), values), r.Via.Table.seen("smrt_v.", r.Via.Deleted))
}

// Forward returns the query for the keys of the rows that are reached, and for the
// number of steps, from the rows of a FROM item called smrt_k. Their column that is
// named in carried is kept, unless that is empty; values are what the first step
// begins with. The conditions are the text that stands for Where, empty if there is
// none.
func (r *Recursion) Forward(item, carried string, values []string, conditions string) string {
	keys := meta.Numbered("smrt_k", len(r.Step.Table.Key))
	next := append(meta.Numbered("smrt_s.smrt_b", len(r.from())), meta.Numbered("smrt_s.smrt_k", len(keys))...)
	list := func(from, steps string) string {
		own := ""
		if carried != "" {
			own = from + "." + carried
		}
		return "SELECT " + joinedBy(", ", append(append([]string{own}, next...), steps)...)
	}
	kept := joinedBy(", ", append([]string{carried}, keys...)...)
	return "WITH RECURSIVE smrt_w AS (" + list("smrt_k", "1 AS smrt_d") + " FROM " + item + r.arrive(values, conditions) +
		r.union() + list("smrt_w", "smrt_w.smrt_d + 1") + " FROM smrt_w" + r.arrive(meta.Numbered("smrt_w.smrt_b", len(r.from())), conditions) + r.bound() +
		") SELECT " + kept + ", min(smrt_d) AS smrt_d FROM smrt_w GROUP BY " + kept
}

// union joins the steps of Forward. By a foreign key only one way of so many steps
// leads from a row to another, so that there is nothing to drop.
func (r *Recursion) union() string {
	if r.Via != nil {
		return " UNION "
	}
	return " UNION ALL "
}

// bound ends the recursion.
func (r *Recursion) bound() string { return " WHERE smrt_w.smrt_d < " + strconv.Itoa(r.Depth) }

// backward returns the query for the values from which steps lead to a row with
// the conditions of last. One query serves all rows that are asked about.
func (r *Recursion) backward(conditions, last string) string {
	values, join := meta.Numbered("smrt_s.smrt_a", len(r.Step.Inner)), ""
	if r.Via != nil {
		join = " JOIN " + r.Via.Table.Quoted + " AS smrt_v ON " + r.via(r.Step.Outer, values)
		values = meta.Qualified("smrt_v.", r.Via.Inner)
	}
	names := meta.Numbered("smrt_b", len(values))
	named := make([]string, len(values))
	for i := range values {
		named[i] = values[i] + " AS " + names[i]
	}
	list := "SELECT " + strings.Join(named, ", ")
	return "WITH RECURSIVE smrt_w AS (" + list + ", 1 AS smrt_d FROM " + r.rows(last, conditions) + join +
		" UNION " + list + ", smrt_w.smrt_d + 1 FROM smrt_w JOIN " + r.rows(conditions) + " ON " +
		meta.AllEqual(meta.Numbered("smrt_s.smrt_b", len(names)), meta.Numbered("smrt_w.smrt_b", len(names))) + join + r.bound() +
		") SELECT " + strings.Join(names, ", ") + " FROM smrt_w"
}

// recursion appends the key of what a link follows.
func (b *builder) recursion(r *Recursion) {
	b.byte(BoolByte(r != nil))
	if r == nil {
		return
	}
	b.key = binary.AppendUvarint(b.key, uint64(r.Depth))
	b.links(r.Step)
	b.byte(BoolByte(r.Via != nil))
	if r.Via != nil {
		b.links(r.Via)
	}
	defer func(outer *Table) { b.table = outer }(b.table)
	b.table = r.Step.Table
	b.uvarint(len(r.Where))
	for i := range r.Where {
		b.node(&r.Where[i])
	}
}

// Condition returns the conditions of all rows on the way as one, nil if there is
// none.
func (r *Recursion) Condition() *Node { return allOf(r.Where) }

func allOf(conditions []Node) *Node {
	if len(conditions) == 0 {
		return nil
	}
	return &Node{Op: And, Kids: conditions}
}

// reaching renders the condition that a recursion leads to a row with the
// conditions of n:
//
//	EXISTS (SELECT 1 FROM (WITH RECURSIVE smrt_w AS (...) SELECT smrt_b0 FROM smrt_w) AS "smrt_1"
//		WHERE "smrt_1".smrt_b0 = "categories"."parent_id")
//
// It begins at those rows and goes back, so that nothing in it depends on the row
// that is asked about: the server runs it once for the statement.
func (w *renderer) reaching(n *Node) sq.Sqlizer {
	outer := w.scope
	defer func(depth int) { w.scope, w.depth = outer, depth }(w.depth)
	alias, r := w.alias(), n.Link.Recursion
	w.scope = scope{alias: n.Link.Table.Quoted}
	var args []any
	condition := func(of *Node) string {
		if of == nil {
			return ""
		}
		args = append(args, of)
		return "$" + strconv.Itoa(len(args))
	}
	onTheWay := condition(r.Condition())
	text := r.backward(onTheWay, condition(allOf(n.Kids)))
	values := make([]string, len(n.Link.Outer))
	for i, c := range n.Link.Outer {
		values[i] = outer.column(c)
	}
	where := meta.AllEqual(meta.Numbered(alias+".smrt_b", len(values)), values)
	return sq.Expr("EXISTS (SELECT 1 FROM (?) AS "+alias+" WHERE "+escape(where)+")", w.fragment(&fragment{sql: text, part: true}, args))
}

// reached selects the keys of the rows that a link with a recursion leads to from
// the row outer, as smrt_k0, smrt_k1, ...
func (w *renderer) reached(l *Link, outer scope) sq.Sqlizer {
	values := make([]string, len(l.Outer))
	for i, c := range l.Outer {
		values[i] = outer.column(c) + " AS smrt_p" + strconv.Itoa(i)
	}
	var args []any
	condition := ""
	if n := l.Recursion.Condition(); n != nil {
		args, condition = []any{n}, "$1"
	}
	item := "(SELECT " + strings.Join(values, ", ") + ") AS smrt_k"
	text := l.Recursion.Forward(item, "", meta.Numbered("smrt_k.smrt_p", len(values)), condition)
	return w.fragment(&fragment{sql: text, part: true}, args)
}

// joinedBy joins the texts that are not empty.
func joinedBy(separator string, texts ...string) string {
	all := ""
	for _, text := range texts {
		if all != "" && text != "" {
			all += separator
		}
		all += text
	}
	return all
}
