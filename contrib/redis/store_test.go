package smrtredis_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/smrt-go/smrt"
	smrtredis "github.com/smrt-go/smrt/contrib/redis"
	"github.com/smrt-go/smrt/guard"
	"github.com/smrt-go/smrt/internal/check"
)

// slow is a time in which tests do not get a point back.
const slow = 24 * time.Hour

var quiet = slog.New(slog.DiscardHandler)

func newStore(tb testing.TB, c smrtredis.Config) *smrtredis.Store {
	tb.Helper()
	if c.Logger == nil {
		c.Logger = quiet
	}
	c.Timeout = 10 * time.Second // on a busy machine
	s, err := smrtredis.New(c)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// TestStore takes and gives at random by way of two processes' stores, and compares with
// a sum, which nothing comes back to.
func TestStore(t *testing.T) {
	server := startServer(t)
	stores := []*smrtredis.Store{
		newStore(t, smrtredis.Config{Client: server.client(), Processes: 2}), newStore(t, smrtredis.Config{Client: server.client(), Processes: 2}),
	}
	random := check.Random(t)
	const burst = 100
	has := map[string]int64{}
	for i := range 2_000 {
		key := fmt.Sprint(random.IntN(10))
		b := guard.Bucket{Rate: "a", Key: key, Interval: slow, Burst: burst}
		if _, ok := has[key]; !ok {
			has[key] = burst
		}
		store, points := stores[random.IntN(2)], random.Int64N(40)
		if random.IntN(2) == 0 {
			debt := max(random.Int64N(40)-20, 0)
			s := store.Take(t.Context(), b, points, debt)
			if want := has[key]-points >= -debt; s.Taken != want || s.Available != has[key] {
				t.Fatalf("%d: %d points of %d with a debt of %d: %+v", i, points, has[key], debt, s)
			}
			if s.Taken {
				has[key] -= points
			} else if wait := time.Duration(points-has[key]-debt) * slow; s.RetryAfter > wait || s.RetryAfter < wait-time.Hour {
				t.Fatalf("%d: retry after %v, not %v", i, s.RetryAfter, wait)
			}
			continue
		}
		store.Give(t.Context(), b, points-20)
		has[key] = min(has[key]+points-20, burst)
	}
	never := stores[0].Take(t.Context(), guard.Bucket{Rate: "a", Key: "new", Interval: slow, Burst: burst}, burst+1, 0)
	if never != (guard.State{Available: burst}) {
		t.Errorf("more than there is room for: %+v", never)
	}
}

// TestStoreAtItsEnds: whatever numbers a store is called with, nobody gets points by taking
// them, waits are never below zero, and keys expire.
func TestStoreAtItsEnds(t *testing.T) {
	client := startServer(t).client()
	store := newStore(t, smrtredis.Config{Client: client, Processes: math.MaxInt})
	ends := []int64{math.MinInt64, -1, 0, 1, 101, math.MaxInt64}
	for i, points := range ends {
		for _, debt := range ends {
			for _, first := range ends {
				b := guard.Bucket{Rate: "a", Key: fmt.Sprint(i, debt, first), Interval: slow, Burst: 100}
				store.Give(t.Context(), b, first)
				had := store.Take(t.Context(), b, 0, math.MaxInt64).Available
				s := store.Take(t.Context(), b, points, debt)
				left := store.Take(t.Context(), b, 0, math.MaxInt64).Available
				if s.RetryAfter < 0 || s.Available != had || left > had || debt == math.MaxInt64 && first >= 0 && !s.Taken || points > 0 && s.Taken && had >= 0 && left >= had {
					t.Errorf("of %d points %d were taken with a debt of %d: %+v, %d left", had, points, debt, s, left)
				}
			}
		}
	}
	if stats := store.Stats(); stats.Failed > 0 || stats.Locally > 0 {
		t.Errorf("%+v", stats)
	}
}

// TestKeys: a bucket is one key, which is there until the bucket is full.
func TestKeys(t *testing.T) {
	client := startServer(t).client()
	store := newStore(t, smrtredis.Config{Client: client, Processes: 1, Prefix: "shop:"})
	keys := func() []string {
		keys, err := client.Do(t.Context(), client.B().Keys().Pattern("*").Build()).AsStrSlice()
		if err != nil {
			t.Fatal(err)
		}
		return keys
	}
	b := guard.Bucket{Rate: "api", Key: "ann", Interval: time.Hour, Burst: 10}
	store.Take(t.Context(), b, 5, 0)
	if got := fmt.Sprint(keys()); got != "[shop:3:api:ann]" {
		t.Errorf("keys %s", got)
	}
	left, err := client.Do(t.Context(), client.B().Pttl().Key("shop:3:api:ann").Build()).AsInt64()
	if most := (5 * time.Hour).Milliseconds(); err != nil || left > most || left < most-time.Hour.Milliseconds() {
		t.Errorf("the key is there for %d ms, %v", left, err)
	}
	store.Give(t.Context(), b, 5)
	if got := keys(); len(got) > 0 {
		t.Errorf("a full bucket is kept: %q", got)
	}
}

// TestOneBucketEach: rates and keys that read alike are not one bucket, and what somebody
// else has put under a key is neither an error nor of effect on other keys.
func TestOneBucketEach(t *testing.T) {
	client := startServer(t).client()
	store := newStore(t, smrtredis.Config{Client: client, Processes: 1})
	for _, of := range [][2]string{{"a", "b:c"}, {"a:b", "c"}, {"a:b:c", ""}, {"", "a:b:c"}} {
		b := guard.Bucket{Rate: of[0], Key: of[1], Interval: slow, Burst: 10}
		if s := store.Take(t.Context(), b, 10, 0); !s.Taken {
			t.Errorf("%q: %+v", of, s)
		}
	}
	if err := client.Do(t.Context(), client.B().Set().Key("smrt:rate:1:a:text").Value("no number").Build()).Error(); err != nil {
		t.Fatal(err)
	}
	if err := client.Do(t.Context(), client.B().Rpush().Key("smrt:rate:1:a:list").Element("1").Build()).Error(); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"text", "list"} {
		b := guard.Bucket{Rate: "a", Key: key, Interval: slow, Burst: 10}
		first, second := store.Take(t.Context(), b, 10, 0), store.Take(t.Context(), b, 10, 0)
		if !first.Taken || second.Taken {
			t.Errorf("a key that is a %s: %+v, %+v", key, first, second)
		}
	}
	beyond := store.Take(t.Context(), guard.Bucket{Rate: "a", Key: "list", Interval: slow, Burst: 10}, 11, 0)
	if beyond != (guard.State{}) {
		t.Errorf("more than there is room for, of an empty bucket: %+v", beyond)
	}
	if stats := store.Stats(); stats.Failed > 0 || stats.Locally > 0 {
		t.Errorf("%+v", stats)
	}
}

