package check

import (
	"testing"
	"time"
)

// Faster fails the test unless one of ten runs of f takes less than limit. It is
// for a bound just below a delay that f would meet in every run: a machine that is
// busy makes some runs slow, but not all.
func Faster(t testing.TB, what string, limit time.Duration, f func()) {
	t.Helper()
	var took time.Duration
	for range 10 {
		began := time.Now()
		f()
		if took = time.Since(began); took < limit {
			return
		}
	}
	t.Errorf("%s took %v, want less than %v", what, took, limit)
}
