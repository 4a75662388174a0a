package observe

import (
	"cmp"
	"hash/fnv"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/smrt-go/smrt/internal/kept"
)

// Stats are sums over calls. A call is counted once, however often the pool ran it.
type Stats struct {
	Calls  uint64 `json:"calls"`
	Again  uint64 `json:"again,omitempty"`  // how often the pool ran one of them again
	Shared uint64 `json:"shared,omitempty"` // calls beyond the first that shared a statement
	Rows   uint64 `json:"rows,omitempty"`   // returned or affected

	Failed    uint64 `json:"failed,omitempty"`    // by whatever error; see Errors
	Cancelled uint64 `json:"cancelled,omitempty"` // because the caller's context ended
	Refused   uint64 `json:"refused,omitempty"`   // by the pool, before anything was sent

	// The four times; see Event. In JSON they are numbers of nanoseconds.
	Waited  time.Duration `json:"waited,omitempty"`
	Server  time.Duration `json:"server,omitempty"`
	Held    time.Duration `json:"held,omitempty"`
	Decoded time.Duration `json:"decoded,omitempty"`

	Whole  uint64        `json:"whole,omitempty"`  // calls of which Server is the whole time
	Queued uint64        `json:"queued,omitempty"` // calls in batches, whose time is in that of the batch
	Max    time.Duration `json:"max,omitempty"`

	// What was done for nothing; see Event.
	Prepared uint64 `json:"prepared,omitempty"`
	Left     uint64 `json:"left,omitempty"`
	Unread   uint64 `json:"unread,omitempty"`
}

// Total is how long callers waited: all but Held.
func (s *Stats) Total() time.Duration { return s.Waited + s.Server + s.Decoded }

// add adds a call.
func (s *Stats) add(e *Event) {
	if e.Run > 1 {
		s.Again++
	} else {
		s.Calls++
	}
	switch e.Outcome {
	case Failed:
		s.Failed++
	case Cancelled:
		s.Cancelled++
	case Refused:
		s.Refused++
	}
	s.Rows += uint64(max(e.Rows, 0))
	s.Shared += uint64(max(e.Callers-1, 0))
	s.Waited += e.Waited
	s.Server += e.Server
	s.Held += e.Held
	s.Decoded += e.Decoded
	s.Max = max(s.Max, e.Total())
	if e.Whole {
		s.Whole++
	}
	if e.Kind == Queued {
		s.Queued++
	}
	if e.Prepared {
		s.Prepared++
	}
	if e.Left {
		s.Left++
	}
	s.Unread += uint64(max(e.Unread, 0))
}

// addAll adds the calls of o.
func (s *Stats) addAll(o *Stats) {
	s.Calls += o.Calls
	s.Again += o.Again
	s.Shared += o.Shared
	s.Rows += o.Rows
	s.Failed += o.Failed
	s.Cancelled += o.Cancelled
	s.Refused += o.Refused
	s.Waited += o.Waited
	s.Server += o.Server
	s.Held += o.Held
	s.Decoded += o.Decoded
	s.Whole += o.Whole
	s.Queued += o.Queued
	s.Prepared += o.Prepared
	s.Left += o.Left
	s.Unread += o.Unread
	s.Max = max(s.Max, o.Max)
}

// What becomes of a shape.
const (
	candidate uint32 = iota // its text was seen once
	settled                 // it has a histogram
	gone                    // what was recorded is that of others now
)

// shape is a text and what is known of the calls that sent it.
type shape struct {
	text string
	name Name
	sums Name // by which it is counted: another one if there are too many
	id   uint64

	offset int          // the number of the argument that is its OFFSET, 0 for none
	deep   atomic.Int64 // the greatest OFFSET of a call

	state atomic.Uint32

	mu     sync.Mutex
	record record
	weight time.Duration // the total, less an eighth at each sweep
}

// add records a call. It returns false if the shape is gone.
func (s *shape) add(e *Event) bool {
	s.mu.Lock()
	is := s.state.Load() != gone
	if is {
		s.record.add(e)
		s.weight += e.Total() + e.Held
	}
	s.mu.Unlock()
	return is
}

// hashOf returns the id of a shape, FNV-1a of its text.
func hashOf(text string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(text))
	return h.Sum64()
}

const (
	candidates   = 64 // texts that were seen once
	maxNames     = 2000
	textPerShape = 1 << 10 // bytes of text for each shape, on average
)

// shapes are those of an Observer. Most texts that a program makes anew each time,
// with values in them, are seen once. So a text is a candidate first, which costs
// little, and gets a histogram when it is seen again while it still is one. What has
// no room is added to the others of its name, so that no sum is lost.
type shapes struct {
	capacity int

	mu      sync.RWMutex
	byText  map[string]*shape
	waiting [candidates]*shape // those seen once, in a ring
	next    int
	full    int // how many are kept
	bytes   int // of their texts

	others    map[Name]*record // of what has no room; nil for names that have a place and nothing there
	since     time.Time
	miss      atomic.Uint64
	evictions uint64
}

func newShapes(capacity int) *shapes {
	s := &shapes{capacity: capacity}
	s.clear()
	kept.Add("shapes", s, (*shapes).report, (*shapes).shrink)
	return s
}

