package txn

// Numbers are the numbers of advisory locks.
func Numbers[K LockKey](family string, keys []K) []int64 { return numbers(family, keys) }
