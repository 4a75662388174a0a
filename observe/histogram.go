package observe

import (
	"iter"
	"math"
	"math/bits"
	"time"
)

// A duration is counted in one of eight buckets for each doubling, from one
// microsecond (of 1,024 ns) to 73 minutes: the bits of the duration say which. So
// a bucket is at most an eighth wider than its lower bound, and its middle at most
// a sixteenth, 6.25 %, away from any duration in it.
const (
	perOctave = 8
	firstBit  = 10 // of 1,024 ns
	buckets   = 256
)

// bucketOf returns the bucket of a duration.
func bucketOf(d time.Duration) uint8 {
	if d < 1<<firstBit {
		return 0
	}
	top := bits.Len64(uint64(d)) - 1
	i := (top-firstBit)*perOctave + int(d>>(top-3))&(perOctave-1)
	return uint8(min(i, buckets-1))
}

// bounds returns from where to where a bucket reaches. The first one begins at 0,
// and the last one has no end; see its lower bound for both.
func bounds(bucket uint8) (from, to time.Duration) {
	octave, part := int(bucket)/perOctave, time.Duration(bucket)%perOctave
	unit := time.Duration(1) << (octave + firstBit - 3)
	return unit * (perOctave + part), unit * (perOctave + part + 1)
}

// counts are the calls in each bucket.
type counts [buckets]uint32

// add counts a duration.
func (c *counts) add(bucket uint8) { c[bucket]++ }

// Histogram says how long calls took, to within 6.25 % from one microsecond to 73
// minutes. Those that were shorter or longer are counted as that. It is a copy,
// which does not change.
type Histogram struct{ filled []bucket }

type bucket struct {
	n     uint64
	which uint8
}

// Count returns how many calls are in the histogram.
func (h Histogram) Count() (n uint64) {
	for _, b := range h.filled {
		n += b.n
	}
	return n
}

// Quantile returns the duration that the part q of the calls did not exceed: with
// 0.99 that of all but the slowest hundredth. It is 0 if there were no calls. A q
// below 0 counts as 0, and one above 1 as 1.
func (h Histogram) Quantile(q float64) time.Duration {
	count := h.Count()
	if count == 0 {
		return 0
	}
	rank := uint64(math.Ceil(min(max(q, 0), 1) * float64(count)))
	for _, b := range h.filled {
		if rank > b.n {
			rank -= b.n
			continue
		}
		from, to := bounds(b.which)
		return from + (to-from)/2
	}
	return 0 // the buckets have all calls
}

// All returns how many calls took less than each duration and not less than the one
// before it, from short to long. Durations without calls are left out.
func (h Histogram) All() iter.Seq2[time.Duration, uint64] {
	return func(yield func(time.Duration, uint64) bool) {
		for _, b := range h.filled {
			if _, to := bounds(b.which); !yield(to, b.n) {
				return
			}
		}
	}
}
