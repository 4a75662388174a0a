package plan

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	sq "github.com/Masterminds/squirrel"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/meta"
)

// Template is a statement of the program's with places that conditions, orders and
// limits fill.
type Template struct {
	SQL    string
	Params int  // of the statement itself: $1 to $Params
	Write  bool // it changes rows
	Locks  bool // it locks rows
	Places []Place
	// Start and End are the bytes of the statement without its first line, which has
	// the name that sqlc gave it, and without a semicolon.
	Start, End int
	Body       Body
	id         uint64
}

// Place is a part of a statement that is replaced.
type Place struct {
	Kind     PlaceKind
	From, To int    // bytes
	Table    string // as SQL
	Alias    string // of the table in the statement, as SQL
	Most     int64  // of a limit
	Beside   bool   // of conditions: others may let a row through for which they do not hold
}

// PlaceKind is what fills a place.
type PlaceKind uint8

// The kinds of places.
const (
	WherePlace PlaceKind = iota
	OrderPlace
	LimitPlace
)

var placeNames = [...]string{WherePlace: "where", OrderPlace: "order", LimitPlace: "limit"}

// NewTemplate returns a statement whose places are yet to be found.
func NewTemplate(sql string) *Template { return &Template{SQL: sql, id: tables.Add(1)} }

// Fill is a query on a table that fills the places of that table, or those with one
// alias; or a query on the rows that the statement returns.
type Fill struct {
	Table *Table
	Alias string // as SQL; "" for the only one
	Spec  *Spec  // not nil
	Outer bool   // Table is that of a NewResult, and the query is on the statement's rows
	Page  *Keyset
}

// Slots has the plans of statements that were filled. It is safe for concurrent use.
type Slots struct{ cache *cache }

// NewSlots returns the plans of so many shapes at the most.
func NewSlots(capacity int) *Slots { return &Slots{newCache(capacity)} }

// Build returns the statement with what fills its places, and its arguments: given,
// which ends with those of the statement itself, and those of the fills.
//
// Of tables with tenants the places of conditions have that of ctx too.
func (s *Slots) Build(ctx context.Context, t *Template, fills []Fill, given []any) (Statement, error) {
	return s.build(ctx, t, fills, given, false)
}

// BuildCount returns the statement that counts the rows of the statement with its
// places filled, whatever its slot for a limit says.
func (s *Slots) BuildCount(ctx context.Context, t *Template, fills []Fill, given []any) (Statement, error) {
	if t.Write || t.Locks {
		return Statement{}, &smrt.QueryError{Reason: "a statement that writes or locks rows is not counted"}
	}
	counted := make([]Fill, len(fills))
	for i, f := range fills {
		c := f.Spec.Clone()
		c.Order, c.Limit, c.HasLimit = nil, 0, false
		counted[i] = Fill{Table: f.Table, Alias: f.Alias, Spec: c, Outer: f.Outer}
	}
	return s.build(ctx, t, counted, given, true)
}

func (s *Slots) build(ctx context.Context, t *Template, fills []Fill, given []any, count bool) (Statement, error) {
	space := keys.Get().(*keySpace)
	defer keys.Put(space)
	// All arguments are in one slice, which goes to pgx as it is.
	b := builder{key: space[:0], args: append(make([]any, 0, usualArgs), given...)}
	b.byte(BoolByte(count))
	b.key = binary.AppendUvarint(b.key, t.id)
	for i := range fills {
		if err := cmp.Or(fills[i].checkOuter(t), fills[i].checkPage(t), fills[i].check(t)); err != nil {
			return Statement{}, err
		}
		b.fill(&fills[i])
	}
	b.bind(ctx)
	if t.Params+len(b.args)-len(given) > maxArgs {
		b.fail(errTooManyArgs)
	}
	if b.err != nil {
		return Statement{}, b.err
	}
	p := s.cache.get(b.key)
	if p == nil {
		var err error
		if p, err = t.render(fills, &b, len(b.args)-len(given), count); err != nil {
			return Statement{}, err
		}
		s.cache.put(b.key, p)
	}
	if p.order != nil {
		b.args = append(b.args[:len(given):len(given)], p.arrange(b.args[len(given):])...)
	}
	return Statement{SQL: p.sql, Args: b.args}, nil
}

// check refuses what no place takes, and what depends on values.
func (f *Fill) check(t *Template) error {
	s := f.Spec
	if err := s.Check(); err != nil {
		return err
	}
	switch {
	case s.Deleted != WithoutDeleted:
		return &smrt.QueryError{Reason: "WithDeleted and OnlyDeleted have no slot: whether deleted rows are seen is for the statement to say"}
	case s.HasOffset:
		return &smrt.QueryError{Reason: "Offset has no slot"}
	case s.Lock != NoLock || s.Hint != "" || s.Comment != "" || s.Mode != 0:
		return &smrt.QueryError{Reason: "a lock, a hint, a comment and an exec mode have no slot: they are of the whole statement"}
	case t.Write && s.Vacuous() && !s.Unbounded:
		return smrt.ErrUnboundedWrite
	}
	if most, ok := t.most(); ok && s.HasLimit && f.Page == nil && s.Limit > most {
		return &smrt.QueryError{Reason: fmt.Sprintf("the limit is %d, and the statement allows %d", s.Limit, most)}
	}
	return nil
}

