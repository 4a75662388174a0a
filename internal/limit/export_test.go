package limit

// Running is how many calls under s with a limit of their time are under way.
func Running(s *Set) int {
	s.running.mu.Lock()
	defer s.running.mu.Unlock()
	return len(s.running.calls)
}
