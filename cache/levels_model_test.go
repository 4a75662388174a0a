package cache_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/smrt-go/smrt/internal/check"
)

// Two processes keep a row in memory, above a store that they share. The parties are
// those of the other model, and
//
//	process   has an entry of its own, and a word that makes void what was asked for before
//	          it changed; is told of the writes of the other by messages
//	store     has an entry, a lease and blocks; publishes each change to it; may be
//	          restarted from an old dump
//	feed      finds out that a message was missed, and changes the word
//
// All fills are from the primary.

// levels are rules of the two levels.
type levels struct {
	late      bool // the token is taken after the store has answered
	wordFirst bool // a writer changes its word before the store, and not after it
	tellFirst bool // a message is sent before the store is changed
	noLease   bool // whoever misses may fill the store
	noHold    bool // what was read without the lease is kept, although the entry is blocked

	loses     bool // a connection may be lost in COMMIT
	atOnce    bool // then the writer invalidates at once, instead of blocking
	ownBlock  bool // it blocks its own process only
	dies      bool // the process of a writer may, when it has blocked the store
	rollsBack bool
	drops     bool // messages may be dropped
	deaf      bool // nobody finds out
	restarts  bool // the store may be restarted
	oneRun    bool // what it had before is believed
}

type levelWriter struct {
	tx      transaction
	client  client
	version uint8
}

type levelReader struct {
	stage   levelStage
	token   bool // was taken
	void    bool // the word has changed since
	version uint8
}

type levelStage uint8

const (
	starts levelStage = iota
	looked            // and found nothing in memory
	leads             // has the lease
	held              // another has it
	answer            // has read, with the lease
	got               // has a row to keep
	done
)

type levelState struct {
	writers [2]levelWriter
	readers [3]levelReader

	memory  [2]kept1 // of each process
	blocks  [2]uint8 // of its word
	pending [2]uint8 // messages to it
	missed  [2]bool  // one was dropped

	entry, dump kept1 // of the store
	lease       uint8 // a reader plus 1
	stops       [2]bool
	restarted   bool
	dumped      bool
}

type kept1 struct {
	filled  bool
	version uint8
}

// home is the process that a party is in.
func home(i int) int { return i % 2 }

func (s *levelState) seen() (version uint8) {
	for _, w := range s.writers {
		if w.tx == visible {
			version = max(version, w.version)
		}
	}
	return version
}

// change changes the word of a process.
func (s *levelState) change(process int) {
	s.memory[process] = kept1{}
	for i := range s.readers {
		if r := &s.readers[i]; home(i) == process && r.token {
			r.void = true
		}
	}
}

// die takes away a process with what it has in memory.
func (s *levelState) die(process int) {
	s.memory[process], s.blocks[process], s.pending[process], s.missed[process] = kept1{}, 0, 0, false
	for i := range s.readers {
		if home(i) == process {
			s.readers[i] = levelReader{stage: done}
		}
	}
}

// drop takes away what the store has.
func (s *levelState) drop() { s.entry, s.lease = kept1{}, 0 }

// publish tells the process that is not the writer's.
func (s *levelState) publish(writer int) { s.pending[1-home(writer)]++ }

// next returns every step that is possible.
func (l *levels) next(s *levelState) (steps []stepTo[levelState]) {
	can := func(name string, does func(to *levelState)) {
		to := *s
		does(&to)
		steps = append(steps, stepTo[levelState]{name, to})
	}
	for i := range s.writers {
		l.server(s, i, can)
		l.write(s, i, can)
	}
	for i := range s.readers {
		l.read(s, i, can)
	}
	l.others(s, can)
	return steps
}

// others is what happens to messages and to the store.
func (l *levels) others(s *levelState, can func(string, func(*levelState))) {
	for p, n := range s.pending {
		if n > 0 {
			can(fmt.Sprintf("process %d is told", p+1), func(to *levelState) { to.pending[p]--; to.change(p) })
		}
		if n > 0 && l.drops {
			can("a message is dropped", func(to *levelState) { to.pending[p]--; to.missed[p] = true })
		}
		if s.missed[p] && !l.deaf {
			can(fmt.Sprintf("process %d finds out that it has missed something", p+1), func(to *levelState) { to.missed[p] = false; to.change(p) })
		}
	}
	if !l.restarts || s.restarted {
		return
	}
	if !s.dumped {
		can("the store is dumped", func(to *levelState) { to.dump, to.dumped = to.entry, true })
		return
	}
	can("the store is restarted", func(to *levelState) {
		to.drop()
		if l.oneRun {
			to.entry = to.dump
		}
		to.stops, to.pending, to.missed = [2]bool{}, [2]uint8{}, [2]bool{true, true}
		to.restarted, to.dump = true, kept1{}
	})
}

