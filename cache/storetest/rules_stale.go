package storetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	"github.com/smrt-go/smrt/cache"
)

// server is a database with a standby, of one row for each key.
type server struct {
	mu      sync.Mutex
	wal     uint64
	rows    map[string]uint64 // versions
	standby map[string]uint64
	delayed []write
}

type write struct {
	key              string
	version, written uint64
}

// commit writes a row, and returns a position behind it.
func (s *server) commit(key string) uint64 {
	defer s.mu.Unlock()
	s.mu.Lock()
	s.wal++
	s.rows[key]++
	s.delayed = append(s.delayed, write{key, s.rows[key], s.wal})
	if rand.IntN(2) == 0 {
		s.wal++ // of somebody else
	}
	return s.wal
}

// replay shows some of what was written on the standby.
func (s *server) replay() {
	for n := rand.IntN(len(s.delayed) + 1); n > 0; n-- {
		s.standby[s.delayed[0].key] = s.delayed[0].version
		s.delayed = s.delayed[1:]
	}
}

// read returns a row as the standby has it, if that has replayed the floor.
func (s *server) read(key string, floor cache.Floor) uint64 {
	defer s.mu.Unlock()
	s.mu.Lock()
	s.replay()
	if floor.Known && (len(s.delayed) == 0 || s.delayed[0].written > floor.Position.LSN) {
		return s.standby[key]
	}
	return s.rows[key]
}

func (s *server) now() uint64 {
	defer s.mu.Unlock()
	s.mu.Lock()
	return s.wal
}

// pause lets others go on.
func pause() {
	if rand.IntN(4) == 0 {
		time.Sleep(time.Duration(rand.IntN(100)) * time.Microsecond)
	}
}

// stale: readers fill as their leases and floors allow, writers invalidate what they have
// committed, and things are lost. When all have ended no entry is older than its row.
func (t *test) stale() {
	s := &server{rows: map[string]uint64{}, standby: map[string]uint64{}}
	keys := []string{t.name("a"), t.name("b")}
	g := t.name("g")
	for range 20 {
		var wg sync.WaitGroup
		errs := make([]error, 7)
		for i := range 4 {
			wg.Go(func() {
				for range 10 {
					errs[i] = errors.Join(errs[i], t.fill(s, i, keys[rand.IntN(2)], g))
				}
			})
		}
		for i := range 2 {
			wg.Go(func() {
				for range 5 {
					key := keys[rand.IntN(2)]
					c := cache.Change{Tables: t.tables, Position: at(s.commit(key)), Keys: []string{key}, Generations: []string{g}}
					pause()
					errs[4+i] = errors.Join(errs[4+i], t.store(i).Invalidate(t.ctx, c))
				}
			})
		}
		wg.Go(func() { errs[6] = t.loses(keys, g) })
		wg.Wait()
		t.must(errors.Join(errs...))
		for _, key := range keys {
			for _, ask := range []cache.Ask{{Keys: []string{key}}, {Keys: []string{"of " + key}, Generations: []string{g}}} {
				a, err := t.store(0).Get(t.ctx, ask)
				t.must(err)
				if e := a.Entries[0]; e.State == cache.Found && string(e.Value) != strconv.FormatUint(s.rows[key], 10) {
					t.fail("version %s is there of a row that has version %d", e.Value, s.rows[key])
				}
			}
		}
	}
}

// loses removes things now and then.
func (t *test) loses(keys []string, g string) error {
	for range 5 {
		pause()
		if t.Lose == nil {
			return nil
		}
		err := errors.Join(t.Lose(AFloor, t.tables[0]), t.Lose(AnEntry, keys[rand.IntN(2)]))
		if rand.IntN(2) == 0 {
			err = errors.Join(err, t.Lose(AGeneration, g))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// fill reads a row, or its value of a generation, by way of the store.
func (t *test) fill(s *server, i int, key, g string) error {
	ask := cache.Ask{Keys: []string{key}, Tables: t.tables, Lease: long}
	if rand.IntN(2) == 0 {
		ask.Keys, ask.Generations = []string{"of " + key}, []string{g}
	}
	a, err := t.store(i).Get(t.ctx, ask)
	if err != nil || a.Entries[0].State != cache.Leased {
		return err
	}
	pause()
	version := s.read(key, a.Floors[0])
	pause()
	_, err = t.store(i).Put(t.ctx, []cache.Fill{{
		Key: ask.Keys[0], Token: a.Entries[0].Token, Generations: a.Generations, Value: fmt.Append(nil, version), TTL: long,
	}})
	if f := a.Floors[0]; err == nil && !f.Known {
		_, err = t.store(i).SetFloor(t.ctx, t.tables[0], f.ID, at(s.now()))
	}
	return err
}
