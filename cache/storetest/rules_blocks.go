package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/smrt-go/smrt/cache"
)

// blocks: they stand until they are lifted by name, or their time has passed.
func (t *test) blocks() {
	key, lease := t.name("key"), t.name("lease")
	t.filled(key)
	f := t.lease(lease)
	keys := []string{key, lease, t.name("none")}
	t.block(cache.Block{ID: 7, Keys: keys, TTL: long})
	for _, k := range keys {
		t.is(cache.Blocked, k, "when it is blocked")
	}
	t.refused(f, "under a lease from before a block")
	t.block(cache.Block{ID: 8, Keys: keys[:1], TTL: long})
	t.invalidate(cache.Change{Tables: t.tables, Position: at(1), Keys: keys})
	t.is(cache.Blocked, key, "after an invalidation that does not lift the block")
	t.invalidate(cache.Change{Tables: t.tables, Position: at(1), Keys: keys, Lift: 7})
	t.is(cache.Blocked, key, "after one of two blocks was lifted")
	t.is(cache.Leased, lease, "after its block was lifted")
	t.invalidate(cache.Change{Tables: t.tables, Position: at(1), Keys: keys, Lift: 8})
	t.is(cache.Leased, key, "after both blocks were lifted")

	const short = 30 * time.Millisecond
	brief, both := t.name("brief"), t.name("both")
	t.block(cache.Block{ID: 9, Keys: []string{both}, TTL: long})
	t.block(cache.Block{ID: 10, Keys: []string{brief, both}, TTL: short})
	time.Sleep(2 * short)
	t.is(cache.Leased, brief, "after the time of its block")
	t.is(cache.Blocked, both, "after the time of one of its blocks")
}

// blockedGenerations: what belongs to one is neither there nor filled.
func (t *test) blockedGenerations() {
	key, other, g := t.name("key"), t.name("other"), t.name("g")
	t.filled(key, g)
	f := t.lease(other, g)
	t.block(cache.Block{ID: 7, Generations: []string{g}, TTL: long})
	t.is(cache.Blocked, key, "of which the generation is blocked", g)
	t.invalidate(cache.Change{Tables: t.tables, Position: at(1), Generations: []string{g}})
	t.is(cache.Blocked, t.name("third"), "of which the generation is blocked and was renewed", g)
	t.put(f)
	t.is(cache.Blocked, other, "that was filled though its generation is blocked", g)
	t.invalidate(cache.Change{Tables: t.tables, Position: at(2), Generations: []string{g}, Lift: 7})
	t.is(cache.Leased, key, "of a generation that was blocked", g)
	if e, _ := t.get(other, g); e.State == cache.Found {
		t.fail("a fill from before a block of its generation is there after it")
	}

	const short = 30 * time.Millisecond
	brief := t.name("brief")
	t.filled(t.name("of brief"), brief)
	t.block(cache.Block{ID: 8, Generations: []string{brief}, TTL: short})
	time.Sleep(2 * short)
	t.is(cache.Leased, t.name("of brief"), "after the time of the block of its generation", brief)
}

// runs: a store that begins anew with what it had before has nothing that was
// invalidated since then, and so nothing.
func (t *test) runs() {
	if t.Save == nil || t.Restart == nil {
		return
	}
	t.known(at(1))
	key, lease, of, g := t.name("key"), t.name("lease"), t.name("of g"), t.name("g")
	t.filled(key)
	t.filled(of, g)
	f := t.lease(lease)
	_, before := t.get(key)
	sequence, err := t.store(0).Sequence(t.ctx)
	t.must(err)
	t.must(t.Save())
	t.invalidate(cache.Change{Tables: t.tables, Position: at(9), Keys: []string{key, lease}, Generations: []string{g}})
	t.must(t.Restart())
	t.refused(f, "under a lease of another run")
	now, after := t.get(key)
	if now.State != cache.Leased {
		t.fail("an entry of another run is %v", now.State)
	}
	if after.Run == before.Run {
		t.fail("two runs are %q", after.Run)
	}
	if fl := after.Floors[0]; fl.Known || fl.ID == before.Floors[0].ID {
		t.fail("a floor of another run is %+v", fl)
	}
	t.is(cache.Leased, lease, "of which there was a lease in another run")
	t.is(cache.Leased, of, "of another run and its generation", g)
	again, err := t.store(0).Sequence(t.ctx)
	t.must(err)
	if again.Stream == sequence.Stream {
		t.fail("the messages of two runs are of one stream")
	}
}

