package smrtredis

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/cache"
)

// CacheConfig says where entries of a cache are.
type CacheConfig struct {
	// Client leads to the store. It stays the caller's, who closes it.
	Client rueidis.Client

	// Prefix is what keys begin with, and the channel of messages. All that have the
	// prefix are of one cache. It has a part in braces, which makes the keys of a cache
	// live on one node of a cluster: several nodes need several caches. Default:
	// "{smrt:cache}:".
	Prefix string

	// Timeout is how long an answer of the store may take. Default: 100 ms.
	Timeout time.Duration

	// MaxBytes is how large a value may be. One that is larger is not stored, and one in
	// the store that says it is larger is not read. Default: 1 MiB.
	MaxBytes int

	// Logger is told of a server that is set up so that it may lose what it should not.
	// Default: slog.Default().
	Logger *slog.Logger
}

const (
	defaultCachePrefix = "{smrt:cache}:"
	defaultMaxBytes    = 1 << 20
)

// CacheStore keeps the entries of a cache in Redis. It is safe for concurrent use.
type CacheStore struct {
	config   CacheConfig
	sequence string // the key of the sequence
	channel  string
	damaged  atomic.Uint64
}

var _ cache.Store = (*CacheStore)(nil)

// NewCacheStore returns a store, after it has asked the server what it may do. A server
// that does not answer is one that may later, which is logged. The error is a
// *[smrt.OptionsError] if an option is wrong, or if the server refuses the scripts, which
// ask for INFO.
func NewCacheStore(ctx context.Context, c CacheConfig) (*CacheStore, error) {
	bad := func(option, reason string) (*CacheStore, error) {
		return nil, &smrt.OptionsError{Option: "CacheConfig." + option, Reason: reason}
	}
	if c.Prefix == "" {
		c.Prefix = defaultCachePrefix
	}
	if c.Timeout == 0 {
		c.Timeout = defaultTimeout
	}
	if c.MaxBytes == 0 {
		c.MaxBytes = defaultMaxBytes
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	_, tag, _ := strings.Cut(c.Prefix, "{")
	switch {
	case c.Client == nil:
		return bad("Client", "must not be nil: make one with rueidis.NewClient")
	case strings.Index(tag, "}") < 1:
		return bad("Prefix", fmt.Sprintf("must have a text in braces, such as %q", defaultCachePrefix))
	case c.Timeout < 0:
		return bad("Timeout", fmt.Sprintf("must not be negative, is %v", c.Timeout))
	case c.MaxBytes < 0 || c.MaxBytes > 1<<28:
		return bad("MaxBytes", fmt.Sprintf("must be at most %d, is %d", 1<<28, c.MaxBytes))
	}
	s := &CacheStore{config: c, sequence: c.Prefix + "s", channel: c.Prefix + "messages"}
	_, err := s.Sequence(ctx)
	var refused *rueidis.RedisError
	if errors.As(err, &refused) && !refused.IsLoading() {
		return bad("Client", fmt.Sprintf("leads to a server that refuses the scripts: %v", err))
	}
	s.warn(ctx, err)
	return s, nil
}

// warn logs what a server may do to what is kept there.
func (s *CacheStore) warn(ctx context.Context, err error) {
	var info string
	if err == nil {
		ctx, cancel := context.WithTimeout(ctx, s.config.Timeout)
		defer cancel()
		info, err = s.config.Client.Do(ctx, s.config.Client.B().Info().Section("memory").Build()).ToString()
	}
	if err != nil {
		s.config.Logger.LogAttrs(ctx, slog.LevelWarn, "smrt: the store of the cache does not answer", slog.String("error", err.Error()))
		return
	}
	setting := func(name string) string {
		for line := range strings.Lines(info) {
			if value, ok := strings.CutPrefix(strings.TrimSpace(line), name+":"); ok {
				return value
			}
		}
		return ""
	}
	policy, what := setting("maxmemory_policy"), ""
	switch {
	case setting("maxmemory") == "0":
		return
	case strings.HasPrefix(policy, "allkeys-"):
		what = "floors and blocks may be removed when memory is short: standbys are read less then, and a row whose commit is in doubt may be stored and be stale for its ttl; use volatile-lru"
	case policy == "noeviction":
		what = "nothing is stored nor invalidated when memory is short: use volatile-lru"
	default:
		return
	}
	s.config.Logger.LogAttrs(ctx, slog.LevelWarn, "smrt: maxmemory-policy of the store of the cache: "+what, slog.String("policy", policy))
}

// Damaged returns how many values were found that were none, or larger than MaxBytes.
// They are read as ones that are not there and cannot be filled.
func (s *CacheStore) Damaged() uint64 { return s.damaged.Load() }

// keys adds the keys of names.
func (s *CacheStore) keys(to []string, kind string, names []string) []string {
	for _, name := range names {
		to = append(to, s.config.Prefix+kind+name)
	}
	return to
}

// randoms adds a random number for each of n keys.
func randoms(to []string, n int) []string {
	for range n {
		to = append(to, hex(number()))
	}
	return to
}

// run runs a script, again if the connection was lost: each that a client has may be,
// after a restart of the server.
func (s *CacheStore) run(ctx context.Context, script *rueidis.Lua, keys, args []string) (r rueidis.RedisResult) {
	ctx, cancel := context.WithTimeout(ctx, s.config.Timeout)
	defer cancel()
	for range tries {
		r = script.Exec(ctx, s.config.Client, keys, args)
		err := r.Error()
		if _, answered := rueidis.IsRedisErr(err); err == nil || answered || ctx.Err() != nil {
			break
		}
	}
	return r
}

// Get implements [cache.Store].
func (s *CacheStore) Get(ctx context.Context, ask cache.Ask) (cache.Answer, error) {
	if err := ask.Check(); err != nil {
		return cache.Answer{}, err
	}
	n, nf, ng := len(ask.Keys), len(ask.Tables), len(ask.Generations)
	keys := make([]string, 0, n+nf+ng)
	keys = s.keys(s.keys(s.keys(keys, "e:", ask.Keys), "f:", ask.Tables), "g:", ask.Generations)
	args := []string{strconv.Itoa(n), strconv.Itoa(nf), strconv.Itoa(ng), strconv.FormatInt(ask.Lease.Milliseconds(), 10), hex(number())[:13]}
	texts, err := s.run(ctx, getScript, keys, args).AsStrSlice()
	if err == nil && (len(texts) != 3+n || len(texts[2]) != nf*floorLength) {
		err = errValue
	}
	if err != nil {
		return cache.Answer{}, fmt.Errorf("smrt: asking the store of the cache: %w", err)
	}
	a := cache.Answer{Run: texts[0], Entries: make([]cache.Entry, n)}
	var p parser
	if ng > 0 {
		for text := range strings.SplitSeq(texts[1], ",") {
			a.Generations = append(a.Generations, p.number(text, 16, 64))
		}
	}
	for text := texts[2]; text != ""; text = text[floorLength:] {
		a.Floors = append(a.Floors, p.floor(text[:floorLength]))
	}
	for i, text := range texts[3:] {
		if len(text) == tokenLength {
			a.Entries[i] = cache.Entry{State: cache.Leased, Token: p.number(text, 16, 64)}
			continue
		}
		a.Entries[i] = s.entry(text)
	}
	return a, p.err
}

// entry reads an entry, or the letter of its state.
func (s *CacheStore) entry(text string) cache.Entry {
	switch text {
	case "a":
		return cache.Entry{State: cache.Absent}
	case "h":
		return cache.Entry{State: cache.Held}
	case "b":
		return cache.Entry{State: cache.Blocked}
	}
	value, err := decode(text, s.config.MaxBytes)
	if err != nil {
		s.damaged.Add(1)
		return cache.Entry{State: cache.Absent}
	}
	return cache.Entry{State: cache.Found, Value: value}
}

// Put implements [cache.Store].
func (s *CacheStore) Put(ctx context.Context, fills []cache.Fill) ([]bool, error) {
	if len(fills) == 0 {
		return nil, nil
	}
	keys, args := make([]string, 0, len(fills)), make([]string, 0, 4*len(fills))
	for _, f := range fills {
		if err := f.Check(); err != nil {
			return nil, err
		}
		keys = s.keys(keys, "e:", []string{f.Key})
		ttl, value := (f.TTL+time.Millisecond-1)/time.Millisecond, ""
		if len(f.Value) > s.config.MaxBytes {
			ttl = 0
		} else if ttl > 0 {
			value = encode(f.Value)
		}
		args = append(args, hex(f.Token), strconv.FormatInt(int64(ttl), 10), generationsText(f.Generations), value)
	}
	put, err := s.run(ctx, putScript, keys, args).AsIntSlice()
	if err == nil && len(put) != len(fills) {
		err = errValue
	}
	if err != nil {
		return nil, fmt.Errorf("smrt: filling the store of the cache: %w", err)
	}
	stored := make([]bool, len(put))
	for i, n := range put {
		stored[i] = n == 1
	}
	return stored, nil
}

// SetFloor implements [cache.Store].
func (s *CacheStore) SetFloor(ctx context.Context, table string, id uint64, p smrt.Position) (bool, error) {
	if err := cache.CheckFloor(table, p); err != nil {
		return false, err
	}
	n, err := s.run(ctx, floorScript, s.keys(nil, "f:", []string{table}), []string{hex(id), position(p)}).AsInt64()
	if err != nil {
		err = fmt.Errorf("smrt: setting a floor in the store of the cache: %w", err)
	}
	return n == 1, err
}

// Invalidate implements [cache.Store].
func (s *CacheStore) Invalidate(ctx context.Context, c cache.Change) error {
	if err := c.Check(); err != nil {
		return err
	}
	message := encodeNotice(cache.Notice{From: c.From, Position: c.Position, Keys: c.Keys, Generations: c.Generations})
	keys := s.keys(s.keys(s.keys([]string{s.sequence}, "f:", c.Tables), "g:", c.Generations), "e:", c.Keys)
	args := []string{
		s.channel, message, strconv.Itoa(len(c.Tables)), strconv.Itoa(len(c.Generations)), hex(number()), position(c.Position), hex(c.Lift),
	}
	args = randoms(args, len(c.Tables)+len(c.Generations))
	if err := s.run(ctx, invalidateScript, keys, args).Error(); err != nil {
		return fmt.Errorf("smrt: invalidating in the store of the cache: %w", err)
	}
	return nil
}

// Block implements [cache.Store].
func (s *CacheStore) Block(ctx context.Context, b cache.Block) error {
	if err := b.Check(); err != nil {
		return err
	}
	message := encodeNotice(cache.Notice{From: b.From, Keys: b.Keys, Generations: b.Generations})
	keys := s.keys(s.keys([]string{s.sequence}, "g:", b.Generations), "e:", b.Keys)
	args := []string{s.channel, message, hex(number()), hex(b.ID), strconv.FormatInt(b.TTL.Milliseconds(), 10)}
	if err := s.run(ctx, blockScript, keys, args).Error(); err != nil {
		return fmt.Errorf("smrt: blocking in the store of the cache: %w", err)
	}
	return nil
}

// Sequence implements [cache.Store].
func (s *CacheStore) Sequence(ctx context.Context) (cache.Sequence, error) {
	texts, err := s.run(ctx, sequenceScript, []string{s.sequence}, []string{hex(number())}).AsStrSlice()
	var p parser
	if err == nil && len(texts) == 2 {
		return cache.Sequence{Stream: texts[0], Number: p.number(texts[1], 10, 64)}, p.err
	}
	return cache.Sequence{}, fmt.Errorf("smrt: asking the store of the cache for its last message: %w", errors.Join(err, p.err))
}

// Subscribe implements [cache.Store]. It has a connection of its own.
func (s *CacheStore) Subscribe(ctx context.Context, ready func(), receive func(cache.Notice)) error {
	client, release := s.config.Client.Dedicate()
	defer release()
	var bad atomic.Pointer[error]
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := client.SetPubSubHooks(rueidis.PubSubHooks{
		OnSubscription: func(sub rueidis.PubSubSubscription) {
			if sub.Kind == "subscribe" {
				ready()
			}
		},
		OnMessage: func(m rueidis.PubSubMessage) {
			notice, err := decodeNotice(m.Message)
			if err != nil {
				bad.Store(&err)
				cancel()
				return
			}
			receive(notice)
		},
	})
	err := client.Do(ctx, client.B().Subscribe().Channel(s.channel).Build()).Error()
	if err == nil {
		select {
		case err = <-ended:
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	if e := bad.Load(); e != nil {
		err = *e
	}
	if err == nil {
		err = errors.New("the connection was closed")
	}
	return fmt.Errorf("smrt: following the store of the cache: %w", err)
}
