// Package check has what tests and benchmarks share: what they expect, in one
// line; how large they are, and with which random numbers they run; and twins
// written by hand beside the operations of benchmarks.
package check

import (
	"errors"
	"reflect"
	"testing"
)

// NoError ends the test if err is not nil.
func NoError(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// Error fails the test if err is not each of wants.
func Error(tb testing.TB, what string, err error, wants ...error) {
	tb.Helper()
	for _, want := range wants {
		if !errors.Is(err, want) {
			tb.Errorf("%s: got error %v, want %v", what, err, want)
		}
	}
}

// Same fails the test if got is not want.
func Same[V comparable](tb testing.TB, what string, got, want V) {
	tb.Helper()
	if got != want {
		tb.Errorf("%s: got %v, want %v", what, got, want)
	}
}

// Value returns the value of a call, after ending the test if the call had an
// error: Value(call())(t).
func Value[V any](v V, err error) func(testing.TB) V {
	return func(tb testing.TB) V {
		tb.Helper()
		NoError(tb, err)
		return v
	}
}

// Equal is [Same] for values that == does not compare.
func Equal[V any](tb testing.TB, what string, got, want V) {
	tb.Helper()
	if !reflect.DeepEqual(got, want) {
		tb.Errorf("%s: got %v, want %v", what, got, want)
	}
}
