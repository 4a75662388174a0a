package cache_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/smrt-go/smrt/internal/check"
)

// A cache is stale for good if it keeps, when everybody has ended, what the database
// no longer has. Whether rules for filling and invalidating allow that depends on
// orders of steps that a test of the real thing meets once in years. So the steps are
// modelled here, and every order of them is tried.
//
// The model has one row, whose versions are counted, and these parties:
//
//	server   writes the commit record of a transaction, and lets others see it later
//	writer   sends COMMIT, is told of it, and invalidates; may lose its connection, or die
//	standby  replays records, and shows a transaction with its record
//	reader   misses, takes a lease, reads the row from a node, and stores it
//	log      tells of transactions, as decoding or as a query does
//
// Positions are those of the server's log.

// rules are how a cache is filled and invalidated, and what may happen.
type rules struct {
	lease    bool  // a fill needs a lease, which an invalidation takes away
	standby  bool  // the standby is read too
	floor    bool  // but only if it has replayed what invalidations have captured
	position order // of a fill to the last invalidation
	finished bool  // a fill needs that what was announced has ended before it reads

	silent  bool // writers do not invalidate
	decoded bool // the log tells of a commit record when it is written
	queried bool // the log tells of what a query sees
	intent  bool // a writer announces its transaction before it commits
	early   bool // a fill from the standby takes that back too
	through bool // a writer stores its version instead of invalidating

	loses     bool // a connection may be lost in COMMIT, whose writer invalidates at once
	blocks    bool // instead it refuses fills until the outcome is known
	dies      bool // a writer may die before it invalidates
	rollsBack bool // a transaction may be rolled back
}

type order uint8

const (
	anyPosition order = iota
	notBefore         // >=
	behind            // >
)

type transaction uint8

const (
	unbegun  transaction = iota
	running              // it has written the row, and holds its lock
	recorded             // its commit record is written
	visible              // others see it
	undone
)

type client uint8

const (
	working client = iota
	sent           // COMMIT
	told           // the outcome
	lost           // its connection
	blocked        // fills
	raised         // the floor
	gone
)

type writer struct {
	tx        transaction
	client    client
	blocks    bool
	announced bool  // to the store
	logged    bool  // the log has told of it
	version   uint8 // of the row
	record    uint8 // position of the end of its commit record
	captured  uint8 // position when it had been told
}

type stage uint8

const (
	missing stage = iota
	leased
	floored // it has asked the store for what a fill has to respect
	chosen  // a node, and its position
	asked   // whether what was announced has ended
	read
	ended
)

type reader struct {
	stage    stage
	primary  bool
	announce [2]bool // transactions that must have ended
	floor    uint8
	position uint8
	version  uint8
}

type state struct {
	wal, replayed uint8
	others        uint8 // records that others are still to write
	writers       [2]writer
	readers       [2]reader

	// The store.
	filled   bool
	version  uint8
	position uint8 // of its fill
	lease    uint8 // a reader plus 1, 0 for none
	floor    uint8
}

func (s *state) invalidate() { s.filled, s.version, s.position, s.lease = false, 0, 0, 0 }

func (s *state) isBlocked() bool { return s.writers[0].blocks || s.writers[1].blocks }

// seen returns the version that a new snapshot has.
func (s *state) seen(primary bool) (version uint8) {
	for _, w := range s.writers {
		if primary && w.tx == visible || !primary && w.record > 0 && w.record <= s.replayed {
			version = max(version, w.version)
		}
	}
	return version
}

func (s *state) locked() bool {
	for _, w := range s.writers {
		if w.tx == running || w.tx == recorded {
			return true
		}
	}
	return false
}

// hasEnded reports whether a snapshot of a node says that a transaction has.
func (s *state) hasEnded(w *writer, primary bool) bool {
	if primary || w.tx == undone {
		return w.tx == visible || w.tx == undone
	}
	return w.record > 0 && w.record <= s.replayed
}

// A stepTo is what one party may do next.
type stepTo[S any] struct {
	name string
	to   S
}

type step = stepTo[state]

