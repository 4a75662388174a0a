package plan

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
	"unsafe"

	sq "github.com/Masterminds/squirrel"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/meta"
)

// InRows returns the condition that x is among the values of y in the rows of t
// that s selects. As in a list, a NULL is among them if one of them is NULL; it
// then has a condition of its own, because the server looks up equal values only.
func InRows(x *meta.Column, t *Table, y *meta.Column, s *Spec) Node {
	s = s.OrEmpty()
	n := Node{Op: Among, Column: x, Link: &Link{Table: t, Deleted: s.Deleted}, A: y, B: s, Kids: s.Where, Err: s.checkInner()}
	if !x.Nullable || !y.Nullable {
		return n
	}
	null := n
	null.Column = nil
	return Node{Op: Or, Kids: []Node{n, {Op: And, Kids: []Node{{Op: IsNull, Column: x}, null}}}}
}

// checkInner refuses what belongs to a whole statement.
func (s *Spec) checkInner() error {
	if s.Lock != NoLock || s.Mode != 0 || s.Comment != "" || s.Hint != "" || s.Unbounded {
		return &smrt.QueryError{Reason: "a query inside of another has conditions, an order, a limit and an offset only: the rest belongs to the query around it"}
	}
	return s.Check()
}

func (s *Spec) bounded() bool { return s.HasLimit || s.HasOffset }

// InTuples returns the condition that columns are the parts of one of n keys of
// type of, which lie one after another from base and are the node's from now on.
// A part that is NULL in a key is equal to NULL.
func InTuples(parts []meta.KeyPart, of reflect.Type, base unsafe.Pointer, n int) Node {
	if n == 0 {
		return Node{Op: False}
	}
	if err := checkTuples(parts, of); err != nil {
		return Node{Op: Tuples, Err: &smrt.QueryError{Reason: err.Error()}}
	}
	kids := make([]Node, len(parts))
	for i, part := range parts {
		if part.Value.Ptr {
			ownPointers(part.Value, base, of.Size(), n)
		}
		list, err := meta.NewArray(part.Value, base, of.Size(), n, nil)
		kids[i] = Node{Op: In, Column: part.Column, A: list, B: err == nil && hasNull(part, list), Err: err}
	}
	return Node{Op: Tuples, Kids: kids}
}

// ownPointers lets a part of keys refer to copies, which nobody changes.
func ownPointers(part *meta.Column, base unsafe.Pointer, size uintptr, n int) {
	for i := range n {
		v := reflect.NewAt(part.Type, unsafe.Add(base, uintptr(i)*size+part.Offset)).Elem()
		v.Set(deepCopy(v))
	}
}

func checkTuples(parts []meta.KeyPart, of reflect.Type) error {
	if len(parts) == 0 || of.Kind() != reflect.Struct {
		return fmt.Errorf("a key of %s must be a struct, and have parts", of)
	}
	for _, part := range parts {
		if part.Value == nil {
			return errors.New("a part of a key has its zero value: make it with query.Part or query.NullPart")
		}
	}
	return meta.CheckParts(parts, of)
}

func hasNull(part meta.KeyPart, a *meta.Array) bool {
	if !part.Value.Nullable {
		return false
	}
	for i := range a.Len() {
		if v := a.Index(i); v == nil || IsNullValue(v) {
			return true
		}
	}
	return false
}

func (b *builder) among(n *Node) {
	b.byte(BoolByte(n.Column != nil))
	if n.Column != nil {
		b.column(n.Column)
	}
	defer func(outer *Table) { b.table = outer }(b.table)
	b.links(n.Link)
	b.table = n.Link.Table
	b.column(n.A.(*meta.Column))
	b.uvarint(len(n.Kids))
	for i := range n.Kids {
		b.node(&n.Kids[i])
	}
	s := n.B.(*Spec)
	b.byte(BoolByte(s.HasLimit)<<1 | BoolByte(s.HasOffset))
	if !s.bounded() {
		return
	}
	terms := n.Link.Table.order(s)
	b.uvarint(len(terms))
	for _, o := range terms {
		b.orderTerm(o)
	}
	if s.HasLimit {
		b.arg(s.Limit)
	}
	if s.HasOffset {
		b.arg(s.Offset)
	}
}

