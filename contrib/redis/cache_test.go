package smrtredis_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/klauspost/compress/s2"
	"github.com/redis/rueidis"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/cache"
	"github.com/smrt-go/smrt/cache/storetest"
	smrtredis "github.com/smrt-go/smrt/contrib/redis"
	"github.com/smrt-go/smrt/internal/check"
)

func newCache(tb testing.TB, c smrtredis.CacheConfig) *smrtredis.CacheStore {
	tb.Helper()
	if c.Logger == nil {
		c.Logger = quiet
	}
	c.Timeout = 10 * time.Second // on a busy machine
	s, err := smrtredis.NewCacheStore(tb.Context(), c)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// cacheSubject is a server of its own, as two processes have it.
func cacheSubject(tb testing.TB) (*server, rueidis.Client, storetest.Subject) {
	server := startServer(tb)
	client := server.client()
	do := func(args ...string) error {
		return client.Do(context.Background(), client.B().Arbitrary(args...).Build()).Error()
	}
	kinds := map[storetest.Kind]string{storetest.AnEntry: "e:", storetest.AFloor: "f:", storetest.AGeneration: "g:", storetest.TheSequence: "s"}
	return server, client, storetest.Subject{
		Stores: []cache.Store{newCache(tb, smrtredis.CacheConfig{Client: client}), newCache(tb, smrtredis.CacheConfig{Client: server.client()})},
		Save:   func() error { return do("SAVE") },
		Restart: func() error {
			server.kill()
			server.start(findServer())
			for do("PING") != nil { // each connection fails once
				time.Sleep(time.Millisecond)
			}
			return nil
		},
		Lose: func(kind storetest.Kind, name string) error { return do("DEL", "{smrt:cache}:"+kinds[kind]+name) },
	}
}

// TestCacheStore: Redis with these scripts keeps to the rules of a store, when it is
// killed and restarted from an old dump and when keys are lost as well.
func TestCacheStore(t *testing.T) {
	_, _, subject := cacheSubject(t)
	storetest.Run(t, subject)
	if check.Long() {
		for range 50 {
			for _, rule := range storetest.Rules() {
				if err := rule.Test(t.Context(), subject); err != nil {
					t.Errorf("%s: %v", rule.Name, err)
				}
			}
		}
	}
}

// TestCacheIsFlushed: after FLUSHALL nothing is there, nothing that was begun is
// stored, and floors are not known.
func TestCacheIsFlushed(t *testing.T) {
	_, client, subject := cacheSubject(t)
	s, ask := subject.Stores[0], cache.Ask{Keys: []string{"a"}, Tables: []string{"t"}, Generations: []string{"g"}, Lease: time.Minute}
	before := check.Value(s.Get(t.Context(), ask))(t)
	if f := before.Floors[0]; !check.Value(s.SetFloor(t.Context(), "t", f.ID, smrt.Position{System: 1, Timeline: 1, LSN: 9}))(t) {
		t.Errorf("the floor %+v could not be set", f)
	}
	check.NoError(t, client.Do(t.Context(), client.B().Flushall().Build()).Error())
	if put := check.Value(s.Put(t.Context(), []cache.Fill{{Key: "a", Token: before.Entries[0].Token, TTL: time.Minute}}))(t); put[0] {
		t.Error("a lease from before was good")
	}
	after := check.Value(s.Get(t.Context(), ask))(t)
	if after.Entries[0].State != cache.Leased || after.Floors[0].Known || after.Generations[0] == before.Generations[0] || after.Run != before.Run {
		t.Errorf("%+v after %+v", after, before)
	}
}

// TestCacheOfOthers: what else is under the keys is no entry, and no error.
func TestCacheOfOthers(t *testing.T) {
	_, client, subject := cacheSubject(t)
	s, other := subject.Stores[0], newCache(t, smrtredis.CacheConfig{Client: client, Prefix: "{other}"})
	ask := cache.Ask{Keys: []string{"a", "b"}, Tables: []string{"t"}, Generations: []string{"g"}, Lease: time.Minute}
	check.NoError(t, client.Do(t.Context(), client.B().Flushall().Build()).Error())
	for _, key := range []string{"e:a", "f:t", "g:g", "s"} {
		check.NoError(t, client.Do(t.Context(), client.B().Rpush().Key("{smrt:cache}:"+key).Element("1").Build()).Error())
	}
	check.NoError(t, client.Do(t.Context(), client.B().Set().Key("{smrt:cache}:e:b").Value("E").Build()).Error())
	check.NoError(t, s.Block(t.Context(), cache.Block{ID: 1, Keys: []string{"c"}, TTL: time.Minute}))
	check.NoError(t, s.Invalidate(t.Context(), cache.Change{Tables: []string{"t"}, Generations: []string{"g"}, Keys: []string{"a", "c"}}))
	a := check.Value(s.Get(t.Context(), ask))(t)
	if a.Entries[0].State != cache.Leased || a.Entries[1].State != cache.Leased || a.Floors[0].Known {
		t.Errorf("%+v", a)
	}
	if a := check.Value(other.Get(t.Context(), ask))(t); a.Entries[0].State != cache.Leased {
		t.Errorf("of another prefix: %+v", a)
	}
}

// TestCacheValues: large values are small in the store, and are not larger than they may
// be, whatever the store has.
func TestCacheValues(t *testing.T) {
	_, client, subject := cacheSubject(t)
	s := newCache(t, smrtredis.CacheConfig{Client: client, MaxBytes: 100_000})
	put := func(key string, value []byte) bool {
		a := check.Value(subject.Stores[1].Get(t.Context(), cache.Ask{Keys: []string{key}, Lease: time.Minute}))(t)
		return check.Value(s.Put(t.Context(), []cache.Fill{{Key: key, Token: a.Entries[0].Token, Value: value, TTL: time.Minute}}))(t)[0]
	}
	get := func(key string) cache.Entry {
		return check.Value(s.Get(t.Context(), cache.Ask{Keys: []string{key}}))(t).Entries[0]
	}
	size := func(key string) int64 {
		return check.Value(client.Do(t.Context(), client.B().Strlen().Key("{smrt:cache}:e:"+key).Build()).AsInt64())(t)
	}
	text := bytes.Repeat([]byte("a row of a table "), 5_000)
	noise := make([]byte, 50_000)
	random := check.Random(t)
	for i := range noise {
		noise[i] = byte(random.Uint32())
	}
	for key, value := range map[string][]byte{"text": text, "noise": noise, "small": []byte("small")} {
		if e := put(key, value); !e {
			t.Errorf("%s was not stored", key)
		}
		if e := get(key); e.State != cache.Found || !bytes.Equal(e.Value, value) {
			t.Errorf("%s: %v, %d bytes of %d", key, e.State, len(e.Value), len(value))
		}
	}
	if n := size("text"); n > int64(len(text)/10) {
		t.Errorf("a value of %d bytes has %d", len(text), n)
	}
	if n := size("noise"); n > int64(len(noise)+100) {
		t.Errorf("a value of %d random bytes has %d", len(noise), n)
	}
	if put("large", make([]byte, 100_001)) || get("large").State != cache.Absent {
		t.Error("a value that is too large was stored, or keeps its lease")
	}
	// What says that it is larger: by a length in front, or by being there.
	key := "{smrt:cache}:e:small"
	entry := check.Value(client.Do(t.Context(), client.B().Get().Key(key).Build()).ToString())(t)
	header, _, _ := strings.Cut(entry, "|")
	for i, value := range []string{"2" + string(s2.Encode(nil, make([]byte, 100_001))), "2", "2\x05abc", "", "7a", "0" + strings.Repeat("a", 100_001)} {
		check.NoError(t, client.Do(t.Context(), client.B().Set().Key(key).Value(header+"|"+value).Build()).Error())
		if e := get("small"); e.State != cache.Absent || s.Damaged() != uint64(i+1) {
			t.Errorf("%d: %v, %d are damaged", i, e.State, s.Damaged())
		}
	}
}

// TestCacheFeed: a feed notices that its connection was cut, that messages are missing,
// and that the store is another one.
func TestCacheFeed(t *testing.T) {
	server, client, subject := cacheSubject(t)
	var applied atomic.Int64
	reasons := make(chan string, 100)
	feed := check.Value(cache.NewFeed(cache.FeedConfig{
		Store: subject.Stores[0], Apply: func(cache.Notice) { applied.Add(1) }, Reset: func(reason string) { reasons <- reason },
		Probe: 10 * time.Millisecond, Silence: 5 * time.Second,
	}))(t)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); feed.Run(ctx) }()
	defer func() { cancel(); <-ended }()
	expect := func(prefix string) {
		t.Helper()
		select {
		case reason := <-reasons:
			if !strings.HasPrefix(reason, prefix) {
				t.Errorf("reset because %q, not %q", reason, prefix)
			}
		case <-time.After(time.Minute):
			t.Fatalf("no reset: %s", prefix)
		}
	}
	change := cache.Change{Keys: []string{"a"}}
	expect("a subscription began")
	check.NoError(t, subject.Stores[1].Invalidate(t.Context(), change))
	for applied.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	check.NoError(t, client.Do(t.Context(), client.B().Arbitrary("CLIENT", "KILL", "TYPE", "pubsub").Build()).Error())
	expect("a subscription was lost")
	for !feed.Alive() {
		time.Sleep(time.Millisecond)
	}
	// One is published, and another one hears of it.
	key := "{smrt:cache}:s"
	last := check.Value(client.Do(t.Context(), client.B().Get().Key(key).Build()).ToString())(t)
	next := check.Value(subject.Stores[1].Sequence(t.Context()))(t)
	next.Number++
	check.NoError(t, client.Do(t.Context(), client.B().Set().Key(key).Value(fmt.Sprint(next.Stream, next.Number)).Build()).Error())
	check.NoError(t, subject.Stores[1].Invalidate(t.Context(), change))
	expect("messages were missed")
	check.NoError(t, client.Do(t.Context(), client.B().Del().Key(key).Build()).Error())
	expect("the store has begun anew")
	server.kill()
	server.start(findServer())
	expect("a subscription was lost")
	if len(last) < 40 {
		t.Errorf("the sequence was %q", last)
	}
}

