package loader_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/loader"
)

func TestLoad(t *testing.T) {
	s := open()
	l := loader.New(s.get)
	if v, err := l.Load(t.Context(), 2); v != "v2" || err != nil {
		t.Errorf("got %q, %v", v, err)
	}
	if v, err := l.Load(t.Context(), 3); v != "" || !errors.Is(err, smrt.ErrNotFound) {
		t.Errorf("got %q, %v", v, err)
	}
	if _, err := l.Load(t.Context(), 2); err != nil {
		t.Error(err)
	}
	wantCalls(t, s, 3) // nothing is remembered
	if s.contexts[0] != t.Context() {
		t.Error("a call that goes straight out has not its caller's context")
	}
}

func TestLoadsThatWaitShareACall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource()
		l := loader.New(s.get, loader.Options{MaxInFlight: 1})
		first := load(t.Context(), l, 2)
		var results []<-chan answer
		for _, key := range []int{4, 3, 4, 6, 6, 3} {
			results = append(results, load(t.Context(), l, key))
		}
		s.release <- struct{}{}
		want(t, "the first", first, "v2", nil)
		s.release <- struct{}{}
		for i, value := range []string{"v4", "", "v4", "v6", "v6", ""} {
			var err error
			if value == "" {
				err = smrt.ErrNotFound
			}
			want(t, "one of the batch", results[i], value, err)
		}
		wantCalls(t, s, 2)
		if keys := slices.Sorted(slices.Values(s.calls[1])); !slices.Equal(keys, []int{3, 4, 6}) {
			t.Errorf("asked for %v, want each key once", keys)
		}
	})
}

type userKey struct{}

// Loads of callers who differ never share a call, and a call that is shared has
// the values of its caller.
func TestCallersWhoDifferDoNotShareCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource()
		l := loader.New(s.get, loader.Options{MaxInFlight: 1, Caller: func(ctx context.Context) any { return ctx.Value(userKey{}) }})
		as := func(user any) context.Context { return context.WithValue(t.Context(), userKey{}, user) }
		results := []<-chan answer{load(as("a"), l, 2), load(as("b"), l, 2), load(as(nil), l, 2), load(as(nil), l, 2), load(as([]int{1}), l, 2)}
		for _, user := range []string{"a", "a", "b", "b", "b"} {
			results = append(results, load(as(user), l, 4))
		}
		for range 7 {
			s.release <- struct{}{}
		}
		for i, r := range results {
			want(t, "a load", r, map[bool]string{true: "v2", false: "v4"}[i < 5], nil)
		}
		wantCalls(t, s, 7) // one each that found the gate open or meets nobody, and one shared of a and of b
		for _, ctx := range s.contexts[5:] {
			if user := ctx.Value(userKey{}); user != "a" && user != "b" {
				t.Errorf("a shared call was made as %v", user)
			}
		}
	})
}

func TestErrorReachesAllOfItsBatchAndNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource()
		broken := errors.New("broken")
		s.fail = func(keys []int) error {
			if slices.Contains(keys, 4) {
				return broken
			}
			return nil
		}
		l := loader.New(s.get, loader.Options{MaxInFlight: 1, MaxBatch: 2})
		first := load(t.Context(), l, 2)
		failing, beside, next := load(t.Context(), l, 4), load(t.Context(), l, 6), load(t.Context(), l, 8)
		for range 3 {
			s.release <- struct{}{}
			synctest.Wait()
		}
		want(t, "the first", first, "v2", nil)
		want(t, "one of the batch", failing, "", broken)
		want(t, "one of the batch", beside, "", broken)
		want(t, "one of the next batch", next, "v8", nil)
	})
}

func TestCancelledLoadReturnsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource()
		l := loader.New(s.get, loader.Options{MaxInFlight: 1})
		ctx, cancel := context.WithCancel(t.Context())
		straight := load(ctx, l, 2)
		starter, other := load(ctx, l, 4), load(t.Context(), l, 6)
		cancel()
		want(t, "the one whose call is under way", straight, "", context.Canceled)
		want(t, "the one who began the batch", starter, "", context.Canceled)
		s.release <- struct{}{}
		want(t, "the other one", other, "v6", nil)
	})
}

func TestCallIsCancelledWhenAllHaveGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource()
		l := loader.New(s.get, loader.Options{MaxInFlight: 1})
		load(t.Context(), l, 2)
		ctx, cancel := context.WithCancel(t.Context())
		a, b := load(ctx, l, 4), load(ctx, l, 6)
		s.release <- struct{}{}
		synctest.Wait()
		wantCalls(t, s, 2)
		cancel()
		want(t, "the first of two", a, "", context.Canceled)
		want(t, "the second of two", b, "", context.Canceled)
		if s.contexts[1].Err() == nil || s.inFlight.Load() != 0 {
			t.Error("the call goes on although nobody waits for it")
		}
	})
}

