package readreplica

import (
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/sony/gobreaker/v2"

	"github.com/smrt-go/smrt"
)

// instant is a time as nanoseconds of the monotonic clock, since start.
type instant int64

var start = time.Now()

func now() instant { return instant(time.Since(start)) }

func (t instant) since() time.Duration { return time.Duration(now() - t) }

// Node is a server of a [Router], as a [Picker] and [Stats] see it. It is safe
// for concurrent use.
type Node struct {
	router *Router
	index  int
	Server

	// Reading and writing have pools of their own, because sessions for
	// reading refuse writes in each role of the server, and must go on doing so
	// when it changes. They are the same if the user gave the pool.
	reads, writes Pool
	on            smrt.DB // reads, as it is handed out
	own           bool    // the router opened the pools, and closes them
	wires         wires

	inFlight  atomic.Int32
	served    atomic.Uint64
	latency   atomic.Int64 // of reads, moving average in nanoseconds
	conflicts atomic.Int64 // with recovery, lately
	slow      atomic.Int64 // latency of the last probe, in nanoseconds
	idleSince uint64       // served at the last probe

	down    atomic.Bool  // by the breaker
	back    atomic.Int64 // instant at which it was found to have gone back, 0 for never
	stale   atomic.Bool  // not known to be within Config.MaxStale
	shaky   atomic.Bool  // failed lately: successes count too
	breaker *gobreaker.CircuitBreaker[struct{}]

	status atomic.Pointer[status] // what the last good probe saw, nil before
	up     bool                   // as it was last told; under Router.mu
	prober prober
}

// status is what a server says of itself.
type status struct {
	asked     instant // when the question was sent
	standby   bool
	readOnly  bool
	system    int64
	timeline  uint32
	position  uint64 // replayed by a standby, flushed by a primary
	replaying bool   // received more than it has replayed
	streaming bool   // connected to the server it follows
	async     bool   // commits by default without waiting for the flush
	foreign   bool   // of another cluster
}

// newNode returns a node that nothing is known of. Its latency is a guess, so that
// it is not preferred to those that were measured.
func newNode(r *Router, index int, s Server) *Node {
	n := &Node{router: r, index: index, Server: s}
	n.latency.Store(int64(time.Millisecond))
	n.breaker = n.newBreaker()
	n.prober.init()
	return n
}

// Zoned reports whether the node is in the zone.
func (n *Node) zoned(zone string) bool { return zone != "" && n.Zone == zone }

// InFlight is the number of reads that run on the server at this moment,
// through this router.
func (n *Node) InFlight() int { return int(n.inFlight.Load()) }

// Latency is how long reads take on the server: a moving average of those made
// through this router.
func (n *Node) Latency() time.Duration { return time.Duration(n.latency.Load()) }

// load is what [LeastLatency] compares: how long a further read would take.
// Reads that recovery cancels are run twice, so a node that does that is slow.
func (n *Node) load() int64 {
	return int64(n.inFlight.Load()+1) * n.latency.Load() * (1 + n.conflicts.Load())
}

// begin counts a read. It returns when it began if its latency is to be
// measured, which is every fourth time: reading the clock twice is 60 of the
// 145 ns that routing would take.
func (n *Node) begin() instant {
	n.inFlight.Add(1)
	if n.served.Load()%4 != 0 {
		return 0
	}
	return now()
}

// end counts it as done, with its latency. Two reads that end at once may lose
// one of two samples, which does not matter and costs no lock.
func (n *Node) end(began instant, ok bool) {
	n.inFlight.Add(-1)
	if !ok {
		return
	}
	n.served.Add(1)
	if began != 0 {
		old := n.latency.Load()
		n.latency.Store(old + (int64(began.since())-old)/8)
	}
	n.succeeded()
}

// rest is called with every probe. A node that got no reads, because others
// were faster, comes closer to what its probes say, so that it is tried again.
func (n *Node) rest(took time.Duration) {
	n.slow.Store(int64(took))
	n.conflicts.Store(n.conflicts.Load() / 2)
	if served := n.served.Load(); served == n.idleSince {
		n.latency.Store((n.latency.Load() + int64(took)) / 2)
	} else {
		n.idleSince = served
	}
}

// where is the position of the node when it was asked.
func (s *status) where() smrt.Position {
	return smrt.Position{System: s.system, Timeline: s.timeline, LSN: s.position}
}

// bound is a position that covers everything that a read which ended before the
// question may have seen. A record becomes visible a moment before the replay
// position moves past it, so that position is exact only if nothing was being
// replayed; otherwise one record more may have been seen, and whoever has gone
// beyond the position by a byte has replayed that record too.
func (s *status) bound() smrt.Position {
	p := s.where()
	if s.standby && s.replaying {
		p.LSN++
	}
	return p
}

// Picker chooses one of several nodes for a read. It is called for every read,
// by many goroutines at a time, with at least one node; it must not keep or
// change the slice. If it returns nil, or a node that is not in the slice, the
// read goes where [LeastLatency] would send it.
type Picker func(nodes []*Node) *Node

// LeastLatency looks at two nodes by chance and takes the one where a read is
// expected to take less time: latency times reads in flight. Two choices are
// enough to avoid both slow nodes and herds (M. Mitzenmacher, "The Power of Two
// Choices in Randomized Load Balancing", 2001).
func LeastLatency(nodes []*Node) *Node {
	n := len(nodes)
	if n == 1 {
		return nodes[0]
	}
	dice := rand.Uint64() // one number for two choices: 8 ns less
	i := int(dice >> 32 * uint64(n) >> 32)
	j := int(dice & (1<<32 - 1) * uint64(n-1) >> 32)
	if j >= i {
		j++
	}
	if nodes[j].load() < nodes[i].load() {
		return nodes[j]
	}
	return nodes[i]
}

// RoundRobin returns a picker that takes nodes in turn.
func RoundRobin() Picker {
	var next atomic.Uint64
	return func(nodes []*Node) *Node { return nodes[next.Add(1)%uint64(len(nodes))] }
}

// Weighted takes nodes by chance, in proportion to their Server.Weight.
func Weighted(nodes []*Node) *Node {
	sum := 0.0
	for _, n := range nodes {
		sum += n.Weight
	}
	at := rand.Float64() * sum
	for _, n := range nodes {
		if at -= n.Weight; at < 0 {
			return n
		}
	}
	return nodes[len(nodes)-1]
}

// foreignError is the error of a server of another cluster than system.
func (n *Node) foreignError(system int64) error {
	return bad("Servers", fmt.Sprintf("%s is of another database cluster than the others (system identifier %d, not %d)",
		n.Name, n.status.Load().system, system))
}