// TestCacheWithoutServer: a store that is away returns errors in time, and is there again
// without being asked to.
func TestCacheWithoutServer(t *testing.T) {
	server, client, _ := cacheSubject(t)
	var log lines
	server.kill()
	s := check.Value(smrtredis.NewCacheStore(t.Context(), smrtredis.CacheConfig{Client: client, Logger: slog.New(slog.NewTextHandler(&log, nil))}))(t)
	if !strings.Contains(log.text.String(), "does not answer") {
		t.Error(log.text.String())
	}
	for _, rule := range storetest.Rules()[:1] {
		if err := rule.Test(t.Context(), storetest.Subject{Stores: []cache.Store{s}}); err == nil || errors.Is(err, smrt.ErrBadOptions) {
			t.Errorf("%s: %v", rule.Name, err)
		}
	}
	if err := s.Subscribe(t.Context(), func() { t.Error("it is ready") }, nil); err == nil {
		t.Error("a server that is away can be followed")
	}
	server.start(findServer())
	for _, err := s.Sequence(t.Context()); err != nil; _, err = s.Sequence(t.Context()) {
		time.Sleep(time.Millisecond)
	}
}

// TestCacheConfig: what cannot be is refused, and what can lose something is said.
func TestCacheConfig(t *testing.T) {
	_, client, _ := cacheSubject(t)
	for name, c := range map[string]smrtredis.CacheConfig{
		"Client": {}, "Prefix": {Client: client, Prefix: "shop:"}, "Timeout": {Client: client, Timeout: -1}, "MaxBytes": {Client: client, MaxBytes: -1},
	} {
		var bad *smrt.OptionsError
		if _, err := smrtredis.NewCacheStore(t.Context(), c); !errors.As(err, &bad) || bad.Option != "CacheConfig."+name {
			t.Errorf("%s: %v", name, err)
		}
	}
	set := func(name, value string) {
		check.NoError(t, client.Do(t.Context(), client.B().Arbitrary("CONFIG", "SET", name, value).Build()).Error())
	}
	for _, c := range []struct{ memory, policy, says string }{
		{"0", "allkeys-lru", ""},
		{"100mb", "volatile-lru", ""},
		{"100mb", "allkeys-lfu", "floors and blocks may be removed"},
		{"100mb", "noeviction", "nothing is stored nor invalidated"},
	} {
		set("maxmemory", c.memory)
		set("maxmemory-policy", c.policy)
		var log lines
		newCache(t, smrtredis.CacheConfig{Client: client, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		if text := log.text.String(); (c.says == "") != (text == "") || !strings.Contains(text, c.says) {
			t.Errorf("%s of %s: %s", c.policy, c.memory, text)
		}
	}
	check.NoError(t, client.Do(t.Context(), client.B().Arbitrary("ACL", "SETUSER", "default", "-info").Build()).Error())
	if _, err := smrtredis.NewCacheStore(t.Context(), smrtredis.CacheConfig{Client: client, Timeout: 10 * time.Second}); !errors.Is(err, smrt.ErrBadOptions) {
		t.Errorf("without INFO: %v", err)
	}
}

// BenchmarkCacheHit compares a hit with a bare GET of as many bytes.
func BenchmarkCacheHit(b *testing.B) {
	server := startServer(b)
	client := server.client()
	s := newCache(b, smrtredis.CacheConfig{Client: client})
	ask := cache.Ask{Keys: []string{"a"}, Tables: []string{"t"}, Generations: []string{"g"}, Lease: time.Minute}
	a := check.Value(s.Get(b.Context(), ask))(b)
	value := make([]byte, 500)
	check.Value(s.Put(b.Context(), []cache.Fill{{Key: "a", Token: a.Entries[0].Token, Generations: a.Generations, Value: value, TTL: time.Hour}}))(b)
	check.NoError(b, client.Do(b.Context(), client.B().Set().Key("bare").Value(string(value)).Build()).Error())
	check.Compare(b, func() error {
		a, err := s.Get(b.Context(), ask)
		if err == nil && a.Entries[0].State != cache.Found {
			err = errors.New("no hit")
		}
		return err
	}, check.Twin{Name: "get", Run: func() error {
		_, err := client.Do(b.Context(), client.B().Get().Key("bare").Build()).AsBytes()
		return err
	}})
}