// next returns every step that is possible.
func (r *rules) next(s *state) (steps []step) {
	if s.others > 0 {
		to := *s
		to.others--
		to.wal++
		steps = append(steps, step{"another record is written", to})
	}
	if r.standby && s.replayed < s.wal {
		to := *s
		to.replayed++
		steps = append(steps, step{"the standby replays a record", to})
	}
	for i := range s.writers {
		can := func(name string, does func(to *state, w *writer)) {
			to := *s
			does(&to, &to.writers[i])
			steps = append(steps, step{fmt.Sprintf("writer %d %s", i+1, name), to})
		}
		r.server(s, &s.writers[i], can)
		r.write(s, &s.writers[i], can)
		r.log(&s.writers[i], can)
	}
	for i := range s.readers {
		can := func(name string, does func(to *state, rd *reader)) {
			to := *s
			does(&to, &to.readers[i])
			steps = append(steps, step{fmt.Sprintf("reader %d %s", i+1, name), to})
		}
		r.read(s, uint8(i+1), &s.readers[i], can)
	}
	return steps
}

type writes = func(name string, does func(*state, *writer))

// server is what the server does for a writer.
func (r *rules) server(s *state, w *writer, can writes) {
	inCommit := w.client == sent || w.client == lost || w.client == blocked || w.client == raised || w.client == gone
	switch {
	case w.tx == running && inCommit:
		can("has its commit record", func(to *state, w *writer) { to.wal++; w.record, w.tx = to.wal, recorded })
	case w.tx == recorded:
		can("is visible", func(_ *state, w *writer) { w.tx = visible })
	}
	if r.rollsBack && w.tx == running {
		can("is rolled back", func(_ *state, w *writer) {
			w.tx = undone
			if w.client == working || w.client == sent {
				w.client, w.announced = gone, false
			}
		})
	}
}

// write is what a writer does.
func (r *rules) write(s *state, w *writer, can writes) {
	switch w.client {
	case working:
		switch {
		case w.tx == unbegun && !s.locked():
			can("writes the row", func(to *state, w *writer) { w.tx, w.version = running, to.seen(true)+1 })
		case w.tx == running && r.intent && !w.announced:
			can("announces its transaction", func(to *state, w *writer) { to.invalidate(); w.announced = true })
		case w.tx == running:
			can("sends COMMIT", func(_ *state, w *writer) { w.client = sent })
		}
	case sent:
		if w.tx == visible {
			can("is told", func(to *state, w *writer) { w.client, w.captured = told, to.wal })
		}
		if r.loses {
			can("loses its connection", func(to *state, w *writer) {
				if w.client, w.captured = lost, to.wal; r.intent {
					w.client = gone // what it has announced is enough
				}
			})
		}
		if r.dies {
			can("dies in COMMIT", func(_ *state, w *writer) { w.client = gone })
		}
	case lost:
		if r.blocks {
			can("blocks fills", func(to *state, w *writer) { to.invalidate(); w.client, w.blocks = blocked, true })
		} else {
			can("raises the floor", func(to *state, w *writer) { to.floor, w.client = max(to.floor, w.captured), raised })
		}
	case blocked:
		if w.tx == visible || w.tx == undone {
			can("finds out the outcome", func(to *state, w *writer) { w.client, w.captured = told, to.wal })
		}
	case told:
		switch {
		case r.silent:
			can("does no more", func(_ *state, w *writer) { w.client = gone })
		case r.through:
			can("stores its version", func(to *state, w *writer) {
				if w.client = gone; !to.filled || w.captured > to.position {
					to.filled, to.version, to.position = true, w.version, w.captured
				}
			})
		default:
			can("raises the floor", func(to *state, w *writer) { to.floor, w.client = max(to.floor, w.captured), raised })
		}
		if r.dies {
			can("dies", func(_ *state, w *writer) { w.client = gone })
		}
	case raised:
		can("invalidates", func(to *state, w *writer) {
			to.invalidate()
			w.client, w.announced, w.blocks = gone, false, false
		})
	}
}

