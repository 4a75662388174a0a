package storetest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/cache"
)

// Store is a [cache.Store] in memory, with the failures of one that is not. It
// keeps what has expired until somebody asks for it.
type Store struct {
	mu          sync.Mutex
	data        data
	saved       data
	run         string
	away        error
	subscribers map[*subscriber]bool
	drop        func(cache.Notice) bool
}

// data is what a dump of the store has.
type data struct {
	entries     map[string]entry
	floors      map[string]floor
	generations map[string]generation
	sequence    cache.Sequence
}

type entry struct {
	run         string
	state       cache.State
	value       []byte
	token       uint64
	generations []uint64
	until       time.Time
	blocks      map[uint64]time.Time
}

type floor struct {
	run string
	cache.Floor
}

type generation struct {
	value  uint64
	blocks map[uint64]time.Time
}

type subscriber struct {
	messages chan cache.Notice
	cut      chan struct{}
}

var _ cache.Store = (*Store)(nil)

// NewStore returns an empty store.
func NewStore() *Store {
	s := &Store{subscribers: map[*subscriber]bool{}}
	s.data = s.data.copied()
	s.saved = s.data.copied()
	s.run = random("run")
	return s
}

func random(what string) string { return fmt.Sprintf("%s %016x", what, rand.Uint64()) }

// number returns a random number that is not 0.
func number() uint64 { return rand.Uint64() | 1<<63 }

// copied copies maps, of which the values are not changed. An entry has one from time to
// time, which is.
func (d data) copied() data {
	c := data{map[string]entry{}, map[string]floor{}, map[string]generation{}, d.sequence}
	for k, v := range d.entries {
		v.blocks = blocksOf(v.blocks)
		c.entries[k] = v
	}
	for k, v := range d.floors {
		c.floors[k] = v
	}
	for k, v := range d.generations {
		v.blocks = blocksOf(v.blocks)
		c.generations[k] = v
	}
	return c
}

// blocksOf returns a copy of those that have not expired, nil if there is none.
func blocksOf(blocks map[uint64]time.Time) (left map[uint64]time.Time) {
	for id, until := range blocks {
		if time.Now().Before(until) {
			if left == nil {
				left = map[uint64]time.Time{}
			}
			left[id] = until
		}
	}
	return left
}

// Get implements [cache.Store].
func (s *Store) Get(ctx context.Context, ask cache.Ask) (a cache.Answer, err error) {
	if err := ask.Check(); err != nil {
		return a, err
	}
	defer s.mu.Unlock()
	if s.mu.Lock(); s.away != nil {
		return a, s.away
	}
	a.Run = s.run
	blocked := false
	for _, name := range ask.Generations {
		g := s.generation(name)
		blocked = blocked || len(g.blocks) > 0
		a.Generations = append(a.Generations, g.value)
	}
	for _, table := range ask.Tables {
		a.Floors = append(a.Floors, s.floor(table).Floor)
	}
	for _, key := range ask.Keys {
		a.Entries = append(a.Entries, s.entry(key, &a, ask.Lease, blocked))
	}
	return a, ctx.Err()
}

// entry returns what is there, or takes a lease.
func (s *Store) entry(key string, a *cache.Answer, lease time.Duration, blocked bool) cache.Entry {
	e := s.data.entries[key]
	if e.blocks = blocksOf(e.blocks); blocked || len(e.blocks) > 0 {
		return cache.Entry{State: cache.Blocked}
	}
	if e.run == s.run && time.Now().Before(e.until) {
		switch {
		case e.state == cache.Held:
			return cache.Entry{State: cache.Held}
		case slices.Equal(e.generations, a.Generations):
			return cache.Entry{State: cache.Found, Value: e.value}
		}
	}
	if lease == 0 {
		return cache.Entry{State: cache.Absent}
	}
	token := number()
	s.data.entries[key] = entry{run: s.run, state: cache.Held, token: token, until: time.Now().Add(lease)}
	return cache.Entry{State: cache.Leased, Token: token}
}

// generation returns one that is there.
func (s *Store) generation(name string) generation {
	g := s.data.generations[name]
	if g.value == 0 {
		g.value = number()
	}
	g.blocks = blocksOf(g.blocks)
	s.data.generations[name] = g
	return g
}

// floor returns one that is there, and is not known if it was not.
func (s *Store) floor(table string) floor {
	f := s.data.floors[table]
	if f.run != s.run {
		f = floor{s.run, cache.Floor{Position: f.Position, ID: number()}}
		s.data.floors[table] = f
	}
	return f
}

