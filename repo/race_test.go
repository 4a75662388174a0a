//go:build race

package repo_test

// raceEnabled tells whether the race detector, which allocates by itself, is on.
const raceEnabled = true