// listen subscribes until the function that it returns is called, with what has come.
func (t *test) listen(store cache.Store) (messages func() []cache.Notice, end func()) {
	ctx, cancel := context.WithCancel(t.ctx)
	var mu sync.Mutex
	var came []cache.Notice
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- store.Subscribe(ctx, sync.OnceFunc(func() { close(ready) }), func(m cache.Notice) {
			mu.Lock()
			defer mu.Unlock()
			came = append(came, m)
		})
	}()
	select {
	case <-ready:
	case err := <-ended:
		cancel()
		t.fail("nothing could be followed: %w", err)
	}
	return func() []cache.Notice {
			mu.Lock()
			defer mu.Unlock()
			return slices.Clone(came)
		}, func() {
			cancel()
			if err := <-ended; err == nil {
				t.fail("a subscription ended without an error")
			}
		}
}

// until waits for something that has to happen.
func (t *test) until(what string, is func() bool) {
	for deadline := time.Now().Add(time.Minute); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) || t.ctx.Err() != nil {
			t.fail("%s does not happen", what)
		}
	}
}

// messages: each change is one, after it was made, and numbers have no gaps.
func (t *test) messages() {
	var mine [2]func() []cache.Notice
	for i := range mine {
		messages, end := t.listen(t.store(i))
		defer end()
		mine[i] = func() []cache.Notice {
			return slices.DeleteFunc(messages(), func(m cache.Notice) bool { return m.From != 77 })
		}
	}
	const n = 20
	keys, generations := []string{t.name("a"), t.name("b \x00\xff")}, []string{t.name("g")}
	for i := range n {
		t.must(t.store(i).Invalidate(t.ctx, cache.Change{Tables: t.tables, Position: at(uint64(i + 1)), Keys: keys, Generations: generations, From: 77}))
	}
	t.must(t.store(0).Block(t.ctx, cache.Block{ID: 1, Keys: keys, TTL: long, From: 77}))
	last, err := t.store(1).Sequence(t.ctx)
	t.must(err)
	for i := range mine {
		t.until("that all messages come", func() bool { return len(mine[i]()) > n })
		for j, m := range mine[i]() {
			want := cache.Notice{From: 77, Keys: keys, Generations: generations, Position: at(uint64(j + 1))}
			if j == n {
				want.Generations, want.Position = nil, cache.Notice{}.Position
			}
			want.Sequence = cache.Sequence{Stream: last.Stream, Number: last.Number - uint64(n-j)}
			if got, want := fmt.Sprintf("%+v", m), fmt.Sprintf("%+v", want); got != want {
				t.fail("message %d is %q, not %q", j, got, want)
			}
		}
	}
	t.applied()
}

// applied: who is told of a change finds it made.
func (t *test) applied() {
	key := t.name("key")
	t.filled(key)
	ctx, cancel := context.WithCancel(t.ctx)
	defer cancel()
	ready, found := make(chan struct{}), errors.New("not told")
	store := t.store(0)
	var wg sync.WaitGroup
	wg.Go(func() {
		_ = store.Subscribe(ctx, sync.OnceFunc(func() { close(ready) }), func(m cache.Notice) {
			if m.From != 78 {
				return
			}
			a, err := t.store(1).Get(ctx, cache.Ask{Keys: []string{key}})
			if found = err; err == nil && a.Entries[0].State != cache.Absent {
				found = fmt.Errorf("who was told of a change finds %v", a.Entries[0].State)
			}
			cancel()
		})
	})
	<-ready
	t.invalidate(cache.Change{Tables: t.tables, Position: at(99), Keys: []string{key}, From: 78})
	wg.Wait()
	t.must(found)
}

// lostNumbers: a sequence that was lost is another stream.
func (t *test) lostNumbers() {
	if t.Lose == nil {
		return
	}
	seen := map[string]bool{}
	for range 3 {
		s, err := t.store(0).Sequence(t.ctx)
		t.must(err)
		if seen[s.Stream] {
			t.fail("the stream is %q again after its number was lost", s.Stream)
		}
		seen[s.Stream] = true
		t.invalidate(cache.Change{Tables: t.tables, Position: at(1)})
		next, err := t.store(1).Sequence(t.ctx)
		t.must(err)
		if next.Stream != s.Stream || next.Number <= s.Number {
			t.fail("after %+v and a message comes %+v", s, next)
		}
		t.must(t.Lose(TheSequence, ""))
	}
}
