package plan

import (
	"strconv"
	"strings"

	sq "github.com/Masterminds/squirrel"
)

// ranges renders a query for the rows of several ranges of its order. An index
// on the order serves each range, where it would not serve their disjunction:
//
//	(SELECT ... WHERE ("weight", "id") > ($1, $2) ORDER BY "weight", "id" LIMIT $3)
//	UNION ALL (SELECT ... WHERE "weight" IS NULL ORDER BY "weight", "id" LIMIT $3)
//	ORDER BY 7, 1 LIMIT $3
//
// The server merges the ranges, of which it reads no more rows than it returns,
// and one. The order is written once more, and by positions because names of a
// select list may not be unique: a union by itself has no order.
func (w *renderer) ranges(t *Table, r *Request) sq.Sqlizer {
	var parts []any
	begin := w.next
	end := begin
	for i := range r.Ranges {
		one := *r
		one.Ranges = nil
		w.next = begin // each range has the list and the conditions of the query
		q := w.exprs(sq.Select(escape(r.List)).From(escape(t.Quoted)), r)
		for _, c := range w.conditions(t, &one) {
			q = q.Where(c)
		}
		w.next = max(w.next, end)
		q = q.Where(w.node(&r.Ranges[i]))
		end = w.next
		parts = append(parts, q)
	}
	limit := w.arg()
	var terms []string
	for i, o := range r.Spec.Order {
		terms = append(terms, strconv.Itoa(o.Column.Index+1)+Direction(o))
		for k := range parts {
			parts[k] = parts[k].(sq.SelectBuilder).OrderByClause(w.orderTerm(r.Spec.Order[i]))
		}
	}
	for k := range parts {
		parts[k] = parts[k].(sq.SelectBuilder).Suffix("LIMIT ?", limit)
	}
	union := strings.TrimSuffix(strings.Repeat("(?) UNION ALL ", len(parts)), " UNION ALL ")
	sql := w.prefix(r.Spec) + " " + union + " ORDER BY " + strings.Join(terms, ", ") + " LIMIT ?"
	return sq.Expr(sql, append(parts, limit)...)
}
