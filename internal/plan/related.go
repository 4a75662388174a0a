package plan

import (
	"encoding/binary"
	"strconv"

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
}

// Frame is text around a query, which becomes a part of a greater statement.
// For the three cheapest products of each category it is
//
//	Before:  SELECT smrt_r.* FROM unnest(?) AS smrt_k(k) CROSS JOIN LATERAL (
//	query:   SELECT ... FROM "products" WHERE ... ORDER BY "price_cents" LIMIT ?
//	After:   ) AS smrt_r
//
// Squirrel builds selects from clauses and has no name for "a select inside of
// this text". But it writes prefixes in front of everything and suffixes behind
// everything, in the order in which they were added. So Before is the first
// prefix, and After the last suffix: behind LIMIT and the row lock, which are
// suffixes too. Both texts are made of declarations and constants; a ? in them
// stands for an argument, a question mark that is meant went through [Escape].
type Frame struct {
	Before, After         string
	BeforeArgs, AfterArgs []any
}

func (b *builder) frame(f *Frame) {
	b.byte('f')
	b.text(f.Before)
	b.text(f.After)
	for _, v := range f.BeforeArgs {
		b.arg(v)
	}
	for _, v := range f.AfterArgs {
		b.arg(v)
	}
}

// framed puts the text of a frame in front of q. The function it returns puts
// the text behind q, and is called once q has all its own parts. The arguments
// of both are the first of the statement, as in frame.
func (w *renderer) framed(q sq.SelectBuilder, f *Frame) (sq.SelectBuilder, func(sq.SelectBuilder) sq.SelectBuilder) {
	before, after := w.args(len(f.BeforeArgs)), w.args(len(f.AfterArgs))
	return q.Prefix(f.Before, before...), func(q sq.SelectBuilder) sq.SelectBuilder { return q.Suffix(f.After, after...) }
}

func (w *renderer) args(n int) []any {
	out := make([]any, n)
	for i := range out {
		out[i] = w.arg()
	}
	return out
}

// links is the key of a link. The table's name would not do: the columns of
// another declaration have other numbers, and may say nothing of soft deletion.
func (b *builder) links(l *Link) {
	b.fail(l.Table.checkDeleted(l.Deleted))
	b.key = binary.AppendUvarint(b.key, l.Table.id)
	b.byte(byte(l.Deleted))
	b.uvarint(len(l.Inner))
	for i := range l.Inner {
		b.uvarint(l.Inner[i].Index)
		b.uvarint(l.Outer[i].Index)
	}
}

// link is the key of a condition on related rows.
func (b *builder) link(n *Node) {
	b.text(n.SQL)
	b.links(n.Link)
	b.uvarint(len(n.Kids))
	for i := range n.Kids {
		b.node(&n.Kids[i])
	}
	if n.SQL != "" {
		b.arg(n.A)
	}
}

// related renders a condition on related rows, or their number. Inside its
// subquery the table has an alias, so that a table that is related to itself
// can be told from itself. The columns of the conditions need none: a name
// means the innermost table that has it, and that is the one they are of.
func (w *renderer) related(n *Node) sq.Sqlizer {
	defer func(scope string, depth int) { w.scope, w.depth = scope, depth }(w.scope, w.depth)
	alias := w.alias()
	list := "1"
	if n.Op == Counted {
		list = "count(*)"
	}
	q := w.linked(sq.Select(list).From(Escape(n.Link.Table.Quoted)+" AS "+alias), n.Link, alias, w.scope)
	w.scope = alias
	if len(n.Kids) > 0 {
		q = q.Where(w.junction(&Node{Op: And, Kids: n.Kids}))
	}
	switch {
	case n.Op == Related:
		return sq.Expr("EXISTS (?)", q)
	case n.SQL == "":
		return sq.Expr("(?)", q)
	}
	return sq.Expr("(?) "+n.SQL+" ?", q, w.arg())
}

// alias names a table of a subquery.
func (w *renderer) alias() string {
	w.depth++
	return `"smrt_` + strconv.Itoa(w.depth) + `"`
}

// linked restricts q to the rows of the table called alias that l leads to from
// the row called outer.
func (w *renderer) linked(q sq.SelectBuilder, l *Link, alias, outer string) sq.SelectBuilder {
	for i := range l.Inner {
		q = q.Where(Escape(alias + "." + l.Inner[i].Quoted + " = " + outer + "." + l.Outer[i].Quoted))
	}
	if col := l.Table.SoftDelete; col != nil {
		switch l.Deleted {
		case WithoutDeleted:
			q = q.Where(Escape(alias + "." + col.Quoted + " IS NULL"))
		case OnlyDeleted:
			q = q.Where(Escape(alias + "." + col.Quoted + " IS NOT NULL"))
		}
	}
	return q
}
