//go:build !race

package check

// Race reports whether the race detector is on, which allocates by itself and
// takes several times as long.
const Race = false