func TestPanicOfTheFunction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource()
		s.fail = func([]int) error { panic("broken") }
		l := loader.New(s.get, loader.Options{MaxInFlight: 1})
		panics := make(chan any, 3)
		for i := range 3 {
			go func() {
				defer func() { panics <- recover() }()
				l.Load(t.Context(), i)
			}()
			synctest.Wait()
		}
		s.release <- struct{}{}
		if p := <-panics; p != "broken" {
			t.Errorf("straight out: got %v", p)
		}
		s.release <- struct{}{}
		for range 2 {
			if p, ok := (<-panics).(*loader.PanicError); !ok || p.Value != "broken" {
				t.Errorf("in a batch: got %v", p)
			}
		}
		s.fail = nil
		after := load(t.Context(), l, 2)
		s.release <- struct{}{}
		want(t, "one after the panic", after, "v2", nil)
	})
}

func TestMaxInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource()
		l := loader.New(s.get, loader.Options{MaxInFlight: 3})
		for i := range 100 {
			load(t.Context(), l, i)
		}
		wantCalls(t, s, 3)
		close(s.release)
		synctest.Wait()
		wantCalls(t, s, 4)
		if s.most.Load() != 3 {
			t.Errorf("%d in flight", s.most.Load())
		}
	})
}

func TestLoadManyAligns(t *testing.T) {
	s := open()
	l := loader.New(s.get)
	values, err := l.LoadMany(t.Context(), []int{6, 3, 2, 6, 5})
	var missing *loader.MissingError
	if !errors.As(err, &missing) || !slices.Equal(missing.Indexes, []int{1, 4}) || !errors.Is(err, smrt.ErrNotFound) {
		t.Errorf("got error %v", err)
	}
	if !slices.Equal(values, []string{"v6", "", "v2", "v6", ""}) {
		t.Errorf("got %q", values)
	}
	if text := err.Error(); text != "2 of the keys have no value, the first is key 1: not found" {
		t.Error(text)
	}
	if values, err := l.LoadMany(t.Context(), []int{2, 4}); err != nil || len(values) != 2 {
		t.Errorf("got %q, %v", values, err)
	}
	wantCalls(t, s, 2)
	for _, none := range [][]int{nil, {}} {
		if values, err := l.LoadMany(t.Context(), none); err != nil || values == nil || len(values) != 0 {
			t.Errorf("no keys: got %v, %v", values, err)
		}
	}
	wantCalls(t, s, 2)
}

func TestHugeListsTravelInSeveralBatches(t *testing.T) {
	for name, newLoader := range modes(t) {
		t.Run(name, func(t *testing.T) {
			s := open()
			l := newLoader(s.get, loader.Options{MaxBatch: 1000})
			keys := make([]int, 25_000)
			for i := range keys {
				keys[i] = i % 12_500 * 2
			}
			values, err := l.LoadMany(t.Context(), keys)
			if err != nil {
				t.Fatal(err)
			}
			for i, v := range values {
				if v != fmt.Sprint("v", keys[i]) {
					t.Fatalf("value %d is %q", i, v)
				}
			}
			wantCalls(t, s, 13) // 12,500 different ones
			for _, keys := range s.calls {
				if len(keys) > 1000 {
					t.Errorf("a call with %d keys", len(keys))
				}
			}
		})
	}
}

// The calls of a long list fail where one of them does.
func TestErrorInTheMiddleOfAHugeList(t *testing.T) {
	s := open()
	broken := errors.New("broken")
	s.fail = func(keys []int) error {
		if slices.Contains(keys, 15) {
			return broken
		}
		return nil
	}
	l := loader.New(s.get, loader.Options{MaxBatch: 10})
	keys := make([]int, 30)
	for i := range keys {
		keys[i] = i
	}
	if values, err := l.LoadMany(t.Context(), keys); !errors.Is(err, broken) || values != nil {
		t.Errorf("got %v, %v", values, err)
	}
	wantCalls(t, s, 2)
}

func TestLoadManyJoins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource()
		l := loader.New(s.get, loader.Options{MaxInFlight: 1, MaxBatch: 10})
		load(t.Context(), l, 2)
		var all sync.WaitGroup
		for range 3 {
			all.Go(func() {
				if v, err := l.LoadMany(t.Context(), []int{4, 6, 8}); err != nil || len(v) != 3 {
					t.Errorf("got %q, %v", v, err)
				}
			})
		}
		synctest.Wait()
		close(s.release)
		all.Wait()
		wantCalls(t, s, 2)
		if len(s.calls[1]) != 3 {
			t.Errorf("asked for %v", s.calls[1])
		}
	})
}

