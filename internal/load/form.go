package load

import (
	"strconv"
	"strings"

	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/plan"
	"github.com/smrt-go/smrt/internal/table"
)

// form is the statement of a load without the keys. It is composed once and
// serves all calls.
//
// # The forms
//
// Package plan renders the conditions of the relation; what is around them is
// here:
//
//	rows:            SELECT ... FROM child WHERE fk = ANY(keys)
//	rows, by number: SELECT ... FROM unnest(keys) CROSS JOIN LATERAL (SELECT ... FROM child WHERE fk = key LIMIT n)
//	through a table: SELECT ... FROM via JOIN (SELECT ... FROM child) ON ... WHERE fk = ANY(keys)
//	both:            SELECT ... FROM unnest(keys) CROSS JOIN LATERAL (the one above, LIMIT n)
//	count:           SELECT fk, count(*) FROM (the rows) GROUP BY fk
//	exists:          SELECT ordinal FROM unnest(keys) WHERE EXISTS (the rows of key)
//	recursive:       SELECT ... FROM (WITH RECURSIVE ... from unnest(keys)) JOIN (SELECT ... FROM child) ON ...
//
// By number means that a row comes with the number of its key in place of the
// key: where a limit is for each parent, and where only the server knows which
// keys are equal.
//
// Whatever the forms add to the names of a query begins with smrt_, which no
// declared name does:
//
//	smrt_k          the keys: their columns are c0, c1, ... and, by number, ord
//	smrt_j          the join table
//	smrt_r, smrt_l  the rows, from the related table and from through the join table
//	smrt_r0, ...    columns of a row; smrt_p0 of the join table's, smrt_s0 joined
//	                columns, smrt_k0 what ties it to its parent, smrt_o0 what the
//	                order compares
//
// # What is learnt when
//
// Keys are one array, compared with = ANY, if they have one column that Go
// compares as the server does. Such a form depends on the declaration alone,
// and New composes it (Load.plain).
//
// The server takes such an array for one of the column's type. A key that is out
// of that type's range would fail it, where it is in no row. So there is a second
// form that names the type of the keys (Load.wide). It is used for keys that only
// a bigint holds, and once the server has refused others. It is not the only one:
// the server looks an array of another type up slowly if it has no index.
//
// Otherwise the keys are the rows of an unnest, whose parameters need types.
// Those of integers and uuids are known too. But a string may be for a text, a
// citext or an enum, and come from a char(n), which only the catalog knows. So
// the form is composed for the types that package table knows or asks for, and
// kept as long as they are the same (Load.learnt).
//
// # One key
//
// The server takes an array that it does not know for ten keys. For one key a plan
// without values then looks ten times as expensive as one with them, so that the
// statement is planned anew each time it is sent, which takes the server longer
// than to run it: 85 us and 28 us by number, 57 us and 28 us for = ANY (processor time of
// a server, by pgbench). So one key has a text of its own, which says that
// there is one.
//
// # Where the keys are bound
//
// The keys are arguments of the query if they are a condition on the related
// table, and of the text before or after it if the query stands inside of an
// unnest or a join table. In each of these the arguments count from $1, and
// package plan numbers them all. What else of a call is an argument, the
// relation's own conditions, is not part of the form.
type form struct {
	list          string
	spec          *plan.Spec
	exprs         []*meta.Column // that the order of what is around the query compares
	outer, row    string         // in front of the joined columns, if they are not the query's; the row that they belong to
	before, after string
	beforeOne     string          // in place of before if there is one key; empty: before will do
	condition     string          // on the keys or on smrt_k; empty: = ANY, or it is in before or after
	keys          *table.KeyTable // nil: the keys are one array, compared by = ANY
	cast          string          // of that array; empty: it has the type of the column
	keysIn        part
	limit         []any      // around the query: the last argument of after
	onTheWay      *plan.Node // conditions of all rows of a recursion: the last argument of before
	ordinal       bool       // a row begins with the number of its parent's group
	leading       []Field    // with these columns, which tie it to its parent
}

// part is the part of a statement in which the keys are bound.
type part uint8

const (
	inCondition part = iota
	inBefore
	inAfter
)

