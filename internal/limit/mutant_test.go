package limit_test

import (
	"testing"

	"github.com/smrt-go/smrt/internal/check"
)

// TestRulesAreGuarded breaks rules on purpose, and expects a test to notice.
func TestRulesAreGuarded(t *testing.T) {
	check.Guarded(t, []check.Mutant{
		{
			"the timer is set for the call that ends first", "deadline.go",
			"if d.next.IsZero() || end.Before(d.next) {", "if d.next.IsZero() {",
			"TestDeadlines",
		},
		{
			"the timer is set for the call that ends next", "deadline.go",
			"if len(d.calls) > 0 {\n\t\td.wake", "if false {\n\t\td.wake",
			"TestDeadlines",
		},
		{
			"code of the program that panics ends the call", "call.go",
			"		if !returned {\n", "		if !returned && c == nil {\n",
			"TestCallsThatAreLeft",
		},
		{
			"a statement that panics ends the call", "call.go",
			"		if !opened {\n", "		if !opened && err != nil {\n",
			"TestCallsThatAreLeft",
		},
		{
			"a call that has ended is let go", "deadline.go",
			"if c.place > 0 {", "if c.place > 1 {",
			"TestDeadlinesOfMany",
		},
	})
}
