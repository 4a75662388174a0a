package check

import (
	"strings"
	"testing"
)

// The seed of a failed test, and the line that runs it again, can be taken from
// its output.
func TestSeed(t *testing.T) {
	t.Setenv("SMRT_TEST_SEED", "7")
	Same(t, "seed of the environment", Seed(t), 7)
	Same(t, "first number", Random(t).Uint64(), Random(t).Uint64())
	line := again("TestA/two_words,(x)", 7)
	for _, want := range []string{"SMRT_TEST_SEED=7 go test", `-run '^TestA$/^two_words,\(x\)$'`, " ./internal/check"} {
		if !strings.Contains(line, want) {
			t.Errorf("%s does not contain %s", line, want)
		}
	}
	t.Setenv("SMRT_TEST_SEED", "")
	if first, second := Seed(t), Seed(t); first == second {
		t.Error("two seeds are the same")
	}
}
