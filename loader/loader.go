package loader

import (
	"context"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/handle"
)

// Func returns the values of many keys at once, with an entry for each key that
// has a value. No key occurs twice, and the function may change the slice. An
// error is returned to all who asked for one of the keys.
//
// Several goroutines may call it at a time. The package's documentation says
// what ctx is.
type Func[K comparable, V any] func(ctx context.Context, keys []K) (map[K]V, error)

// Loader lets goroutines that ask for single keys at the same time share calls
// of a function that returns the values of many. It is safe for concurrent use.
type Loader[K comparable, V any] struct {
	fn    Func[K, V]
	opts  Options
	err   error // what is wrong with the loader itself
	gates gates
	memo  *memo[K, V] // nil: nothing is remembered
	of    smrt.Tenant // of the request, if there is one
}

// New returns a loader that remembers nothing and may live as long as the
// program. Options may be given once.
//
// It returns no error, so that a loader can be a package variable. If fn is nil
// or an option cannot be used, each Load returns an *[smrt.OptionsError].
func New[K comparable, V any](fn Func[K, V], options ...Options) *Loader[K, V] {
	return newLoader(nil, fn, options) //nolint:staticcheck // there is no request
}

// NewPerRequest returns a loader that lives as long as the request with the
// context ctx:
//
//   - What was loaded is remembered, missing keys included and errors not. So
//     a key is asked for once, however many callers load it.
//   - Goroutines that are about to load something get the chance to do so
//     before a call leaves, so that the resolvers of a list share the first
//     call already.
//   - The function sees the values of ctx, such as its trace and its user.
//   - A Load under another tenant than that of ctx is smrt.ErrTenantMismatch: what
//     is remembered is of one tenant.
//   - One call is under way at a time, unless MaxInFlight says otherwise: a
//     request is better served by few calls than by early ones.
//
// It returns no error, as New does. If ctx is nil, each Load returns
// [smrt.ErrNilContext].
func NewPerRequest[K comparable, V any](ctx context.Context, fn Func[K, V], options ...Options) *Loader[K, V] {
	if ctx == nil {
		return &Loader[K, V]{err: smrt.ErrNilContext}
	}
	return newLoader(ctx, fn, options)
}

// newLoader returns a loader for one request, or for the process if request is
// nil.
func newLoader[K comparable, V any](request context.Context, fn Func[K, V], options []Options) *Loader[K, V] {
	l := &Loader[K, V]{fn: fn}
	if l.opts, l.err = resolve(options, fn != nil, request != nil); l.err != nil {
		return l
	}
	l.gates = l.opts.gates(request, run[K, V](fn))
	if request != nil {
		l.memo, l.of = &memo[K, V]{entries: map[K]*entry[K, V]{}}, tenantOf(request)
	}
	return l
}

// Load returns the value of the key, or smrt.ErrNotFound if it has none. An
// error of the function is returned as it is. When ctx ends, Load returns its
// error at once.
func (l *Loader[K, V]) Load(ctx context.Context, key K) (V, error) {
	if v, known, err := l.known(ctx, key); known {
		return v, err
	}
	var none V
	values, err := l.values(ctx, []K{key})
	if err != nil {
		return none, err
	}
	if v, ok := values[key]; ok {
		return v, nil
	}
	return none, l.opts.missing(smrt.ErrNotFound)
}

// known returns the result of a Load that needs no call of the function: an
// error of the loader itself, or what it remembers.
func (l *Loader[K, V]) known(ctx context.Context, key K) (v V, known bool, err error) {
	if err := l.check(ctx); err != nil {
		return v, true, err
	}
	if l.memo == nil {
		return v, false, nil
	}
	v, known, err = l.memo.look(key)
	return v, known, l.opts.missing(err)
}

// LoadMany returns the values of the keys, in the order of the keys. If some
// keys have no value, it returns the others together with a *MissingError that
// says which. Any other error comes without values. More distinct keys than
// MaxBatch go out in several batches, one after the other.
func (l *Loader[K, V]) LoadMany(ctx context.Context, keys []K) ([]V, error) {
	if err := l.check(ctx); err != nil {
		return nil, err
	}
	values, err := l.values(ctx, distinct(keys))
	if err != nil {
		return nil, err
	}
	out, missing := inOrder(keys, values)
	return out, l.opts.missingAt(missing)
}

// inOrder returns the values in the order of the keys, and the indexes of the
// keys that have none.
func inOrder[K comparable, V any](keys []K, values map[K]V) (out []V, missing []int) {
	out = make([]V, len(keys))
	for i, key := range keys {
		v, ok := values[key]
		if !ok {
			missing = append(missing, i)
		}
		out[i] = v
	}
	return out, missing
}

// check returns the error of a Load that cannot begin.
func (l *Loader[K, V]) check(ctx context.Context) error {
	if ctx == nil {
		return smrt.ErrNilContext
	}
	if t := tenantOf(ctx); l.of != (smrt.Tenant{}) && t != (smrt.Tenant{}) && !handle.SameTenant(t, l.of) {
		return &smrt.TenantError{Row: -1, What: "loader", Err: smrt.ErrTenantMismatch}
	}
	return l.err
}

// Prime sets the value of a key that the caller knows from elsewhere. It
// replaces what the loader remembers. A loader that remembers nothing ignores
// it.
func (l *Loader[K, V]) Prime(key K, value V) {
	if l.memo != nil {
		l.memo.prime(key, value)
	}
}

// Clear makes the loader forget a key, for example after a write: a Load that
// begins later asks again, even while an older one is under way. A loader that
// remembers nothing ignores it.
func (l *Loader[K, V]) Clear(key K) {
	if l.memo != nil {
		l.memo.clear(key)
	}
}

// ClearAll makes the loader forget all keys.
func (l *Loader[K, V]) ClearAll() {
	if l.memo != nil {
		l.memo.clearAll()
	}
}
