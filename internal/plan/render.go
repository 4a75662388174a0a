package plan

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	sq "github.com/Masterminds/squirrel"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/meta"
)

// renderer walks a request in the order of builder, so that its counter names
// the same arguments.
type renderer struct {
	next  int
	scope scope // the row that conditions are about
	depth int   // of subqueries
	err   error

	qualified bool // columns have the name of their row, because other rows have columns of that name

	offered func(*meta.Column) string // of an upsert: a value of the row that it could not insert

	keys    []keyed // of groups, that have been rendered
	sharing bool    // arguments have placeholders further in front
}

// render turns a shape into SQL. Everything that reaches squirrel as text is
// an identifier from the table's declaration or a constant of the program, with
// question marks escaped; placeholders are numbered once, at the end.
func render(t *Table, r *Request, b *builder) (*rendered, error) {
	args := len(b.args) - b.bound
	w := &renderer{scope: scope{alias: t.Quoted}}
	var statement sq.Sqlizer
	switch r.Verb {
	case Update:
		statement = w.update(t, r)
	case Delete:
		statement = w.delete(t, r)
	case Select:
		if len(r.Ranges) > 1 {
			statement = w.ranges(t, r)
			break
		}
		fallthrough
	default:
		statement = w.query(t, r)
	}
	if w.err != nil {
		return nil, w.err
	}
	if w.next != args {
		// An argument would be sent for another one. It cannot happen unless
		// builder and renderer walk in different orders.
		return nil, lostCount(args, w.next)
	}
	sql, places, err := statement.ToSql()
	if err != nil {
		return nil, &smrt.QueryError{Reason: err.Error()}
	}
	sql, order := placed(sql, places)
	if sql, order, err = b.bindMarks(sql, order, 0, len(b.args)); err != nil {
		return nil, err
	}
	return &rendered{sql: strings.TrimSpace(sql), order: argumentOrder(order, len(b.args))}, nil
}

func lostCount(collected, rendered int) error {
	return &smrt.QueryError{Reason: fmt.Sprintf("smrt has lost count of arguments: %d collected, %d rendered", collected, rendered)}
}

func (w *renderer) query(t *Table, r *Request) sq.Sqlizer {
	s := r.Spec
	list := escape(r.List)
	bounded := s.HasLimit || s.HasOffset
	if r.Verb == Count && !bounded {
		list = "count(*)"
	} else if r.Verb == Count || r.Verb == Exists {
		list = "1"
	}
	// Squirrel asks for the arguments of prefixes first, then of columns,
	// conditions and suffixes. The builder appends in another order, so each
	// argument is taken from w.arg here in the builder's order, wherever its
	// placeholder stands.
	q := sq.Select().From(escape(t.Quoted)).PrefixExpr(sq.Expr(w.prefix(s)))
	if r.Groups != nil {
		q = w.outputs(q, r.Groups)
	} else {
		q = q.Columns(list)
	}
	var before, after sq.Sqlizer
	if e := r.Envelope; e != nil {
		before = w.fragment(&fragment{sql: e.Before, part: true}, e.BeforeArgs)
		after = w.fragment(&fragment{sql: e.After, part: true}, e.AfterArgs)
	}
	q = w.exprs(q, r)
	if e := r.Envelope; e != nil {
		if e.List != "" {
			q = q.PrefixExpr(sq.Expr(escape(e.List)))
			w.scope = scope{alias: e.Row, columns: e.Columns}
			for i, c := range r.Joined {
				q = q.PrefixExpr(sq.Expr(", ? AS smrt_s"+strconv.Itoa(i), w.joined(c)))
			}
			w.scope = scope{alias: t.Quoted}
		}
		q = q.PrefixExpr(before)
	}
	if r.Envelope == nil || r.Envelope.List == "" {
		for i, c := range r.Joined {
			q = q.Column(sq.Expr("? AS smrt_s"+strconv.Itoa(i), w.joined(c)))
		}
	}
	for _, c := range w.conditions(t, r) {
		q = q.Where(c)
	}
	if r.Groups != nil {
		q = w.groupsAfter(q, r.Groups)
	}
	if r.Verb == Select || bounded {
		for _, o := range t.order(s) {
			q = q.OrderByClause(w.orderTerm(o))
		}
	}
	if s.HasLimit {
		q = q.Suffix("LIMIT ?", w.arg())
	}
	if s.HasOffset {
		q = q.Suffix("OFFSET ?", w.arg())
	}
	if s.Lock != NoLock {
		q = q.Suffix(locks[s.Lock] + waits[s.Wait])
	}
	switch {
	case r.Verb == Count && bounded:
		q = q.Prefix("SELECT count(*) FROM (").Suffix(") AS counted")
	case r.Verb == Exists:
		q = q.Prefix("SELECT EXISTS (").Suffix(")")
	}
	if after != nil {
		q = q.SuffixExpr(after)
	}
	return q
}

