package explain_test

import (
	"testing"

	"github.com/smrt-go/smrt/internal/check"
)

// TestRulesAreGuarded removes rules, one at a time, and sees a test fail for each.
func TestRulesAreGuarded(t *testing.T) {
	check.Guarded(t, []check.Mutant{
		{"what the planner calls cannot write", "explain.go", "set_config('transaction_read_only', 'on', true)", "current_setting('transaction_read_only')", "TestNothingIsRun"},
		{"one statement, and nothing behind it", "explain.go", `described, err := tx.Prepare(ctx, "", sql)`, `described, err := tx.Prepare(ctx, "", sql[:max(strings.Index(sql, ";"), 0)])`, "TestNothingIsRun"},
	})
}
