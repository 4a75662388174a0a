package guard

import (
	"context"
	"hash/maphash"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/smrt-go/smrt/internal/kept"
)

// Bucket is where the points of one key of a rate are. At first it is full.
type Bucket struct {
	Rate, Key string

	// Interval is how long it takes until a point comes back.
	Interval time.Duration

	// Burst is how many points there are at most.
	Burst int64

	// Local is set for Give, if [State] said so when the points were taken.
	Local bool
}

// State is what a [Store] says of a bucket.
type State struct {
	Taken      bool          // the points were taken
	Available  int64         // points that there were before; below zero: owed
	RetryAfter time.Duration // until there are enough of them; 0: they were taken, or never are

	// Local says that the process answered by itself, without what it shares with
	// others. The points are given back to where they were taken.
	Local bool
}

// Store keeps buckets: [Buckets] in the process, contrib/redis for several of them. It
// is safe for concurrent use.
type Store interface {
	// Take takes points out of a bucket, if it then owes not more than debt points. What
	// is below zero counts as zero.
	// It takes all of them or none. There is always an answer: a store that cannot be
	// reached decides by what it knows itself, and does not let everything pass.
	Take(ctx context.Context, b Bucket, points, debt int64) State

	// Give puts back points that were taken, as far as there is room for them. If
	// points is below zero it takes more of them, even if there are none.
	Give(ctx context.Context, b Bucket, points int64)
}

// Buckets are kept in the process. A full bucket takes no memory: it is what a key has
// that nobody knows. When there is no room for a further key, the bucket that is the
// fullest of some is forgotten, so that its key has all of its points again.
type Buckets struct {
	began  time.Time
	seed   maphash.Seed
	shards [shards]shard
	most   int // of a shard

	forgotten atomic.Uint64 // buckets that were not full
}

const shards = 16

// A bucket is the moment at which it will be full, so that time fills it and nothing
// has to run.
type shard struct {
	mu   sync.Mutex
	full map[bucketKey]time.Duration // since the start
}

type bucketKey struct{ rate, key string }

// NewBuckets makes room for so many buckets that are not full. It panics if that is
// less than one.
func NewBuckets(most int) *Buckets {
	if most < 1 {
		panic("smrt: guard.NewBuckets: there must be room for one bucket")
	}
	b := &Buckets{began: time.Now(), seed: maphash.MakeSeed(), most: (most + shards - 1) / shards}
	for i := range b.shards {
		b.shards[i].full = map[bucketKey]time.Duration{}
	}
	kept.Add("buckets", b, (*Buckets).report, (*Buckets).shrink)
	return b
}

var _ Store = (*Buckets)(nil)

// Take implements [Store].
func (b *Buckets) Take(_ context.Context, of Bucket, points, debt int64) State {
	s, key := b.shardOf(&of)
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Since(b.began)
	full, known := s.full[key]
	owed := max(full-now, 0)
	room := times(of.Burst, of.Interval) - owed
	state := State{Available: floor(room, of.Interval)}
	points, debt = max(points, 0), max(debt, 0)
	if points-debt > of.Burst {
		return state
	}
	after := room + times(debt, of.Interval) - times(points, of.Interval)
	if after < 0 {
		state.RetryAfter = -after
		return state
	}
	if state.Taken = true; points == 0 {
		return state
	}
	if !known {
		s.makeRoom(now, b)
		key = bucketKey{key.rate, strings.Clone(key.key)}
	}
	s.full[key] = now + min(owed+times(points, of.Interval), maxFull)
	return state
}

// Give implements [Store].
func (b *Buckets) Give(_ context.Context, of Bucket, points int64) {
	s, key := b.shardOf(&of)
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Since(b.began)
	full, known := s.full[key]
	full = min(max(full, now)-times(points, of.Interval), now+maxFull)
	switch {
	case full <= now:
		delete(s.full, key)
	case !known:
		s.makeRoom(now, b)
		s.full[bucketKey{key.rate, strings.Clone(key.key)}] = full
	default:
		s.full[key] = full
	}
}

// shardOf returns where a bucket is, whose interval it makes one that can be divided by.
func (b *Buckets) shardOf(of *Bucket) (*shard, bucketKey) {
	of.Interval = min(max(of.Interval, 1), maxOwed)
	return &b.shards[maphash.String(b.seed, of.Key)%shards], bucketKey{of.Rate, of.Key}
}

// looks is how many buckets a new one looks at. That forgets those that are full as
// fast as new ones come, if one of eight is.
const looks = 8

// makeRoom forgets buckets that are full, and one that is not if there is no room.
func (s *shard) makeRoom(now time.Duration, b *Buckets) {
	n, fullest, soonest := 0, bucketKey{}, time.Duration(math.MaxInt64)
	for key, full := range s.full { // which begins anywhere
		switch {
		case full <= now:
			delete(s.full, key)
		case full < soonest:
			fullest, soonest = key, full
		}
		if n++; n == looks {
			break
		}
	}
	if len(s.full) >= b.most {
		delete(s.full, fullest)
		b.forgotten.Add(1)
	}
}

const (
	maxOwed = 1 << 60 // nanoseconds until what one call takes is back at most: 36 years
	maxFull = 1 << 62 // until a bucket is full again, whatever was taken
)

// times returns n times d, within what can be added to a time.
func times(n int64, d time.Duration) time.Duration {
	most := maxOwed / int64(d)
	return time.Duration(min(max(n, -most), most)) * d
}

// floor returns a/b, rounded down.
func floor(a, b time.Duration) int64 {
	n := int64(a / b)
	if a%b < 0 {
		n--
	}
	return n
}

const bytesOfBucket = 150 // with the map's share, and a short key

func (b *Buckets) report() kept.Report {
	r := kept.Report{Capacity: b.most * shards, Evictions: b.forgotten.Load()}
	for i := range b.shards {
		s := &b.shards[i]
		s.mu.Lock()
		r.Entries += len(s.full)
		s.mu.Unlock()
	}
	r.Bytes = int64(r.Entries) * bytesOfBucket
	return r
}

// shrink forgets full buckets only: the others are what holds their keys to the rate.
func (b *Buckets) shrink(int) {
	for i := range b.shards {
		s := &b.shards[i]
		s.mu.Lock()
		now := time.Since(b.began)
		for key, full := range s.full {
			if full <= now {
				delete(s.full, key)
			}
		}
		s.mu.Unlock()
	}
}
