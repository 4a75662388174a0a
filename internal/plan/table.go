package plan

import (
	"cmp"
	"context"
	"encoding/binary"
	"sync"
	"sync/atomic"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/traced"
)

// Table is a declared table with the plans of the queries seen on it. It is
// safe for concurrent use.
type Table struct {
	*meta.Table
	cache *cache
	id    uint64 // distinguishes it from other declarations of the same table

	isResult bool // the rows of a statement, see NewResult

	Engines atomic.Value // what the engines keep of the table
}

// tables numbers tables, and statements with slots, whose plans are kept by number.
var tables atomic.Uint64

// NewTable gives t a plan cache of the given capacity, DefaultCacheSize if 0.
func NewTable(t *meta.Table, capacity int) *Table {
	if capacity <= 0 {
		capacity = DefaultCacheSize
	}
	return &Table{Table: t, cache: newCache(capacity), id: tables.Add(1)}
}

// CacheStats returns how the plan cache was used so far.
func (t *Table) CacheStats() Stats { return t.cache.snapshot() }

// Verb is what a statement does.
type Verb uint8

// The verbs.
const (
	Select Verb = iota
	Count
	Exists
	GroupBy
	Update
	Delete
)

// Request is everything a statement is made of.
type Request struct {
	Verb     Verb
	List     string // select list, or RETURNING list of writes; a constant of the program
	Spec     *Spec  // nil: all rows
	Sets     []Set
	AndThen  *Node  // an additional condition
	Ranges   []Node // rows must match one of these, which no row does twice: see ranges
	Envelope *Envelope
	Joined   []*JoinedColumn // further columns, called smrt_s0, smrt_s1, ...
	Groups   *Groups         // of a GroupBy
	Tables   []*Table        // whose rows the text of the envelope sees
	Exprs    []*meta.Column  // expressions that are selected after List

	Operation string // what observers call it; empty: by Verb
}

// Statement is SQL with its arguments, ready to run.
type Statement struct {
	SQL  string
	Args []any
}

// keySpace is room for the key of a request, which is seldom longer. The compiler takes a
// key for escaping along with the arguments, which do. That the space is used again, and
// the arguments are an allocation of their own, saves 256 bytes and 90 ns of 310 a statement.
type keySpace [256]byte

var keys = sync.Pool{New: func() any { return new(keySpace) }}

// usualArgs is how many arguments a statement may have without a second allocation.
const usualArgs = 8

// Build returns the statement of r. It checks every argument, so that a bad
// one is refused before a connection is taken.
//
// Of tables with tenants the statement sees the rows of the tenant of ctx.
func (t *Table) Build(ctx context.Context, r *Request) (Statement, error) {
	return t.BuildAs(ctx, r, nil)
}

// Conversion returns what is sent for the operand of a column, whose table need
// not be that of the statement.
type Conversion func(t *Table, c *meta.Column, arg any) any

// BuildAs does what Build does, and sends what as returns for each operand
// unless as is nil.
func (t *Table) BuildAs(ctx context.Context, r *Request, as Conversion) (Statement, error) {
	r.Spec = r.Spec.OrEmpty()
	if err := t.check(r); err != nil {
		return Statement{}, err
	}
	space := keys.Get().(*keySpace)
	defer keys.Put(space)
	b := builder{key: space[:0], args: make([]any, 0, usualArgs), table: t, as: as}
	b.request(t, r)
	b.bind(ctx)
	if len(b.args) > maxArgs {
		b.fail(errTooManyArgs)
	}
	if b.err != nil {
		return Statement{}, b.err
	}
	p := t.cache.get(b.key)
	if p == nil {
		var err error
		if p, err = render(t, r, &b); err != nil {
			return Statement{}, err
		}
		p.name = traced.Keep(p.sql, traced.Name{Table: t.Name, Operation: r.operation()})
		t.cache.put(b.key, p)
	}
	args := p.arrange(b.args)
	if len(args) > maxArgs { // an argument may have several places
		return Statement{}, errTooManyArgs
	}
	return Statement{SQL: p.sql, Args: args}, nil
}

