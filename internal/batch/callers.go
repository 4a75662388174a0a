package batch

import "sync"

// Gates has a gate for each caller that has calls under way. Calls of callers
// that differ never meet, and nothing is kept of a caller who has none. It is
// safe for concurrent use.
type Gates struct {
	config Config

	mu    sync.Mutex
	gates map[any]*Gate
}

// NewGates returns gates that work alike.
func NewGates(c Config) *Gates { return &Gates{config: c, gates: map[any]*Gate{}} }

// Of returns the gate of a caller, which is any comparable value. Whoever gets
// it calls Done when the call is over.
func (gs *Gates) Of(caller any) *Gate {
	gs.mu.Lock()
	defer gs.mu.Unlock()
	g := gs.gates[caller]
	if g == nil {
		g = New(gs.config)
		g.of, g.caller = gs, caller
		gs.gates[caller] = g
	}
	g.users++
	return g
}

// Len returns how many callers have calls under way.
func (gs *Gates) Len() int {
	gs.mu.Lock()
	defer gs.mu.Unlock()
	return len(gs.gates)
}

// Done ends the use of a gate that Gates gave, and does nothing for others and
// nil. A batch may still be under way whose callers have all gone; the caller's
// next call then gets another gate.
func (g *Gate) Done() {
	if g == nil || g.of == nil {
		return
	}
	g.of.mu.Lock()
	defer g.of.mu.Unlock()
	if g.users--; g.users == 0 {
		delete(g.of.gates, g.caller)
	}
}