// server is what the server does for a writer.
func (l *levels) server(s *levelState, i int, can func(string, func(*levelState))) {
	w := &s.writers[i]
	if w.tx != running || w.client == working {
		return
	}
	can(fmt.Sprintf("the commit of writer %d is visible", i+1), func(to *levelState) { to.writers[i].tx = visible })
	if l.rollsBack {
		can(fmt.Sprintf("writer %d is rolled back", i+1), func(to *levelState) {
			to.writers[i].tx = undone
			if w.client == sent {
				to.writers[i].client = gone
			}
		})
	}
}

// write is what a writer does.
func (l *levels) write(s *levelState, i int, can func(string, func(*levelState))) {
	w, p := s.writers[i], home(i)
	step := func(what string, next client, does func(to *levelState)) {
		can(fmt.Sprintf("writer %d %s", i+1, what), func(to *levelState) { to.writers[i].client = next; does(to) })
	}
	nothing := func(*levelState) {}
	switch w.client {
	case working:
		if w.tx == unbegun && s.writers[1-i].tx != running {
			can(fmt.Sprintf("writer %d writes the row", i+1), func(to *levelState) {
				to.writers[i] = levelWriter{tx: running, version: to.seen() + 1}
			})
		} else if w.tx == running {
			step("sends COMMIT", sent, nothing)
		}
	case sent:
		if w.tx == visible {
			step("is told", told, nothing)
		}
		if l.loses && l.atOnce {
			step("loses its connection", told, nothing)
		} else if l.loses {
			step("loses its connection, and blocks its word", lost, func(to *levelState) { to.blocks[p]++; to.change(p) })
		}
	case lost:
		step("blocks the store", blocked, func(to *levelState) {
			if !l.ownBlock {
				to.drop()
				to.stops[i] = true
				to.publish(i)
			}
		})
	case blocked:
		if w.tx == visible || w.tx == undone {
			step("finds out the outcome", told, nothing)
		}
		if l.dies {
			step("dies with its process", gone, func(to *levelState) { to.die(p) })
		}
	case told:
		switch {
		case l.wordFirst:
			step("changes its word", raised, func(to *levelState) { l.ends(to, i) })
		case l.tellFirst:
			step("tells the other process", raised, func(to *levelState) { to.publish(i) })
		default:
			step("changes the store", raised, func(to *levelState) { l.invalidate(to, i) })
		}
	case gone:
		if s.stops[i] && w.tx != running { // it is longer than a COMMIT may take
			step("has blocked for long enough", gone, func(to *levelState) { to.stops[i] = false })
		}
	case raised: // the second half
		switch {
		case l.wordFirst:
			step("changes the store", gone, func(to *levelState) { l.invalidate(to, i) })
		case l.tellFirst:
			step("changes the store and its word", gone, func(to *levelState) { to.drop(); to.stops[i] = false; l.ends(to, i) })
		default:
			step("changes its word", gone, func(to *levelState) { l.ends(to, i) })
		}
	}
}

func (l *levels) invalidate(to *levelState, i int) {
	to.drop()
	to.stops[i] = false
	to.publish(i)
}

// ends changes the word of a writer, which may have been blocked.
func (l *levels) ends(to *levelState, i int) {
	p := home(i)
	to.change(p)
	if to.blocks[p] > 0 {
		to.blocks[p]--
	}
}

