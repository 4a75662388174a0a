package storetest

import (
	"context"
	"testing"
	"time"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/cache"
)

// wrong is a store that does one thing otherwise.
type wrong struct {
	*Store
	get        func(*Store, context.Context, cache.Ask) (cache.Answer, error)
	put        func(*Store, cache.Fill) (bool, error)
	setFloor   func(*Store, string, smrt.Position) (bool, error)
	invalidate func(*Store, context.Context, cache.Change) error
	block      func(*Store, context.Context, cache.Block) error
	sequence   func(*Store) cache.Sequence
	receive    func(cache.Notice) (cache.Notice, bool)
	restart    func(*Store)
	lose       func(*Store, Kind, string) bool
}

func (w wrong) Get(ctx context.Context, a cache.Ask) (cache.Answer, error) {
	if w.get != nil && a.Check() == nil {
		return w.get(w.Store, ctx, a)
	}
	return w.Store.Get(ctx, a)
}

func (w wrong) Put(ctx context.Context, fills []cache.Fill) ([]bool, error) {
	if w.put == nil || fills[0].Check() != nil {
		return w.Store.Put(ctx, fills)
	}
	put := make([]bool, len(fills))
	for i, f := range fills {
		put[i], _ = w.put(w.Store, f)
	}
	return put, nil
}

func (w wrong) SetFloor(ctx context.Context, table string, id uint64, p smrt.Position) (bool, error) {
	if w.setFloor != nil && !p.IsZero() && table != "" {
		return w.setFloor(w.Store, table, p)
	}
	return w.Store.SetFloor(ctx, table, id, p)
}

func (w wrong) Invalidate(ctx context.Context, c cache.Change) error {
	if w.invalidate != nil && c.Check() == nil {
		return w.invalidate(w.Store, ctx, c)
	}
	return w.Store.Invalidate(ctx, c)
}

func (w wrong) Block(ctx context.Context, b cache.Block) error {
	if w.block != nil && b.Check() == nil {
		return w.block(w.Store, ctx, b)
	}
	return w.Store.Block(ctx, b)
}

func (w wrong) Sequence(ctx context.Context) (cache.Sequence, error) {
	if w.sequence != nil {
		return w.sequence(w.Store), nil
	}
	return w.Store.Sequence(ctx)
}

func (w wrong) Subscribe(ctx context.Context, ready func(), receive func(cache.Notice)) error {
	if w.receive == nil {
		return w.Store.Subscribe(ctx, ready, receive)
	}
	return w.Store.Subscribe(ctx, ready, func(m cache.Notice) {
		if m, ok := w.receive(m); ok {
			receive(m)
		}
	})
}

func (w wrong) subject() Subject {
	return Subject{
		Stores: []cache.Store{w, w}, Save: w.Save,
		Restart: func() error {
			err := w.Store.Restart()
			if w.restart != nil {
				w.restart(w.Store)
			}
			return err
		},
		Lose: func(kind Kind, name string) error {
			if w.lose != nil && w.lose(w.Store, kind, name) {
				return nil
			}
			return w.Store.Lose(kind, name)
		},
	}
}

// locked is a step of a store that changes what it has.
func locked(s *Store, does func(*data)) {
	defer s.mu.Unlock()
	s.mu.Lock()
	does(&s.data)
}

