//go:build !race

package preload_test

const raceEnabled = false
