package smrtredis

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/guard"
)

// Config says where buckets are and what holds without them.
type Config struct {
	// Client leads to the store. It stays the caller's, who closes it.
	Client rueidis.Client

	// Connect makes a client, if Client is nil. New calls it and waits for it. If it
	// fails, the store is away, and it is called again, on a goroutine, at most once in
	// Retry until there is a client. The store closes that, see Close.
	Connect func() (rueidis.Client, error)

	// Processes is how many processes share the rates, at least 1: each has that part
	// of the points while the store is away.
	Processes int

	// Prefix is what keys begin with. Default: "smrt:rate:".
	Prefix string

	// Timeout is how long an answer of the store may take. Default: 100 ms.
	Timeout time.Duration

	// Retry is how long a store that did not answer is not asked. Default: a second.
	Retry time.Duration

	// MaxKeys is how many buckets that are not full each process has room for while
	// the store is away. Default: 100,000.
	MaxKeys int

	// Logger is told when the store goes away and when it is back. Default:
	// slog.Default().
	Logger *slog.Logger
}

// The defaults of a [Config].
const (
	defaultPrefix  = "smrt:rate:"
	defaultTimeout = 100 * time.Millisecond
	defaultRetry   = time.Second
	defaultMaxKeys = 100_000
)

// Store keeps buckets of rates in Redis. It is safe for concurrent use.
type Store struct {
	config Config
	local  *guard.Buckets // while the store is away
	began  time.Time
	client atomic.Pointer[rueidis.Client] // nil: there is none yet, or no longer

	mu         sync.Mutex
	connecting bool
	closed     bool

	away  atomic.Int64 // until when the store is not asked, in nanoseconds since the start; 0: it is there
	since atomic.Uint64

	asked, failed, locally atomic.Uint64
}

var _ guard.Store = (*Store)(nil)

// New returns a store. The error is a *[smrt.OptionsError].
func New(c Config) (*Store, error) {
	bad := func(option, reason string) (*Store, error) {
		return nil, &smrt.OptionsError{Option: "Config." + option, Reason: reason}
	}
	switch {
	case c.Client == nil && c.Connect == nil:
		return bad("Client", "must not be nil unless Connect is set: make one with rueidis.NewClient")
	case c.Client != nil && c.Connect != nil:
		return bad("Connect", "must be nil, as Client is set")
	case c.Processes < 1:
		return bad("Processes", fmt.Sprintf("must be at least 1, is %d", c.Processes))
	case c.Timeout < 0 || c.Retry < 0:
		return bad("Timeout", fmt.Sprintf("must not be negative, nor may Retry, are %v and %v", c.Timeout, c.Retry))
	case c.MaxKeys < 0:
		return bad("MaxKeys", fmt.Sprintf("must not be negative, is %d", c.MaxKeys))
	}
	if c.Prefix == "" {
		c.Prefix = defaultPrefix
	}
	if c.Timeout == 0 {
		c.Timeout = defaultTimeout
	}
	if c.Retry == 0 {
		c.Retry = defaultRetry
	}
	if c.MaxKeys == 0 {
		c.MaxKeys = defaultMaxKeys
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	s := &Store{config: c, local: guard.NewBuckets(c.MaxKeys), began: time.Now()}
	if c.Client != nil {
		s.client.Store(&c.Client)
	} else {
		s.connecting = true
		s.connect()
	}
	return s, nil
}

var errNoClient = errors.New("Config.Connect returned no client")

// connect makes a client.
func (s *Store) connect() {
	client, err := s.config.Connect()
	if err == nil && client == nil {
		err = errNoClient
	}
	s.mu.Lock()
	s.connecting = false
	keep := err == nil && !s.closed
	if keep {
		s.client.Store(&client)
	}
	s.mu.Unlock()
	switch {
	case err != nil:
		s.gone(context.Background(), err)
	case !keep:
		client.Close()
	case s.away.Load() != 0:
		s.away.Store(1) // it may be asked at once
	}
}

// connectLater makes a client beside the caller, unless somebody does.
func (s *Store) connectLater() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.connecting && !s.closed {
		s.connecting = true
		go s.connect()
	}
}

// Close closes the client that Connect made. Calls that come later are answered as while
// the store is away. A client of Config.Client stays open.
func (s *Store) Close() {
	if s.config.Client != nil {
		return
	}
	s.mu.Lock()
	s.closed = true
	client := s.client.Swap(nil)
	s.mu.Unlock()
	if client != nil {
		(*client).Close()
	}
}

// Stats says what became of questions since the store was made.
type Stats struct {
	Asked   uint64 // of the store
	Failed  uint64 // that it did not answer
	Locally uint64 // answered by the process, while the store was away
	Away    bool   // the last one was not answered
}

// Stats returns the figures so far.
func (s *Store) Stats() Stats {
	return Stats{Asked: s.asked.Load(), Failed: s.failed.Load(), Locally: s.locally.Load(), Away: s.away.Load() != 0}
}

// Take implements [guard.Store].
func (s *Store) Take(ctx context.Context, b guard.Bucket, points, debt int64) guard.State {
	points, debt = max(points, 0), max(debt, 0)
	if points-debt > b.Burst {
		return guard.State{Available: s.Take(ctx, b, 0, 0).Available} // as many there never will be
	}
	if answer, ok := s.ask(ctx, b, "take", points, debt); ok {
		return answer
	}
	s.locally.Add(1)
	part := s.part(b)
	state := s.local.Take(ctx, part, points, debt)
	state.Local = true
	if !state.Taken && state.RetryAfter == 0 { // more than this process may give
		state.RetryAfter = s.config.Retry
	}
	return state
}