// Put implements [cache.Store].
func (s *Store) Put(ctx context.Context, fills []cache.Fill) ([]bool, error) {
	for _, f := range fills {
		if err := f.Check(); err != nil {
			return nil, err
		}
	}
	defer s.mu.Unlock()
	if s.mu.Lock(); s.away != nil {
		return nil, s.away
	}
	put := make([]bool, len(fills))
	for i, f := range fills {
		e := s.data.entries[f.Key]
		if e.state != cache.Held || e.token != f.Token || e.run != s.run || !time.Now().Before(e.until) {
			continue
		}
		if f.TTL == 0 {
			delete(s.data.entries, f.Key)
			continue
		}
		put[i] = true
		s.data.entries[f.Key] = entry{
			run: s.run, state: cache.Found, value: slices.Clone(f.Value),
			generations: slices.Clone(f.Generations), until: time.Now().Add(f.TTL),
		}
	}
	return put, ctx.Err()
}

// SetFloor implements [cache.Store].
func (s *Store) SetFloor(ctx context.Context, table string, id uint64, position smrt.Position) (bool, error) {
	if err := cache.CheckFloor(table, position); err != nil {
		return false, err
	}
	defer s.mu.Unlock()
	if s.mu.Lock(); s.away != nil {
		return false, s.away
	}
	f := s.floor(table)
	if f.Known || f.ID != id || f.Position.System == position.System && f.Position.Timeline > position.Timeline {
		return false, ctx.Err()
	}
	f.Position, f.Known = later(f.Position, position), true
	s.data.floors[table] = f
	return true, ctx.Err()
}

// later returns the later one of two positions, and the second if that is no question.
func later(p, q smrt.Position) smrt.Position {
	if p.System == q.System && p.Timeline == q.Timeline && p.LSN > q.LSN {
		return p
	}
	return q
}

// raise raises a floor to the position of a change.
func (s *Store) raise(table string, to smrt.Position) {
	f := s.floor(table)
	switch at := f.Position; {
	case to.IsZero():
		f.Known, f.ID = false, number()
	case at.IsZero():
		f.Position = to
	case at.System != to.System || at.Timeline != to.Timeline:
		f.Known, f.ID = false, number()
		if at.System != to.System || to.Timeline > at.Timeline {
			f.Position = to
		}
	default:
		f.Position = later(at, to)
	}
	s.data.floors[table] = f
}

// Invalidate implements [cache.Store].
func (s *Store) Invalidate(ctx context.Context, c cache.Change) error {
	if err := c.Check(); err != nil {
		return err
	}
	defer s.mu.Unlock()
	if s.mu.Lock(); s.away != nil {
		return s.away
	}
	for _, table := range c.Tables {
		s.raise(table, c.Position)
	}
	for _, name := range c.Generations {
		g := s.generation(name)
		delete(g.blocks, c.Lift)
		g.value = number()
		s.data.generations[name] = g
	}
	for _, key := range c.Keys {
		left := blocksOf(s.data.entries[key].blocks)
		delete(left, c.Lift)
		s.remove(key, left)
	}
	s.publish(cache.Notice{From: c.From, Position: c.Position, Keys: c.Keys, Generations: c.Generations})
	return ctx.Err()
}

// remove leaves nothing of an entry but blocks.
func (s *Store) remove(key string, blocks map[uint64]time.Time) {
	if len(blocks) == 0 {
		delete(s.data.entries, key)
		return
	}
	s.data.entries[key] = entry{blocks: blocks}
}

// Block implements [cache.Store].
func (s *Store) Block(ctx context.Context, b cache.Block) error {
	if err := b.Check(); err != nil {
		return err
	}
	defer s.mu.Unlock()
	if s.mu.Lock(); s.away != nil {
		return s.away
	}
	until := time.Now().Add(b.TTL)
	with := func(blocks map[uint64]time.Time) map[uint64]time.Time {
		if blocks == nil {
			blocks = map[uint64]time.Time{}
		}
		blocks[b.ID] = until
		return blocks
	}
	for _, name := range b.Generations {
		g := s.generation(name)
		s.data.generations[name] = generation{number(), with(g.blocks)}
	}
	for _, key := range b.Keys {
		s.remove(key, with(blocksOf(s.data.entries[key].blocks)))
	}
	s.publish(cache.Notice{From: b.From, Keys: b.Keys, Generations: b.Generations})
	return ctx.Err()
}

// stream makes the number of the last message, if it was lost.
func (s *Store) stream() {
	if !strings.HasPrefix(s.data.sequence.Stream, s.run) {
		s.data.sequence = cache.Sequence{Stream: s.run + random(", stream")}
	}
}