// log is what the log tells of a writer.
func (r *rules) log(w *writer, can writes) {
	if w.logged {
		return
	}
	if r.decoded && (w.tx == recorded || w.tx == visible) {
		can("is decoded", func(to *state, w *writer) {
			to.invalidate()
			to.floor, w.logged, w.announced = max(to.floor, w.record), true, r.finished
		})
	}
	if r.queried && w.tx == visible {
		can("is found by a query of the log", func(to *state, w *writer) {
			to.invalidate()
			to.floor, w.logged = max(to.floor, to.wal), true
		})
	}
}

// read is what a reader does.
func (r *rules) read(s *state, self uint8, rd *reader, can func(string, func(*state, *reader))) {
	switch rd.stage {
	case missing:
		switch {
		case s.filled || s.isBlocked():
			can("goes past", func(_ *state, rd *reader) { *rd = reader{stage: ended} })
		case r.lease: // it may take that of another, whose time is over
			can("takes the lease", func(to *state, rd *reader) { to.lease, rd.stage = self, leased })
		default:
			can("misses", func(_ *state, rd *reader) { rd.stage = leased })
		}
	case leased:
		can("asks the store", func(to *state, rd *reader) {
			rd.stage, rd.floor = floored, to.floor
			for i := range to.writers {
				rd.announce[i] = (r.finished || r.intent) && to.writers[i].announced
			}
		})
	case floored:
		can("chooses the primary", func(to *state, rd *reader) { rd.stage, rd.primary, rd.position = chosen, true, to.wal })
		if r.standby && (!r.floor || s.replayed >= rd.floor) {
			can("chooses the standby", func(to *state, rd *reader) { rd.stage, rd.position = chosen, to.replayed })
		}
	case chosen:
		if rd.announce == [2]bool{} {
			can("reads", func(to *state, rd *reader) { rd.stage, rd.version = read, to.seen(rd.primary) })
			return
		}
		can("asks whether transactions have ended", func(to *state, rd *reader) { r.ask(to, self, rd) })
	case asked:
		can("reads", func(to *state, rd *reader) { rd.stage, rd.version = read, to.seen(rd.primary) })
	case read:
		can("stores", func(to *state, rd *reader) { r.store(to, self, rd) })
	}
}

// ask lets a fill go on if what was announced has ended. A fill from the primary then
// takes the announcement back, and raises the floor. One from the standby must not: it
// shows a transaction as soon as it has its record, when the primary may not yet.
func (r *rules) ask(to *state, self uint8, rd *reader) {
	rd.stage = asked
	for i, announced := range rd.announce {
		w := &to.writers[i]
		switch {
		case !announced:
		case !to.hasEnded(w, rd.primary):
			r.leave(to, self, rd)
			return
		case r.intent && (rd.primary || r.early):
			w.announced, to.floor = false, max(to.floor, to.wal)
		}
	}
}

func (r *rules) store(to *state, self uint8, rd *reader) {
	position := r.position == anyPosition || r.position == notBefore && rd.position >= to.floor ||
		r.position == behind && rd.position > to.floor
	if position && !to.isBlocked() && (!r.lease || to.lease == self) {
		to.filled, to.version, to.position = true, rd.version, rd.position
	}
	r.leave(to, self, rd)
}

func (r *rules) leave(to *state, self uint8, rd *reader) {
	*rd = reader{stage: ended}
	if to.lease == self {
		to.lease = 0
	}
}

// positions reports whether it matters where in the log something is.
func (r *rules) positions() bool {
	return r.standby || r.floor || r.position != anyPosition || r.through
}

// forget forgets what has no influence on later steps, so that fewer states differ.
func (r *rules) forget(s *state) {
	if !r.positions() {
		s.wal, s.floor, s.position = 0, 0, 0
	}
	if !r.through {
		s.position = 0
	}
	for i := range s.writers {
		w := &s.writers[i]
		if w.client != told && w.client != lost || !r.positions() {
			w.captured = 0
		}
		if !r.standby && (w.logged || !r.decoded) || !r.positions() {
			w.record = 0
		}
	}
	for i := range s.readers {
		rd := &s.readers[i]
		if r.position == anyPosition {
			rd.position = 0
		}
		if rd.stage != floored || !r.floor {
			rd.floor = 0
		}
		if rd.stage >= asked {
			rd.announce = [2]bool{}
		}
	}
}

