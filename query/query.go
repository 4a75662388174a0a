package query

import (
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/plan"
)

// constant is the type of parameters that take SQL. Only constants convert to
// it without being asked to, so a text put together at run time does not
// compile.
type constant string

// Predicate is a condition on rows of T.
type Predicate[T any] struct{ node plan.Node }

// And matches rows that match all of ps; with no ps, all rows.
func And[T any](ps ...Predicate[T]) Predicate[T] { return junction(plan.And, ps) }

// Or matches rows that match one of ps; with no ps, none.
func Or[T any](ps ...Predicate[T]) Predicate[T] { return junction(plan.Or, ps) }

// Not matches exactly the rows that p does not match, including those of which
// SQL would say that it does not know because of a NULL.
func Not[T any](p Predicate[T]) Predicate[T] { return junction(plan.Not, []Predicate[T]{p}) }

func junction[T any](op plan.Op, ps []Predicate[T]) Predicate[T] {
	return Predicate[T]{plan.Node{Op: op, Kids: nodes(ps)}}
}

func nodes[T any](ps []Predicate[T]) []plan.Node {
	ns := make([]plan.Node, len(ps))
	for i := range ps {
		ns[i] = ps[i].node
	}
	return ns
}

// Raw is a condition in SQL, with $1, $2, ... for args. The text must be a
// constant of the program: values reach the server as arguments only. It is put
// in parentheses, and its own must match; columns are named as in the database.
// Comments and semicolons are refused.
func Raw[T any](sql constant, args ...any) Predicate[T] {
	return Predicate[T]{plan.Node{Op: plan.Raw, SQL: string(sql), Args: slices.Clone(args)}}
}

// Query says which rows of T to read, and how. It is a value: every method
// returns a new one and leaves the old as it was, so a query may be shared
// between goroutines and extended in several ways. The zero Query is [All].
type Query[T any] struct{ spec plan.Spec }

// All is the query for every row of T, in the table's default order.
func All[T any]() Query[T] { return Query[T]{} }

// Where is the query for the rows that match all of ps.
func Where[T any](ps ...Predicate[T]) Query[T] {
	return Query[T]{plan.Spec{Where: nodes(ps)}}
}

// Where adds conditions: rows must match these too.
func (q Query[T]) Where(ps ...Predicate[T]) Query[T] {
	q.spec.Where = append(q.spec.Where[:len(q.spec.Where):len(q.spec.Where)], nodes(ps)...)
	return q
}

// OrderBy sets the order, in place of the one before and of the table's
// default. With no terms the rows come in no particular order.
func (q Query[T]) OrderBy(terms ...Order[T]) Query[T] {
	q.spec.Unordered = len(terms) == 0
	q.spec.Order = make([]meta.Order, len(terms))
	for i, t := range terms {
		q.spec.Order[i] = t.order
	}
	return q
}

// Limit reads at most n rows. A negative n is an error when the query is run.
func (q Query[T]) Limit(n int) Query[T] {
	q.spec.Limit, q.spec.HasLimit = int64(n), true
	return q
}

// Offset skips n rows. The server reads them all the same: for pages see
// [Page].
func (q Query[T]) Offset(n int) Query[T] {
	q.spec.Offset, q.spec.HasOffset = int64(n), true
	return q
}

// The row locks, in the order of their strength. A lock is held to the end of
// the transaction, so it is of use inside one.
const (
	ForKeyShare    = Lock(plan.ForKeyShare)
	ForShare       = Lock(plan.ForShare)
	ForNoKeyUpdate = Lock(plan.ForNoKeyUpdate)
	ForUpdate      = Lock(plan.ForUpdate)
)

// Lock is how the rows of a query are locked.
type Lock plan.Lock

// What a locking query does when a row is locked already.
const (
	Block      = Wait(plan.Block)      // wait, at most lock_timeout
	NoWait     = Wait(plan.NoWait)     // fail at once
	SkipLocked = Wait(plan.SkipLocked) // leave the row out
)

// Wait is what a locking query does about rows that are locked already.
type Wait plan.Wait

// Lock locks the rows that are read.
func (q Query[T]) Lock(l Lock, w Wait) Query[T] {
	q.spec.Lock, q.spec.Wait = plan.Lock(l), plan.Wait(w)
	if l > ForUpdate || w > SkipLocked {
		q.spec.Err = &smrt.QueryError{Reason: "Lock takes the constants of this package only"}
	}
	return q
}

// WithDeleted includes the rows that are soft-deleted.
func (q Query[T]) WithDeleted() Query[T] {
	q.spec.Deleted = plan.WithDeleted
	return q
}

// OnlyDeleted reads only the rows that are soft-deleted.
func (q Query[T]) OnlyDeleted() Query[T] {
	q.spec.Deleted = plan.OnlyDeleted
	return q
}

// Unbounded declares that an update or delete is meant to touch every row.
// Without it, one whose predicate holds for all rows is refused with
// smrt.ErrUnboundedWrite. It has no effect on reads.
func (q Query[T]) Unbounded() Query[T] {
	q.spec.Unbounded = true
	return q
}

// Comment puts a comment in front of the statement, where the server's log and
// sqlcommenter find it. Each comment makes a statement of its own for the
// server's and pgx's caches.
func (q Query[T]) Comment(text constant) Query[T] {
	q.spec.Comment = string(text)
	return q
}

// Hint puts a hint for the extension pg_hint_plan in front of the statement:
// Hint("IndexScan(products)").
func (q Query[T]) Hint(text constant) Query[T] {
	q.spec.Hint = string(text)
	return q
}

// ExecMode runs the query in one of pgx's modes instead of the connection's,
// for instance pgx.QueryExecModeExec for a query whose best plan depends on
// its arguments. The simple protocol is refused.
func (q Query[T]) ExecMode(mode pgx.QueryExecMode) Query[T] {
	q.spec.Mode = mode
	if mode == pgx.QueryExecModeSimpleProtocol {
		q.spec.Err = &smrt.QueryError{Reason: "the simple protocol puts arguments into the SQL text and is never used: choose pgx.QueryExecModeExec"}
	}
	return q
}

// Spec is for smrt's own packages. The result must not be changed.
func (q *Query[T]) Spec() *plan.Spec { return &q.spec }
