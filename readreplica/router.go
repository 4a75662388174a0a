package readreplica

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/pool"
)

// Router is a smrt.DB on a primary and its standbys. Declared reads go to a
// standby that is fresh enough, everything else to the primary. It is safe for
// concurrent use, until it is closed: then its methods return smrt.ErrPoolClosed.
//
// Writes wait for a primary for Config.Failover at most, then they return
// smrt.ErrNoPrimary. Other errors are those of the pools and of pgx.
//
// Its goroutines are one for each node, which probes it, and one that hands over
// events while there are some. Of its locks mu guards what is decided about the
// nodes, and askMu the question for the primary's position; neither is held while
// something is sent. The path of a read that demands nothing takes no lock.
type Router struct {
	cfg   Config
	nodes []*Node
	slots chan struct{} // of the primary, for reads that no replica serves; nil for no limit

	reader Reader

	engine atomic.Uint32
	table  atomic.Pointer[table]

	mu       sync.Mutex
	system   int64
	timeline uint32        // newest that a primary was seen on
	samples  []sample      // of the primary's position, oldest first
	changed  chan struct{} // closed when the table changes
	led      leader
	leads    map[*func()]struct{} // what to call when there is another one

	asking *asking // for the primary's position, under way
	askMu  sync.Mutex

	events  events
	counter counter
	stop    context.CancelFunc
	stopped <-chan struct{}
	probers sync.WaitGroup
}

var _ smrt.Pool = (*Router)(nil)

// New returns a router over pools that the caller closes, after the router. The
// router detects which of them leads to the primary. New probes each of them
// before it returns, for about a second at most. It uses the default settings;
// for others put the pools into a [Config].
//
// Sessions of such pools do not refuse writes while they read from a primary;
// see [Server].Pool.
func New(primary Pool, replicas ...Pool) (*Router, error) {
	var cfg Config
	for i, p := range append([]Pool{primary}, replicas...) {
		if v := reflect.ValueOf(p); !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil() {
			return nil, bad(fmt.Sprintf("pool %d", i), "must not be nil: look at the error of whatever opened it")
		}
		cfg.Servers = append(cfg.Servers, Server{Pool: p})
	}
	r, err := newRouter(context.Background(), cfg)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*r.cfg.ProbeTimeout) // a connection, and a question
	defer cancel()
	if err := r.firstProbes(ctx); errors.Is(err, smrt.ErrBadOptions) { // who does not answer now may do so later
		r.Close()
		return nil, err
	}
	return r, nil
}