// exprs adds the expressions of a request to its list.
func (w *renderer) exprs(q sq.SelectBuilder, r *Request) sq.SelectBuilder {
	for i, c := range r.Exprs { // with names of their own, which no order means
		q = q.Column(sq.Expr("? AS smrt_e"+strconv.Itoa(i), w.column(c)))
	}
	return q
}

// prefix returns what stands in front of the statement. pg_hint_plan reads the
// first comment only, and only with a plus sign.
func (w *renderer) prefix(s *Spec) string {
	var parts []string
	for _, c := range []struct{ open, text string }{{"/*+ ", s.Hint}, {"/* ", s.Comment}} {
		if c.text == "" {
			continue
		}
		if strings.IndexByte(c.text, 0) >= 0 || !utf8.ValidString(c.text) {
			w.err = &smrt.QueryError{Reason: "a NUL byte or invalid UTF-8 cannot be part of a comment or hint"}
		}
		if strings.Contains(c.text, "*/") || strings.Contains(c.text, "/*") {
			w.err = &smrt.QueryError{Reason: "a comment or hint must not contain the marks of a comment"}
		}
		parts = append(parts, c.open+escape(c.text)+" */")
	}
	return strings.Join(parts, " ")
}

func (w *renderer) update(t *Table, r *Request) sq.Sqlizer {
	q := sq.Update(escape(t.Quoted))
	for i := range r.Sets {
		q = q.Set(escape(r.Sets[i].Column.Quoted), w.set(t, &r.Sets[i]))
	}
	for _, c := range w.conditions(t, r) {
		q = q.Where(c)
	}
	if r.List != "" {
		q = q.Suffix("RETURNING " + escape(r.List))
	}
	return q.PrefixExpr(sq.Expr(w.prefix(r.Spec)))
}

func (w *renderer) delete(t *Table, r *Request) sq.Sqlizer {
	q := sq.Delete(escape(t.Quoted))
	for _, c := range w.conditions(t, r) {
		q = q.Where(c)
	}
	if r.List != "" {
		q = q.Suffix("RETURNING " + escape(r.List))
	}
	return q.PrefixExpr(sq.Expr(w.prefix(r.Spec)))
}

func (w *renderer) set(t *Table, s *Set) sq.Sqlizer {
	name := escape(s.Column.Quoted)
	switch s.Op {
	case SetNull:
		return sq.Expr("NULL")
	case SetDefault:
		return sq.Expr("DEFAULT")
	case SetNow:
		return sq.Expr("now()")
	case SetNext:
		return sq.Expr("coalesce(" + name + ", 0) + 1")
	case SetAdd:
		return sq.Expr(name+" + ?", w.arg())
	case SetRaw:
		return w.raw(s.SQL, s.Args)
	}
	return assigned(t, s.Column, w.arg())
}

// conditions returns the terms of the WHERE clause. A part that renders to
// nothing is never handed to squirrel, which would write an AND without its
// side.
func (w *renderer) conditions(t *Table, r *Request) []sq.Sqlizer {
	var out []sq.Sqlizer
	if sql := t.seenCondition("", r.Spec.Deleted); sql != "" {
		out = append(out, sq.Expr(sql))
	}
	nodes := r.Spec.Where
	if r.AndThen != nil {
		nodes = append(slices.Clip(nodes), *r.AndThen)
	}
	nodes = append(slices.Clip(nodes), r.Ranges...)
	for i := range nodes {
		kid := w.node(&nodes[i])
		switch nodes[i].truth() {
		case always:
		case never:
			out = append(out, sq.Expr("false"))
		default:
			out = append(out, kid)
		}
	}
	return out
}

