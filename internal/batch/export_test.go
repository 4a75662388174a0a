package batch

// Idle tells whether nothing is in flight and nothing waits.
func (g *Gate) Idle() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.state.Load() == 0 && len(g.queue) == 0
}
