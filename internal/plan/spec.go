package plan

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/meta"
)

// Op is what a Node does.
type Op uint8

// The operators.
const (
	True Op = iota
	False
	And
	Or
	Not
	Raw
	IsNull
	NotNull
	Eq
	Ne
	Distinct
	Lt
	Le
	Gt
	Ge
	In
	NotIn
	Between
	Like
	ILike
	EqFold
	Regexp
	RegexpFold
	ArrayHas
	ArrayContains
	ArrayWithin
	Overlaps
	JSONContains
	JSONHasKey
	JSONPathEq
	JSONPathText
	RangeContains
	Matches
	RowGt   // (a, b) > (?, ?), of Operand kids
	RowLt   // (a, b) < (?, ?)
	Operand // one column and its value in a row comparison
	Related // there is a row that Link leads to and that matches all Kids
	Value   // what Column is in a row
	Offered // what Column is in the row that an upsert could not insert
	Among   // Column is among the values of the column A in the rows that Link, Kids and the *Spec B select; or one of them is NULL
	Tuples  // Columns are the elements at one place of arrays, of In kids

	Selected   // what Column is in the only row that Link leads to, or an aggregate of all such rows that match Kids
	Aggregated // of a group of rows: SQL with Args, over the rows that match Kids, with the cast A
	GroupKey   // what Column is in all rows of a group
)

// templates are the operators on a column: % stands for the column, ? for an
// argument.
var templates = [...]string{
	IsNull:        "% IS NULL",
	NotNull:       "% IS NOT NULL",
	Eq:            "% = ?",
	Ne:            "% <> ?",
	Distinct:      "% IS DISTINCT FROM ?",
	Lt:            "% < ?",
	Le:            "% <= ?",
	Gt:            "% > ?",
	Ge:            "% >= ?",
	In:            "% = ANY(?)",
	NotIn:         "% <> ALL(?)",
	Between:       "% BETWEEN ? AND ?",
	Like:          "% LIKE ?",
	ILike:         "% ILIKE ?",
	EqFold:        "lower(%) = lower(?::text)",
	Regexp:        "% ~ ?",
	RegexpFold:    "% ~* ?",
	ArrayHas:      "? = ANY(%)",
	ArrayContains: "% @> ?",
	ArrayWithin:   "% <@ ?",
	Overlaps:      "% && ?",
	JSONContains:  "% @> ?::jsonb",
	JSONHasKey:    "jsonb_exists(%, ?)",
	JSONPathEq:    "% #> ?::text[] = ?::jsonb",
	JSONPathText:  "% #>> ?::text[] = ?",
	RangeContains: "% @> ?",
	Matches:       "% @@ websearch_to_tsquery(?::regconfig, ?)",
}

// Node is a predicate, or another expression.
type Node struct {
	Op     Op
	Column *meta.Column
	A, B   any // operands
	Kids   []Node
	SQL    string // of a Raw node, with $1, $2, ...
	Args   []any  // of a Raw node: values, and *Node for expressions
	Link   *Link  // of a Related or Selected node
	Via    *Link  // of a Selected node whose Link begins at a join table: the link to that
	Err    error
}

// Undeclared stands for the column of a zero Column, so that a query with one is
// refused when it is run.
var Undeclared = &meta.Column{Name: "undeclared", Quoted: `"undeclared"`}

// ErrUndeclared is the error of a query with a column that was not declared.
var ErrUndeclared error = &smrt.QueryError{Reason: "a column or an order has its zero value: declare columns with query.Col and its like, in package variables"}

// Expression implements meta.Expr.
func (*Node) Expression() {}

// SetOp is how a column is assigned.
type SetOp uint8

// The ways to assign.
const (
	SetValue SetOp = iota
	SetNull
	SetDefault
	SetNow
	SetAdd
	SetNext // the next version: one more than the last, 1 after NULL
	SetRaw
)

// Set is an assignment.
type Set struct {
	Op     SetOp
	Column *meta.Column
	A      any
	SQL    string
	Args   []any
	Err    error
}

// Lock is a row lock.
type Lock uint8

// The row locks, weakest first.
const (
	NoLock Lock = iota
	ForKeyShare
	ForShare
	ForNoKeyUpdate
	ForUpdate
)

var locks = [...]string{
	ForKeyShare: "FOR KEY SHARE", ForShare: "FOR SHARE",
	ForNoKeyUpdate: "FOR NO KEY UPDATE", ForUpdate: "FOR UPDATE",
}

// Wait is what to do about rows that are locked.
type Wait uint8

// What to do about locked rows.
const (
	Block Wait = iota
	NoWait
	SkipLocked
)

