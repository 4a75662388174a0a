package loader

import (
	"context"
	"fmt"
	"reflect"

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

	// Caller identifies who calls, where what the function returns depends on
	// the context: it returns the tenant, for instance, that hooks of the pool
	// bind a connection to. Only Loads under contexts for which it returns
	// equal values share a call, which then has the values of one of these
	// contexts. A caller for whom it returns nil, or what == cannot compare,
	// shares with nobody. Default: all callers are alike. Callers of two tenants, see
	// smrt.WithTenant, never share a call. Loaders of [NewPerRequest] do not take it: a
	// request is one caller.
	Caller func(ctx context.Context) any
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
	case perRequest && o.Caller != nil:
		return o, bad("Caller", "is for New: a loader of one request remembers what it loaded, for one caller")
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

// gates returns where Loads meet. The loader is for one request if there is a
// context.
func (o *Options) gates(request context.Context, run func(context.Context, []*batch.Call)) gates {
	c := batch.Config{MaxInFlight: o.MaxInFlight, MaxSize: o.MaxBatch, OneCaller: o.Caller != nil, Run: run}
	if request != nil {
		c.Gather, c.Values = true, context.WithoutCancel(request)
	}
	g := gates{caller: o.Caller}
	if request != nil || o.Caller == nil {
		g.all = batch.New(c)
	}
	if request == nil {
		c.OneCaller = true
		g.each = batch.NewGates(c)
	}
	return g
}

// gates are where Loads meet: all of them, or those of each caller and tenant.
type gates struct {
	all    *batch.Gate // of those without a tenant, or of a request
	caller func(context.Context) any
	each   *batch.Gates // nil: of a request
}

// of returns the gate for a Load, nil if it is to meet nobody.
func (g *gates) of(ctx context.Context) *batch.Gate {
	tenant := tenantOf(ctx)
	if g.each == nil || g.caller == nil && tenant == (smrt.Tenant{}) {
		return g.all
	}
	who := [2]any{1: tenant}
	if g.caller != nil {
		if who[0] = g.caller(ctx); who[0] == nil {
			return nil
		}
	}
	if !reflect.ValueOf(who).Comparable() {
		return nil
	}
	return g.each.Of(who)
}

// tenantOf is what tells the tenants of callers apart.
func tenantOf(ctx context.Context) smrt.Tenant {
	t := smrt.TenantOf(ctx)
	t.Reason = ""
	return t
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
