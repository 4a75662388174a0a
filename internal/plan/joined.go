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
	b.byte(BoolByte(c.Spec.HasLimit))
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
//	ARRAY(SELECT ROW("smrt_3".smrt_r0, ...) AS smrt_row FROM "product_tags" AS "smrt_1"
//		CROSS JOIN LATERAL (SELECT "smrt_2"."id" AS smrt_r0, ... FROM "tags" AS "smrt_2" WHERE ...) AS "smrt_3"
//		WHERE ... ORDER BY "smrt_3".smrt_o0 LIMIT ...)
//
// What the rows are joined with in turn is part of the ROW. The server computes it
// last, for rows that are there after joins and the limit, as it does whatever
// costs more than a few operators.
func (w *renderer) joined(c *JoinedColumn) sq.Sqlizer {
	if c.Number != nil {
		return w.node(c.Number)
	}
	outer := w.scope
	defer func(depth int) { w.scope, w.depth = outer, depth }(w.depth)
	l, from := c.rows(), outer
	if c.On != nil {
		from = scope{alias: w.alias()}
	}
	row := scope{alias: w.alias()}
	// Arguments are taken in the order of the builder: those of the conditions,
	// the order, the limit, then the columns inside.
	q, compared := w.rowsOf(l, row.alias, from, c)
	var limit []any
	if c.Spec.HasLimit {
		limit = []any{w.arg()}
	}
	var payload []string
	if c.On != nil {
		q, row, payload = w.through(c, exported(q, row, c, compared), from.alias, outer)
	} else {
		for i, o := range c.Order {
			q = q.OrderBy(compared[i] + Direction(o))
		}
	}
	if limit != nil {
		q = q.Suffix("LIMIT ?", limit...)
	}
	w.scope = row
	return sq.Expr("ARRAY(?)", q.Column(sq.Expr("? AS smrt_row", w.record(c, payload))))
}

// exported selects the columns of rows as smrt_r0, smrt_r1, ..., and what their
// order compares as smrt_o0, smrt_o1, ...
func exported(q sq.SelectBuilder, row scope, c *JoinedColumn, compared []string) sq.SelectBuilder {
	for i, col := range c.Columns {
		q = q.Column(escape(row.column(col)) + " AS smrt_r" + strconv.Itoa(i))
	}
	return q.Columns(aliased(compared, "smrt_o")...)
}

// through selects from the join table called via, and from the rows q that each
// of its rows leads to. It returns the row that the derived table has, and what is read of the join
// table.
func (w *renderer) through(c *JoinedColumn, q sq.SelectBuilder, via string, outer scope) (sq.SelectBuilder, scope, []string) {
	row := scope{alias: w.alias(), columns: c.Columns}
	payload := make([]string, len(c.Payload))
	for i, col := range c.Payload {
		payload[i] = escape(via + "." + col.Quoted)
	}
	joined := sq.Select().From(escape(c.Link.Table.Quoted) + " AS " + via).
		JoinClause(sq.Expr("CROSS JOIN LATERAL (?) AS "+row.alias, q)).OrderBy(ordered(row.alias+".", c.Order)...)
	return w.linked(joined, c.Link, via, outer), row, payload
}

// ordered returns the terms of an order by what was exported.
func ordered(prefix string, terms []meta.Order) []string {
	out := make([]string, len(terms))
	for i, o := range terms {
		out[i] = prefix + "smrt_o" + strconv.Itoa(i) + Direction(o)
	}
	return out
}

// aliased gives expressions names that begin with prefix.
func aliased(exprs []string, prefix string) []string {
	out := make([]string, len(exprs))
	for i, e := range exprs {
		out[i] = e + " AS " + prefix + strconv.Itoa(i)
	}
	return out
}

// record makes one value of what is read of the join table, of the row of the
// scope, and of the columns joined to it. ROW of a single column needs the word.
func (w *renderer) record(c *JoinedColumn, payload []string) sq.Sqlizer {
	items := make([]any, 0, len(payload)+len(c.Columns)+len(c.Joined))
	for _, p := range payload {
		items = append(items, sq.Expr(p))
	}
	for _, col := range c.Columns {
		expr := escape(w.scope.column(col))
		if col.IsNamedText() {
			// In a record an enum comes under a type that pgx does not know. As a text
			// it is the same, and so is any other type that such a field is for; a
			// cast would take the blanks of a char(n) away.
			expr = "CASE WHEN " + expr + " IS NOT NULL THEN pg_catalog.concat(" + expr + ") END"
		}
		items = append(items, sq.Expr(expr))
	}
	for _, kid := range c.Joined {
		items = append(items, w.joined(kid))
	}
	return sq.Expr("ROW("+strings.TrimSuffix(strings.Repeat("?, ", len(items)), ", ")+")", items...)
}
