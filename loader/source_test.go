package loader_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/smrt-go/smrt/loader"
)

// source is what a loader asks in tests that run in a bubble: even keys have a
// value, and a call returns when it is told to or its context ends.
type source struct {
	mu       sync.Mutex
	calls    [][]int
	contexts []context.Context
	release  chan struct{}
	inFlight atomic.Int32
	most     atomic.Int32
	fail     func(keys []int) error
}

func newSource() *source { return &source{release: make(chan struct{})} }

// open is a source that answers at once.
func open() *source {
	s := newSource()
	close(s.release)
	return s
}

func (s *source) get(ctx context.Context, keys []int) (map[int]string, error) {
	n := s.inFlight.Add(1)
	defer s.inFlight.Add(-1)
	for m := s.most.Load(); n > m && !s.most.CompareAndSwap(m, n); m = s.most.Load() {
	}
	s.mu.Lock()
	s.calls = append(s.calls, keys)
	s.contexts = append(s.contexts, ctx)
	s.mu.Unlock()
	select {
	case <-s.release:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if s.fail != nil {
		if err := s.fail(keys); err != nil {
			return nil, err
		}
	}
	values := map[int]string{}
	for _, key := range keys {
		if key%2 == 0 {
			values[key] = fmt.Sprint("v", key)
		}
	}
	return values, nil
}

func (s *source) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.calls)
}

type answer struct {
	value string
	err   error
}

// load starts a Load and waits until it waits.
func load(ctx context.Context, l *loader.Loader[int, string], key int) <-chan answer {
	result := make(chan answer, 1)
	go func() {
		v, err := l.Load(ctx, key)
		result <- answer{v, err}
	}()
	synctest.Wait()
	return result
}

func want(t *testing.T, what string, result <-chan answer, value string, err error) {
	t.Helper()
	synctest.Wait()
	select {
	case got := <-result:
		if got.value != value || !errors.Is(got.err, err) {
			t.Errorf("%s: got %q, %v, want %q, %v", what, got.value, got.err, value, err)
		}
	default:
		t.Errorf("%s is still waiting", what)
	}
}

func wantCalls(t *testing.T, s *source, n int) {
	t.Helper()
	if got := s.count(); got != n {
		t.Errorf("%d calls of the function, want %d: %v", got, n, s.calls)
	}
}
