package plan

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	sq "github.com/Masterminds/squirrel"

	"github.com/smrt-go/smrt"
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
	id         uint64
}

// Place is a part of a statement that is replaced.
type Place struct {
	Kind     PlaceKind
	From, To int    // bytes
	Table    string // as SQL
	Alias    string // of the table in the statement, as SQL
	Most     int64  // of a limit
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
// alias.
type Fill struct {
	Table *Table
	Alias string // as SQL; "" for the only one
	Spec  *Spec  // not nil
}

// Slots has the plans of statements that were filled. It is safe for concurrent use.
type Slots struct{ cache *cache }

// NewSlots returns the plans of so many shapes at the most.
func NewSlots(capacity int) *Slots { return &Slots{newCache(capacity)} }

// Build returns the statement with what fills its places, and the arguments that
// follow the statement's own.
func (s *Slots) Build(t *Template, fills []Fill) (Statement, error) { return s.build(t, fills, false) }

// BuildCount returns the statement that counts the rows of the statement with its
// places filled, whatever its slot for a limit says.
func (s *Slots) BuildCount(t *Template, fills []Fill) (Statement, error) {
	if t.Write || t.Locks {
		return Statement{}, &smrt.QueryError{Reason: "a statement that writes or locks rows is not counted"}
	}
	counted := make([]Fill, len(fills))
	for i, f := range fills {
		c := f.Spec.Clone()
		c.Order, c.Limit, c.HasLimit = nil, 0, false
		counted[i] = Fill{f.Table, f.Alias, c}
	}
	return s.build(t, counted, true)
}

func (s *Slots) build(t *Template, fills []Fill, count bool) (Statement, error) {
	var space scratch
	b := builder{key: space.key[:0], args: space.args[:0]}
	b.byte(BoolByte(count))
	b.key = binary.AppendUvarint(b.key, t.id)
	for i := range fills {
		if err := fills[i].check(t); err != nil {
			return Statement{}, err
		}
		b.fill(&fills[i])
	}
	if len(b.args)+t.Params > maxArgs {
		b.fail(errTooManyArgs)
	}
	if b.err != nil {
		return Statement{}, b.err
	}
	p := s.cache.get(b.key)
	if p == nil {
		var err error
		if p, err = t.render(fills, len(b.args), count); err != nil {
			return Statement{}, err
		}
		s.cache.put(b.key, p)
	}
	return Statement{SQL: p.sql, Args: p.arrange(b.args)}, nil
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
	if s.HasLimit {
		for i := range t.Places {
			if p := &t.Places[i]; p.Kind == LimitPlace && s.Limit > p.Most {
				return &smrt.QueryError{Reason: fmt.Sprintf("the limit is %d, and the statement allows %d", s.Limit, p.Most)}
			}
		}
	}
	return nil
}

func (b *builder) fill(f *Fill) {
	b.byte('F')
	b.key = binary.AppendUvarint(b.key, f.Table.id)
	b.text(f.Alias)
	b.table = f.Table
	b.uvarint(len(f.Spec.Where))
	for i := range f.Spec.Where {
		b.node(&f.Spec.Where[i])
	}
	b.uvarint(len(f.Spec.Order))
	for _, o := range f.Spec.Order {
		b.orderTerm(o)
	}
	b.byte(BoolByte(f.Spec.HasLimit)<<1 | BoolByte(f.Spec.Unbounded))
	if f.Spec.HasLimit {
		b.arg(f.Spec.Limit)
	}
}

// render writes the fills into their places. Each is rendered once, in the order of
// the builder, and its text is written wherever the statement has a place for it.
func (t *Template) render(fills []Fill, args int, count bool) (*rendered, error) {
	w, texts := &renderer{qualified: true}, make([]string, len(t.Places))
	order := []int{} // not nil: an argument may have no place
	for i := range fills {
		alias, err := t.aliasOf(fills, i)
		if err != nil {
			return nil, err
		}
		w.scope, w.depth = scope{alias: alias, table: fills[i].Table.Quoted}, 0
		if order, err = t.fill(w, &fills[i], alias, texts, order); err != nil {
			return nil, err
		}
	}
	if w.err != nil {
		return nil, w.err
	}
	if w.next != args {
		return nil, lostCount(args, w.next)
	}
	var b strings.Builder
	end := t.Start
	b.WriteString(t.SQL[:end])
	if count {
		b.WriteString("SELECT count(*) FROM (")
	}
	for i := range t.Places {
		if count && t.Places[i].Kind == LimitPlace {
			texts[i] = "ALL"
		}
		if p := &t.Places[i]; texts[i] != "" {
			b.WriteString(t.SQL[end:p.From])
			b.WriteString(texts[i])
			end = p.To
		}
	}
	b.WriteString(t.SQL[end:t.End])
	if count {
		b.WriteString("\n) AS counted") // behind a comment that may end the statement
	}
	return &rendered{sql: b.String(), order: argumentOrder(order, args)}, nil
}

// fill sets the texts of the places of one fill. order has the arguments of the
// placeholders so far.
func (t *Template) fill(w *renderer, f *Fill, alias string, texts []string, order []int) ([]int, error) {
	where := w.junction(&Node{Op: And, Kids: f.Spec.Where}) // in parentheses, or a constant
	parts := map[PlaceKind]sq.Sqlizer{WherePlace: where}
	if len(f.Spec.Order) > 0 {
		terms := make([]any, len(f.Spec.Order))
		for i, o := range f.Spec.Order {
			terms[i] = w.orderTerm(o)
		}
		parts[OrderPlace] = sq.Expr(strings.Repeat("?, ", len(terms)-1)+"?,", terms...)
	}
	if f.Spec.HasLimit {
		parts[LimitPlace] = sq.Expr("?", w.arg())
	}
	for _, kind := range []PlaceKind{WherePlace, OrderPlace, LimitPlace} {
		part := parts[kind]
		if part == nil {
			continue
		}
		sql, places, err := part.ToSql()
		if err != nil {
			return nil, &smrt.QueryError{Reason: err.Error()}
		}
		sql, order = placedAfter(t.Params, order, sql, places)
		for i := range t.Places {
			if p := &t.Places[i]; p.Kind == kind && (kind == LimitPlace || p.Table == f.Table.Quoted && p.Alias == alias) {
				texts[i] = sql
			}
		}
	}
	return order, nil
}

// aliasOf returns what the statement calls the table of a fill, "" if that does not
// matter. It refuses a fill of which a part has no place, or a place that another
// one fills: nothing is left out of a statement in silence.
func (t *Template) aliasOf(fills []Fill, i int) (alias string, err error) {
	f := &fills[i]
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
		{WherePlace, len(f.Spec.Where) > 0 || t.Write},
		{OrderPlace, len(f.Spec.Order) > 0},
		{LimitPlace, f.Spec.HasLimit},
	} {
		if n := t.count(part.kind, f.Table.Quoted, alias); part.needed && n == 0 {
			return "", &smrt.QueryError{Reason: t.lacks(part.kind, f.Table.Quoted, f.Alias)}
		} else if part.needed && n > 1 && part.kind == LimitPlace {
			return "", &smrt.QueryError{Reason: "the statement has several slots for a limit, and a query one limit"}
		}
	}
	for j := range fills[:i] {
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
