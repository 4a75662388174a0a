package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/cache"
)

// values: any bytes, and many entries in one question.
func (t *test) values() {
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	values := [][]byte{{}, {0}, []byte("E"), every, bytes.Repeat(every, 1_000), []byte(strings.Repeat("a", 5_000))}
	ask := cache.Ask{Tables: t.tables, Generations: []string{t.name("g"), t.name("h")}, Lease: long}
	for i := range values {
		ask.Keys = append(ask.Keys, t.name(fmt.Sprint("key ", i, " \x00\xff{}")))
	}
	answer, err := t.store(0).Get(t.ctx, ask)
	t.must(err)
	fills := make([]cache.Fill, len(values))
	tokens := map[uint64]bool{}
	for i, e := range answer.Entries {
		tokens[e.Token] = true
		fills[i] = cache.Fill{Key: ask.Keys[i], Token: e.Token, Generations: answer.Generations, Value: bytes.Clone(values[i]), TTL: long}
	}
	if len(tokens) != len(values) || tokens[0] {
		t.fail("%d leases have %d tokens", len(values), len(tokens))
	}
	fills[2].Token++ // which is refused, and the others are not
	put, err := t.store(1).Put(t.ctx, fills)
	t.must(err)
	if fmt.Sprint(put) != "[true true false true true true]" {
		t.fail("of six fills, the third without its lease: %v", put)
	}
	for _, f := range fills {
		clear(f.Value) // it is the caller's
	}
	answer, err = t.store(1).Get(t.ctx, ask)
	t.must(err)
	for i, e := range answer.Entries {
		if i != 2 && (e.State != cache.Found || !bytes.Equal(e.Value, values[i])) {
			t.fail("value %d: %d bytes, %v", i, len(e.Value), e.State)
		}
	}
	if e := answer.Entries[2]; e.State != cache.Held {
		t.fail("the lease of another fill is %v", e.State)
	}
}

// arguments: what cannot be asked is a *smrt.OptionsError, and not done.
func (t *test) arguments() {
	s, long := t.store(0), strings.Repeat("n", 513)
	ask := func(a cache.Ask) error { _, err := s.Get(t.ctx, a); return err }
	put := func(f cache.Fill) error { _, err := s.Put(t.ctx, []cache.Fill{f}); return err }
	set := func(table string, p smrt.Position) error { _, err := s.SetFloor(t.ctx, table, 1, p); return err }
	for i, err := range []error{
		ask(cache.Ask{}), ask(cache.Ask{Keys: []string{""}}), ask(cache.Ask{Keys: []string{long}}), ask(cache.Ask{Keys: make([]string, 1_001)}),
		ask(cache.Ask{Keys: []string{"k"}, Tables: []string{""}}), ask(cache.Ask{Keys: []string{"k"}, Generations: []string{long}}),
		ask(cache.Ask{Keys: []string{"k"}, Lease: -1}), ask(cache.Ask{Keys: []string{"k"}, Lease: 2 * time.Hour}),
		put(cache.Fill{TTL: 1}), put(cache.Fill{Key: "k", TTL: -1}),
		s.Invalidate(t.ctx, cache.Change{Keys: []string{""}}), s.Invalidate(t.ctx, cache.Change{Tables: []string{long}}),
		s.Block(t.ctx, cache.Block{TTL: time.Second}), s.Block(t.ctx, cache.Block{ID: 1}), s.Block(t.ctx, cache.Block{ID: 1, TTL: 25 * time.Hour}),
		set("", at(1)), set("t", smrt.Position{}),
	} {
		if !errors.Is(err, smrt.ErrBadOptions) {
			t.fail("argument %d: %v", i, err)
		}
	}
}

// oneLease: of many who miss one gets the lease.
func (t *test) oneLease() {
	for i := range 20 {
		key := t.name(fmt.Sprint(i))
		var wg sync.WaitGroup
		answers := make([]cache.Entry, 16)
		errs := make([]error, len(answers))
		for j := range answers {
			wg.Go(func() {
				a, err := t.store(j).Get(t.ctx, cache.Ask{Keys: []string{key}, Lease: long})
				if errs[j] = err; err == nil {
					answers[j] = a.Entries[0]
				}
			})
		}
		wg.Wait()
		t.must(errors.Join(errs...))
		leased, held := 0, 0
		for _, e := range answers {
			switch e.State {
			case cache.Leased:
				leased++
			case cache.Held:
				held++
			}
		}
		if leased != 1 || held != len(answers)-1 {
			t.fail("of %d callers %d got a lease, and %d were told of it", len(answers), leased, held)
		}
	}
	a, err := t.store(0).Get(t.ctx, cache.Ask{Keys: []string{t.name("none")}})
	t.must(err)
	if e := a.Entries[0]; e.State != cache.Absent {
		t.fail("who wants no lease was told %+v", e)
	}
	t.is(cache.Leased, t.name("none"), "of which nobody wanted the lease")
}

