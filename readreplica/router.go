package readreplica

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/route"
	"github.com/smrt-go/smrt/internal/wal"
	"github.com/smrt-go/smrt/pool"
)

// Router is a handle on a primary and its standbys. What is declared as a read
// goes to a standby that is fresh enough, everything else to the primary. It is
// safe for concurrent use.
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

	asking *asking // for the primary's position, under way
	askMu  sync.Mutex

	events  events
	counter counter
	stop    context.CancelFunc
	probers sync.WaitGroup
}

var (
	_ smrt.Pool  = (*Router)(nil)
	_ route.DB   = (*Router)(nil)
	_ wal.Keeper = (*Router)(nil)
)

// table is who does what at the moment. It never changes, but is replaced.
type table struct {
	primary *Node   // accepts writes, nil if none does
	readers []*Node // serve reads that demand nothing
	all     []*Node // replicas that are alive, stale ones included
}

// sample is how far the primary had written at a time.
type sample struct {
	asked    instant
	position smrt.Position
	covers   bool // also what was committed without waiting for the flush
}

// maxSamples bounds the memory of samples. At one a second it is 17 minutes.
const maxSamples = 1024

// New returns a router over pools that the caller keeps: it finds out by itself
// which of them leads to the primary. It asks each of them before it returns,
// for a second or so at most. All settings have their defaults; for
// others put the pools into a [Config]. Close it before the pools.
//
// Sessions of such pools do not refuse writes while they read from a primary;
// see [Server].Pool.
func New(primary Pool, replicas ...Pool) (*Router, error) {
	var cfg Config
	for i, p := range append([]Pool{primary}, replicas...) {
		if p == nil {
			return nil, bad(fmt.Sprintf("pool %d", i), "must not be nil")
		}
		cfg.Servers = append(cfg.Servers, Server{Pool: p})
	}
	r, err := newRouter(context.Background(), cfg)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*r.cfg.ProbeTimeout) // a connection, and a question
	defer cancel()
	_ = r.firstProbes(ctx) // who does not answer now may do so later
	return r, nil
}

// Open opens the pools of a router and returns when every server has answered
// or failed to, or ctx has ended. It fails if the settings are wrong or if no
// server answers; that some do not is no error. The caller closes the router.
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
			case <-n.prober.met:
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
	return err
}

// Close ends the router: probes stop, and the pools that it opened are closed,
// which waits for connections that are lent.
func (r *Router) Close() {
	r.stop()
	r.probers.Wait()
	r.closePools()
	r.events.idle.Wait()
}

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

// learn takes in what a probe found out.
func (r *Router) learn(n *Node, s *status, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s != nil {
		r.recognize(n, s)
		n.status.Store(s)
	}
	r.tell(n, err)
	if s != nil && !s.standby && r.table.Load().primary == n {
		r.remember(s)
	}
	r.arrange()
	n.prober.meet(err)
	if s != nil {
		n.prober.release(s)
	}
}

// recognize refuses a server of another cluster. Which one is right is decided
// by the first that answers.
func (r *Router) recognize(n *Node, s *status) {
	if s.system == 0 {
		return
	}
	if r.system == 0 {
		r.system = s.system
	}
	s.foreign = s.system != r.system
}

// moved takes in a new position of a standby.
func (r *Router) moved(n *Node, s *status) {
	n.status.Store(s)
	n.prober.release(s)
}

// review looks again at who does what after a failure.
func (r *Router) review(n *Node, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.tell(n, err) {
		r.arrange()
	}
}

// tell announces that a node went or came, if it did.
func (r *Router) tell(n *Node, err error) (changed bool) {
	up := n.status.Load() != nil && !n.down.Load()
	if up == n.up {
		return false
	}
	n.up = up
	if up {
		r.events.add(Event{Kind: NodeUp, Node: n.Name})
	} else {
		r.events.add(Event{Kind: NodeDown, Node: n.Name, Err: err})
	}
	return true
}

