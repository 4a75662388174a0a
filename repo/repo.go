package repo

import (
	"context"
	"iter"
	"unsafe"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/crud"
	"github.com/smrt-go/smrt/internal/plan"
	"github.com/smrt-go/smrt/query"
)

// Repository reads and writes the entities T of one table, whose keys are of
// type K. It is two words and a pointer: cheap to make, copy and bind to a
// transaction. It is safe for concurrent use if its handle is.
type Repository[T any, K comparable] struct {
	Reader[T, T]
}

// Option configures a repository.
type Option func(*crud.Bound)

// CursorSecret makes the cursors of pages unforgeable: they carry a message
// authentication code made with the secret. Without it, a cursor that was
// changed by accident is recognised; one made on purpose is not, and can do no
// more than start a page at a place of its maker's choice.
func CursorSecret(secret []byte) Option {
	secret = append([]byte{}, secret...)
	return func(b *crud.Bound) { b.Secret = secret }
}

// New returns the repository of a table on a handle: a pool, a connection or a
// transaction.
func New[T any, K comparable](db smrt.DB, table *query.Table[T, K], options ...Option) *Repository[T, K] {
	return &Repository[T, K]{Reader[T, T]{at: bind(db, table.Plan(), options)}}
}

func bind(db smrt.DB, t *plan.Table, options []Option) crud.Bound {
	core := crud.Of(t)
	b := crud.Bound{DB: db, Core: core, Rows: core.Self, Entity: func(p unsafe.Pointer) unsafe.Pointer { return p }}
	for _, apply := range options {
		apply(&b)
	}
	return b
}

// With returns the same repository on another handle, such as a transaction:
//
//	products.With(tx).Update(ctx, product)
func (r *Repository[T, K]) With(db smrt.DB) *Repository[T, K] {
	bound := *r
	bound.at.DB = db
	return &bound
}

// Get returns the row with the key, or smrt.ErrNotFound.
func (r *Repository[T, K]) Get(ctx context.Context, key K) (*T, error) {
	v := new(T)
	if err := r.at.Get(ctx, unsafe.Pointer(&key), unsafe.Pointer(v)); err != nil {
		return nil, err
	}
	return v, nil
}

// GetMany returns the rows with the keys, in the order of the keys, in one
// statement whatever their number. The result has an entry for each key: nil
// where there is no such row, and the same pointer where a key is given twice.
func (r *Repository[T, K]) GetMany(ctx context.Context, keys []K) ([]*T, error) {
	out := make([]*T, len(keys))
	pointers := unsafe.Slice((*unsafe.Pointer)(unsafe.Pointer(unsafe.SliceData(out))), len(out))
	chunk := func(n int) unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(make([]T, n))) }
	if err := r.at.GetMany(ctx, rowsOf(keys), unsafe.Sizeof(*new(T)), chunk, pointers); err != nil {
		return nil, err
	}
	return out, nil
}

// Key returns the key of an entity.
func (r *Repository[T, K]) Key(v *T) K {
	var key K
	r.at.Core.KeyOf(unsafe.Pointer(v), unsafe.Pointer(&key))
	return key
}

// Reader reads the rows of a table of T as values of R: the entity itself, or
// a view of it (see [View] and [Select]). Queries are always on T. It is safe
// for concurrent use if its handle is.
type Reader[T, R any] struct{ at crud.Bound }

// With returns the same reader on another handle.
func (r *Reader[T, R]) With(db smrt.DB) *Reader[T, R] {
	bound := *r
	bound.at.DB = db
	return &bound
}

// Find returns the rows that match. With no match the slice is empty and the
// error nil.
func (r *Reader[T, R]) Find(ctx context.Context, q query.Query[T]) ([]R, error) {
	return r.find(ctx, "find", q.Spec(), nil)
}

func (r *Reader[T, R]) find(ctx context.Context, op crud.Op, s *plan.Spec, and *plan.Node) ([]R, error) {
	out := make([]R, 0, capacity(s))
	err := r.at.Collect(ctx, op, s, and, func() unsafe.Pointer {
		var zero R
		out = append(out, zero)
		return unsafe.Pointer(&out[len(out)-1])
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// maxPrealloc bounds what is allocated before a row has been seen.
const maxPrealloc = 128

// capacity guesses the number of rows of a query.
func capacity(s *plan.Spec) int {
	if s.HasLimit && s.Limit >= 0 {
		return int(min(s.Limit, maxPrealloc))
	}
	return 0
}

// First returns the first row that matches, or smrt.ErrNotFound. Without an
// order in the query or the table's declaration, rows are ordered by key, so
// that the answer does not depend on chance.
func (r *Reader[T, R]) First(ctx context.Context, q query.Query[T]) (*R, error) {
	return r.only(ctx, "first", r.at.Core.Ordered(q.Spec().AtMost(1)))
}

// One returns the only row that matches, smrt.ErrNotFound if there is none, or
// smrt.ErrTooManyRows if there are several.
func (r *Reader[T, R]) One(ctx context.Context, q query.Query[T]) (*R, error) {
	return r.only(ctx, "one", q.Spec().AtMost(2))
}

func (r *Reader[T, R]) only(ctx context.Context, op crud.Op, s *plan.Spec) (*R, error) {
	out, err := r.find(ctx, op, s, nil)
	if err == nil {
		err = r.at.Only(ctx, op, len(out))
	}
	if err != nil {
		return nil, err
	}
	return &out[0], nil
}

// Count returns how many rows match. A limit and an offset count.
func (r *Reader[T, R]) Count(ctx context.Context, q query.Query[T]) (int64, error) {
	return r.at.Count(ctx, q.Spec())
}

// Exists tells whether a row matches.
func (r *Reader[T, R]) Exists(ctx context.Context, q query.Query[T]) (bool, error) {
	return r.at.Exists(ctx, q.Spec())
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
func (r *Reader[T, R]) Stream(ctx context.Context, q query.Query[T]) iter.Seq2[R, error] {
	return func(yield func(R, error) bool) {
		var v R
		next := func() unsafe.Pointer {
			var zero R
			v = zero
			return unsafe.Pointer(&v)
		}
		err := r.at.Stream(ctx, q.Spec(), next, func() bool { return yield(v, nil) })
		if err != nil {
			var zero R
			yield(zero, err)
		}
	}
}
