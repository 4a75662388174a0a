//go:build unix

package testdb_test

import (
	"testing"

	"github.com/smrt-go/smrt/internal/check"
)

// TestRulesAreGuarded breaks rules on purpose, and expects a test to notice.
func TestRulesAreGuarded(t *testing.T) {
	check.Guarded(t, []check.Mutant{
		{
			"copies are made ahead", "template.go",
			"len(t.spares) < min(t.asked, t.schema.Spares)", "len(t.spares) < 0*min(t.asked, t.schema.Spares)",
			"TestSpares",
		},
		{
			"a connection that the server has ended is not used again", "admin.go",
			"if conn.Ping(ctx) == nil {", "if true {",
			"TestAdmins",
		},
		{
			"a connection whose use has failed is not used again", "admin.go",
			"keep := err == nil && ", "keep := ",
			"TestAdmins",
		},
		{
			"the database of a test that has ended is dropped", "check.go",
			"d.host.dropLater(d.name)", "",
			"TestPoolDropsItsDatabase",
		},
		{
			"no copy is made for nobody", "template.go",
			"min(t.asked, t.schema.Spares)", "min(t.asked+1, t.schema.Spares)",
			"TestSpares",
		},
		{
			"one process fills a template", "lease.go",
			`"fill "+name`, `"fill "+l.run+name`,
			"TestTemplateIsSharedByProcesses",
		},
		{
			"a template that was not filled to the end is filled anew", "lease.go",
			`"select not datallowconn from`, `"select true from`,
			"TestTemplateIsSharedByProcesses",
		},
		{
			"a template that somebody uses stays", "lease.go",
			`"select pg_advisory_lock_shared("+lockKey+")", name`, `"select pg_advisory_lock_shared("+lockKey+")", name+" "`,
			"TestTemplateIsSharedByProcesses",
		},
		{
			"what a live process has stays", "lease.go",
			"pg_advisory_lock(\"+lockKey+\")\", run)", "pg_advisory_lock(\"+lockKey+\")\", run+\" \")",
			"TestKilledProcess",
		},
		{
			"what a killed process left is dropped", "lease.go",
			`"select pg_try_advisory_lock("+lockKey+")", owner`, `"select pg_try_advisory_lock("+lockKey+") and $1 = $1", l.run`,
			"TestKilledProcess",
		},
		{
			"databases of others that are called alike stay", "lease.go",
			"`^(smrt_test_[a-z2-7]{16})_|^(smrt_template_[0-9a-f]{32})$`", "`^(smrt_test)_|^(smrt_template)`",
			"TestTemplateIsSharedByProcesses",
		},
	})
}
