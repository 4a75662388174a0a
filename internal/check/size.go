package check

import (
	"os"
	"testing"
)

// Long reports whether SMRT_TEST_LONG is set, as `make test-long` does: tests
// then run at their full size.
func Long() bool { return os.Getenv("SMRT_TEST_LONG") != "" }

// LongOnly skips the test unless [Long] reports true.
func LongOnly(tb testing.TB) {
	tb.Helper()
	if !Long() {
		tb.Skip("takes long: make test-long sets SMRT_TEST_LONG")
	}
}

// Plain skips the test under the race detector, because it measures what the
// detector changes. `make test` runs the tests that skip with this text again,
// without the detector.
func Plain(tb testing.TB) {
	tb.Helper()
	if Race {
		tb.Skip(PlainText)
	}
}

// PlainText is what [Plain] skips with.
const PlainText = "needs a run without the race detector"
