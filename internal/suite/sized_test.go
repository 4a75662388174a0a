package main

import (
	"slices"
	"testing"

	"github.com/smrt-go/smrt/internal/check"
)

// TestSizedTests finds tests that ask for their size themselves, by way of a
// function, and not others.
func TestSizedTests(t *testing.T) {
	tests := check.Value(sizedTests("../../txn"))(t)
	for name, want := range map[string]bool{
		"TestKill": true, "TestForgedAnswers": true, "TestForgedAnswersControl": false, "TestLimits": false,
	} {
		check.Same(t, name+" has a size", slices.Contains(tests, name), want)
	}
	if _, err := sizedTests("."); err == nil {
		t.Error("a directory without such tests is no error")
	}
}