// maxArgs is what the protocol can count.
const maxArgs = 65_535

var errTooManyArgs = &smrt.QueryError{Reason: "it has more than 65,535 operands, which is what a statement can carry: use In, which sends a list as one, or several queries"}

func (t *Table) check(r *Request) error {
	s := r.Spec
	if err := cmp.Or(s.Check(), t.checkDeleted(s.Deleted)); err != nil {
		return err
	}
	if r.Verb != Update && r.Verb != Delete {
		return nil
	}
	switch {
	case s.HasLimit || s.HasOffset || len(s.Order) > 0 || s.Lock != NoLock:
		return &smrt.QueryError{Reason: "an update or delete takes a predicate only, no order, limit, offset or lock"}
	case s.Vacuous() && !s.Unbounded:
		return smrt.ErrUnboundedWrite
	}
	return AssignedOnce(r.Sets)
}

// Check refuses what is wrong with s for any table.
func (s *Spec) Check() error {
	switch {
	case s.Err != nil:
		return s.Err
	case s.HasLimit && s.Limit < 0:
		return &smrt.QueryError{Reason: "Limit must not be negative"}
	case s.HasOffset && s.Offset < 0:
		return &smrt.QueryError{Reason: "Offset must not be negative"}
	}
	return nil
}

func (t *Table) checkDeleted(d Deleted) error {
	if d != WithoutDeleted && t.SoftDelete == nil {
		return &smrt.QueryError{Reason: "WithDeleted and OnlyDeleted need a table declared with SoftDelete"}
	}
	return nil
}

// AssignedOnce refuses two assignments of one column.
func AssignedOnce(sets []Set) error {
	for i := range sets {
		for j := range i {
			if sets[i].Column == sets[j].Column {
				return &smrt.QueryError{Reason: "column " + sets[i].Column.Name + " is assigned twice"}
			}
		}
	}
	return nil
}

// order returns the order that applies: the query's, else the table's.
func (t *Table) order(s *Spec) []meta.Order {
	if len(s.Order) > 0 || s.Unordered {
		return s.Order
	}
	return t.DefaultOrder
}

// builder collects the key and the arguments of a request in one walk.
type builder struct {
	key  []byte
	args []any
	err  error

	offered *[]*meta.Column // of an upsert: columns of the row that it could not insert, that were met

	keys  []*meta.Column // of groups, that were met
	table *Table         // of the columns of conditions
	owned []*Table       // with tenants whose rows are seen: one of each kind of column
	bound int            // arguments that are tenants, behind all others
	as    Conversion     // nil: arguments are as they are
}

func (b *builder) byte(c byte)    { b.key = append(b.key, c) }
func (b *builder) arg(v any)      { b.args = append(b.args, v) }
func (b *builder) uvarint(i int)  { b.key = binary.AppendUvarint(b.key, uint64(i)) }
func (b *builder) text(s string)  { b.uvarint(len(s)); b.key = append(b.key, s...) }
func (b *builder) fail(err error) { b.err = cmp.Or(b.err, err) }

