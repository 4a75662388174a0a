package readreplica

import (
	"sync/atomic"
	"time"

	"github.com/smrt-go/smrt"
)

// counter counts what a router does besides sending reads to replicas.
type counter struct {
	waits, waitNanos             atomic.Uint64
	fallbacks, refused           atomic.Uint64
	conflicts, reruns, redirects atomic.Uint64
	positions, timelines         atomic.Uint64
	badTokens                    atomic.Uint64
}

func (c *counter) waited(d time.Duration) {
	c.waits.Add(1)
	c.waitNanos.Add(uint64(d))
}

// Stats has what a router has done since it was opened, and the state of its
// servers. Counts begin at 0 and only grow, but for InFallback.
type Stats struct {
	Engine Engine // what the servers are
	Nodes  []NodeStats

	Waits      uint64        // reads that waited for a replica
	Waited     time.Duration // how long, together
	Fallbacks  uint64        // reads that went to the primary because no replica could serve them
	Refused    uint64        // reads that were smrt.ErrNoFreshReplica
	InFallback int           // reads that are on the primary now, in the share of Config.PrimaryShare
	Conflicts  uint64        // reads that recovery on a standby cancelled
	Reruns     uint64        // reads that were run again on another node
	Redirects  uint64        // writes that were sent again because their server was not the primary
	Positions  uint64        // queries for a position, probes not included
	Timelines  uint64        // promotions that were seen
	BadTokens  uint64        // tokens of requests that could not be used
}

// NodeStats is the state of a server.
type NodeStats struct {
	Name     string
	Primary  bool          // writes go there
	Up       bool          // it answers
	Reading  bool          // it gets reads that demand nothing
	Breaker  string        // closed: it works; open: it has failed and is left alone; half-open: it answers again, and only probes go there
	Position smrt.Position // how far it was when it was last asked
	Age      time.Duration // how long ago that was
	Behind   uint64        // bytes of log that it lacks of what was last seen of the primary
	Latency  time.Duration // of reads, moving average
	Probe    time.Duration // latency of the last probe
	InFlight int           // reads at this moment
	Reads    uint64        // reads that it has served
}

// Stats returns the figures. They are read one after the other, so those of
// different nodes may not fit together exactly.
func (r *Router) Stats() Stats {
	c := &r.counter
	s := Stats{
		Engine: r.kind(), Waits: c.waits.Load(), Waited: time.Duration(c.waitNanos.Load()),
		Fallbacks: c.fallbacks.Load(), Refused: c.refused.Load(), InFallback: len(r.slots),
		Conflicts: c.conflicts.Load(), Reruns: c.reruns.Load(), Redirects: c.redirects.Load(),
		Positions: c.positions.Load(), Timelines: c.timelines.Load(), BadTokens: c.badTokens.Load(),
	}
	_, timeline, newest := r.known()
	t := r.table.Load()
	reading := map[*Node]bool{}
	for _, n := range t.readers {
		reading[n] = true
	}
	for _, n := range r.nodes {
		ns := NodeStats{
			Name: n.Name, Primary: n == t.primary, Reading: reading[n], Breaker: n.breaker.State().String(), Latency: n.Latency(),
			Probe: time.Duration(n.slow.Load()), InFlight: n.InFlight(), Reads: n.served.Load(),
		}
		if st := n.status.Load(); st != nil {
			ns.Up = !n.down.Load() && !st.foreign
			ns.Position, ns.Age = st.where(), st.asked.since()
			if st.timeline == timeline && st.position < newest {
				ns.Behind = newest - st.position
			}
		}
		s.Nodes = append(s.Nodes, ns)
	}
	return s
}
