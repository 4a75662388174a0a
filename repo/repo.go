package repo

import (
	"context"
	"iter"
	"slices"
	"unsafe"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/crud"
	"github.com/smrt-go/smrt/internal/plan"
	"github.com/smrt-go/smrt/preload"
	"github.com/smrt-go/smrt/query"
)

// Repository reads and writes the entities T of one table, whose keys are of
// type K. It is cheap to make and to bind to a transaction. It is safe for
// concurrent use if its handle is.
type Repository[T any, K comparable] struct {
	Reader[T, K, T]
}

// New returns the repository of a table on a handle: a pool, a connection or a
// transaction. Options may be given once. A repository is a declaration, like
// its table, so New panics with a *smrt.OptionsError if an option has a bad
// value.
func New[T any, K comparable](db smrt.DB, table *query.Table[T, K], options ...Options) *Repository[T, K] {
	return (*Repository[T, K])(unsafe.Pointer(bind(db, table.Plan(), options)))
}

func bind(db smrt.DB, t *plan.Table, options []Options) *crud.Bound {
	o, err := check(options)
	if err != nil {
		panic(err)
	}
	b := crud.Bind(db, t)
	if len(options) > 0 {
		for _, secret := range o.CursorSecrets {
			b.Secrets = append(b.Secrets, slices.Clone(secret))
		}
		b.SetBatching(o.Batching.limits(), o.Caller)
		b.SetLimits(o.Limits.Set())
	}
	return b
}

// With returns the same repository on another handle, such as a transaction:
//
//	products.With(tx).Update(ctx, product)
func (r *Repository[T, K]) With(db smrt.DB) *Repository[T, K] {
	return (*Repository[T, K])(unsafe.Pointer(r.bound.With(db)))
}

// WithoutRules returns the same repository whose writes do not check the rules of
// the table, which [query.Rules] declares: for imports of rows that are older than
// the rules, and for programs that mend them. What the database checks it checks all
// the same.
//
//	err := products.WithoutRules().CreateMany(ctx, legacy)
func (r *Repository[T, K]) WithoutRules() *Repository[T, K] {
	return (*Repository[T, K])(unsafe.Pointer(r.bound.WithoutRules()))
}

// LockMany is [Reader.GetMany] that locks the rows until the transaction
// ends. Rows are locked in the order of their keys, not that of keys, so that
// transactions which lock the same rows wait for one another and never in a
// circle. The handle must be a transaction: on a pool it is refused.
func (r *Repository[T, K]) LockMany(ctx context.Context, keys []K) ([]*T, error) {
	vs, err := r.bound.LockMany(ctx, unsafe.Pointer(unsafe.SliceData(keys)), len(keys))
	return *(*[]*T)(unsafe.Pointer(&vs)), err
}

// Key returns the key of an entity.
func (r *Repository[T, K]) Key(v *T) K {
	var key K
	r.bound.Table.KeyOf(unsafe.Pointer(v), unsafe.Pointer(&key))
	return key
}

// Reader reads the rows of a table of T, whose keys are of type K, as values of R:
// the entity itself, or a view of it (see [View] and [Select]). Queries are always
// on T. It is safe for concurrent use if its handle is.
//
// Its methods only give results their types. All work is done by package crud,
// which knows types at run time only and returns the memory of a T, a []R or a
// Page[R]. So a method adds little more to a program than a call. A test proves
// that both sides have the same layout.
type Reader[T any, K comparable, R any] struct{ bound crud.Bound }

// With returns the same reader on another handle.
func (r *Reader[T, K, R]) With(db smrt.DB) *Reader[T, K, R] {
	return (*Reader[T, K, R])(unsafe.Pointer(r.bound.With(db)))
}

