package main

import (
	"testing"

	"github.com/smrt-go/smrt/internal/check"
)

// TestRulesAreGuarded removes rules, one at a time, and sees a test fail for each.
func TestRulesAreGuarded(t *testing.T) {
	check.Guarded(t, []check.Mutant{
		{
			"answers are compared", "internal/measure/check.go",
			"if got[n] != want[n] {", "if false {",
			"TestOthersAnswersAreFound",
		},
		{
			"what databases hold is compared", "internal/measure/check.go",
			`if t.State != "" {`, "if false {",
			"TestOthersAnswersAreFound",
		},
		{
			"a server far away takes its time", "internal/measure/distant.go",
			"time.Sleep(left)", "time.Sleep(min(left, 0))",
			"TestDistantAndKept",
		},
		{
			"round trips are counted", "internal/measure/wire.go",
			"if c.answered {", "if false {",
			"TestMeasuredFigures",
		},
	})
}