// Nobody sees the slice that somebody else may change.
func TestKeysBelongToTheFunction(t *testing.T) {
	keys := []int{2, 4}
	l := loader.New(func(_ context.Context, got []int) (map[int]string, error) {
		got[0] = 99
		_ = append(got, 98)
		return nil, nil
	}, loader.Options{ZeroIfMissing: true})
	if _, err := l.LoadMany(t.Context(), keys); err != nil || keys[0] != 2 {
		t.Errorf("got %v, %v", keys, err)
	}
}

func TestZeroIfMissing(t *testing.T) {
	for name, newLoader := range modes(t) {
		t.Run(name, func(t *testing.T) {
			l := newLoader(open().get, loader.Options{ZeroIfMissing: true})
			for range 2 {
				if v, err := l.Load(t.Context(), 3); v != "" || err != nil {
					t.Errorf("got %q, %v", v, err)
				}
				if v, err := l.LoadMany(t.Context(), []int{3, 2}); !slices.Equal(v, []string{"", "v2"}) || err != nil {
					t.Errorf("got %q, %v", v, err)
				}
			}
		})
	}
}

func TestNilContext(t *testing.T) {
	l := loader.New(open().get)
	if _, err := l.Load(nil, 1); !errors.Is(err, smrt.ErrNilContext) { //nolint:staticcheck // that is what is tested
		t.Errorf("got %v", err)
	}
	if _, err := l.LoadMany(nil, []int{1}); !errors.Is(err, smrt.ErrNilContext) { //nolint:staticcheck // that is what is tested
		t.Errorf("got %v", err)
	}
}

func TestContextThatHasEnded(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, newLoader := range modes(t) {
		t.Run(name, func(t *testing.T) {
			l := newLoader(newSource().get)
			if _, err := l.Load(ctx, 2); !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
			if _, err := l.LoadMany(ctx, []int{2}); !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// A loader that cannot work says so in each Load, and calls nothing.
func TestBadOptions(t *testing.T) {
	for name, newLoader := range modes(t) {
		for want, l := range map[string]*loader.Loader[int, string]{
			"fn must not be nil":                              newLoader(nil),
			"MaxInFlight must not be negative, is -1":         newLoader(open().get, loader.Options{MaxInFlight: -1}),
			"MaxBatch must not be negative, is -1":            newLoader(open().get, loader.Options{MaxBatch: -1}),
			"options must be given at most once, not 2 times": newLoader(open().get, loader.Options{}, loader.Options{MaxBatch: 1}),
		} {
			l.Prime(2, "primed")
			l.Clear(2)
			l.ClearAll()
			_, one := l.Load(t.Context(), 2)
			_, many := l.LoadMany(t.Context(), nil)
			for _, err := range []error{one, many} {
				var bad *smrt.OptionsError
				if !errors.As(err, &bad) || bad.Option+" "+bad.Reason != want {
					t.Errorf("%s: got %v, want %q", name, err, want)
				}
			}
		}
	}
	l := loader.NewPerRequest(nil, open().get) //nolint:staticcheck // that is what is tested
	if _, err := l.Load(t.Context(), 2); !errors.Is(err, smrt.ErrNilContext) {
		t.Errorf("a request without a context: got %v", err)
	}
}

// modes are both ways to make a loader.
func modes(t *testing.T) map[string]func(loader.Func[int, string], ...loader.Options) *loader.Loader[int, string] {
	return map[string]func(loader.Func[int, string], ...loader.Options) *loader.Loader[int, string]{
		"process-wide": loader.New[int, string],
		"per request": func(fn loader.Func[int, string], o ...loader.Options) *loader.Loader[int, string] {
			return loader.NewPerRequest(t.Context(), fn, o...)
		},
	}
}

func TestIndexAndGroup(t *testing.T) {
	type row struct {
		id   int
		name string
	}
	one, two := row{1, "one"}, row{2, "two"}
	if m := loader.Index([]*row{&one, nil, &two}, func(r *row) int { return r.id }); len(m) != 2 || m[1] != &one || m[2] != &two {
		t.Errorf("got %v", m)
	}
	rows := []row{{1, "a"}, {2, "b"}, {1, "c"}}
	var got []string
	for _, r := range loader.Group(rows, func(r *row) int { return r.id })[1] {
		got = append(got, r.name)
	}
	if strings.Join(got, "") != "ac" {
		t.Errorf("got %v", got)
	}
}
