package pgerr

import (
	"testing"
	"time"

	"github.com/smrt-go/smrt/internal/check"
)

// TestParseTimeout reads times as the server writes them.
func TestParseTimeout(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"0": 0, "20": 20 * time.Millisecond, "1500ms": 1500 * time.Millisecond, "5s": 5 * time.Second,
		"1min": time.Minute, "25h": 25 * time.Hour, "24d": 24 * 24 * time.Hour,
	} {
		check.Same(t, text, check.Value(parseTimeout(text))(t), want)
	}
	for _, text := range []string{"", "x", "5 weeks", "5x", "ms", "smin"} {
		if got, err := parseTimeout(text); err == nil {
			t.Errorf("%q: got %v", text, got)
		}
	}
}

// TestTimedOut proves that only what took as long as the limit is a timeout.
func TestTimedOut(t *testing.T) {
	check.Same(t, "no limit", TimedOut(time.Hour, 0), false)
	check.Same(t, "too early", TimedOut(19*time.Millisecond, 20*time.Millisecond), false)
	check.Same(t, "in time", TimedOut(20*time.Millisecond, 20*time.Millisecond+5*time.Microsecond), true)
}
