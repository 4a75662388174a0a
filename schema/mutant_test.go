package schema_test

import (
	"testing"

	"github.com/smrt-go/smrt/internal/check"
)

// TestRulesAreGuarded breaks rules on purpose, and expects a test to notice.
func TestRulesAreGuarded(t *testing.T) {
	check.Guarded(t, []check.Mutant{
		{
			"queries are planned", "queries.go",
			"		err = planAll(ctx, db, queries, answers)\n", "",
			"TestQueriesArePlanned",
		},
		{
			"queries of a contract are planned", "contract_query.go",
			"planAll(ctx, beginner, queries, answers)", "ctx.Err()",
			"TestContractOfQueriesIsPlanned",
		},
		{
			"a privilege that who migrates lacks is none of a contract", "contract_query.go",
			"pgerr.IsForbidden(refused)", "pgerr.IsSyntax(refused)",
			"TestContractOfQueriesIsPlanned",
		},
		{
			"what is planned in a transaction leaves it as it was", "../internal/explain/explain.go",
			"set_config('transaction_read_only', 'on', true)", "current_setting('transaction_read_only')",
			"TestQueriesArePlanned",
		},
		{
			"a key needs an index of all rows", "../internal/verify/key.go",
			`if !x.Unique || !x.Valid || x.Predicate != "" {`, "if !x.Unique || !x.Valid {",
			"TestPlantedFaults",
		},
		{
			"a key that may be deferred is no target of upserts", "../internal/verify/key.go",
			"case ok && x.On(names) && x.Immediate:", "case ok && x.On(names):",
			"TestPlantedFaults",
		},
		{
			"an index that has other rows only does not serve loads", "../internal/verify/relation.go",
			`if !x.Valid || x.Predicate != "" && !e.softly(r, x) && !isNotNull(x, end.Columns) {`, "if !x.Valid {",
			"TestPlantedFaults",
		},
		{
			"an index in mixed directions is no order of pages", "../internal/verify/use.go",
			"(k.Desc != backwards) != o.Desc || (k.NullsFirst != backwards) != o.First()", "false",
			"TestPlantedFaults",
		},
		{
			"the year 1 is no value", "../internal/verify/column.go",
			"if !c.Nullable && !zeroIsValue(c, in) {", "if false {",
			"TestForgottenDefault",
		},
		{
			"a type that scans itself may refuse every value", "../internal/meta/fit.go",
			"			return c.scansSample(types, oid, format)\n", "			return true\n",
			"TestTypesThatScan",
		},
		{
			"a contract knows of columns that came later", "../internal/catalog/facts.go",
			"AND named.subject IS NULL)))", "AND false)))",
			"TestContractAndMigrations",
		},
		{
			"foreign keys pair their columns", "../internal/verify/relation.go",
			"if at < 0 || k.References[at] != to[i] {", "if at < 0 {",
			"TestForeignKeyOfOtherColumns",
		},
		{
			"a label that the program does not know is not needed", "contract.go",
			"valid != nil && valid(", "valid != nil && \"\" != (",
			"TestContractOfValues",
		},
		{
			"a rule that refuses NULL needs none", "contract.go",
			"!t.ReadOnly && !required(t, c)", "!t.ReadOnly",
			"TestContractOfValues",
		},
		{
			"a query is not met by a column that may be NULL now", "contract_query.go",
			"now != column && now != column+notNull", "strings.TrimSuffix(now, notNull) != strings.TrimSuffix(column, notNull)",
			"TestContractOfQueries",
		},
		{
			"a query is met by a column that is not null now", "contract_query.go",
			"now != column && now != column+notNull", "now != column",
			"TestContractOfQueries",
		},
		{
			"a query takes what it took", "contract_query.go",
			"!slices.Equal(s.arguments, has.arguments)", "false",
			"TestContractOfQueries",
		},
		{
			"one query that is refused does not hide the next", "queries.go",
			"if answers = append(answers, a); err != nil {", "if answers = append(answers, a); false {",
			"TestContractOfQueries",
		},
		{
			"exclusion constraints beside soft deletion are found", "../internal/verify/table.go",
			`case !x.Unique && x.Excludes == "" || x.Primary`, `case !x.Unique || x.Primary`,
			"TestExclusionAndSoftDelete",
		},
		{
			"an expression about deletion is enough", "../internal/verify/table.go",
			"slices.Contains(columns, s.SoftDelete.Name) || s.uniqueWithDeleted(columns) {", "s.uniqueWithDeleted(columns) {",
			"TestExclusionAndSoftDelete",
		},
		{
			"bytes over a text are a warning", "../internal/verify/type.go",
			"c.Encode == meta.KindBytes && isText", "c.Encode == meta.KindBytes && false && isText",
			"TestBytes",
		},
		{
			"an answer that says no is not kept", "expect.go",
			"	case err == nil:\n		e.remember(database)\n", "	case true:\n		e.remember(database)\n",
			"TestExpect",
		},
	})
}