func (w *renderer) node(n *Node) sq.Sqlizer {
	switch n.Op {
	case True:
		return sq.Expr("true")
	case False:
		return sq.Expr("false")
	case And, Or:
		return w.junction(n)
	case Not:
		kid := w.node(&n.Kids[0])
		if mayBeNull(n) {
			return sq.Expr("(?) IS NOT TRUE", kid)
		}
		return sq.Expr("NOT (?)", kid)
	case Raw:
		return sq.Expr("(?)", w.raw(n.SQL, n.Args))
	case RowGt, RowLt:
		return w.rows(n)
	case Related:
		return w.related(n)
	case Selected:
		return w.selected(n)
	case Among:
		return w.among(n)
	case Tuples:
		return w.tuples(n)
	case Value:
		return w.value(n.Column)
	case Offered:
		return sq.Expr(escape(w.offered(n.Column)))
	case GroupKey:
		return w.groupKey(n)
	case Aggregated:
		return w.aggregate(n)
	}
	return w.comparison(n)
}

// rows renders a comparison of rows.
func (w *renderer) rows(n *Node) sq.Sqlizer {
	columns, args := make([]any, len(n.Kids)), make([]any, len(n.Kids))
	for i := range n.Kids {
		columns[i], args[i] = w.column(n.Kids[i].Column), w.arg()
	}
	op := ">"
	if n.Op == RowLt {
		op = "<"
	}
	marks := "(" + strings.TrimSuffix(strings.Repeat("?, ", len(args)), ", ") + ")"
	return sq.Expr(marks+" "+op+" "+marks, append(columns, args...)...)
}

// junction renders AND and OR without the kids that do not matter. The kids
// left out are walked all the same, for the count of arguments.
func (w *renderer) junction(n *Node) sq.Sqlizer {
	var parts []sq.Sqlizer
	neutral := always
	if n.Op == Or {
		neutral = never
	}
	for i := range n.Kids {
		kid := w.node(&n.Kids[i])
		switch n.Kids[i].truth() {
		case neutral:
		case unknown:
			parts = append(parts, kid)
		case always:
			parts = append(parts, sq.Expr("true"))
		case never:
			parts = append(parts, sq.Expr("false"))
		}
	}
	switch {
	case len(parts) == 0 && neutral == always:
		return sq.Expr("true")
	case len(parts) == 0:
		return sq.Expr("false")
	case n.Op == And:
		return sq.And(parts)
	}
	return sq.Or(parts)
}

// mayBeNull reports whether a predicate can be neither true nor false. NOT of
// NULL is NULL, so Not needs IS NOT TRUE where this can happen. NOT is used
// elsewhere, because the planner simplifies NOT and not IS NOT TRUE.
func mayBeNull(n *Node) bool {
	switch n.Op {
	case True, False, IsNull, NotNull, Distinct, Related, Tuples:
		return false
	case Among:
		return n.Column != nil && ofGroup(n.Column)
	case Raw, JSONHasKey, JSONPathEq, JSONPathText, In, NotIn, ArrayHas:
		return true
	case And, Or, Not:
		return slices.ContainsFunc(n.Kids, func(k Node) bool { return mayBeNull(&k) })
	}
	return n.Column.Nullable
}

// raw renders a fragment of the program.
func (w *renderer) raw(sql string, args []any) sq.Sqlizer {
	return w.fragment(&fragment{sql: sql}, args)
}

// fragment renders f. An argument used twice has two placeholders; an expression
// among the arguments is rendered in their place.
func (w *renderer) fragment(f *fragment, args []any) sq.Sqlizer {
	places := make([]any, len(args))
	for i := range args {
		if n, ok := args[i].(*Node); ok {
			places[i] = w.node(n)
		} else {
			places[i] = w.arg()
		}
	}
	if err := f.translate(len(args)); err != nil {
		w.err = err
		return sq.Expr("true")
	}
	used := make([]any, len(f.order))
	for i, o := range f.order {
		used[i] = places[o]
	}
	return sq.Expr(f.text.String(), used...)
}

func (w *renderer) orderTerm(o meta.Order) sq.Sqlizer {
	return sq.Expr("?"+Direction(o), w.column(o.Column))
}

// Direction returns what follows the column in a term of an order.
func Direction(o meta.Order) string {
	direction := ""
	if o.Desc {
		direction = " DESC"
	}
	switch o.Nulls {
	case meta.NullsFirst:
		direction += " NULLS FIRST"
	case meta.NullsLast:
		direction += " NULLS LAST"
	}
	return direction
}
