package lint_test

import (
	"testing"

	"github.com/smrt-go/smrt/internal/check"
)

// TestRulesAreGuarded removes rules, one at a time, and sees a test fail for each.
func TestRulesAreGuarded(t *testing.T) {
	check.Guarded(t, []check.Mutant{
		{"a table that is written anew is found", "rules.go", "if l, ok := s.strongest(oid); ok {", "if l, ok := s.strongest(oid); ok && false {", "TestLintRewrites"},
		{"TRUNCATE writes nothing anew", "rules.go", `!strings.HasPrefix(s.tag, "TRUNCATE")`, `true`, "TestNothingToFind"},
		{"an index that is built with the table is no finding of its own", "rules.go", `ok && !slices.Contains(s.renewed, oid)`, `ok`, "TestLintRewrites"},
		{"a scan counts only under a strong lock", "rules.go", "			if !ok {\n				continue\n			}\n			problem", "			if !ok {\n				l = lock{oid, share}\n			}\n			problem", "TestLintScans"},
		{"SHARE keeps writers out", "finding.go", "return m >= share }", "return m > share }", "TestLintIndexes"},
		{"SHARE UPDATE EXCLUSIVE does not", "finding.go", "return m >= share }", "return m >= shareUpdateExclusive }", "TestLintScans"},
		{"a statement without a transaction is tried in one", "watch.go", "if s.alone = s.outside; s.alone {", "if s.alone = s.outside; false {", "TestLintIndexes"},
		{"a statement that cannot be tried is judged by its messages", "watch.go", `return outcome != nil && !(`, `return false && !(`, "TestSettings"},
		{"a schema whose indexes are built anew is locked", "watch.go", "blind(s.outcome) || s.reindexes()", "blind(s.outcome)", "TestLintIndexes"},
		{"messages are switched on again", "watch.go", `"SET client_min_messages = debug1"`, `"SELECT 1"`, "TestSettings"},
		{"a renamed table is the same", "watch.go", "s.names[oid] = string(row[1])", "s.names[oid] = bare(w.old[oid].name)", "TestRenamed"},
		{"a long lock_timeout is none", "rules.go", "s.timeout > 0 && s.timeout <= longest", "s.timeout > 0", "TestLintTimeouts"},
		{"a second table is found", "rules.go", "if other != 0 {", "if false {", "TestLintTables"},
		{"rows count only under a lock", "rules.go", "		if !held {\n			continue\n		}", "		if !held {\n			locked = lock{l.table, share}\n		}", "TestNothingToFind"},
		{"released migrations are not judged", "lint.go", "	if source.Version > r.From {\n		if", "	if source.Version > 0 {\n		if", "TestWhatIsJudged"},
		{"a migration without a transaction is run twice", "repeat.go", "if isData(s.tag) {", "if true {", "TestLintRepeats"},
		{"what a later migration mends is not found", "catalog.go", "			delete(h.by, key)\n", "", "TestLintCatalog"},
		{"a label that changes is found", "catalog.go", "before.current != now[key].current", "false", "TestLintCatalog"},
		{"an index may lack the rows without a reference, and no others", "../../../../internal/catalog/health_sql.go", "(i.indpred IS NULL OR", "(true OR", "TestForeignKeyIndex"},
		{"several statements are judged by all of them", "lint.go", "if !s.several &&", "if", "TestBlocks"},
		{"several statements are not the last of them", "rules.go", "if s.several ||", "if", "TestBlocks"},
		{"a rule of a domain reads rows", "rules.go", `l.mode == share && s.tag == "ALTER DOMAIN"`, "false", "TestLintScans"},
		{"a block may write rows", "rules.go", `block := s.tag == "DO" ||`, "block :=", "TestLintRows"},
		{"a statement that changes all rows is found", "watch.go", "	w.whole(ctx, conn, s)\n", "", "TestLintWhole"},
		{"an index that finds the rows makes them few", "whole.go", "SET LOCAL enable_seqscan = off; ", "", "TestLintWhole"},
		{"a backfill is run in batches", "whole.go", "!writes || backfill ||", "!writes || backfill && false ||", "TestLintWhole"},
		{"a name that means another table is found", "replace.go", "if by[name] = r.by[name]; by[name] == nil {", "if by[name] = r.by[name]; false {", "TestLintReplaced"},
		{"a partition is all there", "../migrate/identity.go", "if !attached {", "if !attached || true {", "TestNothingToFind"},
		{"a column is another one by its number", "../migrate/identity.go", "is.table == was.table && is.column == was.column ||", "is.table == was.table ||", "TestLintReplaced"},
		{"messages that are hidden in a block are missed", "unseen.go", "if body && strings", "if !body && strings", "TestLintUnseen"},
		{"a block that depends on rows is found", "unseen.go", "l.mode == accessShare || l.mode == rowShare", "false", "TestLintUnseen"},
		{"a block that defines nothing may depend on rows", "unseen.go", "!branches(s.text)", "false", "TestNothingToFind"},
		{"what cannot be in a transaction is a finding", "lint.go", "source.Version > r.From && cannotBeInside(err)", "false", "TestLintTogether"},
		{"there is something to judge", "lint.go", "if r.From != 0 &&", "if r.From < 0 &&", "TestErrors"},
		{"an annotation that smrt migrate refuses is found", "lint.go", "migrate.Annotations(f.path, f.script.Text)", "migrate.Annotations(f.path, \"\")", "TestAllow"},
		{"an allowance needs a reason", "allow.go", "case len(a.Args) == 1:", "case false:", "TestAllow"},
		{"an allowance that matches nothing is found", "allow.go", "if len(rest) == len(left) {", "if false {", "TestAllow"},
		{"an allowance is of one statement", "allow.go", "finding.Rule == rule && finding.Line == line", "finding.Rule == rule && line >= 0", "TestAllow"},
		{"questions do not end the migration's transaction", "contract.go", "inside{conn}", "conn", "TestContractOfLintedQueries"},
		{"what a release needs is missed", "contract.go", "if f.Level == schema.Fault {", "if f.Level > schema.Fault {", "TestLintContracts"},
		{"a migration of the phase contract waits for releases", "contract.go", `a.Name == annotation.Phase &&`, `false &&`, "TestLintContracts"},
	})
}