func (b *builder) fill(f *Fill) {
	b.byte('F')
	b.key = binary.AppendUvarint(b.key, f.Table.id)
	b.text(f.Alias)
	b.table = f.Table
	b.owns(f.Table)
	b.uvarint(len(f.Spec.Where))
	for i := range f.Spec.Where {
		b.node(&f.Spec.Where[i])
	}
	b.uvarint(len(f.Spec.Order))
	for _, o := range f.Spec.Order {
		b.orderTerm(o)
	}
	b.byte(BoolByte(f.Outer)<<2 | BoolByte(f.Spec.HasLimit)<<1 | BoolByte(f.Spec.Unbounded))
	if f.Spec.HasLimit {
		b.arg(f.Spec.Limit)
	}
	if f.Page != nil {
		b.keyset(f.Page)
	}
}

// render writes the fills into their places. Each is rendered once, in the order of
// the builder, and its text is written wherever the statement has a place for it.
func (t *Template) render(fills []Fill, b *builder, args int, count bool) (*rendered, error) {
	r := &filling{t: t, w: &renderer{qualified: true}, order: []int{}, count: count} // an order that is not nil: an argument may have no place
	for i := range fills {
		alias, err := t.aliasOf(fills, i)
		if err != nil {
			return nil, err
		}
		if fills[i].Outer {
			r.w.scope = scope{alias: rowAlias, table: rowAlias, result: fills[i].Table}
		} else {
			r.w.scope = scope{alias: alias, table: fills[i].Table.Quoted}
		}
		r.w.depth = 0
		r.fill(&fills[i], alias)
	}
	if r.w.err != nil {
		return nil, r.w.err
	}
	if r.w.next != args-b.bound {
		return nil, lostCount(args-b.bound, r.w.next)
	}
	sql, order, err := b.bindMarks(r.sql(), r.order, t.Params, args)
	if err != nil {
		return nil, err
	}
	return &rendered{sql: sql, order: argumentOrder(order, args)}, nil
}

// filling is a statement whose places are filled.
type filling struct {
	t          *Template
	w          *renderer
	order      []int // the arguments of the placeholders so far
	edits      []edit
	head, tail string // around the statement
	count      bool
}

// edit replaces bytes of a statement.
type edit struct {
	from, to int
	text     string
}

// text renders a part of a fill.
func (r *filling) text(part sq.Sqlizer) string {
	sql, places, err := part.ToSql()
	if err != nil {
		r.w.err = cmp.Or(r.w.err, error(&smrt.QueryError{Reason: err.Error()}))
		return ""
	}
	sql, r.order = placedAfter(r.t.Params, r.order, sql, places)
	return sql
}

// put fills all places of a kind with a text.
func (r *filling) put(kind PlaceKind, table, alias, text string) {
	for i := range r.t.Places {
		if p := &r.t.Places[i]; p.Kind == kind && (kind == LimitPlace || p.Table == table && p.Alias == alias) {
			r.edits = append(r.edits, edit{p.From, p.To, text})
		}
	}
}

// parts are the texts of a fill. One that it does not have is empty.
type parts struct{ where, order, limit string }

// parts renders what a fill has, in the order of the builder.
func (r *filling) parts(f *Fill) (p parts) {
	p.where = r.text(r.w.junction(&Node{Op: And, Kids: f.Spec.Where})) // in parentheses, or a constant
	if len(f.Spec.Order) > 0 {
		p.order = r.text(r.w.terms(f.Spec.Order))
	}
	if f.Spec.HasLimit {
		p.limit = r.text(sq.Expr("?", r.w.arg()))
	}
	return p
}

// terms renders the terms of an order.
func (w *renderer) terms(order []meta.Order) sq.Sqlizer {
	terms := make([]any, len(order))
	for i, o := range order {
		terms[i] = w.orderTerm(o)
	}
	return sq.Expr(strings.TrimSuffix(strings.Repeat("?, ", len(terms)), ", "), terms...)
}

