package load

import (
	"context"
	"strconv"
	"strings"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/plan"
	"github.com/smrt-go/smrt/internal/table"
)

// form is the statement of a load, all but the values. The conditions of the
// relation are rendered by package plan; what is around them is here:
//
//	rows:            SELECT ... FROM child WHERE fk = ANY(keys)
//	rows, by number: SELECT ... FROM unnest(keys) CROSS JOIN LATERAL (SELECT ... FROM child WHERE fk = key LIMIT n)
//	through a table: SELECT ... FROM via JOIN (SELECT ... FROM child) ON ... WHERE fk = ANY(keys)
//	both:            SELECT ... FROM unnest(keys) CROSS JOIN LATERAL (the one above, LIMIT n)
//	count:           SELECT fk, count(*) FROM (the rows) GROUP BY fk
//	exists:          SELECT ordinal FROM unnest(keys) WHERE EXISTS (the rows of key)
//
// By number means that a row comes with the number of its key in place of the
// key: where a limit is for each parent, and where only the server knows which
// keys are equal. Whatever the forms add to the names of a query begins with
// smrt_, which no declared name does.
type form struct {
	list          string
	spec          *plan.Spec
	before, after string
	condition     string          // on the keys, with $1, $2, ...; empty: = ANY, or it is in before or after
	keys          *table.KeyTable // nil: the keys are one array, compared by = ANY
	place         place
	limit         []any // of the rows of a join table: the last argument of after
	ordinal       bool  // a row begins with the number of its parent's group
	lead          []Field
}

// place is where the keys are bound.
type place uint8

const (
	inCondition place = iota
	inBefore
	inAfter
)

// needsTypes reports whether the keys travel as rows of an unnest.
func (l *Load) needsTypes() bool {
	return len(l.Outer) > 1 || l.into == ToExists || l.byNumber()
}

// byNumber reports whether rows come with the number of their parent's key.
func (l *Load) byNumber() bool {
	tied := l.Inner
	if l.Via != nil {
		tied = l.Via.Left
	}
	return l.limited() || !exact(tied)
}

// exact reports whether values are equal to the server if and only if they are
// to Go. Texts are not: citext and collations compare in their own way, char
// has blanks at its end, and numbers have several spellings.
func exact(fs []Field) bool {
	for _, f := range fs {
		switch f.value.Encode {
		case meta.KindInt16, meta.KindInt32, meta.KindInt64, meta.KindUUID:
		default:
			return false
		}
	}
	return true
}

// limited reports whether each parent has a limit of its own.
func (l *Load) limited() bool { return l.spec.HasLimit && l.into <= ToSlice }

// prepare returns the form of l, asking the database for types if need be.
func (l *Load) prepare(ctx context.Context, db smrt.DB) (*form, error) {
	if l.plain != nil {
		return l.plain, nil
	}
	if f := l.learnt.Load(); f != nil {
		return f, nil
	}
	core, tied := l.core, l.Inner
	if l.Via != nil {
		core, tied = table.Of(l.Via.Table), l.Via.Left
	}
	keys, err := core.KeyTable(ctx, db, columnsOf(tied))
	if err != nil {
		return nil, err
	}
	f := l.form(keys)
	l.learnt.Store(f)
	return f, nil
}

// form composes the statement. It returns nil if it needs keys that are nil.
func (l *Load) form(keys *table.KeyTable) *form {
	if keys == nil && l.needsTypes() {
		return nil
	}
	f := &form{keys: keys}
	switch {
	case l.into == ToCount:
		l.countForm(f)
	case l.into == ToExists:
		l.existsForm(f)
	case l.Via != nil:
		l.throughForm(f)
	case l.byNumber():
		l.numberedForm(f)
	default:
		l.directForm(f)
	}
	return f
}

// directForm reads the related table alone.
func (l *Load) directForm(f *form) {
	f.spec, f.lead = l.spec, l.leading()
	if !l.single {
		// Rows come grouped by parent, so that each parent's are a part of one slice.
		var terms []meta.Order
		for _, c := range columnsOf(l.Inner) {
			terms = append(terms, meta.Order{Column: c})
		}
		f.spec = l.spec.OrderBy(append(terms, without(order(l.Child, l.spec), columnsOf(l.Inner))...))
	} else {
		f.spec = l.spec.OrderBy(nil)
	}
	f.list = meta.List(append(columnsOf(f.lead), l.shape.columns...))
	f.condition = f.among("", columnsOf(l.Inner), true)
}