var waits = [...]string{Block: "", NoWait: " NOWAIT", SkipLocked: " SKIP LOCKED"}

// Deleted says which rows of a soft-deleted table are meant.
type Deleted uint8

// Which rows are meant.
const (
	WithoutDeleted Deleted = iota
	WithDeleted
	OnlyDeleted
)

// Spec is a query without its table.
type Spec struct {
	Where     []Node
	Order     []meta.Order
	Limit     int64
	Offset    int64
	HasLimit  bool
	HasOffset bool
	Unordered bool // not even the table's default order
	Unbounded bool
	Lock      Lock
	Wait      Wait
	Deleted   Deleted
	Mode      pgx.QueryExecMode // 0: the connection's
	Comment   string
	Hint      string
	Err       error
}

// truth is what is known of a predicate without looking at rows.
type truth int8

const (
	unknown truth = iota
	always
	never
)

// truth reduces n as far as its constants allow.
func (n *Node) truth() truth {
	switch n.Op {
	case True:
		return always
	case False:
		return never
	case And:
		return reduce(n.Kids, always, never)
	case Or:
		return reduce(n.Kids, never, always)
	case Not:
		switch n.Kids[0].truth() {
		case always:
			return never
		case never:
			return always
		}
	case Among:
		if reduce(n.Kids, always, never) == never {
			return never
		}
	}
	return unknown
}

// reduce combines predicates of which none is empty, and one that is dominant
// decides.
func reduce(kids []Node, empty, dominant truth) truth {
	all := empty
	for i := range kids {
		switch kids[i].truth() {
		case dominant:
			return dominant
		case unknown:
			all = unknown
		}
	}
	return all
}

// truth is what is known of the predicate without looking at rows.
func (s *Spec) truth() truth { return reduce(s.OrEmpty().Where, always, never) }

// Vacuous reports whether the predicate holds for every row.
func (s *Spec) Vacuous() bool { return s.truth() == always }

// Empty reports whether the predicate holds for no row.
func (s *Spec) Empty() bool { return s.truth() == never }

// Fingerprint writes what n means, values included, so that two predicates
// with the same fingerprint match the same rows.
func (n *Node) Fingerprint(w io.Writer) {
	name := ""
	if n.Column != nil {
		name = n.Column.Name
		if e, ok := n.Column.Expr.(*Node); ok {
			e.Fingerprint(w)
		}
	}
	for _, l := range []*Link{n.Link, n.Via} {
		if l != nil {
			name += l.fingerprint(w)
		}
	}
	fmt.Fprintf(w, "%d %q %q %d %d(", n.Op, name, n.SQL, len(n.Args), len(n.Kids))
	for _, v := range append([]any{n.A, n.B}, n.Args...) {
		fingerprint(w, v)
	}
	for i := range n.Kids {
		n.Kids[i].Fingerprint(w)
	}
	fmt.Fprint(w, ")")
}

// fingerprint names what l leads to, and writes the conditions on the way.
func (l *Link) fingerprint(w io.Writer) string {
	name := " " + l.Table.Quoted + "." + meta.List(l.Inner) + " = " + meta.List(l.Outer) + " " + strconv.Itoa(int(l.Deleted))
	r := l.Recursion
	if r == nil {
		return name
	}
	for i := range r.Where {
		r.Where[i].Fingerprint(w)
	}
	name += r.Step.fingerprint(w) + " " + strconv.Itoa(r.Depth)
	if r.Via != nil {
		name += r.Via.fingerprint(w)
	}
	return name
}

func fingerprint(w io.Writer, v any) {
	switch v := v.(type) {
	case *Node:
		v.Fingerprint(w)
		return
	case *meta.Column:
		ValueOf(v).Fingerprint(w)
		return
	case *Spec:
		v.fingerprint(w)
		return
	}
	text, null, err := meta.Text(v)
	switch {
	case null:
		fmt.Fprint(w, "-")
	case err != nil:
		fingerprintOther(w, v)
	default:
		fmt.Fprintf(w, "%d:%s", len(text), text)
	}
}

// fingerprintOther writes a value that has no text here. What is sent as a document is
// written as one: %+v prints the addresses of what it points to.
func fingerprintOther(w io.Writer, v any) {
	if meta.IsDocument(v) {
		if document, err := json.Marshal(v); err == nil {
			fmt.Fprintf(w, "%T %s", v, document)
			return
		}
	}
	fmt.Fprintf(w, "%T %+v", v, v)
}

// operands returns how many arguments an operator on a column takes.
func operands(op Op) int {
	switch op {
	case IsNull, NotNull, Value, Offered, GroupKey:
		return 0
	case Between, JSONPathEq, JSONPathText, Matches:
		return 2
	}
	return 1
}
