package crud

// Meetings counts the handles on which reads by key meet.
func Meetings() int {
	n := 0
	meetings.Range(func(_, _ any) bool {
		n++
		return true
	})
	return n
}

// Shares tells whether reads by key share statements.
func (b *Bound) Shares() bool { return b.shared != nil }

// SharesWith tells whether they do so with those of another.
func (b *Bound) SharesWith(other *Bound) bool { return b.shared != nil && b.shared == other.shared }