func (r *filling) fill(f *Fill, alias string) {
	p := r.parts(f)
	if f.Outer {
		r.outer(f, p)
		return
	}
	if f.Table.Tenant != nil {
		p.where = "(" + p.where + " AND " + f.Table.owned(alias+".") + ")"
	}
	r.put(WherePlace, f.Table.Quoted, alias, p.where)
	if p.order != "" {
		r.put(OrderPlace, f.Table.Quoted, alias, p.order+",")
	}
	if p.limit != "" {
		r.put(LimitPlace, "", "", p.limit)
	}
	if f.Page != nil {
		r.page(f.Page)
	}
}

// sql returns the statement.
func (r *filling) sql() string {
	if r.count {
		r.put(LimitPlace, "", "", "ALL")
		r.head, r.tail = "SELECT count(*) FROM ("+r.head, r.tail+"\n) AS counted" // behind a comment that may end the statement
	}
	slices.SortStableFunc(r.edits, func(a, b edit) int { return a.from - b.from })
	var b strings.Builder
	end := r.t.Start
	b.WriteString(r.t.SQL[:end])
	b.WriteString(r.head)
	for _, e := range r.edits {
		b.WriteString(r.t.SQL[end:e.from])
		b.WriteString(e.text)
		end = e.to
	}
	b.WriteString(r.t.SQL[end:r.t.End])
	b.WriteString(r.tail)
	return b.String()
}

// aliasOf returns what the statement calls the table of a fill, "" if that does not
// matter. It refuses a fill of which a part has no place, or a place that another
// one fills: nothing is left out of a statement in silence.
func (t *Template) aliasOf(fills []Fill, i int) (alias string, err error) {
	f := &fills[i]
	if f.Outer {
		return "", checkAround(fills, i)
	}
	aliases := t.aliases(f.Table.Quoted)
	switch {
	case f.Alias != "":
		alias = f.Alias
	case len(aliases) == 1:
		alias = aliases[0]
	case len(aliases) > 1:
		return "", &smrt.QueryError{Reason: fmt.Sprintf("the statement has slots of table %s as %s: name one with As", f.Table.Quoted, strings.Join(aliases, " and as "))}
	}
	for _, part := range []struct {
		kind   PlaceKind
		needed bool
	}{
		{WherePlace, len(f.Spec.Where) > 0 || t.Write || f.Table.Tenant != nil},
		{OrderPlace, len(f.Spec.Order) > 0},
		{LimitPlace, f.Spec.HasLimit},
	} {
		if n := t.count(part.kind, f.Table.Quoted, alias); part.needed && n == 0 {
			return "", &smrt.QueryError{Reason: t.lacks(part.kind, f.Table.Quoted, f.Alias)}
		} else if part.needed && n > 1 && part.kind == LimitPlace {
			return "", &smrt.QueryError{Reason: "the statement has several slots for a limit, and a query one limit"}
		}
	}
	if err := f.checkTenant(t, alias); err != nil {
		return "", err
	}
	if err := cmp.Or(f.checkPlaces(t, alias), t.checkOrders(fills, i, alias)); err != nil {
		return "", err
	}
	for j := range fills[:i] {
		if fills[j].Outer {
			continue
		}
		other, _ := t.aliasOf(fills, j)
		if f.Spec.HasLimit && fills[j].Spec.HasLimit {
			return "", &smrt.QueryError{Reason: "two queries have a limit, and the statement has one slot for it"}
		}
		if fills[j].Table.Quoted == f.Table.Quoted && other == alias {
			return "", &smrt.QueryError{Reason: fmt.Sprintf("two queries fill the slots of table %s as %s: make one of them", f.Table.Quoted, alias)}
		}
	}
	return alias, nil
}

// aliases returns what the statement calls a table that it has slots of.
func (t *Template) aliases(table string) (all []string) {
	for i := range t.Places {
		if p := &t.Places[i]; p.Kind != LimitPlace && p.Table == table && !slices.Contains(all, p.Alias) {
			all = append(all, p.Alias)
		}
	}
	return all
}

// count returns the number of places of a kind.
func (t *Template) count(kind PlaceKind, table, alias string) (n int) {
	for i := range t.Places {
		if p := &t.Places[i]; p.Kind == kind && (kind == LimitPlace || p.Table == table && p.Alias == alias) {
			n++
		}
	}
	return n
}

// lacks says which slot a statement does not have, and which it has.
func (t *Template) lacks(kind PlaceKind, table, alias string) string {
	have := "none"
	if len(t.Places) > 0 {
		texts := make([]string, len(t.Places))
		for i, p := range t.Places {
			texts[i] = strings.TrimSpace(fmt.Sprintf("%s %s %s", placeNames[p.Kind], p.Table, p.Alias))
		}
		have = strings.Join(texts, "; ")
	}
	wanted := strings.TrimSpace(fmt.Sprintf("%s %s %s", placeNames[kind], table, alias))
	if kind == LimitPlace {
		wanted = "limit"
	}
	return fmt.Sprintf("the statement has no slot for %s, and it must not be left out; its slots: %s", wanted, have)
}
