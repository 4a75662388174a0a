package storetest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/cache"
)

// Subject is a store that is tested, and what can be done to it. Rules use names that
// nobody else does, so that one server can be used for all.
type Subject struct {
	// Stores are what several processes have of one store, at least 1.
	Stores []cache.Store

	// Save makes a dump of the store, and Restart kills it and starts it with the dump.
	// nil: what happens then is not tested.
	Save, Restart func() error

	// Lose removes something that the store keeps. nil: what happens then is not tested.
	Lose func(kind Kind, name string) error
}

// Kind is what a store can lose.
type Kind uint8

// What a store keeps.
const (
	AnEntry     Kind = iota // or the lease or the block of it, by its key
	AFloor                  // by its table
	AGeneration             // by its name
	TheSequence             // the name is empty
)

// A Rule is one that a store has to keep to.
type Rule struct {
	Name string

	// Test returns an error that says how the store does not. It returns nil without a
	// test if the subject lacks what that needs.
	Test func(context.Context, Subject) error
}

// Rules returns all rules.
func Rules() []Rule {
	with := func(name string, does func(*test)) Rule {
		return Rule{name, func(ctx context.Context, s Subject) error { return run(ctx, s, does) }}
	}
	return []Rule{
		with("values come back as they were put", (*test).values),
		with("what cannot be asked is refused", (*test).arguments),
		with("one caller gets the lease", (*test).oneLease),
		with("a fill needs its lease", (*test).leases),
		with("what expires is gone", (*test).expiry),
		with("an invalidation takes entries and leases", (*test).invalidation),
		with("floors only rise", (*test).floors),
		with("a floor that was lost is not known", (*test).lostFloors),
		with("a lease comes with a floor that is no older", (*test).floorFirst),
		with("an entry belongs to its generations", (*test).generations),
		with("a generation that was lost is a new one", (*test).lostGenerations),
		with("a block is lifted by nobody else", (*test).blocks),
		with("a block of a generation is of its entries", (*test).blockedGenerations),
		with("nothing is left of another run", (*test).runs),
		with("messages follow what was done and one another", (*test).messages),
		with("numbers that were lost do not come again", (*test).lostNumbers),
		with("nothing is stale for good", (*test).stale),
	}
}

// Run tests a store, with a subtest for each rule.
func Run(t *testing.T, s Subject) {
	t.Helper()
	for _, rule := range Rules() {
		t.Run(rule.Name, func(t *testing.T) {
			if err := rule.Test(t.Context(), s); err != nil {
				t.Error(err)
			}
		})
	}
}

// test is one test of a rule.
type test struct {
	Subject
	ctx    context.Context
	prefix string
	tables []string
}

// broken is what a test panics with, to end.
type broken struct{ error }

func run(ctx context.Context, s Subject, does func(*test)) (err error) {
	if len(s.Stores) == 0 {
		return &smrt.OptionsError{Option: "Subject.Stores", Reason: "must not be empty"}
	}
	defer func() {
		switch r := recover().(type) {
		case nil:
		case broken:
			err = r.error
		default:
			panic(r)
		}
	}()
	t := &test{Subject: s, ctx: ctx, prefix: random("storetest") + " "}
	t.tables = []string{t.name("table")}
	does(t)
	return nil
}

// name returns a name that is of this test only.
func (t *test) name(s string) string { return t.prefix + s }

func (t *test) fail(format string, args ...any) { panic(broken{fmt.Errorf(format, args...)}) }

func (t *test) must(err error) {
	if err != nil {
		panic(broken{err})
	}
}

// store returns what one of the processes has.
func (t *test) store(i int) cache.Store { return t.Stores[i%len(t.Stores)] }

// long is a lease or a life that does not end in a test.
const long = 10 * time.Minute

// get asks for one entry.
func (t *test) get(key string, generations ...string) (cache.Entry, cache.Answer) {
	a, err := t.store(0).Get(t.ctx, cache.Ask{Keys: []string{key}, Tables: t.tables, Generations: generations, Lease: long})
	t.must(err)
	if len(a.Entries) != 1 || len(a.Floors) != len(t.tables) || len(a.Generations) != len(generations) || a.Run == "" {
		t.fail("the answer to a question for 1 entry, %d floors and %d generations was %+v", len(t.tables), len(generations), a)
	}
	return a.Entries[0], a
}

// lease takes one.
func (t *test) lease(key string, generations ...string) cache.Fill {
	e, a := t.get(key, generations...)
	if e.State != cache.Leased || e.Token == 0 {
		t.fail("of an entry that is not there came %+v, not a lease", e)
	}
	return cache.Fill{Key: key, Token: e.Token, Generations: a.Generations, Value: []byte("value"), TTL: long}
}

func (t *test) put(f cache.Fill) bool {
	put, err := t.store(1).Put(t.ctx, []cache.Fill{f})
	t.must(err)
	if len(put) != 1 {
		t.fail("the answer for one fill has %d results", len(put))
	}
	return put[0]
}

// filled puts an entry.
func (t *test) filled(key string, generations ...string) {
	if !t.put(t.lease(key, generations...)) {
		t.fail("a fill under a lease that stands was refused")
	}
	t.is(cache.Found, key, "after it was put", generations...)
}

func (t *test) refused(f cache.Fill, when string) {
	if t.put(f) {
		t.fail("a fill was stored %s", when)
	}
}

// is says what state an entry must have. It takes a lease if that is Leased.
func (t *test) is(want cache.State, key, when string, generations ...string) {
	if e, _ := t.get(key, generations...); e.State != want {
		t.fail("an entry is %v %s, not %v", e.State, when, want)
	}
}

func (t *test) invalidate(c cache.Change) { t.must(t.store(1).Invalidate(t.ctx, c)) }

func (t *test) block(b cache.Block) { t.must(t.store(1).Block(t.ctx, b)) }

// floor returns that of the only table.
func (t *test) floor() cache.Floor {
	a, err := t.store(0).Get(t.ctx, cache.Ask{Keys: []string{t.name("of nobody")}, Tables: t.tables})
	t.must(err)
	return a.Floors[0]
}

func (t *test) setFloor(id uint64, p smrt.Position) bool {
	set, err := t.store(0).SetFloor(t.ctx, t.tables[0], id, p)
	t.must(err)
	return set
}

// known makes the floor of the only table known.
func (t *test) known(p smrt.Position) {
	if f := t.floor(); f.Known || !t.setFloor(f.ID, p) {
		t.fail("the floor %+v of a new table could not be set", f)
	}
	if f := t.floor(); !f.Known || f.Position != p {
		t.fail("a floor that was set to %v is %+v", p, f)
	}
}

func at(lsn uint64) smrt.Position { return smrt.Position{System: -5, Timeline: 2, LSN: lsn} }
