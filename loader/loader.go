package loader

import (
	"context"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/batch"
)

// Func answers many keys at once, with an entry for each key that has a value.
// No key is there twice, and the slice belongs to the function. An error is the
// answer to all of the keys.
//
// It may be called by several goroutines at a time. The package's
// documentation says what ctx is.
type Func[K comparable, V any] func(ctx context.Context, keys []K) (map[K]V, error)

// Loader lets those who ask for single keys at the same time share the calls
// of a function that answers many. It is safe for concurrent use.
type Loader[K comparable, V any] struct {
	fn   Func[K, V]
	opts options
	gate *batch.Gate
	memo *memo[K, V] // nil: nothing is remembered
}

// New returns a loader of what fn answers. It panics if fn is nil or an option
// is out of its range.
func New[K comparable, V any](fn Func[K, V], opts ...Option) *Loader[K, V] {
	l := &Loader[K, V]{fn: fn, opts: resolve(fn != nil, opts)}
	l.gate = l.opts.gate(run[K, V](fn))
	if l.opts.remember {
		l.memo = &memo[K, V]{entries: map[K]*entry[V]{}}
	}
	return l
}

// Load returns the value of the key, or smrt.ErrNotFound. An error of the
// function is returned as it is. When ctx ends Load returns at once, with its
// error.
func (l *Loader[K, V]) Load(ctx context.Context, key K) (V, error) {
	var none V
	if ctx == nil {
		return none, smrt.ErrNilContext
	}
	if l.memo != nil {
		if v, known, err := l.memo.look(key); known {
			return v, l.opts.missing(err)
		}
	}
	values, err := l.values(ctx, []K{key})
	if err != nil {
		return none, err
	}
	v, ok := values[key]
	if !ok {
		return none, l.opts.missing(smrt.ErrNotFound)
	}
	return v, nil
}

// LoadMany returns the values of the keys, in the order of the keys. Where some
// have none, the others are returned together with a *MissingError that says
// which; any other error comes without values. More distinct keys than a batch
// may have go in several batches, one after the other.
func (l *Loader[K, V]) LoadMany(ctx context.Context, keys []K) ([]V, error) {
	if ctx == nil {
		return nil, smrt.ErrNilContext
	}
	values, err := l.values(ctx, distinct(keys))
	if err != nil {
		return nil, err
	}
	out := make([]V, len(keys))
	var missing []int
	for i, key := range keys {
		v, ok := values[key]
		if !ok {
			missing = append(missing, i)
		}
		out[i] = v
	}
	return out, l.opts.missingAt(missing)
}

// Prime makes a loader that remembers answer the key with a value that the
// caller has got from elsewhere. It replaces what is known. Others do nothing.
func (l *Loader[K, V]) Prime(key K, value V) {
	if l.memo != nil {
		l.memo.prime(key, value)
	}
}

// Clear makes a loader that remembers forget what it knows of a key, for
// example after a write: a Load that begins later asks again, even while an
// older one is under way. Others do nothing.
func (l *Loader[K, V]) Clear(key K) {
	if l.memo != nil {
		l.memo.clear(key)
	}
}

// ClearAll is Clear of every key.
func (l *Loader[K, V]) ClearAll() {
	if l.memo != nil {
		l.memo.clearAll()
	}
}
