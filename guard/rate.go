package guard

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/limit"
)

// RateConfig declares a [Rate].
type RateConfig struct {
	// Name is what errors call the rate. Rates with one name and one Store share
	// their buckets, also if they are declared otherwise: give each rate of a Store a
	// name of its own. Default: "calls".
	Name string

	// Points come back in each Per, evenly. Both must be above zero, and a point at
	// most every microsecond. Default of Per: a second.
	Points int64
	Per    time.Duration

	// Burst is how many points a key has at most, and so what one call may ask for.
	// Default: Points.
	Burst int64

	// Key says whose points a call takes: of a user, a tenant, a client of an API.
	// Calls for which it returns the same, also if that is empty, share them. It is
	// called on the goroutine of each call, with a context under which nothing is limited.
	// Default: all calls share them.
	Key func(ctx context.Context) string

	// Store keeps the buckets. Default: [NewBuckets] with room for 100,000.
	Store Store
}

// Rate is how many points the calls of a key may cost in some time. It is declared
// once, and is a part of as many [Limits] as it holds for. It is safe for concurrent
// use.
type Rate struct {
	config   RateConfig
	interval time.Duration
	limit    limit.Rate
}

// defaultKeys is how many keys a rate has room for that have used some of their points.
const defaultKeys = 100_000

// maxRefill is how long it may take until an empty bucket is full.
const maxRefill = 10 * 365 * 24 * time.Hour

// NewRate declares a rate. It panics with a *[smrt.OptionsError] if it cannot be.
func NewRate(c RateConfig) *Rate {
	if c.Name == "" {
		c.Name = "calls"
	}
	if c.Per == 0 {
		c.Per = time.Second
	}
	if c.Burst == 0 {
		c.Burst = c.Points
	}
	if err := c.check(); err != nil {
		panic(err)
	}
	if c.Store == nil {
		c.Store = NewBuckets(defaultKeys)
	}
	points := time.Duration(c.Points)
	r := &Rate{config: c, interval: (c.Per + points - 1) / points} // never more than was declared
	r.limit = limit.Rate{Take: r.take, Give: r.give}
	return r
}

func (c *RateConfig) check() error {
	bad := func(option, reason string) error {
		return &smrt.OptionsError{Option: "RateConfig." + option, Reason: reason}
	}
	switch {
	case c.Points < 1:
		return bad("Points", fmt.Sprintf("must be above zero, is %d", c.Points))
	case c.Per < 0 || c.Per > maxRefill:
		return bad("Per", fmt.Sprintf("must be above zero and at most %v, is %v", maxRefill, c.Per))
	case c.Points > int64(c.Per/time.Microsecond):
		return bad("Points", fmt.Sprintf("must be at most one in a microsecond, is %d in %v", c.Points, c.Per))
	case c.Burst < 1 || c.Burst > int64(maxRefill/(c.Per/time.Duration(c.Points)+1)):
		return bad("Burst", fmt.Sprintf("must be above zero, and come back within %v, is %d", maxRefill, c.Burst))
	}
	return nil
}

// maxKey is how long a key may be that is kept as it is.
const maxKey = 64

// bucket returns the bucket of a key. One that is long may be what a client has made up,
// to fill the memory.
func (r *Rate) bucket(key string) Bucket {
	if len(key) > maxKey {
		sum := sha256.Sum256([]byte(key))
		key = hex.EncodeToString(sum[:])
	}
	return Bucket{Rate: r.config.Name, Key: key, Interval: r.interval, Burst: r.config.Burst}
}

// Available returns how many points the key of ctx has now, for a header of an answer
// for instance. Below zero, it owes them.
func (r *Rate) Available(ctx context.Context) int64 {
	key := ""
	if r.config.Key != nil {
		key = r.config.Key(ctx)
	}
	return r.config.Store.Take(ctx, r.bucket(key), 0, 0).Available
}

func (r *Rate) take(ctx context.Context, points, debt int64) limit.Taken {
	t := limit.Taken{}
	if r.config.Key != nil {
		t.Key = r.config.Key(ctx)
	}
	s := r.config.Store.Take(ctx, r.bucket(t.Key), points, debt)
	t.Local = s.Local
	if t.Owing = s.Taken && s.Available < points; t.Owing || !s.Taken {
		t.Err = &smrt.RateError{
			Rate: r.config.Name, Cost: points, Available: s.Available, Burst: r.config.Burst,
			Points: r.config.Points, Per: r.config.Per, RetryAfter: max(s.RetryAfter, 0),
		}
	}
	return t
}

func (r *Rate) give(ctx context.Context, from limit.Taken, points int64) {
	b := r.bucket(from.Key)
	b.Local = from.Local
	r.config.Store.Give(ctx, b, points)
}
