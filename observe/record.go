package observe

import "math"

// How many SQLSTATEs are told apart of a text, and of all texts of a name, which is
// more than PostgreSQL has: where texts are added up none may become "other" that was
// not. Further ones are counted as "other".
const (
	maxStates       = 16
	maxStatesOfName = 1000
)

// record is what is kept of a shape.
type record struct {
	Stats
	states   map[string]uint64
	counts   *counts // nil as long as the text was seen once
	first    uint8   // the bucket of that one call
	widths   []width // of its columns
	measured uint64  // of how many rows they are
	timed    bool    // it had a time

	// carried are calls that counts had when one of its buckets was full, which is
	// nil for most. So there is room for any number in 1 KB.
	carried *[buckets]uint64
}

// add adds a call. One that was refused has no time, and that of a statement in a batch
// is in the time of the batch.
func (r *record) add(e *Event) {
	r.Stats.add(e)
	if e.Outcome == Failed {
		r.addState(e.SQLState, 1, maxStates)
	}
	if e.Kind == Queued || e.Outcome == Refused {
		return // it has no time
	}
	b := bucketOf(e.Total())
	if r.counts != nil {
		r.count(b, 1)
	} else {
		r.first, r.timed = b, true
	}
}

// addState adds n errors of an SQLSTATE, of which so many are told apart.
func (r *record) addState(state string, n uint64, most int) {
	if r.states == nil {
		r.states = map[string]uint64{}
	}
	if _, ok := r.states[state]; !ok && len(r.states) >= most {
		state = "other"
	}
	r.states[state] += n
}

// addAll adds the calls of o, which may have been seen once and have no histogram.
// That of r is there.
func (r *record) addAll(o *record) {
	r.Stats.addAll(&o.Stats)
	for state, n := range o.states {
		r.addState(state, n, maxStatesOfName)
	}
	switch {
	case o.counts != nil:
		for b := range o.counts {
			r.count(uint8(b), o.calls(b))
		}
	case o.timed:
		r.count(o.first, 1)
	}
}

// count adds n calls to a bucket.
func (r *record) count(bucket uint8, n uint64) {
	if n <= uint64(math.MaxUint32-r.counts[bucket]) {
		r.counts[bucket] += uint32(n)
		return
	}
	if r.carried == nil {
		r.carried = &[buckets]uint64{}
	}
	r.carried[bucket] += uint64(r.counts[bucket]) + n
	r.counts[bucket] = 0
}

// calls returns how many are in a bucket.
func (r *record) calls(bucket int) uint64 {
	n := uint64(r.counts[bucket])
	if r.carried != nil {
		n += r.carried[bucket]
	}
	return n
}

// histogram copies the counts. What was seen once has that call.
func (r *record) histogram() (h Histogram) {
	if r.counts == nil {
		if r.timed {
			h.filled = []bucket{{1, r.first}}
		}
		return h
	}
	filled := 0
	for b := range r.counts {
		if r.calls(b) > 0 {
			filled++
		}
	}
	h.filled = make([]bucket, 0, filled)
	for b := range r.counts {
		if n := r.calls(b); n > 0 {
			h.filled = append(h.filled, bucket{n, uint8(b)})
		}
	}
	return h
}