// leading are the columns that tie a row to its parent, if the row itself does
// not hold them.
func (l *Load) leading() []Field {
	switch {
	case l.shape.keys != nil:
		return nil
	case l.Via != nil:
		return l.Via.Left
	}
	return l.Inner
}

// numbered is the FROM item of the keys with their numbers.
func (f *form) numbered() string {
	return f.keys.From + " WITH ORDINALITY AS smrt_k(" + f.keys.Names() + ", ord)"
}

// numberedForm asks for the rows of each parent's key by themselves.
func (l *Load) numberedForm(f *form) {
	terms := order(l.Child, l.spec)
	f.before = "SELECT smrt_k.ord" + aliases(", smrt_r.smrt_r", len(l.shape.columns)) + aliases(", smrt_r.smrt_s", len(l.subs)) +
		" FROM " + f.numbered() + " CROSS JOIN LATERAL ("
	f.place, f.ordinal = inBefore, true
	f.list = named("smrt_r", l.shape.columns) + ordering(terms)
	f.spec = l.spec.OrderBy(nil)
	if l.limited() {
		f.spec = l.spec.OrderBy(terms)
	}
	f.condition = f.equal("", columnsOf(l.Inner))
	f.after = ") AS smrt_r ORDER BY smrt_k.ord" + orderedBy(", smrt_r.", terms)
}

// throughForm reads the related table through a join table.
func (l *Load) throughForm(f *form) {
	terms := order(l.Child, l.spec)
	left, right := columnsOf(l.Via.Left), columnsOf(l.Via.Right)
	f.list = strings.TrimPrefix(named("smrt_k", columnsOf(l.Inner))+", "+named("smrt_r", l.shape.columns), ", ") + ordering(terms)
	f.spec = l.spec.OrderBy(nil)
	f.spec.HasLimit = false
	through := " FROM " + plan.Escape(l.Via.Table.Quoted) + " AS smrt_j JOIN ("
	joined := ") AS smrt_r ON " + pairs(right)
	if !l.byNumber() {
		f.lead = l.leading()
		selected := append(qualified("smrt_j.", columnsOf(f.lead)), qualified("smrt_j.", l.shape.payload)...)
		f.before = "SELECT " + strings.Join(append(selected, numbered("smrt_r.smrt_r", len(l.shape.columns))...), ", ") +
			aliases(", smrt_r.smrt_s", len(l.subs)) + through
		f.place = inAfter
		f.after = joined + " WHERE " + f.among("smrt_j.", left, false) + l.alive() + " ORDER BY " +
			strings.Join(qualified("smrt_j.", left), ", ") + orderedBy(", smrt_r.", terms)
		return
	}
	inner := make([]string, 0, len(l.shape.payload))
	for i, c := range l.shape.payload {
		inner = append(inner, "smrt_j."+plan.Escape(c.Quoted)+" AS smrt_p"+strconv.Itoa(i))
	}
	inner = append(inner, numbered("smrt_r.smrt_r", len(l.shape.columns))...)
	inner = append(inner, numbered("smrt_r.smrt_s", len(l.subs))...)
	inner = append(inner, numbered("smrt_r.smrt_o", len(terms))...)
	f.before = "SELECT smrt_k.ord" + aliases(", smrt_l.smrt_p", len(l.shape.payload)) + aliases(", smrt_l.smrt_r", len(l.shape.columns)) +
		aliases(", smrt_l.smrt_s", len(l.subs)) + " FROM " + f.numbered() + " CROSS JOIN LATERAL (SELECT " + strings.Join(inner, ", ") + through
	f.place, f.ordinal = inBefore, true
	f.after = joined + " WHERE " + f.equal("smrt_j.", left) + l.alive()
	if l.limited() {
		f.limit = []any{l.spec.Limit}
		f.after += orderedBy(" ORDER BY smrt_r.", terms) + " LIMIT ?"
	}
	f.after += ") AS smrt_l ORDER BY smrt_k.ord" + orderedBy(", smrt_l.", terms)
}

