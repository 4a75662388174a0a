package plan

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	sq "github.com/Masterminds/squirrel"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/sqltext"
)

// Groups says what is selected of groups of rows: those that are equal in all
// keys among the outputs, or all rows if there is no key.
//
//	SELECT "category_id", sum("price_cents")::bigint FROM "products" WHERE ...
//		GROUP BY 1 HAVING count(*) > $1 ORDER BY 2 DESC, 1 LIMIT $2
//
// Keys are named by their position in the list: an expression with arguments that
// is written again has arguments of its own, and is another expression for the
// server. So is an output in the order.
type Groups struct {
	Outputs []*meta.Column // what is selected, by name of the field that it goes to
	Spec    *Spec          // conditions on groups, their order, limit and offset
}

// Aggregate returns a call of an aggregate function: sql is a fragment with $1
// for x. Only the rows that match all of the filter are aggregated.
func Aggregate(sql string, x *meta.Column, filter []Node, result reflect.Type) *Node {
	n := &Node{Op: Aggregated, SQL: sql, Kids: slices.Clone(filter), A: castTo(result)}
	if len(filter) > 0 && !isCall(sql) {
		n.Err = &smrt.QueryError{Reason: fmt.Sprintf("a filter belongs to one call of an aggregate function, and %q is more", sql)}
	}
	if x != nil {
		n.Args = []any{ValueOf(x)}
	}
	return n
}

// isCall reports whether a fragment is one call of a function, which may have an
// order within the group.
func isCall(sql string) bool {
	depth, calls, named := 0, 0, false
	for l := sqltext.New(sql); ; {
		t := l.Next()
		switch {
		case t.Kind == sqltext.End:
			return calls > 0 && depth == 0
		case t.IsMark("("):
			if depth++; depth == 1 {
				calls++
			}
		case t.IsMark(")"):
			depth--
		case depth > 0 || t.IsMark(".") && calls == 0:
		case t.IsName() && calls == 0:
			named = true
		case named && calls == 1 && (strings.EqualFold(t.Text, "within") || strings.EqualFold(t.Text, "group")):
		case strings.TrimSpace(t.Text) == "":
		default:
			return false
		}
	}
}

// KeyOf returns what x is in all rows of a group.
func KeyOf(x *meta.Column) *Node { return &Node{Op: GroupKey, Column: x} }

// castTo is the cast to the type of the server that a Go type is read of. A sum
// of integers is a numeric without it.
func castTo(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[pgtype.Numeric]():
		return "::numeric"
	case t == nil:
		return ""
	}
	switch t.Kind() {
	case reflect.Int16, reflect.Int8, reflect.Uint8:
		return "::smallint"
	case reflect.Int32, reflect.Uint16:
		return "::integer"
	case reflect.Int, reflect.Int64, reflect.Uint32, reflect.Uint, reflect.Uint64:
		return "::bigint"
	case reflect.Float32:
		return "::real"
	case reflect.Float64:
		return "::float8"
	}
	return ""
}

// Check refuses groups that say what belongs to the rows.
func (g *Groups) Check() error {
	s := g.Spec
	switch {
	case len(g.Outputs) == 0:
		return &smrt.QueryError{Reason: "groups need at least one output: query.Into reads a key or an aggregate into a field"}
	case s.Lock != NoLock || s.Deleted != WithoutDeleted || s.Mode != 0 || s.Comment != "" || s.Hint != "" || s.Unbounded:
		return &smrt.QueryError{Reason: "a query of groups has conditions, an order, a limit and an offset only: the rest belongs to the query of their rows"}
	}
	return s.Check()
}

// order is the order of the groups, completed by the keys, in which no two are
// equal.
func (g *Groups) order() []meta.Order {
	terms := slices.Clip(g.Spec.Order)
	if g.Spec.Unordered && len(terms) == 0 {
		return nil
	}
	for _, c := range g.Outputs {
		if isKey(c) && !slices.ContainsFunc(terms, func(o meta.Order) bool { return g.position(o.Column) == g.position(c) }) {
			terms = append(terms, meta.Order{Column: c})
		}
	}
	return terms
}

func isKey(c *meta.Column) bool {
	if c == nil {
		return false // a zero Output, which is refused when it is collected
	}
	n, ok := c.Expr.(*Node)
	return ok && n.Op == GroupKey
}

