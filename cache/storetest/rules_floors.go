package storetest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/cache"
)

func (t *test) rises(to smrt.Position, want cache.Floor) {
	t.invalidate(cache.Change{Tables: t.tables, Position: to})
	if f := t.floor(); f.Known != want.Known || f.Position != want.Position {
		t.fail("after an invalidation at %v the floor is %+v, not %+v", to, f, want)
	}
}

// floors: they rise to positions that can be compared, and are not known otherwise.
func (t *test) floors() {
	t.known(at(1 << 40))
	first := t.floor()
	if t.setFloor(first.ID, at(1<<50)) {
		t.fail("a floor that is known was set")
	}
	t.rises(at(1<<41), cache.Floor{Position: at(1 << 41), Known: true})
	t.rises(at(9), cache.Floor{Position: at(1 << 41), Known: true}) // 9 is the later one of two texts
	t.rises(at(1<<63), cache.Floor{Position: at(1 << 63), Known: true})
	t.rises(at(1<<63+1), cache.Floor{Position: at(1<<63 + 1), Known: true})
	t.rises(at(1<<63), cache.Floor{Position: at(1<<63 + 1), Known: true})

	t.rises(smrt.Position{}, cache.Floor{Position: at(1<<63 + 1)})
	if f := t.floor(); f.ID == first.ID || t.setFloor(first.ID, at(1<<63+9)) || !t.setFloor(f.ID, at(5)) {
		t.fail("a floor that was not known could be set by an old id, or not by its own")
	}
	if f := t.floor(); !f.Known || f.Position != at(1<<63+1) {
		t.fail("the floor was set to an earlier position: %+v", f)
	}
	promoted := smrt.Position{System: -5, Timeline: 11, LSN: 7}
	t.rises(promoted, cache.Floor{Position: promoted})
	id := t.floor().ID
	if t.setFloor(id, at(1<<63+9)) {
		t.fail("a floor was set to an older timeline")
	}
	if !t.setFloor(id, smrt.Position{System: -5, Timeline: 11, LSN: 9}) {
		t.fail("a floor of a new timeline could not be set")
	}
	t.rises(at(1<<63+9), cache.Floor{Position: smrt.Position{System: -5, Timeline: 11, LSN: 9}}) // of the old timeline, late
	restored := smrt.Position{System: 6, Timeline: 1, LSN: 3}
	t.rises(restored, cache.Floor{Position: restored})
	if !t.setFloor(t.floor().ID, restored) {
		t.fail("a floor of another system could not be set")
	}
}

// lostFloors: one that is not there is not known, until somebody has asked the primary
// after that.
func (t *test) lostFloors() {
	t.known(at(100))
	if t.Lose == nil {
		return
	}
	before := t.floor()
	t.must(t.Lose(AFloor, t.tables[0]))
	t.invalidate(cache.Change{Tables: t.tables, Position: at(50)})
	f := t.floor()
	if f.Known {
		t.fail("a floor that was lost at 100 is known to be %v", f.Position)
	}
	if f.ID == before.ID || t.setFloor(before.ID, at(200)) {
		t.fail("a floor that was lost has its old id")
	}
	// Who asks the primary now does not know of an invalidation meanwhile.
	t.invalidate(cache.Change{Tables: t.tables, Position: at(300)})
	if t.setFloor(f.ID, at(200)) {
		if now := t.floor(); now.Position != at(300) {
			t.fail("an invalidation at 300 was lost, the floor is %v", now)
		}
	}
	// If that is lost as well, the id is not there again.
	t.must(t.Lose(AFloor, t.tables[0]))
	old := t.floor()
	t.invalidate(cache.Change{Tables: t.tables, Position: at(400)})
	t.must(t.Lose(AFloor, t.tables[0]))
	if t.setFloor(old.ID, at(350)) {
		t.fail("a floor that was lost twice was set by what was asked before: %v", t.floor())
	}
}

// floorFirst: who gets a lease after an invalidation has taken an entry knows its
// position and its generation.
func (t *test) floorFirst() {
	t.known(at(1))
	key, g := t.name("key"), t.name("g")
	for i := range 30 {
		f := t.lease(key)
		if !t.put(f) {
			t.fail("a fill under its lease was refused")
		}
		_, before := t.get(t.name("other"), g)
		old := renewed{key, g, before.Generations[0]}
		position := at(uint64(10 + i))
		var done atomic.Bool
		var wg sync.WaitGroup
		errs := make([]error, 3)
		for r := range 2 {
			wg.Go(func() { errs[r] = t.leasedBelow(t.store(r), old, position, &done) })
		}
		wg.Go(func() {
			time.Sleep(time.Duration(i%3) * 200 * time.Microsecond)
			errs[2] = t.store(1).Invalidate(t.ctx, cache.Change{Tables: t.tables, Position: position, Keys: []string{key}, Generations: []string{g}})
			done.Store(true)
		})
		wg.Wait()
		t.must(errors.Join(errs...))
		t.invalidate(cache.Change{Tables: t.tables, Position: position, Keys: []string{key}})
	}
}

// renewed is what an invalidation changes.
type renewed struct {
	key, generation string
	value           uint64 // of the generation, before
}

// leasedBelow asks until it gets the lease, and returns an error if that came with a
// floor or a generation from before the invalidation.
func (t *test) leasedBelow(s cache.Store, old renewed, position smrt.Position, done *atomic.Bool) error {
	for last := false; !last; {
		last = done.Load()
		a, err := s.Get(t.ctx, cache.Ask{Keys: []string{old.key}, Tables: t.tables, Lease: long})
		if err != nil {
			return err
		}
		switch a.Entries[0].State {
		case cache.Leased:
			if f := a.Floors[0]; f.Position.LSN < position.LSN {
				return fmt.Errorf("a lease from after an invalidation at %v came with the floor %v", position, f.Position)
			}
			now, err := s.Get(t.ctx, cache.Ask{Keys: []string{t.name("other")}, Generations: []string{old.generation}})
			if err == nil && now.Generations[0] == old.value {
				err = errors.New("a generation was renewed after an entry was taken away")
			}
			return err
		case cache.Held:
			return nil
		}
	}
	return nil
}