// Open opens the pools of a router and returns when every server has answered
// or failed to, or ctx has ended; it waits for Config.ProbeInterval more, at
// most, until a standby may serve reads. The caller closes the router.
//
// Settings that cannot be used, and servers of different clusters, are
// smrt.ErrBadOptions. If no server answers the error is smrt.ErrNoPrimary with the
// reason of each; that some do not answer is no error.
func Open(ctx context.Context, cfg Config) (*Router, error) {
	if ctx == nil {
		return nil, smrt.ErrNilContext
	}
	r, err := newRouter(ctx, cfg)
	if err != nil {
		return nil, err
	}
	if err := r.firstProbes(ctx); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// newRouter checks the settings, opens the pools, none of which dials, and starts to
// probe. If it fails, nothing stays open.
func newRouter(ctx context.Context, cfg Config) (*Router, error) {
	if err := cfg.resolve(); err != nil {
		return nil, err
	}
	r := &Router{cfg: cfg, changed: make(chan struct{})}
	r.reader.router = r
	r.events.call = cfg.OnEvent
	r.engine.Store(uint32(cfg.Engine))
	r.table.Store(&table{})
	for i, s := range cfg.Servers {
		n := newNode(r, i, s)
		if err := n.open(ctx); err != nil {
			r.closePools()
			return nil, err
		}
		r.nodes = append(r.nodes, n)
	}
	if len(r.nodes) > 1 {
		room := int(float64(r.nodes[0].writes.Config().MaxConns) * cfg.PrimaryShare)
		r.slots = make(chan struct{}, max(room, 1))
	}
	var probing context.Context
	probing, r.stop = context.WithCancel(context.Background())
	r.stopped = probing.Done()
	for _, n := range r.nodes {
		r.probers.Go(func() { n.run(probing) })
	}
	return r, nil
}

// open opens the pools of a node. None of them dials before it is used.
func (n *Node) open(ctx context.Context) (err error) {
	if n.Pool != nil {
		n.reads, n.writes, n.on = n.Pool, n.Pool, n.Pool
		return nil
	}
	n.own = true
	cfg := n.router.cfg.Pool
	cfg.URL, cfg.Lazy = n.URL, true
	if n.writes, err = pool.Open(ctx, cfg); err != nil {
		return err
	}
	configure := cfg.Configure
	cfg.Configure = func(c *pgxpool.Config) {
		if configure != nil {
			configure(c)
		}
		n.refuseWrites(c)
		n.noticeRestarts(c)
		n.wires.watch(c)
	}
	if n.reads, err = pool.Open(ctx, cfg); err != nil {
		n.writes.Close()
		return err
	}
	n.on = n.reads
	return nil
}

// refuseWrites makes the sessions of a pool read-only. A pooler refuses the
// parameter, and a SET would stay on a connection that others use too: behind
// one, only standbys refuse writes.
func (n *Node) refuseWrites(c *pgxpool.Config) {
	before := c.BeforeConnect
	c.BeforeConnect = func(ctx context.Context, cc *pgx.ConnConfig) error {
		r := n.router
		if mode := r.cfg.Pool.Mode; r.kind() != Pooled && (mode == "" || mode == pool.Direct) {
			cc.RuntimeParams["default_transaction_read_only"] = "on"
		}
		if before != nil {
			return before(ctx, cc)
		}
		return nil
	}
}

// firstProbes waits until every server has been asked.
func (r *Router) firstProbes(ctx context.Context) error {
	var g errgroup.Group
	for _, n := range r.nodes {
		g.Go(func() error {
			select {
			case <-n.prober.probed:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	}
	err := g.Wait()
	var unreachable []error
	for _, n := range r.nodes {
		switch s := n.status.Load(); {
		case s == nil:
			if e := n.prober.last.Load(); e != nil {
				unreachable = append(unreachable, *e)
			}
		case s.foreign:
			return n.foreignError(r.system)
		}
	}
	if len(unreachable) == len(r.nodes) {
		return errors.Join(append([]error{smrt.ErrNoPrimary}, unreachable...)...)
	}
	r.catchUp(ctx)
	return err
}

// catchUp waits for a standby to reach the position that the primary was first
// seen at. Nothing is known of earlier ones, so while much is written a standby
// might get no reads yet, and the first ones would crowd the primary.
func (r *Router) catchUp(ctx context.Context) {
	until := now() + instant(r.cfg.ProbeInterval)
	for ctx.Err() == nil && now() < until {
		if t := r.table.Load(); len(t.readers) > 0 || len(t.all) == 0 {
			return
		}
		r.hurry()
		r.pause(ctx, r.cfg.ProbeInterval/20)
	}
}

// Close stops the probes and closes the pools that the router opened. It waits
// for connections that are in use, without a limit, and for events that are being
// handed over; see [Router.Drain] for a limit.
func (r *Router) Close() {
	r.stop()
	r.probers.Wait()
	r.closePools()
	r.events.end()
}

// closePools closes the pools that the router opened. Those that were given belong
// to the caller.
func (r *Router) closePools() {
	for _, n := range r.nodes {
		if n.own {
			n.reads.Close()
			n.writes.Close()
		}
	}
}

// kind is the engine.
func (r *Router) kind() Engine { return Engine(r.engine.Load()) }