// stores are wrong, each in one way, and the rule that each breaks first.
var stores = map[string]struct {
	rule string
	wrong
}{
	"fills need no token": {"a fill needs its lease", wrong{put: func(s *Store, f cache.Fill) (bool, error) {
		locked(s, func(d *data) { f.Token = d.entries[f.Key].token })
		put, err := s.Put(context.Background(), []cache.Fill{f})
		return put[0], err
	}}},
	"fills need no lease": {"an invalidation takes entries and leases", wrong{put: func(s *Store, f cache.Fill) (bool, error) {
		put, err := s.Put(context.Background(), []cache.Fill{f})
		if f.TTL > 0 && f.Token > 1 {
			locked(s, func(d *data) {
				if len(d.entries[f.Key].blocks) == 0 && d.entries[f.Key].state == cache.Absent {
					d.entries[f.Key] = entry{run: s.run, state: cache.Found, value: f.Value, until: time.Now().Add(f.TTL)}
					put[0] = true
				}
			})
		}
		return put[0], err
	}}},
	"everybody gets a lease": {"one caller gets the lease", wrong{get: func(s *Store, ctx context.Context, a cache.Ask) (cache.Answer, error) {
		answer, err := s.Get(ctx, a)
		for i, e := range answer.Entries {
			if e.State == cache.Held {
				locked(s, func(d *data) { answer.Entries[i] = cache.Entry{State: cache.Leased, Token: d.entries[a.Keys[i]].token} })
			}
		}
		return answer, err
	}}},
	"entries go before floors rise": {"a lease comes with a floor that is no older", wrong{invalidate: func(s *Store, ctx context.Context, c cache.Change) error {
		_ = s.Invalidate(ctx, cache.Change{Keys: c.Keys, Lift: c.Lift})
		time.Sleep(2 * time.Millisecond)
		return s.Invalidate(ctx, c)
	}}},
	"floors are read before the lease": {"a lease comes with a floor that is no older", wrong{get: func(s *Store, ctx context.Context, a cache.Ask) (cache.Answer, error) {
		before, _ := s.Get(ctx, cache.Ask{Keys: a.Keys, Tables: a.Tables})
		time.Sleep(2 * time.Millisecond)
		answer, err := s.Get(ctx, a)
		answer.Floors = before.Floors
		return answer, err
	}}},
	"a floor goes down": {"floors only rise", wrong{invalidate: func(s *Store, ctx context.Context, c cache.Change) error {
		locked(s, func(d *data) {
			for _, table := range c.Tables {
				if f := d.floors[table]; f.Position.Timeline == c.Position.Timeline {
					f.Position = c.Position
					d.floors[table] = f
				}
			}
		})
		return s.Invalidate(ctx, c)
	}}},
	"a floor is compared with that of another timeline": {"floors only rise", wrong{invalidate: func(s *Store, ctx context.Context, c cache.Change) error {
		if !c.Position.IsZero() {
			c.Position.System, c.Position.Timeline = -5, 2
		}
		return s.Invalidate(ctx, c)
	}}},
	"a lost floor begins where the next invalidation is": {"a floor that was lost is not known", wrong{invalidate: func(s *Store, ctx context.Context, c cache.Change) error {
		err := s.Invalidate(ctx, c)
		locked(s, func(d *data) {
			for _, table := range c.Tables {
				if f := d.floors[table]; !f.Known && f.Position == c.Position {
					f.Known = true
					d.floors[table] = f
				}
			}
		})
		return err
	}}},
	"any floor can be set": {"floors only rise", wrong{setFloor: func(s *Store, table string, p smrt.Position) (bool, error) {
		locked(s, func(d *data) { d.floors[table] = floor{s.run, cache.Floor{Position: p, Known: true, ID: 1}} })
		return true, nil
	}}},
	"a lost generation begins with 1": {"a generation that was lost is a new one", wrong{lose: func(s *Store, kind Kind, name string) bool {
		if kind == AGeneration {
			locked(s, func(d *data) { d.generations[name] = generation{value: 1} })
		}
		return kind == AGeneration
	}}},
	"a generation is not looked at": {"an entry belongs to its generations", wrong{invalidate: func(s *Store, ctx context.Context, c cache.Change) error {
		locked(s, func(d *data) {
			for _, name := range c.Generations {
				g := d.generations[name]
				c.Generations = nil
				d.generations[name] = g
			}
		})
		return s.Invalidate(ctx, c)
	}}},
	"any invalidation lifts a block": {"a block is lifted by nobody else", wrong{invalidate: func(s *Store, ctx context.Context, c cache.Change) error {
		locked(s, func(d *data) {
			for _, key := range c.Keys {
				delete(d.entries, key)
			}
		})
		return s.Invalidate(ctx, c)
	}}},
	"a block only takes away": {"a block is lifted by nobody else", wrong{block: func(s *Store, ctx context.Context, b cache.Block) error {
		return s.Invalidate(ctx, cache.Change{Keys: b.Keys, Generations: b.Generations, From: b.From})
	}}},
	"generations are not blocked": {"a block of a generation is of its entries", wrong{block: func(s *Store, ctx context.Context, b cache.Block) error {
		generations := b.Generations
		if b.Generations = nil; len(generations) > 0 {
			_ = s.Invalidate(ctx, cache.Change{Generations: generations})
		}
		return s.Block(ctx, b)
	}}},
	"entries have no run": {"nothing is left of another run", wrong{restart: func(s *Store) {
		locked(s, func(d *data) {
			for key, e := range d.entries {
				e.run = s.run
				d.entries[key] = e
			}
		})
	}}},
	"floors have no run": {"nothing is left of another run", wrong{restart: func(s *Store) {
		locked(s, func(d *data) {
			for table, f := range d.floors {
				f.run = s.run
				d.floors[table] = f
			}
		})
	}}},
	"messages have no numbers": {"messages follow what was done and one another", wrong{receive: func(m cache.Notice) (cache.Notice, bool) {
		m.Sequence.Number = 1
		return m, true
	}}},
	"a message is dropped": {"messages follow what was done and one another", wrong{receive: func(m cache.Notice) (cache.Notice, bool) {
		return m, m.Position != at(7)
	}}},
	"a lost number begins with 1": {"numbers that were lost do not come again", wrong{lose: func(s *Store, kind Kind, _ string) bool {
		if kind == TheSequence {
			locked(s, func(d *data) { d.sequence.Number = 1 })
		}
		return kind == TheSequence
	}}},
	"a value is cut": {"values come back as they were put", wrong{put: func(s *Store, f cache.Fill) (bool, error) {
		f.Value = f.Value[:min(len(f.Value), 1_024)]
		put, err := s.Put(context.Background(), []cache.Fill{f})
		return put[0], err
	}}},
	"a life has no end": {"what expires is gone", wrong{put: func(s *Store, f cache.Fill) (bool, error) {
		if f.TTL > 0 {
			f.TTL = long
		}
		put, err := s.Put(context.Background(), []cache.Fill{f})
		return put[0], err
	}}},
}

// TestWrongStores: a store that breaks a rule is found by it.
func TestWrongStores(t *testing.T) {
	t.Parallel()
	for name, w := range stores {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w.Store = NewStore()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if w.receive != nil { // the rule waits for what does not come
				time.AfterFunc(2*time.Second, cancel)
			}
			for _, rule := range Rules() {
				if rule.Name != w.rule {
					continue
				}
				err := rule.Test(ctx, w.subject())
				if err == nil {
					t.Errorf("a store passes as one of which %q holds", w.rule)
				}
				t.Log(err)
				return
			}
			t.Errorf("%q is no rule", w.rule)
		})
	}
}

// TestRulesEnd: a rule that waits for what does not come ends with its context.
func TestRulesEnd(t *testing.T) {
	t.Parallel()
	deaf := wrong{Store: NewStore(), receive: func(m cache.Notice) (cache.Notice, bool) { return m, false }}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	for _, rule := range Rules() {
		if rule.Name == "messages follow what was done and one another" {
			if err := rule.Test(ctx, deaf.subject()); err == nil {
				t.Error("a store without messages passes")
			}
		}
	}
}