// read is what a reader does.
func (l *levels) read(s *levelState, i int, can func(string, func(*levelState))) {
	r, p := s.readers[i], home(i)
	step := func(what string, next levelStage, does func(to *levelState, r *levelReader)) {
		can(fmt.Sprintf("reader %d %s", i+1, what), func(to *levelState) {
			to.readers[i].stage = next
			does(to, &to.readers[i])
			if next == done {
				to.readers[i] = levelReader{stage: done}
			}
		})
	}
	pass := func(*levelState, *levelReader) {}
	switch r.stage {
	case starts:
		if s.memory[p].filled || s.blocks[p] > 0 {
			step("goes past, or is served", done, pass)
			return
		}
		step("looks at its word", looked, func(_ *levelState, r *levelReader) { r.token = !l.late })
	case looked:
		switch {
		case (s.stops[0] || s.stops[1]) && !l.noHold:
			step("is told that the entry is blocked", done, pass)
		case s.stops[0] || s.stops[1]:
			step("is told that the entry is blocked, and goes on", held, func(_ *levelState, r *levelReader) { r.token = true })
		case s.entry.filled:
			step("gets the entry", got, func(to *levelState, r *levelReader) { r.version = to.entry.version })
		default:
			step("gets the lease", leads, func(to *levelState, r *levelReader) { to.lease, r.token = uint8(i+1), r.token || l.late })
			if s.lease != 0 {
				step("is told that another has the lease", held, func(_ *levelState, r *levelReader) { r.token = true })
			}
		}
	case leads:
		step("reads the row", answer, func(to *levelState, r *levelReader) { r.version = to.seen() })
	case held:
		step("reads the row", got, func(to *levelState, r *levelReader) { r.version = to.seen() })
	case answer:
		step("stores it", got, func(to *levelState, r *levelReader) {
			if to.lease == uint8(i+1) || l.noLease {
				to.entry, to.lease = kept1{true, r.version}, 0
			}
		})
	case got:
		step("keeps it", done, func(to *levelState, r *levelReader) {
			if !r.void && to.blocks[p] == 0 {
				to.memory[p] = kept1{true, r.version}
			}
		})
	}
}

func (l *levels) explore(writers, readers int) (states int, stale []string) {
	var first levelState
	for i := writers; i < len(first.writers); i++ {
		first.writers[i] = levelWriter{tx: undone, client: gone}
	}
	for i := readers; i < len(first.readers); i++ {
		first.readers[i].stage = done
	}
	return search(first, l.next, func(s *levelState) bool {
		now := s.seen()
		for _, e := range []kept1{s.memory[0], s.memory[1], s.entry} {
			if e.filled && e.version != now {
				return true
			}
		}
		return false
	})
}

// TestModelOfLevels: with all rules nothing is stale for good in any level, and each rule
// is needed. A block in the store is needed for the time after the process that is in doubt
// has died; the store may forget it, and then only its end would help.
func TestModelOfLevels(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		rules levels
		stale bool // is possible
	}{
		"all rules":                           {levels{loses: true, rollsBack: true, drops: true, restarts: true}, false},
		"token after the answer":              {levels{late: true}, true},
		"own word before the store":           {levels{wordFirst: true}, true},
		"message before the store":            {levels{tellFirst: true}, true},
		"no lease":                            {levels{noLease: true}, true},
		"lost connection, at once":            {levels{loses: true, atOnce: true}, true},
		"lost connection, own block":          {levels{loses: true, rollsBack: true, ownBlock: true}, false},
		"lost connection, death":              {levels{loses: true, rollsBack: true, drops: true, dies: true}, false},
		"lost connection, death, own block":   {levels{loses: true, ownBlock: true, dies: true}, true},
		"lost connection, death, kept":        {levels{loses: true, noHold: true, dies: true}, true},
		"dropped messages, nobody finds out":  {levels{drops: true, deaf: true}, true},
		"restarted, the dump is believed":     {levels{restarts: true, oneRun: true}, true},
		"restarted, its blocks are forgotten": {levels{loses: true, restarts: true, dies: true}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sizes := [][2]int{{1, 2}}
			if check.Long() {
				sizes = append(sizes, [2]int{1, 3}, [2]int{2, 2})
			}
			var stale []string
			for _, size := range sizes {
				states, found := c.rules.explore(size[0], size[1])
				t.Logf("%d writers, %d readers: %d states", size[0], size[1], states)
				if stale == nil {
					stale = found
				}
			}
			if (stale != nil) != c.stale {
				t.Errorf("stale for good: %v, want %v\n%s", stale != nil, c.stale, strings.Join(stale, "\n"))
			}
		})
	}
}