// Give implements [guard.Store].
func (s *Store) Give(ctx context.Context, b guard.Bucket, points int64) {
	if !b.Local { // points of this process are none of the store
		if _, ok := s.ask(ctx, b, "give", -max(points, -math.MaxInt64), 0); ok {
			return
		}
	}
	s.locally.Add(1)
	s.local.Give(ctx, s.part(b), points)
}

// key returns the key of a bucket, which no other rate and key have together.
func (c *Config) key(b guard.Bucket) string {
	return fmt.Sprintf("%s%d:%s:%s", c.Prefix, len(b.Rate), b.Rate, b.Key)
}

// part is what this process has of a bucket by itself.
func (s *Store) part(b guard.Bucket) guard.Bucket {
	n := s.config.Processes
	b.Interval = min(b.Interval, maxOwed/time.Duration(n)) * time.Duration(n)
	b.Burst = max(b.Burst/int64(n), 1)
	return b
}

// maxOwed is how long it takes at most until a bucket is full again, whatever was taken.
const maxOwed = time.Duration(1 << 60) // 36 years

// script moves the moment at which a bucket is full, in microseconds since 2026, which
// are exact in Lua's numbers. Points below zero are given back.
var script = rueidis.NewLuaScript(`
local interval, burst = tonumber(ARGV[2]), tonumber(ARGV[3])
local points, debt = tonumber(ARGV[4]), tonumber(ARGV[5])
local time = redis.call('TIME')
local now = (tonumber(time[1]) - 1767225600) * 1000000 + tonumber(time[2])
local latest = now + tonumber(ARGV[6])
local kept = redis.pcall('GET', KEYS[1])
if type(kept) ~= 'string' then
  kept = now -- there is none, or it is something else
end
local full = math.min(math.max(tonumber(kept) or now, now), latest)
local room = burst * interval - (full - now)
local after = room + (debt - points) * interval
if ARGV[1] == 'take' and after < 0 then
  return {'0', string.format('%.3f', room), string.format('%.3f', -after)}
end
full = math.min(full + points * interval, latest)
if full <= now then
  redis.call('DEL', KEYS[1])
else
  redis.call('SET', KEYS[1], string.format('%.3f', full), 'PX', string.format('%.0f', math.ceil((full - now) / 1000)))
end
return {'1', string.format('%.3f', room), '0'}
`)

// ask asks the store, and reports whether it answered. It is asked whatever becomes of
// the caller, who would otherwise look like a store that is away.
func (s *Store) ask(ctx context.Context, b guard.Bucket, what string, points, debt int64) (guard.State, bool) {
	if !s.mayAsk() {
		return guard.State{}, false
	}
	client := s.client.Load()
	if client == nil {
		s.connectLater()
		return guard.State{}, false
	}
	s.asked.Add(1)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.config.Timeout)
	defer cancel()
	decimal := func(n int64) string { return strconv.FormatInt(n, 10) }
	interval := float64(max(b.Interval, 1)) / float64(time.Microsecond)
	answer, err := s.run(ctx, *client, s.config.key(b),
		what, strconv.FormatFloat(interval, 'f', -1, 64), decimal(b.Burst), decimal(points), decimal(debt), decimal(maxOwed.Microseconds()))
	var room, wait float64
	if err == nil {
		room, wait, err = numbers(answer)
	}
	if err != nil {
		s.failed.Add(1)
		s.gone(ctx, err)
		return guard.State{}, false
	}
	s.back(ctx)
	state := guard.State{Taken: answer[0] == "1", Available: floor(room / interval)}
	if !state.Taken {
		state.RetryAfter = time.Duration(min(wait*float64(time.Microsecond), float64(maxOwed))) + 1
	}
	return state, true
}

// tries is how often a question is sent: a client has several connections to a store,
// and after a restart of that each of them may fail once.
const tries = 5

func (s *Store) run(ctx context.Context, client rueidis.Client, key string, args ...string) (answer []string, err error) {
	for range tries {
		answer, err = script.Exec(ctx, client, []string{key}, args).AsStrSlice()
		if err == nil || ctx.Err() != nil {
			break
		}
	}
	return answer, err
}

// numbers reads what the script returns.
func numbers(answer []string) (room, wait float64, err error) {
	if len(answer) != 3 {
		return 0, 0, fmt.Errorf("the script returned %d values", len(answer))
	}
	if room, err = strconv.ParseFloat(answer[1], 64); err == nil {
		wait, err = strconv.ParseFloat(answer[2], 64)
	}
	return room, wait, err
}

// floor rounds down, but for what is an error of rounding.
func floor(f float64) int64 { return int64(math.Floor(f + 1e-3)) }

// mayAsk reports whether the store is asked: it is there, or it is time for one call to
// try.
func (s *Store) mayAsk() bool {
	until := s.away.Load()
	if until == 0 {
		return true
	}
	now := int64(time.Since(s.began))
	return now >= until && s.away.CompareAndSwap(until, now+int64(s.config.Retry))
}

// gone notes that the store did not answer.
func (s *Store) gone(ctx context.Context, err error) {
	if s.away.Swap(int64(time.Since(s.began)+s.config.Retry)) == 0 {
		s.since.Store(s.locally.Load())
		s.config.Logger.LogAttrs(ctx, slog.LevelWarn, "smrt: the store of rates does not answer: each process goes on with its part",
			slog.Int("processes", s.config.Processes), slog.String("error", err.Error()))
	}
}

// back notes that the store has answered.
func (s *Store) back(ctx context.Context) {
	if s.away.Load() != 0 && s.away.Swap(0) != 0 {
		s.config.Logger.LogAttrs(ctx, slog.LevelInfo, "smrt: the store of rates answers again",
			slog.Uint64("answered_locally", s.locally.Load()-s.since.Load()))
	}
}
