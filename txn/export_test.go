package txn

// Bridges for the external tests: what a control switches off.
const (
	OffMarker = offMarker
	OffDoubt  = offDoubt
)

// Without returns o with protections switched off.
func Without(o Options, off protection) Options {
	o.off = off
	return o
}

// Numbers are the numbers of advisory locks.
func Numbers[K LockKey](family string, keys []K) []int64 { return numbers(family, keys) }
