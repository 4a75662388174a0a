//go:build race

package unit_test

// raceEnabled is for what the race detector changes.
const raceEnabled = true
