//go:build unix

package testdb_test

import (
	"fmt"
	"slices"
	"strings"
)

// fakeTB is a test that is expected to fail: it records what was reported to it.
type fakeTB struct {
	errors, logs, fatals, skips []string
	cleanups                    []func()
	failed                      bool
}

func (f *fakeTB) Helper()           {}
func (f *fakeTB) Name() string      { return "fake" }
func (f *fakeTB) Failed() bool      { return f.failed }
func (f *fakeTB) Cleanup(fn func()) { f.cleanups = append(f.cleanups, fn) }

func (f *fakeTB) Logf(format string, args ...any) {
	f.logs = append(f.logs, fmt.Sprintf(format, args...))
}

func (f *fakeTB) Skipf(format string, args ...any) {
	f.skips = append(f.skips, fmt.Sprintf(format, args...))
}

func (f *fakeTB) Errorf(format string, args ...any) {
	f.errors = append(f.errors, fmt.Sprintf(format, args...))
	f.failed = true
}

func (f *fakeTB) Fatalf(format string, args ...any) {
	f.fatals = append(f.fatals, fmt.Sprintf(format, args...))
	f.failed = true
}

// end runs the cleanups, last one first, as package testing does.
func (f *fakeTB) end() {
	for _, fn := range slices.Backward(f.cleanups) {
		fn()
	}
}

// reported says whether exactly one message was recorded and contains all the words.
func reported(messages []string, words ...string) bool {
	return len(messages) == 1 && !slices.ContainsFunc(words, func(word string) bool {
		return !strings.Contains(messages[0], word)
	})
}
