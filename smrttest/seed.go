package smrttest

import (
	"testing"

	"github.com/smrt-go/smrt/internal/check"
)

// Seed returns a seed for random numbers: a new one each time, or what SMRT_TEST_SEED says. If the test fails, it logs
// the seed and the command that runs the test with it again.
func Seed(t testing.TB) uint64 {
	t.Helper()
	return check.Seed(t)
}