// clear begins anew.
func (s *shapes) clear() {
	s.byText, s.waiting, s.next, s.full, s.bytes = map[string]*shape{}, [candidates]*shape{}, 0, 0, 0
	s.others, s.since = map[Name]*record{}, time.Now()
	s.evictions = 0
	s.miss.Store(0)
}

// reset forgets everything.
func (s *shapes) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sh := range s.byText {
		sh.mu.Lock()
		sh.state.Store(gone)
		sh.mu.Unlock()
	}
	s.clear()
}

// of returns the shape of a text that is about to be sent, nil if it is too long to
// be kept. A caller that has it still may use it as long as it is kept.
func (s *shapes) of(text string, name func() Name) *shape {
	if len(text) > maxText {
		return nil
	}
	s.mu.RLock()
	sh := s.byText[text]
	s.mu.RUnlock()
	if sh != nil && sh.state.Load() == settled {
		return sh
	}
	s.miss.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch sh = s.byText[text]; {
	case sh == nil:
		return s.see(strings.Clone(text), name())
	case sh.state.Load() == candidate:
		s.keep(sh)
	}
	return sh
}

// see makes a candidate, in place of the oldest.
func (s *shapes) see(text string, name Name) *shape {
	sh := &shape{text: text, name: name, sums: s.place(name), id: hashOf(text)}
	number, deep := offsetOf(text)
	sh.offset = number
	sh.deep.Store(deep)
	if old := s.waiting[s.next]; old != nil && old.state.Load() == candidate {
		s.drop(old)
	}
	s.waiting[s.next] = sh
	s.next = (s.next + 1) % candidates
	s.byText[text] = sh
	return sh
}

// keep gives a candidate a histogram.
func (s *shapes) keep(sh *shape) {
	if s.full >= s.capacity || s.bytes+len(sh.text) > s.capacity*textPerShape {
		s.sweep(len(sh.text))
	}
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.record.counts = &counts{}
	if sh.record.timed {
		sh.record.counts.add(sh.record.first)
	}
	sh.state.Store(settled)
	s.full++
	s.bytes += len(sh.text)
}

// shapeBytes is what a shape takes besides its text.
const shapeBytes = 1300

// report says what is kept.
func (s *shapes) report() kept.Report {
	s.mu.RLock()
	defer s.mu.RUnlock()
	misses := s.miss.Load()
	sent := s.sent()
	return kept.Report{
		Entries: s.full, Capacity: s.capacity, Bytes: int64(s.full*shapeBytes + s.bytes),
		Hits: max(sent, misses) - misses, Misses: misses, Evictions: s.evictions,
	}
}

// sent returns how many statements were recorded. A counter of hits would be shared by
// all connections, and is one write a call more.
func (s *shapes) sent() (n uint64) {
	for _, sh := range s.byText {
		sh.mu.Lock()
		n += sh.record.Calls + sh.record.Again
		sh.mu.Unlock()
	}
	for _, r := range s.others {
		if r != nil {
			n += r.Calls + r.Again
		}
	}
	return n
}

// shrink adds all but about so many shapes to the others.
func (s *shapes) shrink(to int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.full > to {
		s.sweep(0)
	}
}

// sweep drops an eighth of the shapes, those that took the least time, and takes an
// eighth off the time of the others, so that what was slow long ago goes in the end. It goes on
// until there is room for a text of so many bytes.
func (s *shapes) sweep(room int) {
	var list []*shape
	weights := map[*shape]time.Duration{}
	for _, sh := range s.byText {
		if sh.state.Load() != settled {
			continue
		}
		sh.mu.Lock()
		weights[sh] = sh.weight
		sh.weight -= sh.weight / 8
		sh.mu.Unlock()
		list = append(list, sh)
	}
	slices.SortFunc(list, func(a, b *shape) int { return cmp.Compare(weights[a], weights[b]) })
	for i, sh := range list {
		if i >= max(s.capacity/8, 1) && s.bytes+room <= s.capacity*textPerShape {
			return
		}
		s.drop(sh)
	}
}

// drop adds what is known of a shape to the others.
func (s *shapes) drop(sh *shape) {
	delete(s.byText, sh.text)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.state.Swap(gone) == settled {
		s.full--
		s.bytes -= len(sh.text)
		s.evictions++
	}
	s.other(sh.name).addAll(&sh.record)
}

// tooMany is the name of calls whose own name has no place.
var tooMany = Name{Operation: "other"}

// place returns the name by which calls of a name are counted. It is settled when the
// name is met first: were it when a text is dropped, the sums of the name would go
// down then.
func (s *shapes) place(n Name) Name {
	if _, ok := s.others[n]; !ok {
		if len(s.others) >= maxNames {
			return tooMany
		}
		s.others[n] = nil // until a call has no shape
	}
	return n
}

// other returns where calls of a name are recorded that have no shape.
func (s *shapes) other(n Name) *record {
	n = s.place(n)
	r := s.others[n]
	if r == nil {
		r = &record{counts: &counts{}}
		s.others[n] = r
	}
	return r
}

// add records a call, which has no shape if sh is nil.
func (s *shapes) add(sh *shape, e *Event) {
	if sh != nil && sh.add(e) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.other(e.Name).add(e)
}
