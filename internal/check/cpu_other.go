//go:build !unix

package check

import (
	"testing"
	"time"
)

// CPUTime skips the test: only Unix tells it in this way.
func CPUTime(tb testing.TB) time.Duration {
	tb.Skip("the system does not tell the processor time of a process")
	return 0
}