func (b *builder) request(t *Table, r *Request) {
	s := r.Spec
	b.owns(t)
	for _, further := range r.Tables {
		b.owns(further)
	}
	b.byte(byte(r.Verb))
	if r.Envelope != nil {
		b.envelope(r.Envelope)
	}
	b.text(r.List)
	for _, c := range r.Exprs {
		b.byte('h')
		b.column(c)
	}
	for _, c := range r.Joined {
		b.joined(c)
	}
	if r.Groups != nil {
		b.groups(r.Groups)
		if b.err != nil {
			return
		}
	}
	for i := range r.Sets {
		b.byte('s')
		b.set(&r.Sets[i])
	}
	b.byte(byte(s.Deleted))
	for i := range s.Where {
		b.byte('w')
		b.node(&s.Where[i])
	}
	if r.AndThen != nil {
		b.byte('a')
		b.node(r.AndThen)
	}
	for i := range r.Ranges {
		b.byte('r')
		b.node(&r.Ranges[i])
	}
	if r.Groups != nil {
		b.groupsAfter(r.Groups)
	}
	if r.Verb == Select || s.HasLimit || s.HasOffset {
		for _, o := range t.order(s) {
			b.orderTerm(o)
		}
	}
	b.byte('l')
	b.byte(BoolByte(s.HasLimit)<<1 | BoolByte(s.HasOffset))
	if s.HasLimit {
		b.arg(s.Limit)
	}
	if s.HasOffset {
		b.arg(s.Offset)
	}
	b.byte(byte(s.Lock)<<4 | byte(s.Wait))
	b.text(s.Hint)
	b.text(s.Comment)
}

func (b *builder) orderTerm(o meta.Order) {
	b.byte(byte(o.Nulls)<<1 | BoolByte(o.Desc))
	b.byte('o')
	b.column(o.Column)
}

// BoolByte is b in a key of a shape.
func BoolByte(b bool) byte {
	if b {
		return 1
	}
	return 0
}

func (b *builder) node(n *Node) {
	if n.Err != nil {
		b.fail(n.Err)
		return
	}
	b.byte(byte(n.Op))
	switch n.Op {
	case True, False:
		return
	case And, Or, Not, RowGt, RowLt:
		b.uvarint(len(n.Kids))
		for i := range n.Kids {
			b.node(&n.Kids[i])
		}
		return
	case Raw:
		b.text(n.SQL)
		b.uvarint(len(n.Args))
		b.raw(n.Args)
		return
	case Related, Selected:
		b.link(n)
		return
	case Among:
		b.among(n)
		return
	case Tuples:
		b.tuples(n)
		return
	case GroupKey:
		b.groupKey(n)
		return
	case Aggregated:
		b.text(n.SQL)
		b.text(n.A.(string))
		b.uvarint(len(n.Args))
		b.raw(n.Args)
		b.uvarint(len(n.Kids))
		for i := range n.Kids {
			b.node(&n.Kids[i])
		}
		return
	}
	b.column(n.Column)
	if n.Op == Offered {
		b.offer(n.Column)
	}
	if c := operands(n.Op); c > 0 {
		b.value(n.Column, n.A)
		if c > 1 {
			b.value(n.Column, n.B)
		}
	}
}

func (b *builder) column(c *meta.Column) {
	if c == nil || c == Undeclared {
		b.fail(ErrUndeclared)
		return
	}
	if c.Expr != nil {
		b.uvarint(computed)
		b.node(c.Expr.(*Node))
		return
	}
	if b.table != nil && b.table.isResult {
		b.resultColumn(c)
		return
	}
	b.uvarint(c.Index)
}

// computed stands in keys for the number of a column that is an expression. No
// table has as many columns.
const computed = 1 << 16

func (b *builder) value(c *meta.Column, v any) {
	if err := c.CheckValue(v); err != nil {
		b.fail(err)
	}
	arg, err := meta.Operand(v)
	if err != nil {
		b.fail(meta.InColumn(err, c.Name))
	}
	if b.as != nil && b.err == nil {
		arg = b.as(b.table, c, arg)
	}
	b.arg(arg)
}

func (b *builder) set(s *Set) {
	if s.Err != nil {
		b.fail(s.Err)
		return
	}
	b.byte(byte(s.Op))
	b.column(s.Column)
	switch s.Op {
	case SetValue, SetAdd:
		b.value(s.Column, s.A)
	case SetRaw:
		b.text(s.SQL)
		b.uvarint(len(s.Args))
		b.raw(s.Args)
	}
}
