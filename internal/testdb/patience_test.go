//go:build unix

package testdb_test

import (
	"strings"
	"testing"
	"time"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
)

// Upper bounds are stretched by the environment's factor, and by ten without one.
func TestPatience(t *testing.T) {
	for text, want := range map[string]time.Duration{"": 10 * time.Second, "1": time.Second, "2.5": 2500 * time.Millisecond} {
		t.Setenv("SMRT_TEST_PATIENCE", text)
		check.Same(t, "SMRT_TEST_PATIENCE="+text, testdb.Patience(time.Second), want)
	}
	for _, text := range []string{"0.5", "-1", "NaN", "Inf", "much"} {
		t.Setenv("SMRT_TEST_PATIENCE", text)
		if message := panicOf(func() { testdb.Patience(time.Second) }); !strings.Contains(message, "SMRT_TEST_PATIENCE") {
			t.Errorf("SMRT_TEST_PATIENCE=%s: got panic %q, want one that names the variable", text, message)
		}
	}
}
