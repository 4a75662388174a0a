package observe

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"
)

// Shape is what is known of the calls that sent one text, or of those of one name.
type Shape struct {
	Stats
	Name   Name              `json:"name"`
	SQL    string            `json:"sql,omitempty"`       // empty for calls of several texts
	ID     uint64            `json:"id,string,omitempty"` // as in [Event]; 0 for calls of several texts
	Errors map[string]uint64 `json:"errors,omitempty"`    // by SQLSTATE; "" for those that are not the server's, "other" from the 17th of a text on
	Times  Histogram         `json:"times"`               // of the totals: the time until the caller could go on

	Texts     int   `json:"texts,omitempty"`      // how many texts it is of: more than 1 where they were equal but for their values
	MaxOffset int64 `json:"max_offset,omitempty"` // the greatest OFFSET that a call had as an argument
	// Columns are the bytes of its columns, by name, in all calls together, where smrt decodes
	// them. Few rows of a result are measured, and stand for the others.
	Columns map[string]uint64 `json:"columns,omitempty"`
}

// Snapshot is what an [Observer] has recorded at one time. It does not change.
//
// It is written as JSON without the values of its texts, see [Snapshot.WithoutValues], and
// can be read back.
type Snapshot struct {
	Since time.Time `json:"since"` // when recording began, or the last Reset
	At    time.Time `json:"at"`

	Shapes []Shape `json:"shapes"` // those that took the most time first

	// Others are calls, by name, whose text had no room: of texts that were sent
	// once or took little time, and of texts longer than 32 KB. So the sum over
	// Shapes and Others is that of all calls.
	Others []Shape `json:"others"`

	Transactions Transactions `json:"transactions"`

	// Findings are places in the program that keep the database busy for nothing: loops and
	// requests with many calls, which scopes see, and idle transactions. There are at most
	// 256; later ones are not recorded.
	Findings []Finding `json:"findings"`
}

// Snapshot returns what was recorded so far. Statements go on meanwhile: what they may
// wait for is the copy of one shape.
func (o *Observer) Snapshot() Snapshot {
	list, snap := o.shapes.list()
	snap.Shapes = make([]Shape, 0, len(list))
	for _, sh := range list {
		snap.Shapes = append(snap.Shapes, sh.snapshot())
	}
	slices.SortFunc(snap.Shapes, byTotal)
	slices.SortFunc(snap.Others, byTotal)
	snap.Transactions = o.txs.snapshot()
	snap.Findings = o.spots.all()
	return snap
}

// list returns the shapes, and a snapshot of all else. Both are of one moment, so no
// call is in both: what is known of a shape that is dropped later stays with it.
func (s *shapes) list() (list []*shape, snap Snapshot) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	snap = Snapshot{Since: s.since, At: time.Now()}
	for name, r := range s.others {
		if r != nil {
			snap.Others = append(snap.Others, r.snapshot(name))
		}
	}
	return slices.Collect(maps.Values(s.byText)), snap
}

// Reset forgets what was recorded. Calls that are under way are recorded when they
// end.
func (o *Observer) Reset() {
	o.shapes.reset()
	o.spots.reset()
	o.txs.reset()
	o.recent.forget()
	o.lately.forget()
}

// snapshot copies a shape. Batches have one, and no text.
func (s *shape) snapshot() Shape {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.record.snapshot(s.sums)
	if !strings.HasPrefix(s.text, unsent) {
		out.SQL, out.ID, out.Texts, out.MaxOffset = s.text, s.id, 1, s.deep.Load()
	}
	return out
}

// snapshot copies a record.
func (r *record) snapshot(name Name) Shape {
	return Shape{Stats: r.Stats, Name: name, Errors: maps.Clone(r.states), Times: r.histogram(), Columns: r.columns()}
}

// byTotal puts what took the most time first, and what took the same in an order that
// does not depend on chance.
func byTotal(a, b Shape) int {
	if c := cmp.Compare(b.Total(), a.Total()); c != 0 {
		return c // most: names are made for a comparison
	}
	return cmp.Or(cmp.Compare(a.Name.String(), b.Name.String()), cmp.Compare(a.SQL, b.SQL))
}

// Top returns the n shapes that took the most time.
func (s Snapshot) Top(n int) []Shape { return s.Shapes[:max(min(n, len(s.Shapes)), 0)] }

// Total returns the sum over all calls.
func (s Snapshot) Total() (sum Stats) {
	for _, list := range [][]Shape{s.Shapes, s.Others} {
		for i := range list {
			sum.addAll(&list[i].Stats)
		}
	}
	return sum
}

// ByName returns the calls of each name together, those that took the most time
// first. Their numbers only grow until the next Reset, as counters of a metrics
// system must, whatever becomes of the texts.
func (s Snapshot) ByName() []Shape {
	var names joined[Name]
	for _, list := range [][]Shape{s.Shapes, s.Others} {
		for i := range list {
			sh := list[i]
			sh.SQL, sh.ID, sh.Columns = "", 0, nil // which are of one text
			names.add(sh.Name, sh)
		}
	}
	return names.all()
}