// remember keeps the primary's position, to measure replicas against.
func (r *Router) remember(s *status) {
	if n := len(r.samples); n > 0 && r.samples[n-1].asked >= s.asked {
		return
	}
	if len(r.samples) == maxSamples {
		r.samples = append(r.samples[:0], r.samples[maxSamples/2:]...)
	}
	r.samples = append(r.samples, sample{s.asked, s.where(), !s.async})
}

// arrange decides who does what. r.mu is held.
func (r *Router) arrange() {
	before := r.table.Load()
	t := &table{primary: r.elect(before.primary)}
	if t.primary != before.primary {
		r.announce(t.primary)
	}
	floor, limited := r.floorAt(instant(int64(now()) - int64(r.cfg.MaxStale)))
	near := false
	for _, n := range r.nodes {
		s := n.status.Load()
		if s == nil || s.foreign || n.down.Load() || !r.replica(n, s, t.primary) {
			continue
		}
		t.all = append(t.all, n)
		// A history that does not go back far enough demands more than it has
		// to, at the beginning. The node is looked at again soon.
		stale := limited && t.primary != nil && s.position < floor.LSN
		n.stale.Store(stale)
		if stale {
			continue
		}
		zoned := n.zoned(r.cfg.Zone)
		if zoned && !near {
			near, t.readers = true, nil
		}
		if zoned == near {
			t.readers = append(t.readers, n)
		}
	}
	r.table.Store(t)
	if t.primary != before.primary || len(t.all) != len(before.all) {
		close(r.changed)
		r.changed = make(chan struct{})
	}
}

// replica tells whether a node may serve reads beside the primary. A server
// that was promoted, or demoted, in another history than the primary's has data
// that never happened here.
func (r *Router) replica(n *Node, s *status, primary *Node) bool {
	switch {
	case n == primary:
		return false
	case !r.kind().roles():
		return true
	case !s.standby:
		return false
	}
	return !r.kind().positions() || r.cfg.off&offTimelines != 0 || r.timeline == 0 || s.timeline == r.timeline
}

// elect chooses who is written to: of those who accept writes the one with the
// newest timeline. One with an older timeline than was ever seen is an old
// primary that came back, and what is written to it will be thrown away.
func (r *Router) elect(current *Node) *Node {
	if r.cfg.off&offDiscover != 0 && current != nil {
		return current
	}
	var best *Node
	var newest uint32
	for _, n := range r.nodes {
		s := n.status.Load()
		if s == nil || s.foreign || n.down.Load() || s.standby || s.readOnly || s.timeline < r.timeline {
			continue
		}
		if best == nil || s.timeline > newest || s.timeline == newest && n == current {
			best, newest = n, s.timeline
		}
	}
	return best
}

// announce tells of a change of primary and takes over its timeline.
func (r *Router) announce(n *Node) {
	if n == nil {
		r.events.add(Event{Kind: PrimaryLost})
		return
	}
	s := n.status.Load()
	r.events.add(Event{Kind: PrimaryFound, Node: n.Name})
	if s.timeline != r.timeline {
		if r.timeline != 0 {
			e := Event{Kind: TimelineChanged, Node: n.Name, New: s.where()}
			if k := len(r.samples); k > 0 {
				e.Old = r.samples[k-1].position
			}
			r.events.add(e)
			r.counter.timelines.Add(1)
		}
		r.timeline, r.samples = s.timeline, nil
	}
	if r.kind().positions() {
		r.remember(s)
	}
}

// floorAt is a position that covers everything that was committed before a
// time; known is false if nobody looked since.
func (r *Router) floorAt(t instant) (floor smrt.Position, known bool) {
	for _, s := range r.samples {
		if s.asked >= t {
			return s.position, true
		}
	}
	return smrt.Position{}, false
}

// demote takes in that a server refused a write as read-only. Its sessions
// would go on answering pings.
func (r *Router) demote(n *Node) {
	r.mu.Lock()
	if s := n.status.Load(); s != nil && !s.readOnly && r.cfg.off&offDiscover == 0 {
		refused := *s
		refused.readOnly = true
		n.status.Store(&refused)
		r.arrange()
	}
	r.mu.Unlock()
	n.writes.Reset()
	r.hurry()
}

