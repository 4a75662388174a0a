package loader_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/loader"
)

func TestResultsAreRemembered(t *testing.T) {
	s := open()
	l := loader.NewPerRequest(t.Context(), s.get)
	for range 3 {
		if v, err := l.Load(t.Context(), 2); v != "v2" || err != nil {
			t.Errorf("got %q, %v", v, err)
		}
		if _, err := l.Load(t.Context(), 3); !errors.Is(err, smrt.ErrNotFound) {
			t.Errorf("got %v", err)
		}
	}
	wantCalls(t, s, 2)
	values, err := l.LoadMany(t.Context(), []int{2, 4, 3})
	if !slices.Equal(values, []string{"v2", "v4", ""}) || !errors.Is(err, smrt.ErrNotFound) {
		t.Errorf("got %q, %v", values, err)
	}
	wantCalls(t, s, 3)
	if !slices.Equal(s.calls[2], []int{4}) {
		t.Errorf("asked for %v, want only what was not known", s.calls[2])
	}
}

func TestErrorsAreNotRemembered(t *testing.T) {
	s := open()
	broken := errors.New("broken")
	s.fail = func([]int) error { return broken }
	l := loader.NewPerRequest(t.Context(), s.get)
	if _, err := l.Load(t.Context(), 2); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	s.fail = nil
	if v, err := l.Load(t.Context(), 2); v != "v2" || err != nil {
		t.Errorf("got %q, %v", v, err)
	}
}

// Those who ask for a key that is being asked for wait for that answer.
func TestKeyUnderWayIsNotAskedForTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource()
		broken := errors.New("broken")
		l := loader.NewPerRequest(t.Context(), s.get)
		var results []<-chan answer
		for range 5 {
			results = append(results, load(t.Context(), l, 2))
		}
		s.release <- struct{}{}
		for _, r := range results {
			want(t, "one of five", r, "v2", nil)
		}
		wantCalls(t, s, 1)

		s.fail = func([]int) error { return broken }
		a, b := load(t.Context(), l, 4), load(t.Context(), l, 4)
		s.release <- struct{}{}
		want(t, "one of two", a, "", broken)
		want(t, "one of two", b, "", broken)
		wantCalls(t, s, 2)
	})
}

// The one who asked may go: another one asks then.
func TestAnotherOneAsksWhenTheAskerHasGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource()
		l := loader.NewPerRequest(t.Context(), s.get)
		ctx, cancel := context.WithCancel(t.Context())
		asker := load(ctx, l, 2)
		waiting, alsoWaiting := load(t.Context(), l, 2), load(t.Context(), l, 2)
		cancel()
		want(t, "the one who asked", asker, "", context.Canceled)
		synctest.Wait()
		wantCalls(t, s, 2)
		close(s.release)
		want(t, "one who waits", waiting, "v2", nil)
		want(t, "one who waits", alsoWaiting, "v2", nil)
		wantCalls(t, s, 2)
	})
}

func TestAnotherOneAsksWhenTheAskerPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource()
		s.fail = func([]int) error { panic("broken") }
		l := loader.NewPerRequest(t.Context(), s.get)
		panics := make(chan any, 1)
		go func() {
			defer func() { panics <- recover() }()
			l.Load(t.Context(), 2)
		}()
		synctest.Wait()
		waiting := load(t.Context(), l, 2)
		s.release <- struct{}{}
		if p := <-panics; p != "broken" {
			t.Errorf("got %v", p)
		}
		synctest.Wait()
		s.fail = nil
		s.release <- struct{}{}
		want(t, "the one who waits", waiting, "v2", nil)
	})
}

func TestOneWhoWaitsForAnotherMayGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource()
		l := loader.NewPerRequest(t.Context(), s.get)
		asker := load(t.Context(), l, 2)
		ctx, cancel := context.WithCancel(t.Context())
		waiting := load(ctx, l, 2)
		cancel()
		want(t, "the one who waits", waiting, "", context.Canceled)
		s.release <- struct{}{}
		want(t, "the one who asked", asker, "v2", nil)
	})
}

// Two lists that overlap wait for parts of each other.
func TestListsThatOverlap(t *testing.T) {
	for range 50 {
		synctest.Test(t, func(t *testing.T) {
			s := open()
			l := loader.NewPerRequest(t.Context(), s.get, loader.Options{MaxBatch: 3})
			var all sync.WaitGroup
			for _, keys := range [][]int{{2, 4, 6, 8}, {8, 6, 4, 2}, {6, 10, 2, 4, 12}} {
				all.Go(func() {
					if v, err := l.LoadMany(t.Context(), keys); err != nil || len(v) != len(keys) {
						t.Errorf("got %q, %v", v, err)
					}
				})
			}
			all.Wait()
			asked := slices.Concat(s.calls...)
			if slices.Sort(asked); !slices.Equal(asked, []int{2, 4, 6, 8, 10, 12}) {
				t.Errorf("asked for %v, want each once", asked)
			}
		})
	}
}

