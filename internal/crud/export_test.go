package crud

// Batchers counts the handles on which reads by key are batched.
func Batchers() int {
	n := 0
	places.Range(func(_, _ any) bool {
		n++
		return true
	})
	return n
}

// Shares reports whether reads by key are batched.
func (b *Bound) Shares() bool { return b.batcher != nil }

// SharesWith reports whether they do so with those of another.
func (b *Bound) SharesWith(other *Bound) bool { return b.batcher != nil && b.batcher == other.batcher }
