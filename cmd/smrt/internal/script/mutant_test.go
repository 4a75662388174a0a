package script_test

import (
	"testing"

	"github.com/smrt-go/smrt/internal/check"
)

// TestRulesAreGuarded removes rules, one at a time, and sees a test fail for each.
func TestRulesAreGuarded(t *testing.T) {
	check.Guarded(t, []check.Mutant{
		{"comments above a statement are no part of it", "script.go", `strings.HasPrefix(strings.TrimSpace(line), "--")) {`, `false) {`, "TestStatements"},
		{"a block ends where it says so", "script.go", "if !r.block && complete(line) {", "if complete(line) {", "TestStatements"},
		{"what migrates down is not sent", "script.go", "r.down, r.script.down = true, first", "r.down, r.script.down = false, first", "TestStatements"},
		{"a statement is met where it comes next", "script.go", "c.rest = c.rest[1:]", "c.rest = c.rest[0:]", "TestCursor"},
		{"variables may be anything", "script.go", "first < 0 || !s.envsub {", "first < 0 || s.envsub {", "TestCursor"},
		{"what follows variables is the same", "script.go", " && strings.HasSuffix(sent, s.Text[end:])", "", "TestCursor"},
		{"lines that goose leaves out count", "script.go", "s.lines[min(n, len(s.lines)-1)]", "s.First + n", "TestCursor"},
	})
}