// among renders a condition on the values of other rows. For books whose author
// lives in a country:
//
//	EXISTS (SELECT 1 FROM (SELECT "id" AS smrt_v FROM "authors" WHERE "country" = $1) AS "smrt_1"
//		WHERE "smrt_1".smrt_v = "books"."author_id")
//
// This is never NULL, and the planner makes a join of it and of its opposite,
// which it does not of NOT IN. The rows are in a derived table, where their table
// has its own name, though it may be that of the row around it. A value of a group
// cannot be handed into a subquery, and stands in front of an IN.
func (w *renderer) among(n *Node) sq.Sqlizer {
	var x sq.Sqlizer
	if n.Column != nil {
		x = w.value(n.Column)
	}
	defer func(outer scope, depth int) { w.scope, w.depth = outer, depth }(w.scope, w.depth)
	alias := w.alias()
	values := w.values(n)
	switch {
	case n.Column == nil:
		return sq.Expr("EXISTS (SELECT 1 FROM (?) AS "+alias+" WHERE "+alias+".smrt_v IS NULL)", values)
	case ofGroup(n.Column):
		return sq.Expr("? IN (?)", x, values)
	}
	return sq.Expr("EXISTS (SELECT 1 FROM (?) AS "+alias+" WHERE "+alias+".smrt_v = ?)", values, x)
}

// values selects what another column is in the rows that n selects.
func (w *renderer) values(n *Node) sq.SelectBuilder {
	t, s := n.Link.Table, n.B.(*Spec)
	w.scope = scope{alias: t.Quoted}
	q := sq.Select().Column(sq.Expr("? AS smrt_v", w.column(n.A.(*meta.Column)))).From(escape(t.Quoted))
	if sql := t.seenCondition("", s.Deleted); sql != "" {
		q = q.Where(sql)
	}
	if len(n.Kids) > 0 {
		q = q.Where(w.junction(&Node{Op: And, Kids: n.Kids}))
	}
	if !s.bounded() {
		return q
	}
	for _, o := range t.order(s) {
		q = q.OrderByClause(w.orderTerm(o))
	}
	if s.HasLimit {
		q = q.Suffix("LIMIT ?", w.arg())
	}
	if s.HasOffset {
		q = q.Suffix("OFFSET ?", w.arg())
	}
	return q
}

// ofGroup reports whether c is computed of a group.
func ofGroup(c *meta.Column) bool {
	n, ok := c.Expr.(*Node)
	if !ok {
		return false
	}
	if n.Op == Aggregated || n.Op == GroupKey {
		return true
	}
	for _, arg := range n.Args {
		if of, ok := arg.(*Node); ok && of.Op == Value && ofGroup(of.Column) {
			return true
		}
	}
	return false
}

func (b *builder) tuples(n *Node) {
	b.uvarint(len(n.Kids))
	for i := range n.Kids {
		kid := &n.Kids[i]
		b.fail(kid.Err)
		if b.table != nil && b.table.isResult {
			b.fail(errTuplesOfResult)
		}
		b.column(kid.Column)
		b.byte(BoolByte(kid.B.(bool)))
		b.value(kid.Column, kid.A)
	}
}

var errTuplesOfResult = &smrt.QueryError{Reason: "keys of several columns are compared in a table, not in the result of a statement"}

// tuples renders a condition on several columns at once:
//
//	EXISTS (SELECT 1 FROM unnest(CASE WHEN true THEN $1 ELSE ARRAY(SELECT nullif("row", NULL) FROM "seats" LIMIT 0) END, ...)
//		AS "smrt_1"(v0, v1) WHERE "smrt_1".v0 = "seats"."row" AND "smrt_1".v1 = "seats"."number")
//
// unnest does not say of what type its arrays are. The CASE does, and the planner
// drops it; see [Unaltered] for the nullif. If the column is altered to another
// type, the server refuses the statement, as the types of a CASE must be the same.
func (w *renderer) tuples(n *Node) sq.Sqlizer {
	alias := w.alias()
	defer func() { w.depth-- }()
	var arrays, names, equal []string
	var args []any
	for i := range n.Kids {
		kid, name := &n.Kids[i], "v"+strconv.Itoa(i)
		column := escape(kid.Column.Quoted)
		arrays = append(arrays, "CASE WHEN true THEN ? ELSE ARRAY(SELECT nullif("+column+", NULL) FROM "+escape(cmp.Or(w.scope.table, w.scope.alias))+" LIMIT 0) END")
		args = append(args, w.arg())
		names = append(names, name)
		op := " = "
		if kid.B.(bool) {
			op = " IS NOT DISTINCT FROM "
		}
		equal = append(equal, alias+"."+name+op+escape(w.scope.column(kid.Column)))
	}
	return sq.Expr("EXISTS (SELECT 1 FROM unnest("+strings.Join(arrays, ", ")+") AS "+alias+"("+strings.Join(names, ", ")+") WHERE "+
		strings.Join(equal, " AND ")+")", args...)
}

// fingerprint writes which rows s selects beyond its conditions.
func (s *Spec) fingerprint(w io.Writer) {
	fmt.Fprintf(w, "%d %d %t %t(", s.Limit, s.Offset, s.HasLimit, s.HasOffset)
	for _, o := range s.Order {
		ValueOf(o.Column).Fingerprint(w)
		fmt.Fprint(w, Direction(o))
	}
	fmt.Fprint(w, ")")
}
