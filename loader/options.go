package loader

import (
	"context"
	"fmt"
	"math"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/batch"
)

// The defaults of the options.
const (
	DefaultMaxInFlight = 2
	DefaultMaxBatch    = 1000
)

// Option configures a loader.
type Option func(*options)

// unset is no number that MaxInFlight is called with.
const unset = math.MinInt

type options struct {
	maxInFlight   int
	maxBatch      int
	remember      bool
	request       context.Context
	zeroIfMissing bool
}

// MaxInFlight sets how many calls of the function may be under way at a time,
// DefaultMaxInFlight if not given. More of them keep more of the database busy,
// fewer make larger batches.
func MaxInFlight(n int) Option { return func(o *options) { o.maxInFlight = n } }

// MaxBatch sets how many keys a call of the function may get, DefaultMaxBatch
// if not given.
func MaxBatch(n int) Option { return func(o *options) { o.maxBatch = n } }

// PerRequest is for a loader that lives as long as the request whose context
// is given:
//
//   - What was loaded is remembered, missing keys included and errors not. A
//     key is asked for once, however often and by whomever it is loaded.
//   - Goroutines that are about to load something get the chance to do so
//     before a call leaves, so that the resolvers of a list share the first
//     call already.
//   - The function sees the values of ctx, such as its trace and its user.
//   - One call is under way at a time, unless MaxInFlight says otherwise: a
//     request is better served by few calls than by early ones.
func PerRequest(ctx context.Context) Option {
	return func(o *options) { o.remember, o.request = true, ctx }
}

// ZeroIfMissing makes a key without a value answer the zero value in place of
// smrt.ErrNotFound: no rows, where values are slices of rows.
func ZeroIfMissing() Option { return func(o *options) { o.zeroIfMissing = true } }

// resolve applies the options, and panics at what cannot be meant.
func resolve(hasFunc bool, opts []Option) options {
	o := options{maxInFlight: unset, maxBatch: DefaultMaxBatch}
	for _, apply := range opts {
		apply(&o)
	}
	if o.maxInFlight == unset {
		o.maxInFlight = DefaultMaxInFlight
		if o.remember {
			o.maxInFlight = 1
		}
	}
	switch {
	case !hasFunc:
		panic("smrt: loader: the function is nil")
	case o.remember && o.request == nil:
		panic("smrt: loader: PerRequest with a nil context")
	case o.maxInFlight < 1:
		panic(fmt.Sprintf("smrt: loader: MaxInFlight is %d, at least 1 is needed", o.maxInFlight))
	case o.maxBatch < 1:
		panic(fmt.Sprintf("smrt: loader: MaxBatch is %d, at least 1 is needed", o.maxBatch))
	}
	return o
}

// gate makes the gate of a loader.
func (o *options) gate(run func(context.Context, []*batch.Call)) *batch.Gate {
	c := batch.Config{MaxInFlight: o.maxInFlight, MaxSize: o.maxBatch, Gather: o.remember, Run: run}
	if o.request != nil {
		c.Values = context.WithoutCancel(o.request)
	}
	return batch.New(c)
}

// missing is the answer where one key has no value.
func (o *options) missing(err error) error {
	if o.zeroIfMissing && err == smrt.ErrNotFound { //nolint:errorlint // this very value stands for no value
		return nil
	}
	return err
}

// missingAt is missing of many keys, of which those at some indexes have none.
func (o *options) missingAt(indexes []int) error {
	if o.zeroIfMissing || len(indexes) == 0 {
		return nil
	}
	return &MissingError{Indexes: indexes}
}
