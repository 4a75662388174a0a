package cache_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/cache"
	"github.com/smrt-go/smrt/cache/storetest"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
)

const (
	probe   = 5 * time.Millisecond
	silence = 100 * time.Millisecond
)

// memory is a memory level that remembers what was true at some time.
type memory struct {
	mu      sync.Mutex
	kept    map[string]uint64
	applied []uint64 // numbers of messages
	reasons []string
}

func (m *memory) apply(msg cache.Notice) {
	defer m.mu.Unlock()
	m.mu.Lock()
	m.applied = append(m.applied, msg.Sequence.Number)
	for _, key := range msg.Keys {
		delete(m.kept, key)
	}
}

func (m *memory) reset(reason string) {
	defer m.mu.Unlock()
	m.mu.Lock()
	m.reasons = append(m.reasons, reason)
	m.kept = map[string]uint64{}
}

// resets returns the reasons since the last call.
func (m *memory) resets() []string {
	defer m.mu.Unlock()
	m.mu.Lock()
	r := m.reasons
	m.reasons = nil
	return r
}

// follow runs a feed until t ends.
func follow(t *testing.T, store cache.Store) (*memory, *cache.Feed) {
	t.Helper()
	m := &memory{}
	f, err := cache.NewFeed(cache.FeedConfig{Store: store, Apply: m.apply, Reset: m.reset, Probe: probe, Silence: silence})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		f.Run(ctx)
	}()
	t.Cleanup(func() { cancel(); <-ended })
	until(t, "the feed lives", f.Alive)
	return m, f
}

func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(testdb.Patience(time.Second)); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it does not happen that " + what)
		}
	}
}

func invalidate(t *testing.T, s cache.Store, keys ...string) {
	t.Helper()
	if err := s.Invalidate(t.Context(), cache.Change{Keys: keys}); err != nil {
		t.Fatal(err)
	}
}

// TestFeed: what was published is applied once and in order, and nothing is forgotten
// for no reason.
func TestFeed(t *testing.T) {
	t.Parallel()
	s := storetest.NewStore()
	invalidate(t, s, "before")
	m, _ := follow(t, s)
	if r := m.resets(); !slices.Equal(r, []string{"a subscription began"}) {
		t.Errorf("at the beginning: %q", r)
	}
	for range 100 {
		invalidate(t, s, "a")
	}
	until(t, "all messages are applied", func() bool { m.mu.Lock(); defer m.mu.Unlock(); return len(m.applied) == 100 })
	if !slices.IsSorted(m.applied) || m.applied[0] != 2 {
		t.Errorf("messages %d", m.applied)
	}
	if r := m.resets(); len(r) > 0 {
		t.Errorf("nothing was missed: %q", r)
	}
}

// TestFeedMisses: whatever is missed resets the memory.
func TestFeedMisses(t *testing.T) {
	t.Parallel()
	none := func(cache.Notice) bool { return false }
	all := func(cache.Notice) bool { return true }
	for _, c := range []struct {
		name, reason string
		does         func(t *testing.T, s *storetest.Store)
	}{
		{"a message before another", "messages were missed", func(t *testing.T, s *storetest.Store) {
			s.Drop(all)
			invalidate(t, s, "a")
			s.Drop(none)
			invalidate(t, s, "b")
		}},
		{"the last message", "messages were missed", func(t *testing.T, s *storetest.Store) {
			s.Drop(all)
			invalidate(t, s, "a")
			s.Drop(nil)
		}},
		{"a connection", "a subscription was lost: the subscription was cut", func(_ *testing.T, s *storetest.Store) { s.Cut() }},
		{"what a restart has lost", "the store has begun anew", func(t *testing.T, s *storetest.Store) {
			invalidate(t, s, "a")
			_ = s.Lose(storetest.TheSequence, "")
		}},
		{"the numbers", "the store has begun anew", func(t *testing.T, s *storetest.Store) {
			_ = s.Lose(storetest.TheSequence, "")
			invalidate(t, s, "a")
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := storetest.NewStore()
			m, f := follow(t, s)
			m.resets()
			c.does(t, s)
			var reasons []string
			until(t, "the memory is reset", func() bool { reasons = append(reasons, m.resets()...); return len(reasons) > 0 })
			if reasons[0] != c.reason {
				t.Errorf("reset because %q, not %q", reasons[0], c.reason)
			}
			until(t, "the feed lives again", f.Alive)
		})
	}
}

// TestFeedIsSilent: a store that does not answer is one whose messages do not come.
func TestFeedIsSilent(t *testing.T) {
	t.Parallel()
	s := storetest.NewStore()
	_, f := follow(t, s)
	s.Away(errors.New("away"))
	until(t, "the feed is dead", func() bool { return !f.Alive() })
	s.Away(nil)
	until(t, "the feed lives again", f.Alive)
}

// scripted is a store that says what a test wants.
type scripted struct {
	*storetest.Store
	sequence  func() (cache.Sequence, error)
	subscribe func(ctx context.Context, receive func(cache.Notice))
}

func (s scripted) Sequence(context.Context) (cache.Sequence, error) { return s.sequence() }

func (s scripted) Subscribe(ctx context.Context, ready func(), receive func(cache.Notice)) error {
	ready()
	s.subscribe(ctx, receive)
	<-ctx.Done()
	return ctx.Err()
}

