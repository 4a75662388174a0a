package plan

import (
	"strconv"
	"strings"

	sq "github.com/Masterminds/squirrel"

	"github.com/smrt-go/smrt/internal/meta"
)

// JoinedColumn is a column that holds all rows that a link leads to from the row it is a
// column of: an array of records, which travels in binary form, so that the
// values are those of the columns exactly. (As JSON, a bytea, a numeric and a
// timestamp would each be a text to guess at.)
type JoinedColumn struct {
	Link *Link // to the rows, or to the join table
	On   *Link // from the join table to the rows; nil: there is none

	Payload []*meta.Column  // read of the join table
	Columns []*meta.Column  // read of the rows
	Spec    *Spec           // their conditions, order and limit
	Order   []meta.Order    // that applies
	Subs    []*JoinedColumn // further columns of each record

	Number *Node // in place of the rows: how many there are, or whether there are any
}

// rows are the links to the table that the rows are of.
func (s *JoinedColumn) rows() *Link {
	if s.On != nil {
		return s.On
	}
	return s.Link
}

func (b *builder) sub(s *JoinedColumn) {
	b.byte('u')
	if s.Number != nil {
		b.node(s.Number)
		return
	}
	b.fail(s.Spec.Check())
	b.links(s.Link)
	if s.On != nil {
		b.byte('+')
		b.links(s.On)
	}
	for _, list := range [][]*meta.Column{s.Payload, s.Columns} {
		b.uvarint(len(list))
		for _, c := range list {
			b.uvarint(c.Index)
		}
	}
	b.uvarint(len(s.Spec.Where))
	for i := range s.Spec.Where {
		b.node(&s.Spec.Where[i])
	}
	b.uvarint(len(s.Order))
	for _, o := range s.Order {
		b.orderTerm(o)
	}
	b.byte(boolByte(s.Spec.HasLimit))
	if s.Spec.HasLimit {
		b.arg(s.Spec.Limit)
	}
	b.uvarint(len(s.Subs))
	for _, kid := range s.Subs {
		b.sub(kid)
	}
}

// sub renders a column of related rows. Where there is a join table, the rows
// are a derived table of their own, so that the names in their conditions mean
// their columns and not the join table's.
func (w *renderer) sub(s *JoinedColumn) sq.Sqlizer {
	if s.Number != nil {
		return w.node(s.Number)
	}
	outer := w.scope
	defer func(depth int) { w.scope, w.depth = outer, depth }(w.depth)
	l := s.rows()
	join := ""
	if s.On != nil {
		join = w.alias()
		w.scope = join
	}
	alias := w.alias()
	q := sq.Select().From(Escape(l.Table.Quoted) + " AS " + alias)
	q = w.linked(q, l, alias, w.scope)
	w.scope = alias
	if len(s.Spec.Where) > 0 {
		q = q.Where(w.junction(&Node{Op: And, Kids: s.Spec.Where}))
	}
	terms := make([]sq.Sqlizer, len(s.Order))
	for i, o := range s.Order {
		terms[i] = w.orderTerm(o)
	}
	var limit []any
	if s.Spec.HasLimit {
		limit = []any{w.arg()}
	}
	var items []sq.Sqlizer
	for _, c := range s.Columns {
		items = append(items, sq.Expr(alias+"."+Escape(c.Quoted)))
	}
	for _, kid := range s.Subs {
		items = append(items, w.sub(kid))
	}
	if s.On == nil {
		q = q.Column(sq.Expr("? AS smrt_row", record(items)))
		for _, t := range terms {
			q = q.OrderByClause(t)
		}
		if limit != nil {
			q = q.Suffix("LIMIT ?", limit...)
		}
		return sq.Expr("ARRAY(?)", q)
	}
	return w.through(s, q, items, join, outer, limit)
}

// through renders the rows q behind a join table.
func (w *renderer) through(s *JoinedColumn, q sq.SelectBuilder, items []sq.Sqlizer, join, outer string, limit []any) sq.Sqlizer {
	derived := w.alias()
	var all []sq.Sqlizer
	for _, c := range s.Payload {
		all = append(all, sq.Expr(join+"."+Escape(c.Quoted)))
	}
	for i, item := range items {
		name := "smrt_r" + strconv.Itoa(i)
		q = q.Column(sq.Expr("? AS "+name, item))
		all = append(all, sq.Expr(derived+"."+name))
	}
	p := sq.Select().Column(record(all)).From(Escape(s.Link.Table.Quoted) + " AS " + join)
	for i, o := range s.Order {
		name := "smrt_o" + strconv.Itoa(i)
		q = q.Column(Escape(o.Column.Quoted) + " AS " + name)
		p = p.OrderBy(derived + "." + name + Direction(o))
	}
	p = p.JoinClause(sq.Expr("CROSS JOIN LATERAL (?) AS "+derived, q))
	p = w.linked(p, s.Link, join, outer)
	if limit != nil {
		p = p.Suffix("LIMIT ?", limit...)
	}
	return sq.Expr("ARRAY(?)", p)
}

// record makes one value of several. ROW of a single column needs the word.
func record(items []sq.Sqlizer) sq.Sqlizer {
	args := make([]any, len(items))
	for i, item := range items {
		args[i] = item
	}
	return sq.Expr("ROW("+strings.TrimSuffix(strings.Repeat("?, ", len(items)), ", ")+")", args...)
}
