//go:build !race

package txn_test

// raceEnabled is for limits of time, which the race detector stretches.
const raceEnabled = false
