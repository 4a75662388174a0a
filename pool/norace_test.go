//go:build !race

package pool_test

// raceEnabled is for limits of time, which the race detector stretches.
const raceEnabled = false
