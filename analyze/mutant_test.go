package analyze_test

import (
	"testing"

	"github.com/smrt-go/smrt/internal/check"
)

// TestRulesAreGuarded breaks rules on purpose, and expects a test to notice.
func TestRulesAreGuarded(t *testing.T) {
	check.Guarded(t, []check.Mutant{
		{
			"a few calls say nothing", "observed.go",
			"if s.Calls < preparedCalls || ", "if ",
			"TestObserved",
		},
		{
			"one place of several transactions is found, and one slow transaction is not", "observed.go",
			"if s.Times < idleTimes {", "if s.Times <= idleTimes {",
			"TestObserved",
		},
		{
			"texts of one name are told apart", "workload.go",
			"if s := &all[i]; s.Name != \"\" && texts[s.Name] > 1 {", "if s := &all[i]; false && texts[s.Name] > 1 {",
			"TestWorkloadOfOneName",
		},
		{
			"a view whose owner is held is no hole", "../internal/catalog/security.go",
			"(o.rolsuper OR o.rolbypassrls OR", "(true OR",
			"TestNoHoles",
		},
		{
			"a view shows what views below it show", "../internal/catalog/security.go",
			"UNION SELECT h.oid", "UNION SELECT h.oid + 1",
			"TestNoHoles",
		},
		{
			"a partition that nobody may name is no hole", "../internal/catalog/security.go",
			"AND NOT c.relrowsecurity AND x.grantee <> c.relowner", "AND x.grantee <> c.relowner",
			"TestNoHoles",
		},
		{
			"a function whose owner is held is no hole", "../internal/catalog/security.go",
			"AND (o.rolsuper OR o.rolbypassrls OR EXISTS (", "AND (true OR EXISTS (",
			"TestNoHoles",
		},
		{
			"a function that sees the rows of all is a hole", "../internal/analysis/security.go",
			"		a.checkFunctions(s)\n", "		_ = a.checkFunctions\n",
			"TestProblems",
		},
		{
			"a table whose neighbours have policies needs one", "../internal/analysis/security.go",
			"a.checkPolicy(s, store, t, column, uses)", "_ = uses",
			"TestProblems",
		},
		{
			"a foreign key needs an index of all rows", "../internal/catalog/health_sql.go",
			"(i.indpred IS NULL OR", "(true OR",
			"TestProblems",
		},
		{
			"an index that a constraint needs is not unused", "../internal/analysis/catalog.go",
			"if scans > 0 || x.Unique || x.Needed ||", "if scans > 0 ||",
			"TestUnused",
		},
		{
			"reads of standbys count", "../internal/analysis/catalog.go",
			"scans += used[x.OID]", "_ = used",
			"TestUnused",
		},
		{
			"an index is covered by what has its keys first", "../internal/analysis/catalog.go",
			"!slices.Equal(y.Keys[:len(x.Keys)], x.Keys)", "false",
			"TestShop",
		},
		{
			"what a role may not see is said", "../internal/analysis/catalog.go",
			"if !a.SeesAll {", "if false {",
			"TestShop",
		},
		{
			"plans are for whatever values: for NULL nothing is read", "../internal/explain/explain.go",
			`asked{options, "force_generic_plan", values}`, `asked{options, "force_custom_plan", values}`,
			"TestStatements",
		},
		{
			"a scan that a limit ends is none of all rows", "../internal/analysis/plan.go",
			"return parent.Cost < n.Cost/2", "return false",
			"TestStatements",
		},
		{
			"old statistics are no reason for advice", "../internal/analysis/plan.go",
			"	if stale(t) {\n", "	if false {\n",
			"TestStaleStatistics",
		},
		{
			"an index is advised with the columns that pay", "../internal/analysis/advice.go",
			`if len(best.keys) == 0 || t.cost <= best.cost*nearlyAs {`, `if len(best.keys) == 0 {`,
			"TestAdviceForAll",
		},
		{
			"a hypothetical index is removed", "../internal/analysis/advice.go",
			`"SELECT "+at+".hypopg_drop_index($1::int8::oid)"`, `"SELECT $1::int8::oid, '"+at+"'"`,
			"TestAdvice",
		},
		{
			"writes of an index cost", "../internal/analysis/choose.go",
			"saved, worth := -c.writes*rowWrite, false", "saved, worth := 0.0, false",
			"TestAdviceForAll",
		},
		{
			"a partial index must be much smaller", "../internal/analysis/advice.go",
			"float64(part.size) <= smallPart*float64(all.size)", "true",
			"TestAdviceForAll",
		},
		{
			"an index that a later one makes needless is dropped", "../internal/analysis/choose.go",
			"			c.chosen = without\n", "			_ = without\n",
			"TestAdviceForAll",
		},
		{
			"a wide column that not all read is a warning", "observed.go",
			"			f.Level = verify.Warning\n", "",
			"TestObserved",
		},
		{
			"an index that is not used any more is found", "plans.go",
			"case len(lost) > 0 && len(now.indexes()) < len(p.indexes()):", "case false:",
			"TestPlansAsText",
		},
		{
			"a cost that wavers does not change the file", "plans.go",
			"s.Cost = was.Cost", "_ = was.Cost",
			"TestPlansAsText",
		},
	})
}
