package plan

import (
	"strconv"
	"strings"

	sq "github.com/Masterminds/squirrel"

	"github.com/smrt-go/smrt/internal/meta"
)

// JoinedColumn is a column that holds all rows that a link leads to from the
// row it is a column of: an array of records, which travels in binary form, so
// that the values are those of the columns exactly. (As JSON, a bytea, a numeric
// and a timestamp would each be a text to guess at.)
type JoinedColumn struct {
	Link *Link // to the rows, or to the join table
	On   *Link // from the join table to the rows; nil: there is none

	Payload []*meta.Column  // read of the join table
	Columns []*meta.Column  // read of the rows
	Spec    *Spec           // their conditions, order and limit
	Order   []meta.Order    // that applies
	Joined  []*JoinedColumn // further columns of each record

	Number *Node // in place of the rows: how many there are, or whether there are any
}

// rows returns the link to the table that the rows are of.
func (c *JoinedColumn) rows() *Link {
	if c.On != nil {
		return c.On
	}
	return c.Link
}

func (b *builder) joined(c *JoinedColumn) {
	b.byte('u')
	if c.Number != nil {
		b.node(c.Number)
		return
	}
	b.fail(c.Spec.Check())
	b.links(c.Link)
	if c.On != nil {
		b.byte('+')
		b.links(c.On)
	}
	for _, list := range [][]*meta.Column{c.Payload, c.Columns} {
		b.uvarint(len(list))
		for _, col := range list {
			b.uvarint(col.Index)
		}
	}
	defer func(outer *Table) { b.table = outer }(b.table)
	b.table = c.rows().Table
	b.uvarint(len(c.Spec.Where))
	for i := range c.Spec.Where {
		b.node(&c.Spec.Where[i])
	}
	b.uvarint(len(c.Order))
	for _, o := range c.Order {
		b.orderTerm(o)
	}
	b.byte(boolByte(c.Spec.HasLimit))
	if c.Spec.HasLimit {
		b.arg(c.Spec.Limit)
	}
	b.uvarint(len(c.Joined))
	for _, kid := range c.Joined {
		b.joined(kid)
	}
}

// joined renders a column of related rows. For the items of an order, and for
// the tags of a product, which have a join table:
//
//	ARRAY(SELECT ROW("smrt_1"."id", ...) AS smrt_row FROM "order_items" AS "smrt_1" WHERE ... ORDER BY ... LIMIT ...)
//
//	ARRAY(SELECT ROW("smrt_3".smrt_r0, ...) FROM "product_tags" AS "smrt_1"
//		CROSS JOIN LATERAL (SELECT "smrt_2"."id" AS smrt_r0, ... FROM "tags" AS "smrt_2" WHERE ...) AS "smrt_3"
//		WHERE ... ORDER BY "smrt_3".smrt_o0 LIMIT ...)
func (w *renderer) joined(c *JoinedColumn) sq.Sqlizer {
	if c.Number != nil {
		return w.node(c.Number)
	}
	outer := w.scope
	defer func(depth int) { w.scope, w.depth = outer, depth }(w.depth)
	l := c.rows()
	via := ""
	if c.On != nil {
		via = w.alias()
		w.scope = via
	}
	alias := w.alias()
	q := sq.Select().From(escape(l.Table.Quoted) + " AS " + alias)
	q = w.linked(q, l, alias, w.scope)
	w.scope = alias
	if len(c.Spec.Where) > 0 {
		q = q.Where(w.junction(&Node{Op: And, Kids: c.Spec.Where}))
	}
	// From here on arguments are taken in the order of the builder: those of
	// the order, the limit, then the columns inside.
	terms := make([]sq.Sqlizer, len(c.Order))
	for i, o := range c.Order {
		terms[i] = w.orderTerm(o)
	}
	var limit []any
	if c.Spec.HasLimit {
		limit = []any{w.arg()}
	}
	var items []sq.Sqlizer
	for _, col := range c.Columns {
		items = append(items, sq.Expr(alias+"."+escape(col.Quoted)))
	}
	for _, kid := range c.Joined {
		items = append(items, w.joined(kid))
	}
	if c.On == nil {
		q = q.Column(sq.Expr("? AS smrt_row", record(items)))
		for _, t := range terms {
			q = q.OrderByClause(t)
		}
	} else {
		q = w.linked(w.through(c, q, items, via), c.Link, via, outer)
	}
	if limit != nil {
		q = q.Suffix("LIMIT ?", limit...)
	}
	return sq.Expr("ARRAY(?)", q)
}

// through selects from the join table called via, and from the rows q that each
// of its rows leads to. Those are a derived table of their own, so that the
// names in their conditions mean their columns and not the join table's.
func (w *renderer) through(c *JoinedColumn, q sq.SelectBuilder, items []sq.Sqlizer, via string) sq.SelectBuilder {
	derived := w.alias()
	var all []sq.Sqlizer
	for _, col := range c.Payload {
		all = append(all, sq.Expr(via+"."+escape(col.Quoted)))
	}
	for i, item := range items {
		name := "smrt_r" + strconv.Itoa(i)
		q = q.Column(sq.Expr("? AS "+name, item))
		all = append(all, sq.Expr(derived+"."+name))
	}
	var order []string
	for i, o := range c.Order { // by columns only, see load
		name := "smrt_o" + strconv.Itoa(i)
		q = q.Column(escape(o.Column.Quoted) + " AS " + name)
		order = append(order, derived+"."+name+Direction(o))
	}
	return sq.Select().Column(record(all)).From(escape(c.Link.Table.Quoted) + " AS " + via).
		JoinClause(sq.Expr("CROSS JOIN LATERAL (?) AS "+derived, q)).OrderBy(order...)
}

// record makes one value of several. ROW of a single column needs the word.
func record(items []sq.Sqlizer) sq.Sqlizer {
	args := make([]any, len(items))
	for i, item := range items {
		args[i] = item
	}
	return sq.Expr("ROW("+strings.TrimSuffix(strings.Repeat("?, ", len(items)), ", ")+")", args...)
}
