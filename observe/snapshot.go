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
	Name   Name
	SQL    string            // empty for calls of several texts
	ID     uint64            // as in [Event]; 0 for calls of several texts
	Errors map[string]uint64 // by SQLSTATE; "" for those that are not the server's, "other" from the 17th of a text on
	Times  Histogram         // of the totals: the time until the caller could go on
}

// Snapshot is what an [Observer] has recorded at one time. It does not change.
type Snapshot struct {
	Since time.Time // when recording began, or the last Reset
	At    time.Time

	Shapes []Shape // those that took the most time first

	// Others are calls, by name, whose text had no room: of texts that were sent
	// once or took little time, and of texts longer than 32 KB. So the sum over
	// Shapes and Others is that of all calls.
	Others []Shape
}

// Snapshot returns what was recorded so far.
func (o *Observer) Snapshot() Snapshot {
	s := o.shapes
	s.mu.RLock()
	defer s.mu.RUnlock()
	snap := Snapshot{Since: s.since, At: time.Now()}
	for _, sh := range s.byText {
		snap.Shapes = append(snap.Shapes, sh.snapshot())
	}
	for name, r := range s.others {
		if r != nil {
			snap.Others = append(snap.Others, r.snapshot(name))
		}
	}
	slices.SortFunc(snap.Shapes, byTotal)
	slices.SortFunc(snap.Others, byTotal)
	return snap
}

// Reset forgets what was recorded. Calls that are under way are recorded when they
// end.
func (o *Observer) Reset() { o.shapes.reset() }

// snapshot copies a shape. Batches have one, and no text.
func (s *shape) snapshot() Shape {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.record.snapshot(s.sums)
	if !strings.HasPrefix(s.text, unsent) {
		out.SQL, out.ID = s.text, s.id
	}
	return out
}

// snapshot copies a record.
func (r *record) snapshot(name Name) Shape {
	return Shape{Stats: r.Stats, Name: name, Errors: maps.Clone(r.states), Times: r.histogram()}
}

// byTotal puts what took the most time first, and what took the same in an order that
// does not depend on chance.
func byTotal(a, b Shape) int {
	return cmp.Or(cmp.Compare(b.Total(), a.Total()), cmp.Compare(a.Name.String(), b.Name.String()), cmp.Compare(a.SQL, b.SQL))
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
	records := map[Name]*record{}
	for _, list := range [][]Shape{s.Shapes, s.Others} {
		for i := range list {
			sh := &list[i]
			r := records[sh.Name]
			if r == nil {
				r = &record{counts: &counts{}}
				records[sh.Name] = r
			}
			r.Stats.addAll(&sh.Stats)
			for state, n := range sh.Errors {
				r.addState(state, n, maxStatesOfName)
			}
			for _, b := range sh.Times.filled {
				r.count(b.which, b.n)
			}
		}
	}
	var out []Shape
	for name, r := range records {
		out = append(out, r.snapshot(name))
	}
	slices.SortFunc(out, byTotal)
	return out
}
