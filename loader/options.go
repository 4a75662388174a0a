package loader

import (
	"context"
	"fmt"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/batch"
)

// The defaults of [Options].
const (
	DefaultMaxInFlight = 2
	DefaultMaxBatch    = 1000
)

// Options says how a loader calls its function. The zero value is ready for
// use.
type Options struct {
	// MaxInFlight is how many calls of the function may be under way at a time.
	// More of them keep more of the database busy, fewer make larger batches.
	// Default: DefaultMaxInFlight, and 1 for a loader of [NewPerRequest].
	MaxInFlight int

	// MaxBatch is how many keys a call of the function may get. Default:
	// DefaultMaxBatch.
	MaxBatch int

	// ZeroIfMissing returns the zero value for a key that has none, in place
	// of smrt.ErrNotFound: no rows, where values are slices of rows.
	ZeroIfMissing bool
}

// resolve returns the options with their defaults. It returns an
// *[smrt.OptionsError] if they cannot be used or there is no function.
func resolve(given []Options, hasFunc, perRequest bool) (Options, error) {
	var o Options
	if len(given) > 1 {
		return o, bad("options", "must be given at most once, not %d times", len(given))
	}
	if len(given) == 1 {
		o = given[0]
	}
	switch {
	case !hasFunc:
		return o, bad("fn", "must not be nil")
	case o.MaxInFlight < 0:
		return o, bad("MaxInFlight", "must not be negative, is %d", o.MaxInFlight)
	case o.MaxBatch < 0:
		return o, bad("MaxBatch", "must not be negative, is %d", o.MaxBatch)
	}
	if o.MaxInFlight == 0 {
		o.MaxInFlight = DefaultMaxInFlight
		if perRequest {
			o.MaxInFlight = 1
		}
	}
	if o.MaxBatch == 0 {
		o.MaxBatch = DefaultMaxBatch
	}
	return o, nil
}

func bad(option, format string, args ...any) error {
	return &smrt.OptionsError{Option: option, Reason: fmt.Sprintf(format, args...)}
}

// gate returns the gate of a loader. The loader is for one request if there is
// a context.
func (o *Options) gate(request context.Context, run func(context.Context, []*batch.Call)) *batch.Gate {
	c := batch.Config{MaxInFlight: o.MaxInFlight, MaxSize: o.MaxBatch, Run: run}
	if request != nil {
		c.Gather, c.Values = true, context.WithoutCancel(request)
	}
	return batch.New(c)
}

// missing returns the error for one key that has no value.
func (o *Options) missing(err error) error {
	if o.ZeroIfMissing && err == smrt.ErrNotFound { //nolint:errorlint // this very value stands for no value
		return nil
	}
	return err
}

// missingAt returns the error for many keys. Those at the indexes have no
// value.
func (o *Options) missingAt(indexes []int) error {
	if o.ZeroIfMissing || len(indexes) == 0 {
		return nil
	}
	return &MissingError{Indexes: indexes}
}
