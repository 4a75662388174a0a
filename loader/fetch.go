package loader

import (
	"context"
	"maps"

	"github.com/smrt-go/smrt/internal/batch"
)

// values returns the values of the keys, which are distinct. A key without a
// value has no entry.
func (l *Loader[K, V]) values(ctx context.Context, keys []K) (map[K]V, error) {
	if l.memo != nil {
		return l.memo.values(ctx, keys, l.ask)
	}
	return l.ask(ctx, keys)
}

// ask returns the values of keys that nobody remembers. It makes as many calls
// as MaxBatch asks for.
func (l *Loader[K, V]) ask(ctx context.Context, keys []K) (map[K]V, error) {
	if n := len(keys); n > 0 && n <= l.opts.MaxBatch {
		return l.once(ctx, keys)
	}
	all := make(map[K]V, len(keys))
	for len(keys) > 0 {
		n := min(len(keys), l.opts.MaxBatch)
		values, err := l.once(ctx, keys[:n:n])
		if err != nil {
			return nil, err
		}
		maps.Copy(all, values)
		keys = keys[n:]
	}
	return all, nil
}

// question is one caller's part of a batch.
type question[K comparable, V any] struct {
	batch.Call
	keys   []K
	values map[K]V // shared with the others, and never written to again
	err    error
}

// once returns the values of at most MaxBatch keys, in one call.
func (l *Loader[K, V]) once(ctx context.Context, keys []K) (map[K]V, error) {
	gate := l.gates.of(ctx)
	defer gate.Done()
	if gate != nil && !gate.Enter() {
		q := &question[K, V]{keys: keys}
		q.Size, q.Payload = len(keys), q
		turn, err := gate.Join(ctx, &q.Call)
		if err != nil {
			return nil, err
		}
		if !turn {
			return q.values, q.err
		}
	}
	defer gate.Leave()
	return l.fn(ctx, keys)
}

// run returns what makes one call of fn for a batch.
func run[K comparable, V any](fn Func[K, V]) func(context.Context, []*batch.Call) {
	return func(ctx context.Context, calls []*batch.Call) {
		var keys []K
		seen := make(map[K]struct{}, len(calls))
		for _, c := range calls {
			keys = appendNew(keys, seen, c.Payload.(*question[K, V]).keys)
		}
		values, err := fn(ctx, keys)
		for _, c := range calls {
			q := c.Payload.(*question[K, V])
			q.values, q.err = values, err
		}
	}
}

// distinct returns a copy of keys without repetitions.
func distinct[K comparable](keys []K) []K {
	return appendNew(make([]K, 0, len(keys)), make(map[K]struct{}, len(keys)), keys)
}

// appendNew appends the keys that were not seen before.
func appendNew[K comparable](to []K, seen map[K]struct{}, keys []K) []K {
	for _, key := range keys {
		if _, ok := seen[key]; !ok {
			seen[key] = struct{}{}
			to = append(to, key)
		}
	}
	return to
}
