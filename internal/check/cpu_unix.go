//go:build unix

package check

import (
	"syscall"
	"testing"
	"time"
)

// CPUTime returns the processor time that this process has taken so far. Unlike
// the clock it does not count how long others had the processor.
func CPUTime(tb testing.TB) time.Duration {
	tb.Helper()
	var u syscall.Rusage
	NoError(tb, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