// needsTypes reports whether the keys travel as rows of an unnest.
func (l *Load) needsTypes() bool {
	return l.Steps != nil || len(l.Outer) > 1 || l.into == IntoExists || l.byNumber()
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
func (l *Load) limited() bool { return l.spec.HasLimit && l.into <= IntoSlice }

// form composes the statement. It returns nil if it needs keys that are nil.
func (l *Load) form(keys *table.KeyTable) *form {
	if keys == nil && l.needsTypes() {
		return nil
	}
	f := &form{keys: keys, cast: l.cast}
	switch {
	case l.Steps != nil:
		l.recursiveForm(f)
	case l.into == IntoCount:
		l.countForm(f)
	case l.into == IntoExists:
		l.existsForm(f)
	case l.Via != nil:
		l.throughForm(f)
	case l.byNumber():
		l.numberedForm(f)
	default:
		l.directForm(f)
	}
	if f.ordinal && l.Steps == nil {
		f.beforeOne = strings.Replace(f.before, f.numbered(), f.numberedOne(), 1)
	}
	return f
}

// directForm reads the related table alone.
func (l *Load) directForm(f *form) {
	f.leading = l.leading()
	f.list = meta.List(append(columnsOf(f.leading), l.shape.columns...))
	f.condition = f.amongRows(l)
	f.spec = l.spec.OrderBy(nil)
	if !l.single {
		// Rows come grouped by parent, so that each parent's are a part of one slice.
		var terms []meta.Order
		for _, c := range columnsOf(l.Inner) {
			terms = append(terms, meta.Order{Column: c})
		}
		f.spec = l.spec.OrderBy(append(terms, without(order(l.Child, l.spec), columnsOf(l.Inner))...))
	}
}

// leading returns the columns that tie a row to its parent, if the row itself
// does not hold them.
func (l *Load) leading() []Field {
	switch {
	case l.shape.keys != nil:
		return nil
	case l.Via != nil:
		return l.Via.Left
	}
	return l.Inner
}

// numbered returns the FROM item of the keys with their numbers.
func (f *form) numbered() string {
	return f.keys.From + " WITH ORDINALITY AS smrt_k(" + f.keys.Names() + ", ord)"
}

// numberedOne is numbered for one key.
func (f *form) numberedOne() string { return "(SELECT * FROM " + f.numbered() + " LIMIT 1) AS smrt_k" }

// numberedForm asks for the rows of each parent's key by themselves.
func (l *Load) numberedForm(f *form) {
	terms := order(l.Child, l.spec)
	f.outer, f.row = "SELECT smrt_k.ord"+aliases(", smrt_r.smrt_r", len(l.shape.columns)), "smrt_r"
	f.before = " FROM " + f.numbered() + " CROSS JOIN LATERAL ("
	f.keysIn, f.ordinal = inBefore, true
	f.list = named("smrt_r", l.shape.columns) + f.ordering(terms)
	f.spec = l.spec.OrderBy(nil)
	if l.limited() {
		f.spec = l.spec.OrderBy(terms)
	}
	f.condition = f.equal(meta.Qualified("", columnsOf(l.Inner)))
	f.after = ") AS smrt_r ORDER BY smrt_k.ord" + orderedBy(", smrt_r.", terms)
}

// throughForm reads the related table through a join table.
func (l *Load) throughForm(f *form) {
	terms := order(l.Child, l.spec)
	f.list = strings.TrimPrefix(named("smrt_k", columnsOf(l.Inner))+", "+named("smrt_r", l.shape.columns), ", ") + f.ordering(terms)
	f.unlimited(l)
	left := meta.Qualified("smrt_j.", columnsOf(l.Via.Left))
	if !l.byNumber() {
		f.leading, f.keysIn = l.leading(), inAfter
		selected := append(meta.Qualified("smrt_j.", columnsOf(f.leading)), meta.Qualified("smrt_j.", l.shape.payload)...)
		selected = append(selected, meta.Numbered("smrt_r.smrt_r", len(l.shape.columns))...)
		f.outer, f.row = "SELECT "+strings.Join(selected, ", "), "smrt_r"
		f.before = l.fromVia()
		f.after = l.onVia(f.among(left)) + " ORDER BY " + strings.Join(left, ", ") + orderedBy(", smrt_r.", terms)
		return
	}
	inner := make([]string, 0, len(l.shape.payload))
	for i, c := range l.shape.payload {
		inner = append(inner, "smrt_j."+c.Quoted+" AS smrt_p"+strconv.Itoa(i))
	}
	inner = append(inner, meta.Numbered("smrt_r.smrt_r", len(l.shape.columns))...)
	for _, name := range compared(terms) {
		inner = append(inner, "smrt_r."+name)
	}
	f.outer, f.row = "SELECT smrt_k.ord"+aliases(", smrt_l.smrt_p", len(l.shape.payload))+aliases(", smrt_l.smrt_r", len(l.shape.columns)), "smrt_l"
	f.before = " FROM " + f.numbered() + " CROSS JOIN LATERAL (SELECT " + strings.Join(inner, ", ") + l.fromVia()
	f.keysIn, f.ordinal = inBefore, true
	f.after = l.onVia(f.equal(left))
	if l.limited() {
		f.limit = []any{l.spec.Limit}
		f.after += orderedBy(" ORDER BY smrt_r.", terms) + " LIMIT $1"
	}
	f.after += ") AS smrt_l ORDER BY smrt_k.ord" + orderedBy(", smrt_l.", terms)
}

// countForm counts the rows of each parent.
func (l *Load) countForm(f *form) {
	f.unlimited(l)
	f.list = named("smrt_k", columnsOf(l.Inner))
	switch {
	case l.byNumber():
		l.numberedCount(f)
	case l.Via == nil:
		f.leading = l.Inner
		by := aliases(", smrt_r.smrt_k", len(l.Inner))[2:]
		f.before = "SELECT " + by + ", count(*) FROM ("
		f.condition = f.amongRows(l)
		f.after = ") AS smrt_r GROUP BY " + by
	default:
		f.leading, f.keysIn = l.Via.Left, inAfter
		left := meta.Qualified("smrt_j.", columnsOf(l.Via.Left))
		by := strings.Join(left, ", ")
		f.before = "SELECT " + by + ", count(*)" + l.fromVia()
		f.after = l.onVia(f.among(left)) + " GROUP BY " + by
	}
}

// numberedCount counts the rows of each parent's key by themselves.
func (l *Load) numberedCount(f *form) {
	f.keysIn, f.ordinal = inBefore, true
	f.before = "SELECT smrt_k.ord, count(*) FROM " + f.numbered() + " CROSS JOIN LATERAL ("
	f.after = ") AS smrt_r GROUP BY smrt_k.ord"
	if l.Via == nil {
		f.condition = f.equal(meta.Qualified("", columnsOf(l.Inner)))
		return
	}
	f.before += "SELECT 1" + l.fromVia()
	f.after = l.onVia(f.equal(meta.Qualified("smrt_j.", columnsOf(l.Via.Left)))) + ") AS smrt_l GROUP BY smrt_k.ord"
}

// existsForm finds the parents that have a row.
func (l *Load) existsForm(f *form) {
	f.unlimited(l)
	f.keysIn, f.ordinal = inBefore, true
	f.before = "SELECT smrt_k.ord FROM " + f.numbered() + " WHERE EXISTS ("
	if l.Via == nil {
		f.list, f.after = "1", ")"
		f.condition = f.equal(meta.Qualified("", columnsOf(l.Inner)))
		return
	}
	f.before += "SELECT 1" + l.fromVia()
	f.list = named("smrt_k", columnsOf(l.Inner))
	f.after = l.onVia(f.equal(meta.Qualified("smrt_j.", columnsOf(l.Via.Left)))) + ")"
}

// unlimited sets the query to that of l without an order and a limit: they do
// not matter, or belong to what is around the query.
func (f *form) unlimited(l *Load) {
	f.spec = l.spec.OrderBy(nil)
	f.spec.HasLimit = false
}

// fromVia begins the join of the join table with the query, onVia ends it.
func (l *Load) fromVia() string { return " FROM " + l.Via.Table.Quoted + " AS smrt_j JOIN (" }

func (l *Load) onVia(condition string) string {
	terms := make([]string, len(l.Via.Right))
	for i, c := range columnsOf(l.Via.Right) {
		terms[i] = "smrt_r.smrt_k" + strconv.Itoa(i) + " = smrt_j." + c.Quoted
	}
	text := ") AS smrt_r ON " + strings.Join(terms, " AND ") + " WHERE " + condition
	if seen := l.Via.Table.Seen("smrt_j."); seen != "" {
		text += " AND " + seen
	}
	return text
}

// amongRows returns the condition that the related rows have one of the keys.
// It is empty if plan's own operator will do.
func (f *form) amongRows(l *Load) string {
	if f.keys == nil && f.cast == "" {
		return ""
	}
	return f.among(meta.Qualified("", columnsOf(l.Inner)))
}

// among returns the condition that columns hold one of the keys, which are the
// arguments from $1.
func (f *form) among(columns []string) string {
	if f.keys == nil {
		return columns[0] + " = ANY($1" + f.cast + ")"
	}
	return "(" + strings.Join(columns, ", ") + ") IN (SELECT " + strings.Join(f.keys.Exprs, ", ") +
		" FROM " + f.keys.From + " AS smrt_k(" + f.keys.Names() + "))"
}

// equal returns the condition that columns hold the key of the row of the
// unnest.
func (f *form) equal(columns []string) string {
	terms := make([]string, len(columns))
	for i, c := range columns {
		terms[i] = c + " = smrt_k." + f.keys.Exprs[i]
	}
	return strings.Join(terms, " AND ")
}
