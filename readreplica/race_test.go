//go:build race

package readreplica_test

// raceEnabled is for limits of time, which the race detector stretches.
const raceEnabled = true
