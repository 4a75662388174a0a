package query

import (
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/plan"
)

// constant is the type of parameters that take SQL. Only constants convert to
// it without being asked to, so a text put together at run time does not
// compile.
type constant string

// Each type has one method for the packages of this module, see [plan.Face].
var (
	_ plan.Face[*plan.Table]    = (*Table[struct{}, NoKey])(nil)
	_ plan.Face[*meta.Column]   = Column[struct{}, int]{}
	_ plan.Face[meta.KeyPart]   = KeyPart[struct{}, NoKey]{}
	_ plan.Face[*plan.Spec]     = Query[struct{}]{}
	_ plan.Face[plan.Node]      = Predicate[struct{}]{}
	_ plan.Face[meta.Order]     = Order[struct{}]{}
	_ plan.Face[plan.Set]       = Assignment[struct{}]{}
	_ plan.Face[*plan.Conflict] = Conflict[struct{}]{}
)

// Predicate is a condition on rows of T.
type Predicate[T any] struct{ node plan.Node }

// Plan returns what p holds, for the packages of this module.
func (p Predicate[T]) Plan() plan.Node { return p.node }

// And matches rows that match all of ps; with no ps, all rows.
func And[T any](ps ...Predicate[T]) Predicate[T] { return junction(plan.And, ps) }

// Or matches rows that match one of ps; with no ps, none.
func Or[T any](ps ...Predicate[T]) Predicate[T] { return junction(plan.Or, ps) }

// Not matches exactly the rows that p does not match, including rows for which
// SQL would return unknown because of a NULL.
func Not[T any](p Predicate[T]) Predicate[T] { return junction(plan.Not, []Predicate[T]{p}) }

func junction[T any](op plan.Op, ps []Predicate[T]) Predicate[T] {
	return Predicate[T]{plan.Node{Op: op, Kids: slices.Clone(plan.All(ps))}}
}

// Raw returns a condition in SQL, with $1, $2, ... for args: values, and columns
// and expressions of the entity. The text must be a constant of the program, so
// that values reach the server as arguments only.
// It is put in parentheses, and its own must match. Columns are named as in the
// database; with the name of the table in front of it, a column is of the row
// that the condition is about, on related rows too. Comments and semicolons are
// refused.
func Raw[T any](sql constant, args ...any) Predicate[T] {
	as, err := arguments[T](sql, args)
	return Predicate[T]{plan.Node{Op: plan.Raw, SQL: string(sql), Args: as, Err: err}}
}

// Query selects rows of T. It is a value: every method returns a new query and
// leaves the old one as it was, so goroutines may share a query and extend it in
// several ways. The zero Query is [All].
type Query[T any] struct{ spec *plan.Spec }

// All returns the query for every row of T, in the table's default order.
func All[T any]() Query[T] { return Query[T]{} }

// Where returns the query for the rows that match all of ps.
func Where[T any](ps ...Predicate[T]) Query[T] {
	return Query[T]{(*plan.Spec)(nil).And(plan.All(ps))}
}

// Where adds conditions: rows must match all of ps too.
func (q Query[T]) Where(ps ...Predicate[T]) Query[T] {
	return Query[T]{q.spec.And(plan.All(ps))}
}

// OrderBy sets the order. It replaces an earlier one and the table's default.
// With no terms the rows come in no particular order.
func (q Query[T]) OrderBy(terms ...Order[T]) Query[T] {
	return Query[T]{q.spec.OrderBy(plan.All(terms))}
}

// Limit selects at most n rows. Running a query with a negative n returns an
// error.
func (q Query[T]) Limit(n int) Query[T] {
	return Query[T]{q.spec.WithLimit(n)}
}

// Offset skips n rows. The server reads the skipped rows all the same: to read
// page by page, use [Page].
func (q Query[T]) Offset(n int) Query[T] {
	return Query[T]{q.spec.WithOffset(n)}
}

// The row locks, from weakest to strongest. A lock is held until the transaction
// ends, so it is useful inside a transaction only.
const (
	ForKeyShare    Lock = Lock(plan.ForKeyShare)
	ForShare       Lock = Lock(plan.ForShare)
	ForNoKeyUpdate Lock = Lock(plan.ForNoKeyUpdate)
	ForUpdate      Lock = Lock(plan.ForUpdate)
)

// Lock is a strength of row lock.
type Lock plan.Lock

// What a locking query does when a row is locked already.
const (
	Block      Wait = Wait(plan.Block)      // wait, at most lock_timeout
	NoWait     Wait = Wait(plan.NoWait)     // fail at once
	SkipLocked Wait = Wait(plan.SkipLocked) // leave the row out
)

// Wait says what a locking query does when a row is locked already.
type Wait plan.Wait

// Lock locks the rows that the query reads.
func (q Query[T]) Lock(l Lock, w Wait) Query[T] {
	return Query[T]{q.spec.WithLock(plan.Lock(l), plan.Wait(w))}
}

// WithDeleted includes soft-deleted rows.
func (q Query[T]) WithDeleted() Query[T] {
	return Query[T]{q.spec.WithDeleted(plan.WithDeleted)}
}

// OnlyDeleted selects only soft-deleted rows.
func (q Query[T]) OnlyDeleted() Query[T] {
	return Query[T]{q.spec.WithDeleted(plan.OnlyDeleted)}
}

// Unbounded allows an update or delete to write every row. Without it, a write
// whose predicate holds for all rows returns smrt.ErrUnboundedWrite. It has no
// effect on reads.
func (q Query[T]) Unbounded() Query[T] {
	return Query[T]{q.spec.WithUnbounded()}
}

// Comment puts a comment in front of the statement, where the server's log and
// sqlcommenter find it. The caches of the server and of pgx treat the statement
// as a different one for each comment.
func (q Query[T]) Comment(text constant) Query[T] {
	return Query[T]{q.spec.WithComment(string(text))}
}

// Hint puts a hint for the extension pg_hint_plan in front of the statement:
// Hint("IndexScan(products)").
func (q Query[T]) Hint(text constant) Query[T] {
	return Query[T]{q.spec.WithHint(string(text))}
}

// ExecMode runs the query in one of pgx's modes instead of the connection's,
// for instance pgx.QueryExecModeExec for a query whose best plan depends on
// its arguments. The simple protocol is refused.
func (q Query[T]) ExecMode(mode pgx.QueryExecMode) Query[T] {
	return Query[T]{q.spec.WithExecMode(mode)}
}

// Plan returns what q holds, for the packages of this module. The result must
// not be changed; nil is the query for all rows.
func (q Query[T]) Plan() *plan.Spec { return q.spec }

// Page says which page of a query's rows to read. Without After and Before it is
// the first page.
type Page struct {
	Size   int    // rows on a page
	After  string // the Next of another page
	Before string // the Prev of another page
}
