package readreplica

// Who does what is decided anew with each probe, and with each failure that changes
// whether a node is up (arrange). All of it is decided with Router.mu held, and read
// without a lock from Router.table:
//
//	primary  accepts writes, is up, is of this cluster, and of a timeline no older than any
//	         that a primary was seen on. Of several it is the one with the newest timeline
//	all      standbys that are up and on the primary's timeline, where there are timelines
//	readers  those of them that are within MaxStale; if some are in the router's zone, only they
//
// A server is none of these while nothing is known of it, and a primary that was
// demoted, or came back from an older timeline, is not one of the readers.

// table is who does what at the moment. It never changes, but is replaced.
type table struct {
	primary *Node   // accepts writes, nil if none does
	readers []*Node // serve reads that demand nothing
	all     []*Node // replicas that are alive, stale ones included
}

// learn stores what a probe found out, and decides anew who does what.
func (r *Router) learn(n *Node, s *status, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s != nil {
		r.recognize(n, s)
		if s.isBehind(n.status.Load()) {
			n.back.Store(int64(now()))
		}
		n.status.Store(s)
	}
	r.tell(n, err)
	if s != nil && !s.standby && r.table.Load().primary == n {
		r.remember(s)
	}
	r.arrange()
	n.prober.noteProbe(err)
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

// moved stores a new position of a standby.
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

// arrange decides who does what. r.mu is held.
func (r *Router) arrange() {
	before := r.table.Load()
	t := &table{primary: r.elect(before.primary)}
	if t.primary != before.primary {
		r.announce(t.primary)
	}
	fresh, limited := r.sampleAfter(now()-instant(r.cfg.MaxStale), false)
	near := false
	for _, n := range r.nodes {
		s := n.status.Load()
		if s == nil || s.foreign || n.down.Load() || !r.replica(n, s, t.primary) {
			continue
		}
		t.all = append(t.all, n)
		// A history that does not go back far enough demands more than it has
		// to, at the beginning. The node is looked at again soon.
		stale := limited && t.primary != nil && s.position < fresh.LSN
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
	r.lead(t.primary)
	if t.primary != before.primary || len(t.all) != len(before.all) {
		close(r.changed)
		r.changed = make(chan struct{})
	}
}

// replica reports whether a node may serve reads next to the primary. A server
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
	return !r.kind().positions() || r.timeline == 0 || s.timeline == r.timeline
}

// elect chooses who is written to: of those who accept writes the one with the
// newest timeline. One with an older timeline than was ever seen is an old
// primary that came back, and what is written to it will be thrown away.
func (r *Router) elect(current *Node) *Node {
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