// Keyed reports whether there is a group for each value of a key. Otherwise there
// is one of all rows, also if there are none.
func (g *Groups) Keyed() bool { return slices.ContainsFunc(g.Outputs, isKey) }

// position is the place of c among the outputs, from 1, or 0 if it is none of
// them: it is the same expression, or the key of the same.
func (g *Groups) position(c *meta.Column) int {
	return 1 + slices.IndexFunc(g.Outputs, func(out *meta.Column) bool {
		return out == c || isKey(out) && isKey(c) && out.Expr.(*Node).Column == c.Expr.(*Node).Column
	})
}

func (b *builder) groups(g *Groups) {
	b.fail(g.Check())
	b.uvarint(len(g.Outputs))
	for _, c := range g.Outputs {
		b.column(c)
	}
}

// groupsAfter is the rest of groups, after the conditions on rows.
func (b *builder) groupsAfter(g *Groups) {
	b.uvarint(len(g.Spec.Where))
	for i := range g.Spec.Where {
		b.node(&g.Spec.Where[i])
	}
	for _, o := range g.order() {
		b.byte(byte(o.Nulls)<<1 | BoolByte(o.Desc))
		if at := g.position(o.Column); at > 0 {
			b.uvarint(at)
			continue
		}
		b.uvarint(0)
		b.column(o.Column)
	}
	b.byte(BoolByte(g.Spec.HasLimit)<<1 | BoolByte(g.Spec.HasOffset))
	if g.Spec.HasLimit {
		b.arg(g.Spec.Limit)
	}
	if g.Spec.HasOffset {
		b.arg(g.Spec.Offset)
	}
}

func (w *renderer) outputs(q sq.SelectBuilder, g *Groups) sq.SelectBuilder {
	for i, c := range g.Outputs { // with names of their own, which no order means
		q = q.Column(sq.Expr("? AS smrt_g"+strconv.Itoa(i), w.column(c)))
	}
	return q
}

func (w *renderer) groupsAfter(q sq.SelectBuilder, g *Groups) sq.SelectBuilder {
	for i, c := range g.Outputs {
		if isKey(c) {
			q = q.GroupBy(strconv.Itoa(i + 1))
		}
	}
	if len(g.Spec.Where) > 0 {
		q = q.Having(w.junction(&Node{Op: And, Kids: g.Spec.Where}))
	}
	for _, o := range g.order() {
		if at := g.position(o.Column); at > 0 {
			q = q.OrderBy(strconv.Itoa(at) + Direction(o))
			continue
		}
		q = q.OrderByClause(w.orderTerm(o))
	}
	if g.Spec.HasLimit {
		q = q.Suffix("LIMIT ?", w.arg())
	}
	if g.Spec.HasOffset {
		q = q.Suffix("OFFSET ?", w.arg())
	}
	return q
}

// keyed is a key that has been rendered, and the argument that its own begin at.
type keyed struct {
	column *meta.Column
	begin  int
}

// groupKey appends the shape of a key. If it was met before it has no arguments:
// they are those of the first place, so that it is the same expression to the
// server.
func (b *builder) groupKey(n *Node) {
	i := slices.Index(b.keys, n.Column)
	b.uvarint(i + 1)
	if i < 0 {
		b.keys = append(b.keys, n.Column)
		b.column(n.Column)
	}
}

func (w *renderer) groupKey(n *Node) sq.Sqlizer {
	i := slices.IndexFunc(w.keys, func(k keyed) bool { return k.column == n.Column })
	if i < 0 {
		w.keys = append(w.keys, keyed{n.Column, w.next})
		return w.value(n.Column)
	}
	defer func(next int, sharing bool) { w.next, w.sharing = next, sharing }(w.next, w.sharing)
	w.next, w.sharing = w.keys[i].begin, true
	return w.value(n.Column)
}

// aggregate renders a call of an aggregate function.
func (w *renderer) aggregate(n *Node) sq.Sqlizer {
	call := w.raw(n.SQL, n.Args)
	cast := n.A.(string)
	if len(n.Kids) == 0 {
		if cast == "" {
			return call
		}
		return sq.Expr("(?)"+cast, call)
	}
	return sq.Expr("(? FILTER (WHERE ?))"+cast, call, w.junction(&Node{Op: And, Kids: n.Kids}))
}