// search tries every order of steps. It returns how many states there are, and the steps
// to one that is wrong and after which nothing can happen, if there is one.
func search[S comparable](first S, next func(s *S) []stepTo[S], wrong func(s *S) bool) (states int, steps []string) {
	type came struct {
		from int // where it is in all
		by   string
	}
	all, cames := []S{first}, []came{{}}
	seen := map[S]struct{}{first: {}}
	for at := 0; at < len(all); at++ {
		s := all[at]
		can := next(&s)
		if len(can) == 0 && wrong(&s) {
			for ; at > 0; at = cames[at].from {
				steps = append(steps, cames[at].by)
			}
			slices.Reverse(steps)
			return len(all), steps
		}
		for _, st := range can {
			if _, known := seen[st.to]; !known {
				seen[st.to] = struct{}{}
				all, cames = append(all, st.to), append(cames, came{at, st.name})
			}
		}
	}
	return len(all), nil
}

// explore tries every order of the steps of so many writers and readers.
func (r *rules) explore(writers, readers int) (states int, stale []string) {
	first := state{others: 1}
	if !r.positions() {
		first.others = 0
	}
	for i := writers; i < len(first.writers); i++ {
		first.writers[i] = writer{tx: undone, client: gone}
	}
	for i := readers; i < len(first.readers); i++ {
		first.readers[i].stage = ended
	}
	next := func(s *state) []step {
		steps := r.next(s)
		for i := range steps {
			r.forget(&steps[i].to)
		}
		return steps
	}
	return search(first, next, func(s *state) bool { return s.filled && s.version != s.seen(true) })
}

func TestModel(t *testing.T) {
	t.Parallel()
	sizes := [][2]int{{1, 2}, {2, 1}}
	if check.Long() {
		sizes = append(sizes, [2]int{2, 2})
	}
	for name, c := range map[string]struct {
		rules rules
		stale bool // is possible
	}{
		"always":                             {rules{}, true},
		"lease, primary":                     {rules{lease: true}, false},
		"lease, rollbacks":                   {rules{lease: true, rollsBack: true}, false},
		"lease, standby":                     {rules{lease: true, standby: true}, true},
		"lease, standby from the floor on":   {rules{lease: true, standby: true, floor: true}, false},
		"position not before":                {rules{position: notBefore}, true},
		"position behind":                    {rules{position: behind}, false},
		"position behind, standby":           {rules{position: behind, standby: true}, false},
		"lease, decoded log":                 {rules{lease: true, silent: true, decoded: true}, true},
		"lease, behind the record, decoded":  {rules{lease: true, silent: true, decoded: true, position: behind}, true},
		"lease, ended before, decoded":       {rules{lease: true, silent: true, decoded: true, finished: true}, false},
		"lease, lost connection, at once":    {rules{lease: true, loses: true}, true},
		"lease, lost connection, block":      {rules{lease: true, loses: true, blocks: true, rollsBack: true}, false},
		"lease, standby, floor, lost, block": {rules{lease: true, standby: true, floor: true, loses: true, blocks: true}, false},
		"lease, death":                       {rules{lease: true, dies: true}, true},
		"lease, death, queried log":          {rules{lease: true, dies: true, queried: true}, false},
		"lease, standby, floor, all, log":    {rules{lease: true, standby: true, floor: true, dies: true, loses: true, blocks: true, queried: true}, false},
		"intents, floor":                     {rules{lease: true, standby: true, floor: true, intent: true, loses: true, dies: true, rollsBack: true}, false},
		"intents, taken back by standbys":    {rules{lease: true, standby: true, floor: true, intent: true, early: true, loses: true}, true},
		"intents, no floor":                  {rules{lease: true, standby: true, intent: true, loses: true, dies: true, rollsBack: true}, true},
		"write-through":                      {rules{lease: true, through: true}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
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
