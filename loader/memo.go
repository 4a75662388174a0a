package loader

import (
	"context"
	"sync"

	"github.com/smrt-go/smrt"
)

// memo remembers values. A caller who needs a key that another caller is asking
// for waits for the result of that call.
type memo[K comparable, V any] struct {
	mu      sync.Mutex
	entries map[K]*entry[K, V]
}

// entry holds what is known of a key. Its fields may be read once done is
// closed.
type entry[K comparable, V any] struct {
	key   K
	done  chan struct{}
	value V
	err   error // smrt.ErrNotFound, or another one, which is not remembered
	again bool  // nobody knows: the one who asked has gone
}

// look returns what is known of a key without waiting.
func (m *memo[K, V]) look(key K) (v V, known bool, err error) {
	m.mu.Lock()
	e := m.entries[key]
	m.mu.Unlock()
	if e == nil {
		return v, false, nil
	}
	select {
	case <-e.done:
		return e.value, !e.again, e.err
	default:
		return v, false, nil
	}
}

// values returns the values of keys. It asks for those that nobody has asked
// for yet, and then waits for the others. In this order no two callers wait for
// each other: whoever waits has already settled its own keys.
func (m *memo[K, V]) values(ctx context.Context, keys []K, ask Func[K, V]) (map[K]V, error) {
	values := make(map[K]V, len(keys))
	for len(keys) > 0 {
		entries, mine := m.claim(keys)
		if len(mine) > 0 {
			if err := m.answer(ctx, mine, ask); err != nil {
				return nil, err
			}
		}
		var err error
		if keys, err = collect(ctx, entries, values); err != nil {
			return nil, err
		}
	}
	return values, nil
}

// claim returns the entry of each key, and those of them that the caller has to
// settle.
func (m *memo[K, V]) claim(keys []K) (entries, mine []*entry[K, V]) {
	m.mu.Lock()
	defer m.mu.Unlock()
	entries = make([]*entry[K, V], len(keys))
	for i, key := range keys {
		e := m.entries[key]
		if e == nil {
			e = &entry[K, V]{key: key, done: make(chan struct{})}
			m.entries[key] = e
			mine = append(mine, e)
		}
		entries[i] = e
	}
	return entries, mine
}

// collect waits for entries and adds their values. It returns the keys that
// have to be asked for again.
func collect[K comparable, V any](ctx context.Context, entries []*entry[K, V], values map[K]V) (again []K, err error) {
	for _, e := range entries {
		if err := wait(ctx, e.done); err != nil {
			return nil, err
		}
		switch {
		case e.again:
			again = append(again, e.key)
		case e.err == nil:
			values[e.key] = e.value
		case e.err != smrt.ErrNotFound: //nolint:errorlint // this very value is the memo's own sign
			return nil, e.err
		}
	}
	return again, nil
}

func wait(ctx context.Context, done <-chan struct{}) error {
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// answer settles the entries in mine. If the caller has gone, or panics, the
// others are told to ask by themselves.
func (m *memo[K, V]) answer(ctx context.Context, mine []*entry[K, V], ask Func[K, V]) (err error) {
	var values map[K]V
	answered := false
	defer func() { m.settle(mine, values, err, !answered || err != nil && ctx.Err() != nil) }()
	keys := make([]K, len(mine))
	for i, e := range mine {
		keys[i] = e.key
	}
	values, err = ask(ctx, keys)
	answered = true
	return err
}

// settle writes results into the entries and wakes those who wait for them.
// Errors are forgotten, unless the key was primed or cleared meanwhile: then
// the map has another entry already, which stays.
func (m *memo[K, V]) settle(mine []*entry[K, V], values map[K]V, err error, again bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range mine {
		e.again, e.err = again, err
		if v, ok := values[e.key]; err == nil && ok {
			e.value = v
		} else if err == nil {
			e.err = smrt.ErrNotFound
		}
		if (again || err != nil) && m.entries[e.key] == e {
			delete(m.entries, e.key)
		}
		close(e.done)
	}
}

func (m *memo[K, V]) prime(key K, value V) {
	e := &entry[K, V]{key: key, done: make(chan struct{}), value: value}
	close(e.done)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.entries[key] = e
}

func (m *memo[K, V]) clear(key K) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.entries, key)
}

func (m *memo[K, V]) clearAll() {
	m.mu.Lock()
	defer m.mu.Unlock()
	clear(m.entries)
}