// leases: nothing else lets a fill pass.
func (t *test) leases() {
	key, other := t.name("key"), t.name("other")
	t.refused(cache.Fill{Key: key, Token: 1, TTL: long}, "without a lease")
	lease := t.lease(key)
	wrong := lease
	wrong.Token = t.lease(other).Token
	t.refused(wrong, "under the lease of another entry")
	t.is(cache.Held, key, "after a fill without its lease")
	if !t.put(lease) {
		t.fail("a fill under its lease was refused")
	}
	again := lease
	again.Value = []byte("another")
	t.refused(again, "twice under one lease")
	if e, _ := t.get(key); string(e.Value) != "value" {
		t.fail("an entry is %+v after it was put", e)
	}
	back := t.lease(t.name("back"))
	back.TTL = 0
	t.refused(back, "of which the lease was given back")
	t.is(cache.Leased, back.Key, "after its lease was given back")
}

// expiry: entries and leases end by themselves.
func (t *test) expiry() {
	const short = 30 * time.Millisecond
	key := t.name("entry")
	f := t.lease(key)
	f.TTL = short
	if !t.put(f) {
		t.fail("a fill under its lease was refused")
	}
	lease := t.name("lease")
	a, err := t.store(0).Get(t.ctx, cache.Ask{Keys: []string{lease}, Lease: short})
	t.must(err)
	time.Sleep(2 * short)
	t.is(cache.Leased, key, "after its time")
	t.refused(cache.Fill{Key: lease, Token: a.Entries[0].Token, TTL: long}, "after the lease had ended")
	second := t.lease(lease)
	t.refused(cache.Fill{Key: lease, Token: a.Entries[0].Token, TTL: long}, "under a lease that ended before another one")
	if !t.put(second) {
		t.fail("the lease after one that has ended did not stand")
	}
}

// invalidation: entries and leases that were there before are gone.
func (t *test) invalidation() {
	entry, lease, apart := t.name("entry"), t.name("lease"), t.name("apart")
	t.filled(entry)
	t.filled(apart)
	f := t.lease(lease)
	t.invalidate(cache.Change{Tables: t.tables, Position: at(1), Keys: []string{entry, lease, t.name("none")}})
	t.refused(f, "under a lease from before an invalidation")
	t.is(cache.Leased, entry, "after it was invalidated")
	second := t.lease(lease)
	t.refused(f, "under a lease from before an invalidation, while there is another one")
	if !t.put(second) {
		t.fail("a fill under a lease from after an invalidation was refused")
	}
	t.is(cache.Found, apart, "though another one was invalidated")
	t.invalidate(cache.Change{Tables: t.tables, Position: at(2), Generations: []string{t.name("g")}})
	t.is(cache.Found, apart, "though it is not of the generation")
}

// generations: an entry is there under those that it was filled under.
func (t *test) generations() {
	key, g, h := t.name("key"), t.name("g"), t.name("h")
	t.filled(key, g, h)
	_, before := t.get(key, g, h)
	if before.Generations[0] == before.Generations[1] {
		t.fail("two generations are %d", before.Generations[0])
	}
	t.is(cache.Found, key, "under its generations", g, h)
	t.invalidate(cache.Change{Tables: t.tables, Position: at(1), Generations: []string{h}})
	old, after := t.get(key, g, h)
	if old.State != cache.Leased {
		t.fail("an entry is %v after one of its generations was renewed", old.State)
	}
	if after.Generations[0] != before.Generations[0] || after.Generations[1] == before.Generations[1] {
		t.fail("the second of %v was renewed: %v", before.Generations, after.Generations)
	}
	t.invalidate(cache.Change{Tables: t.tables, Position: at(2), Generations: []string{g}})
	if !t.put(cache.Fill{Key: key, Token: old.Token, Generations: after.Generations, TTL: long}) {
		return // as good: nobody can reach it
	}
	t.is(cache.Leased, key, "that was filled under a generation from before an invalidation", g, h)
}

// lostGenerations: neither the old entries nor those of a first life come back.
func (t *test) lostGenerations() {
	if t.Lose == nil {
		return
	}
	key, g := t.name("key"), t.name("g")
	seen := map[uint64]bool{}
	for range 4 {
		f := t.lease(key, g)
		if seen[f.Generations[0]] {
			t.fail("a generation that was lost is %d again", f.Generations[0])
		}
		seen[f.Generations[0]] = true
		if !t.put(f) {
			t.fail("a fill under its lease was refused")
		}
		t.must(t.Lose(AGeneration, g))
	}
	other := t.lease(t.name("other"), t.name("another"))
	if seen[other.Generations[0]] {
		t.fail("two generations are %d", other.Generations[0])
	}
}