// suspect takes in that a write met a broken connection.
func (r *Router) suspect(n *Node, err error) {
	n.failed(err)
	r.hurry()
}

// hurry asks all servers how they are.
func (r *Router) hurry() {
	for _, n := range r.nodes {
		n.prober.hurry()
	}
}

// Reset makes the router look for the primary again and forget the connections
// to the one it knew. txn.Run calls it when a server turns out to be read-only.
func (r *Router) Reset() {
	if n := r.table.Load().primary; n != nil {
		n.writes.Reset()
	}
	r.hurry()
}

// writer returns the primary, and waits for one if there is none.
func (r *Router) writer(ctx context.Context, until instant) (*Node, error) {
	if n := r.table.Load().primary; n != nil {
		return n, nil
	}
	for {
		r.mu.Lock()
		changed, n := r.changed, r.table.Load().primary
		r.mu.Unlock()
		if n != nil {
			return n, nil
		}
		left := time.Duration(until - now())
		if left <= 0 {
			return nil, r.noPrimary()
		}
		timer := time.NewTimer(left)
		select {
		case <-changed:
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, errors.Join(ctx.Err(), smrt.ErrNoPrimary)
		}
		timer.Stop()
	}
}

// noPrimary says what is known of the servers.
func (r *Router) noPrimary() error {
	list := []error{smrt.ErrNoPrimary}
	for _, n := range r.nodes {
		if e := n.prober.last.Load(); e != nil {
			list = append(list, *e)
		}
	}
	return errors.Join(list...)
}

// pause waits for a little while, or until something has changed.
func (r *Router) pause(ctx context.Context, d time.Duration) {
	r.mu.Lock()
	changed := r.changed
	r.mu.Unlock()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-changed:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// limit is when a write that begins now stops waiting for a primary.
func (r *Router) limit() instant { return now() + instant(r.cfg.Failover) }

// asking is a question for the primary's position that several callers share.
type asking struct {
	began instant
	done  chan struct{}
	at    smrt.Position
	err   error
}

// since returns a position of the primary that was asked for after t, so that
// it covers every commit that was answered before t. Callers who want the same
// at the same time share the question.
func (r *Router) since(ctx context.Context, t instant) (smrt.Position, error) {
	r.mu.Lock()
	if k := len(r.samples); k > 0 && r.samples[k-1].asked > t && r.samples[k-1].covers && r.table.Load().primary != nil {
		defer r.mu.Unlock()
		return r.samples[k-1].position, nil
	}
	r.mu.Unlock()
	for {
		r.askMu.Lock()
		a := r.asking
		mine := a == nil
		if mine {
			a = &asking{began: now(), done: make(chan struct{})}
			r.asking = a
		}
		r.askMu.Unlock()
		if mine {
			r.ask(ctx, a)
		} else {
			select {
			case <-a.done:
			case <-ctx.Done():
				return smrt.Position{}, ctx.Err()
			}
		}
		if a.began > t && (a.err == nil || mine) {
			return a.at, a.err
		}
		if err := ctx.Err(); err != nil {
			return smrt.Position{}, err
		}
	}
}

// ask asks the primary.
func (r *Router) ask(ctx context.Context, a *asking) {
	defer func() {
		r.askMu.Lock()
		r.asking = nil
		r.askMu.Unlock()
		close(a.done)
	}()
	ctx, cancel := context.WithTimeout(ctx, r.cfg.ProbeTimeout)
	defer cancel()
	n := r.table.Load().primary
	if n == nil {
		a.err = r.noPrimary()
		return
	}
	r.counter.positions.Add(1)
	if a.at, a.err = wal.Now(ctx, n.reads); a.err != nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.table.Load().primary == n && a.at.Timeline == r.timeline {
		r.remember(&status{asked: a.began, system: a.at.System, timeline: a.at.Timeline, position: a.at.LSN})
	}
}