// countForm counts the rows of each parent.
func (l *Load) countForm(f *form) {
	f.spec = l.spec.OrderBy(nil)
	f.spec.HasLimit = false
	f.list = named("smrt_k", columnsOf(l.Inner))
	if l.byNumber() {
		l.numberedCount(f)
		return
	}
	if l.Via == nil {
		f.lead = l.Inner
		by := aliases(", smrt_r.smrt_k", len(l.Inner))[2:]
		f.before = "SELECT " + by + ", count(*) FROM ("
		f.condition = f.among("", columnsOf(l.Inner), true)
		f.after = ") AS smrt_r GROUP BY " + by
		return
	}
	f.lead = l.Via.Left
	by := strings.Join(qualified("smrt_j.", columnsOf(l.Via.Left)), ", ")
	f.before = "SELECT " + by + ", count(*) FROM " + plan.Escape(l.Via.Table.Quoted) + " AS smrt_j JOIN ("
	f.place = inAfter
	f.after = ") AS smrt_r ON " + pairs(columnsOf(l.Via.Right)) + " WHERE " +
		f.among("smrt_j.", columnsOf(l.Via.Left), false) + l.alive() + " GROUP BY " + by
}

// numberedCount counts the rows of each parent's key by themselves.
func (l *Load) numberedCount(f *form) {
	f.place, f.ordinal = inBefore, true
	f.before = "SELECT smrt_k.ord, count(*) FROM " + f.numbered() + " CROSS JOIN LATERAL ("
	if l.Via == nil {
		f.condition = f.equal("", columnsOf(l.Inner))
		f.after = ") AS smrt_r GROUP BY smrt_k.ord"
		return
	}
	f.before += "SELECT 1 FROM " + plan.Escape(l.Via.Table.Quoted) + " AS smrt_j JOIN ("
	f.after = ") AS smrt_r ON " + pairs(columnsOf(l.Via.Right)) + " WHERE " + f.equal("smrt_j.", columnsOf(l.Via.Left)) + l.alive() +
		") AS smrt_l GROUP BY smrt_k.ord"
}

// existsForm finds the parents that have a row.
func (l *Load) existsForm(f *form) {
	f.spec = l.spec.OrderBy(nil)
	f.spec.HasLimit = false
	f.place, f.ordinal = inBefore, true
	f.before = "SELECT smrt_k.ord FROM " + f.numbered() + " WHERE EXISTS ("
	if l.Via == nil {
		f.list, f.after = "1", ")"
		f.condition = f.equal("", columnsOf(l.Inner))
		return
	}
	f.before += "SELECT 1 FROM " + plan.Escape(l.Via.Table.Quoted) + " AS smrt_j JOIN ("
	f.list = named("smrt_k", columnsOf(l.Inner))
	f.after = ") AS smrt_r ON " + pairs(columnsOf(l.Via.Right)) + " WHERE " + f.equal("smrt_j.", columnsOf(l.Via.Left)) + l.alive() + ")"
}

// alive leaves out rows of the join table that are soft-deleted.
func (l *Load) alive() string {
	if c := l.Via.Table.SoftDelete; c != nil {
		return " AND smrt_j." + plan.Escape(c.Quoted) + " IS NULL"
	}
	return ""
}

// among is the condition that columns hold one of the keys. As a fragment of a
// query its arguments are $1, $2, ...; elsewhere each is a question mark.
func (f *form) among(qualifier string, columns []*meta.Column, fragment bool) string {
	if f.keys == nil {
		if fragment {
			return "" // plan's own operator
		}
		return qualifier + plan.Escape(columns[0].Quoted) + " = ANY(?)"
	}
	from := f.keys.From
	names := qualified(qualifier, columns)
	if fragment {
		for i := range columns {
			from = strings.Replace(from, "?", "$"+strconv.Itoa(i+1), 1)
			names[i] = qualifier + columns[i].Quoted
		}
	}
	return "(" + strings.Join(names, ", ") + ") IN (SELECT " + strings.Join(f.keys.Exprs, ", ") +
		" FROM " + from + " AS smrt_k(" + f.keys.Names() + "))"
}