func TestPrimeAndClear(t *testing.T) {
	s := open()
	l := loader.NewPerRequest(t.Context(), s.get)
	l.Prime(3, "primed")
	if v, err := l.Load(t.Context(), 3); v != "primed" || err != nil {
		t.Errorf("got %q, %v", v, err)
	}
	l.Prime(3, "again")
	if v, _ := l.Load(t.Context(), 3); v != "again" {
		t.Errorf("got %q", v)
	}
	wantCalls(t, s, 0)
	l.Clear(3)
	if _, err := l.Load(t.Context(), 3); !errors.Is(err, smrt.ErrNotFound) {
		t.Errorf("got %v", err)
	}
	l.Prime(5, "five")
	l.ClearAll()
	if _, err := l.LoadMany(t.Context(), []int{3, 5}); !errors.Is(err, smrt.ErrNotFound) {
		t.Errorf("got %v", err)
	}
	wantCalls(t, s, 2)

	wide := loader.New(s.get) // remembers nothing
	wide.Prime(3, "primed")
	wide.Clear(3)
	wide.ClearAll()
	if _, err := wide.Load(t.Context(), 3); !errors.Is(err, smrt.ErrNotFound) {
		t.Errorf("got %v", err)
	}
}

// What fails is forgotten, but not what was primed meanwhile.
func TestPrimeWhileAKeyIsUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource()
		broken := errors.New("broken")
		s.fail = func([]int) error { return broken }
		l := loader.NewPerRequest(t.Context(), s.get)
		before := load(t.Context(), l, 2)
		l.Prime(2, "primed")
		close(s.release)
		want(t, "the older one", before, "", broken)
		if v, err := l.Load(t.Context(), 2); v != "primed" || err != nil {
			t.Errorf("got %q, %v", v, err)
		}
	})
}

// A Load after Clear does not get what an older one is still asking for, and
// what comes of that does not replace what was primed.
func TestClearWhileAKeyIsUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource()
		l := loader.NewPerRequest(t.Context(), s.get, loader.Options{MaxInFlight: 2})
		before := load(t.Context(), l, 2)
		l.Clear(2)
		after := load(t.Context(), l, 2)
		wantCalls(t, s, 2)
		l.Prime(2, "primed")
		close(s.release)
		want(t, "the older one", before, "v2", nil)
		want(t, "the newer one", after, "v2", nil)
		if v, _ := l.Load(t.Context(), 2); v != "primed" {
			t.Errorf("got %q", v)
		}
	})
}

func TestOneCallAtATimeForARequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for given, most := range map[int]int32{0: 1, 3: 3} {
			s := newSource()
			l := loader.NewPerRequest(t.Context(), s.get, loader.Options{MaxInFlight: given, MaxBatch: 1})
			for i := range 10 {
				load(t.Context(), l, i)
			}
			close(s.release)
			synctest.Wait()
			if s.most.Load() != most || s.count() != 10 {
				t.Errorf("%d of %d calls at a time, want %d", s.most.Load(), s.count(), most)
			}
		}
	})
}

func TestFunctionSeesTheValuesOfTheRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type key struct{}
		request, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, "request"))
		s := newSource()
		l := loader.NewPerRequest(request, s.get)
		a, b := make(chan answer, 1), make(chan answer, 1)
		for i, result := range []chan answer{a, b} {
			go func() {
				v, err := l.Load(context.WithValue(context.Background(), key{}, "somebody's"), i*2)
				result <- answer{v, err}
			}()
		}
		synctest.Wait()
		wantCalls(t, s, 1)
		if len(s.calls[0]) == 2 && s.contexts[0].Value(key{}) != "request" {
			t.Errorf("the function sees the value %v", s.contexts[0].Value(key{}))
		}
		cancel() // ends the request, not the callers, who have contexts of their own here
		close(s.release)
		want(t, "the first", a, "v0", nil)
		want(t, "the second", b, "v2", nil)
	})
}

// The resolvers of a list are started together. Without gathering the first
// ones would go alone.
func TestResolversShareTheFirstCall(t *testing.T) {
	const resolvers, rounds = 100, 20
	var counts []int
	for range rounds {
		s := open()
		l := loader.NewPerRequest(t.Context(), s.get)
		var all sync.WaitGroup
		for i := range resolvers {
			all.Go(func() {
				if _, err := l.Load(t.Context(), i*2); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		counts = append(counts, s.count())
	}
	slices.Sort(counts)
	t.Logf("%d resolvers on %d processors: %v calls", resolvers, runtime.GOMAXPROCS(0), counts)
	if counts[rounds/2] > resolvers/5 {
		t.Errorf("%d resolvers made %v calls", resolvers, counts)
	}
}