// Get returns the row with the key, or smrt.ErrNotFound. If the table has no key,
// the error is smrt.ErrNoKey. On a busy pool Gets are batched; see [Batching].
func (r *Reader[T, K, R]) Get(ctx context.Context, key K, loads ...preload.Load[R]) (*R, error) {
	v, err := get(ctx, &r.bound, unsafe.Pointer(&key), untyped(loads))
	return (*R)(v), err
}

// GetMany returns the rows with the keys, in the order of the keys, in one
// statement however many there are. The result has an entry for each key: nil
// where there is no such row, and the same pointer where a key is given twice.
// On a busy pool it is batched with others; see [Batching].
func (r *Reader[T, K, R]) GetMany(ctx context.Context, keys []K, loads ...preload.Load[R]) ([]*R, error) {
	vs, err := getMany(ctx, &r.bound, unsafe.Pointer(unsafe.SliceData(keys)), len(keys), untyped(loads))
	return *(*[]*R)(unsafe.Pointer(&vs)), err
}

// Find returns the rows that match. With no match the slice is empty and the
// error nil. The order is the query's, or else the table's, as it is: rows that
// are equal in it, or all without one, come in any order, which may change from
// call to call. Add the key where that matters. Relations that loads name are loaded into the rows, each in one
// statement however many rows there are; see package preload. Every other
// method that reads rows takes loads likewise.
func (r *Reader[T, K, R]) Find(ctx context.Context, q query.Query[T], loads ...preload.Load[R]) ([]R, error) {
	vs, err := find(ctx, &r.bound, q.Plan(), untyped(loads))
	return *(*[]R)(unsafe.Pointer(&vs)), err
}

// First returns the first row that matches, or smrt.ErrNotFound. Without an
// order in the query or the table's declaration, rows are ordered by key, so
// that the result does not depend on chance. An order that is given is kept as
// it is, so that an index serves it: of rows that are equal in it, any may be
// the first. With Limit(0) no row is.
func (r *Reader[T, K, R]) First(ctx context.Context, q query.Query[T], loads ...preload.Load[R]) (*R, error) {
	v, err := first(ctx, &r.bound, q.Plan(), untyped(loads))
	return (*R)(v), err
}

// One returns the only row that matches. The error is smrt.ErrNotFound if there
// is none, and smrt.ErrTooManyRows if there are several. The limit and the
// offset of the query apply: with Limit(1) there are never several.
func (r *Reader[T, K, R]) One(ctx context.Context, q query.Query[T], loads ...preload.Load[R]) (*R, error) {
	v, err := one(ctx, &r.bound, q.Plan(), untyped(loads))
	return (*R)(v), err
}

// Count returns how many rows match. The limit and the offset of the query
// apply.
func (r *Reader[T, K, R]) Count(ctx context.Context, q query.Query[T]) (int64, error) {
	return r.bound.Count(ctx, q.Plan())
}

// Exists reports whether a row matches.
func (r *Reader[T, K, R]) Exists(ctx context.Context, q query.Query[T]) (bool, error) {
	return r.bound.Exists(ctx, q.Plan())
}

// Stream reads the rows that match one by one, in constant memory:
//
//	for product, err := range products.Stream(ctx, q) {
//		if err != nil {
//			return err
//		}
//		...
//	}
//
// An error ends the stream. A connection is in use until the loop ends, which
// it may do early: the server is then asked to stop (inside a transaction,
// which that would abort, the remaining rows are read and dropped).
//
// With loads the rows are read in chunks of some hundred, through a cursor in a
// transaction of its own (in a savepoint inside another one), so that one
// connection is enough. Outside a transaction all rows and what is loaded with
// them are of one instant.
func (r *Reader[T, K, R]) Stream(ctx context.Context, q query.Query[T], loads ...preload.Load[R]) iter.Seq2[R, error] {
	return func(yield func(R, error) bool) {
		stream(ctx, &r.bound, q.Plan(), untyped(loads), func(v unsafe.Pointer, err error) bool { return yield(*(*R)(v), err) })
	}
}