// equal is the condition that columns hold the key of the row of the unnest.
func (f *form) equal(qualifier string, columns []*meta.Column) string {
	terms := make([]string, len(columns))
	for i, c := range columns {
		name := c.Quoted
		if qualifier != "" { // a frame, not a fragment
			name = plan.Escape(name)
		}
		terms[i] = qualifier + name + " = smrt_k." + f.keys.Exprs[i]
	}
	return strings.Join(terms, " AND ")
}

// pairs ties the join table to the related rows.
func pairs(right []*meta.Column) string {
	terms := make([]string, len(right))
	for i, c := range right {
		terms[i] = "smrt_r.smrt_k" + strconv.Itoa(i) + " = smrt_j." + plan.Escape(c.Quoted)
	}
	return strings.Join(terms, " AND ")
}

// named lists columns under the names prefix0, prefix1, ...
func named(prefix string, columns []*meta.Column) string {
	out := make([]string, len(columns))
	for i, c := range columns {
		out[i] = c.Quoted + " AS " + prefix + strconv.Itoa(i)
	}
	return strings.Join(out, ", ")
}

// ordering adds to a list what an order compares.
func ordering(terms []meta.Order) string {
	out := ""
	for i, o := range terms {
		if o.Expr == nil {
			out += ", " + o.Column.Quoted + " AS smrt_o" + strconv.Itoa(i)
		}
	}
	return out
}

// orderedBy is an order by what ordering added.
func orderedBy(prefix string, terms []meta.Order) string {
	out := ""
	for i, o := range terms {
		if i > 0 {
			prefix = ", " + prefix[strings.LastIndexByte(prefix, ' ')+1:]
		}
		out += prefix + "smrt_o" + strconv.Itoa(i) + plan.Direction(o)
	}
	return out
}

func qualified(qualifier string, columns []*meta.Column) []string {
	out := make([]string, len(columns))
	for i, c := range columns {
		out[i] = qualifier + plan.Escape(c.Quoted)
	}
	return out
}

func numbered(prefix string, n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = prefix + strconv.Itoa(i)
	}
	return out
}

func aliases(prefix string, n int) string { return strings.Join(numbered(prefix, n), "") }

// without leaves out the terms of an order that are columns of a group, in
// which they are all the same.
func without(terms []meta.Order, group []*meta.Column) []meta.Order {
	var out []meta.Order
	for _, o := range terms {
		same := false
		for _, c := range group {
			same = same || o.Column == c
		}
		if !same {
			out = append(out, o)
		}
	}
	return out
}

// request is the statement with the keys of g.
func (l *Load) request(f *form, g *groups) (*plan.Request, error) {
	if err := l.spec.Check(); err != nil { // the form may have taken the limit out of it
		return nil, err
	}
	arrays, err := g.arguments(l.keys)
	if err != nil {
		return nil, err
	}
	args := make([]any, len(arrays))
	for i, a := range arrays {
		args[i] = a
		if f.keys != nil {
			if args[i], err = f.keys.Arg(i, a); err != nil {
				return nil, err
			}
		}
	}
	r := &plan.Request{Verb: plan.Select, List: f.list, Spec: f.spec, Subs: l.subs}
	if f.before != "" {
		r.Frame = &plan.Frame{Before: f.before, After: f.after, AfterArgs: f.limit}
	}
	switch f.place {
	case inBefore:
		r.Frame.BeforeArgs = args
	case inAfter:
		r.Frame.AfterArgs = args
	}
	switch {
	case f.place == inCondition && f.condition == "":
		r.AndThen = &plan.Node{Op: plan.In, Column: l.Inner[0].column, A: args[0]}
	case f.place == inCondition:
		r.AndThen = &plan.Node{Op: plan.Raw, SQL: f.condition, Args: args}
	case f.condition != "":
		r.AndThen = &plan.Node{Op: plan.Raw, SQL: f.condition}
	}
	return r, nil
}