// TestFeedOfOneStream: numbers of two streams do not follow one another.
func TestFeedOfOneStream(t *testing.T) {
	t.Parallel()
	at := make(chan cache.Sequence)
	store := scripted{storetest.NewStore(), func() (cache.Sequence, error) { return cache.Sequence{}, errors.New("it does not say") }, func(ctx context.Context, receive func(cache.Notice)) {
		for _, s := range []cache.Sequence{{Stream: "a", Number: 5}, {Stream: "a", Number: 6}, {Stream: "b", Number: 7}, {Stream: "b", Number: 8}, {Stream: "b", Number: 10}, {Stream: "b", Number: 9}, {Stream: "b", Number: 11}} {
			receive(cache.Notice{Sequence: s})
		}
		at <- cache.Sequence{}
	}}
	var m memory
	f, err := cache.NewFeed(cache.FeedConfig{Store: store, Apply: m.apply, Reset: m.reset})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); f.Run(ctx) }()
	<-at
	cancel()
	<-ended
	want := []string{"a subscription began", "the store has begun anew", "messages were missed"}
	if got := m.resets(); !slices.Equal(got, want) || len(m.applied) != 7 {
		t.Errorf("%q, %d were applied", got, len(m.applied))
	}
}

// TestFeedIsLate: an answer says nothing of what is published after its question, and
// nothing for longer than its silence.
func TestFeedIsLate(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	waiting, asked := make(chan struct{}), make(chan time.Duration) // how long an answer takes
	store := scripted{storetest.NewStore(), func() (cache.Sequence, error) {
		select {
		case waiting <- struct{}{}:
			time.Sleep(<-asked)
		case <-ctx.Done():
		}
		return cache.Sequence{Stream: "a", Number: 5}, nil
	}, func(context.Context, func(cache.Notice)) {}}
	f, err := cache.NewFeed(cache.FeedConfig{Store: store, Apply: func(cache.Notice) {}, Reset: func(string) {}, Probe: probe, Silence: silence})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { defer close(ended); f.Run(ctx) }()
	<-waiting
	asked <- 2 * silence
	if <-waiting; f.Alive() {
		t.Error("an answer that took longer than the silence proves something")
	}
	asked <- 0
	<-waiting // the second answer proves something for as long as the silence
	if time.Sleep(silence); f.Alive() {
		t.Error("a proof has no end")
	}
	asked <- 0
	cancel()
	<-ended
}

// TestFeedIsNotBehind: what is used while the feed lives is not older than its silence,
// whatever happens to messages, connections and the store.
func TestFeedIsNotBehind(t *testing.T) {
	t.Parallel()
	s, random := storetest.NewStore(), check.Random(t)
	m, f := follow(t, s)
	type truth struct {
		since time.Time
		value uint64
	}
	now := truth{time.Now(), 0}
	var mu sync.Mutex
	var history []truth
	lost := random.IntN(1000)
	s.Drop(func(msg cache.Notice) bool { return int(msg.Sequence.Number)*7919%1000 < lost/10 })
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := uint64(1); ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			switch random.IntN(200) {
			case 0:
				s.Cut()
			case 1:
				_ = s.Restart()
			case 2:
				_ = s.Lose(storetest.TheSequence, "")
			}
			mu.Lock()
			now.value = i
			mu.Unlock()
			if err := s.Invalidate(context.Background(), cache.Change{Keys: []string{"a"}}); err != nil {
				t.Error(err)
			}
			mu.Lock()
			now.since = time.Now() // and not older from here on
			history = append(history, now)
			mu.Unlock()
			time.Sleep(time.Duration(random.IntN(1000)) * time.Microsecond)
		}
	})
	read := func() (uint64, bool) {
		alive := f.Alive()
		defer m.mu.Unlock()
		m.mu.Lock()
		if v, ok := m.kept["a"]; ok {
			return v, alive
		}
		mu.Lock()
		v := now.value
		mu.Unlock()
		m.kept["a"] = v
		return v, false
	}
	hits := 0
	for began := time.Now(); time.Since(began) < 10*silence; {
		asked := time.Now()
		if v, ok := read(); ok {
			hits++
			mu.Lock()
			for _, h := range slices.Backward(history) {
				if h.since.After(asked.Add(-silence)) {
					continue
				}
				if v < h.value {
					t.Errorf("%d is used, and was %d for %v", v, h.value, asked.Sub(h.since))
				}
				break
			}
			mu.Unlock()
		}
	}
	close(stop)
	wg.Wait()
	if hits == 0 {
		t.Error("nothing was ever used")
	}
	t.Logf("%d hits, %d changes, %d resets", hits, len(history), len(m.resets()))
}

// TestFeedConfig: what cannot be is refused.
func TestFeedConfig(t *testing.T) {
	t.Parallel()
	ok := cache.FeedConfig{Store: storetest.NewStore(), Apply: func(cache.Notice) {}, Reset: func(string) {}}
	for name, c := range map[string]func(*cache.FeedConfig){
		"Store": func(c *cache.FeedConfig) { c.Store = nil }, "Apply": func(c *cache.FeedConfig) { c.Apply = nil },
		"Reset": func(c *cache.FeedConfig) { c.Reset = nil }, "Probe": func(c *cache.FeedConfig) { c.Probe = -1 },
		"Silence": func(c *cache.FeedConfig) { c.Silence = time.Millisecond },
	} {
		bad := ok
		c(&bad)
		if _, err := cache.NewFeed(bad); !errors.Is(err, smrt.ErrBadOptions) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
