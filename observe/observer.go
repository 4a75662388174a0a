package observe

import (
	"log/slog"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/multitracer"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/internal/traced"
)

// Config says what an [Observer] does. The zero value keeps statistics and logs slow
// calls.
type Config struct {
	// Hooks are called around each call. See [Hook].
	Hooks []Hook

	// Slow says which calls are logged.
	Slow SlowLog

	// MaxShapes is how many texts have statistics of their own. An Observer takes
	// some 1.3 KB for each, and at most 1 KB more for its text. From 1 to 100,000;
	// default: 1,000.
	MaxShapes int

	// Args lets hooks see the arguments of statements, which may be secrets.
	// Default: they do not.
	Args bool

	// Labels gives goroutines the label "smrt" for profiles of package pprof, with
	// the name of the call, from when it is sent until its result is complete: for
	// rows that are read one by one, until they are closed. It costs a call three allocations.
	Labels bool

	// Logger gets the slow log, and what is wrong with hooks. Default:
	// slog.Default, as it is when something is logged.
	Logger *slog.Logger
}

const (
	defaultMaxShapes = 1000
	maxMaxShapes     = 100_000
)

// Observer sees all calls on the connections it is attached to: those of
// repositories, preloads and units, sqlc's queries and SQL written by hand. It keeps
// statistics, calls hooks, and logs what is slow. It is safe for concurrent use, and
// has nothing to close, and no goroutine but for plans that SlowLog asks for.
//
// It never changes or stops a call, and costs one no allocation.
type Observer struct {
	tracer
	config Config
	shapes *shapes
	hooks  []*hook
	slow   *slowLog
	spots  *spots
	recent recently
	txs    transactions
	lately recently // transactions
}

// New returns an Observer, or an *[smrt.OptionsError] if the configuration cannot
// be used.
func New(c Config) (*Observer, error) {
	if c.MaxShapes == 0 {
		c.MaxShapes = defaultMaxShapes
	}
	if c.MaxShapes < 1 || c.MaxShapes > maxMaxShapes {
		return nil, bad("MaxShapes", "must be a number from 1 to %d, is %d", maxMaxShapes, c.MaxShapes)
	}
	slow, err := newSlowLog(c.Slow)
	if err != nil {
		return nil, err
	}
	o := &Observer{config: c, shapes: newShapes(c.MaxShapes), slow: slow, spots: newSpots()}
	o.tracer.observer = o
	for i, h := range c.Hooks {
		if h == nil {
			return nil, bad("Hooks", "must not have nil in it, has at index %d", i)
		}
		o.hooks = append(o.hooks, &hook{Hook: h})
	}
	traced.Observe(true)
	return o, nil
}

// Configure attaches o to the connections of a pool. It has the type of the field
// Configure of pool.Config, whose Pool and whose Router then are observed:
//
//	db, err := pool.Open(ctx, pool.Config{URL: url, Configure: observer.Configure})
func (o *Observer) Configure(c *pgxpool.Config) { o.Attach(c.ConnConfig) }

// Attach attaches o to the configuration of a connection, next to a tracer that is
// there already. A connection has one Observer: another one that is there is
// replaced, and so is what [Attach] of this package left there.
func (o *Observer) Attach(c *pgx.ConnConfig) { attach(c, &o.tracer) }

// attach puts t into a configuration, in place of one of its kind.
func attach(c *pgx.ConnConfig, t *tracer) {
	switch other := c.Tracer.(type) {
	case nil, *tracer:
		c.Tracer = t
	case *multitracer.Tracer:
		all := *other
		all.QueryTracers = others(other.QueryTracers)
		all.BatchTracers = others(other.BatchTracers)
		all.CopyFromTracers = others(other.CopyFromTracers)
		all.PrepareTracers = others(other.PrepareTracers)
		all.ConnectTracers = others(other.ConnectTracers)
		c.Tracer = multitracer.New(&all, t)
	default:
		c.Tracer = multitracer.New(other, t)
	}
}

// others are the tracers of a list that are not of this package.
func others[T any](list []T) []T {
	return slices.DeleteFunc(slices.Clone(list), func(t T) bool { return isOurs(t) })
}

// isOurs reports whether a tracer is one of this package.
func isOurs(t any) bool {
	_, ours := t.(*tracer)
	return ours
}

// logger returns where to log now.
func (o *Observer) logger() *slog.Logger {
	if o.config.Logger != nil {
		return o.config.Logger
	}
	return slog.Default()
}
