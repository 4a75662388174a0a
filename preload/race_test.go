//go:build race

package preload_test

// raceEnabled tells whether the race detector, which allocates by itself, is on.
const raceEnabled = true
