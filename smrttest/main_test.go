package smrttest_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/smrt-go/smrt/smrttest"
)

func TestMain(m *testing.M) { smrttest.Main(m) }

// items is the schema of most tests here.
var items = smrttest.SQL(`create table items (id bigint primary key, name text)`, `insert into items values (1, 'first')`)

// recorder is a test that may fail: it keeps what is reported to it.
type recorder struct {
	testing.TB                  // the methods that are not here are not called
	errors, logs, fatals, skips []string
	cleanups                    []func()
}

func (r *recorder) Helper()                  {}
func (r *recorder) Name() string             { return "recorder" }
func (r *recorder) Failed() bool             { return len(r.errors)+len(r.fatals) > 0 }
func (r *recorder) Cleanup(fn func())        { r.cleanups = append(r.cleanups, fn) }
func (r *recorder) Context() context.Context { return context.Background() }

func (r *recorder) Logf(format string, args ...any) {
	r.logs = append(r.logs, fmt.Sprintf(format, args...))
}

func (r *recorder) Log(args ...any) { r.logs = append(r.logs, fmt.Sprint(args...)) }

func (r *recorder) Skipf(format string, args ...any) {
	r.skips = append(r.skips, fmt.Sprintf(format, args...))
}

func (r *recorder) Errorf(format string, args ...any) {
	r.errors = append(r.errors, fmt.Sprintf(format, args...))
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.fatals = append(r.fatals, fmt.Sprintf(format, args...))
}

// end runs the cleanups, the last one first, as package testing does.
func (r *recorder) end() {
	for _, fn := range slices.Backward(r.cleanups) {
		fn()
	}
	r.cleanups = nil
}

// reported reports whether one of the messages contains all the words.
func reported(messages []string, words ...string) bool {
	return slices.ContainsFunc(messages, func(message string) bool {
		return !slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(message, word) })
	})
}

// newT returns what stands for the t of a test in an example, and what ends it.
func newT() (t testing.TB, end func()) {
	r := &recorder{}
	return r, func() {
		if r.end(); r.Failed() {
			panic(fmt.Sprint(r.errors, r.fatals))
		}
	}
}
