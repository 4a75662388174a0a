package crud

// Batchers counts the handles on which reads by key are batched.
func Batchers() int { return places.Len() }

// Shares reports whether reads by key are batched.
func (b *Bound) Shares() bool { return b.batcher != nil }

// SharesWith reports whether they do so with those of another.
func (b *Bound) SharesWith(other *Bound) bool { return b.batcher != nil && b.batcher == other.batcher }