// TestPointsComeBack: what is refused may be taken when it is said to.
func TestPointsComeBack(t *testing.T) {
	store := newStore(t, smrtredis.Config{Client: startServer(t).client(), Processes: 1})
	b := guard.Bucket{Rate: "a", Key: "a", Interval: 10 * time.Millisecond, Burst: 10}
	began, taken := time.Now(), int64(0)
	for range 30 {
		s := store.Take(t.Context(), b, 3, 0)
		if s.Taken {
			taken += 3
			continue
		}
		time.Sleep(s.RetryAfter + time.Millisecond) // two clocks, of which one may be slewed
		if s = store.Take(t.Context(), b, 3, 0); !s.Taken {
			t.Fatalf("refused after the time that it said: %+v", s)
		}
		taken += 3
	}
	if most := b.Burst + int64(time.Since(began)/b.Interval) + 1; taken > most {
		t.Errorf("%d points were taken of %d", taken, most)
	}
}

// lines are what a logger wrote.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// TestStoreIsAway: without its store a process goes on with its part, says so once, and
// comes back. A caller that has gone is not a store that is away.
func TestStoreIsAway(t *testing.T) {
	server := startServer(t)
	var log lines
	store := newStore(t, smrtredis.Config{Client: server.client(), Processes: 4, Retry: 50 * time.Millisecond, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	b := guard.Bucket{Rate: "a", Key: "a", Interval: slow, Burst: 100}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if s := store.Take(gone, b, 60, 0); !s.Taken || store.Stats().Failed > 0 {
		t.Errorf("a caller that has gone: %+v, %+v", s, store.Stats())
	}
	server.kill()
	taken := 0
	for range 100 {
		if s := store.Take(t.Context(), b, 1, 0); s.Taken {
			taken++
		}
	}
	if taken != 25 {
		t.Errorf("%d points were taken of a quarter of 100", taken)
	}
	if s := store.Take(t.Context(), b, 26, 0); s.Taken || s.RetryAfter != 50*time.Millisecond {
		t.Errorf("more than the part of a process: %+v", s)
	}
	store.Give(t.Context(), b, 10)
	if s := store.Take(t.Context(), b, 10, 0); !s.Taken {
		t.Errorf("what was given back: %+v", s)
	}
	if stats := store.Stats(); !stats.Away || stats.Locally != 103 || stats.Failed == 0 {
		t.Errorf("%+v", stats)
	}
	server.start(findServer())
	for store.Stats().Away {
		time.Sleep(10 * time.Millisecond)
		store.Take(t.Context(), b, 0, 0)
	}
	if s := store.Take(t.Context(), b, 100, 0); !s.Taken {
		t.Errorf("of a store that is back: %+v", s)
	}
	if text := log.text.String(); strings.Count(text, "does not answer") != 1 || strings.Count(text, "answers again") != 1 || !strings.Contains(text, "processes=4") {
		t.Error(text)
	}
}

// TestStartWithoutStore: a process can begin while its store is away, and asks it when it is
// there. Points that the process took by itself do not go to the store.
func TestStartWithoutStore(t *testing.T) {
	server := startServer(t)
	server.kill()
	var client rueidis.Client
	tries := 0
	store := newStore(t, smrtredis.Config{Processes: 4, Retry: time.Millisecond, Connect: func() (c rueidis.Client, err error) {
		if tries++; tries == 2 {
			return nil, nil
		}
		c, err = newClient(server.socket)
		if err == nil {
			client = c
		}
		return c, err
	}})
	b := guard.Bucket{Rate: "a", Key: "a", Interval: slow, Burst: 100}
	before := store.Take(t.Context(), b, 20, 0)
	if stats := store.Stats(); !before.Taken || !before.Local || !stats.Away || stats.Locally != 1 || stats.Asked != 0 {
		t.Errorf("%+v, %+v", before, stats)
	}
	server.start(findServer())
	for end := time.Now().Add(time.Minute); store.Stats().Away; time.Sleep(time.Millisecond) {
		if store.Take(t.Context(), b, 0, 0); time.Now().After(end) {
			t.Fatalf("the store is not asked: %+v", store.Stats())
		}
	}
	if s := store.Take(t.Context(), b, 30, 0); !s.Taken || s.Local || s.Available != 100 {
		t.Errorf("of a store that is there: %+v", s)
	}
	local := b
	local.Local = before.Local
	store.Give(t.Context(), local, 20)
	if s := store.Take(t.Context(), b, 0, 0); s.Available != 70 {
		t.Errorf("with what the process gave back to itself: %+v", s)
	}
	store.Give(t.Context(), b, 20)
	if s := store.Take(t.Context(), b, 0, 0); s.Available != 90 {
		t.Errorf("with what was given back: %+v", s)
	}
	store.Close()
	if err := client.Do(t.Context(), client.B().Ping().Build()).Error(); !errors.Is(err, rueidis.ErrClosing) {
		t.Errorf("the client of a store that was closed: %v", err)
	}
	if s := store.Take(t.Context(), b, 1, 0); !s.Taken || !s.Local {
		t.Errorf("of a store that was closed: %+v", s)
	}
}

// TestStoreIsNotAsked: a store that is away is asked by one call in each Retry.
func TestStoreIsNotAsked(t *testing.T) {
	server := startServer(t)
	store := newStore(t, smrtredis.Config{Client: server.client(), Processes: 1, Retry: time.Hour})
	server.kill()
	b := guard.Bucket{Rate: "a", Key: "a", Interval: slow, Burst: 1_000}
	for range 100 {
		store.Take(t.Context(), b, 1, 0)
	}
	if stats := store.Stats(); stats.Asked != 1 || stats.Failed != 1 || stats.Locally != 100 {
		t.Errorf("%+v", stats)
	}
}

// TestConfig: what cannot be is refused.
func TestConfig(t *testing.T) {
	var client rueidis.Client = struct{ rueidis.Client }{}
	for _, c := range []smrtredis.Config{
		{Processes: 1},
		{Client: client},
		{Client: client, Processes: 1, Connect: func() (rueidis.Client, error) { return client, nil }},
		{Client: client, Processes: -1},
		{Client: client, Processes: 1, Timeout: -1},
		{Client: client, Processes: 1, Retry: -1},
		{Client: client, Processes: 1, MaxKeys: -1},
	} {
		if _, err := smrtredis.New(c); !errors.Is(err, smrt.ErrBadOptions) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}
