package migrate_test

import (
	"testing"

	"github.com/smrt-go/smrt/internal/check"
)

// TestRulesAreGuarded removes rules, one at a time, and sees a test fail for each.
func TestRulesAreGuarded(t *testing.T) {
	check.Guarded(t, []check.Mutant{
		{"one runner at a time", "run.go", "goose.WithStore(r.store), goose.WithLocker(r.locker), ", "goose.WithStore(r.store), ", "TestRunnersAtOnce"},
		{"a version is recorded under the lease only", "lease.go", "if req.Version == 0 {", "if req.Version >= 0 {", "TestLeaseLost"},
		{"a table that the file hides is told from one that it lacks", "lease.go", "return hidden(err)", "return err", "TestSearchPath"},
		{"a file that goose cannot read is told from what is not there", "run.go", "return result, unparsed(err)", "return result, err", "TestUnreadable"},
		{"nobody takes the lease until the commit", "lease.go", "locked_by = $2 FOR SHARE", "locked_by = $2", "TestLeaseIsKeptUntilTheCommit"},
		{"what is prepared is not kept", "run.go", "config.DefaultQueryExecMode = pgx.QueryExecModeExec", "config.DefaultQueryExecMode = pgx.QueryExecModeCacheStatement", "TestPooler"},
		{"a lock_timeout that a pooler refuses is told", "pooler.go", `pg.Code == "08P01"`, `pg.Code == "08P02"`, "TestPooler"},
		{"a lock_timeout that a pooler drops is missed", "pooler.go", "if ms != milliseconds(c.timeout) {", "if ms < 0 {", "TestPooler"},
		{"a backfill goes on behind its checkpoint", "batch.go", "err := b.read(ctx)", "err := ctx.Err()", "TestBackfillKilled"},
		{"a backfill that has ended has no checkpoint", "lease.go", "err = forget(ctx, db, req.Version)", "err = ctx.Err()", "TestBackfillKilled"},
		{"a batch that met a lock is repeated", "batch.go", "if !isBlocked(err) ||", "if isBlocked(err) ||", "TestBackfillMeetsALock"},
		{"a backfill waits for standbys", "batch.go", "lag > float64(limits.Lag)", "lag < 0", "TestBackfillWaitsForStandbys"},
		{"a backfill waits for old transactions", "batch.go", "age > limits.Age.Seconds()", "age < 0", "TestBackfillWaitsForTransactions"},
		{"a batch is sized to be short", "batch.go", "0.5 * float64(target)", "1.5 * float64(target)", "TestBatchesAreShort"},
		{"the key of a backfill is unique and not null", "backfill.go", "err == nil && !unique {", "err == nil && false {", "TestBackfillErrors"},
		{"the columns of the key are never NULL", "backfill.go", "case !notNull:", "case false:", "TestBackfillErrors"},
		{"keys of several columns are compared as a whole", "backfill.go", `return "(" + strings.Join(expressions, ", ") + ")"`, `return "(" + expressions[0] + ")"`, "TestBackfillKeysOfSeveralColumns"},
		{"the columns of a key have the order of the index", "backfill.go", "array_to_string((i.indkey::int2[])[0:i.indnkeyatts - 1], ' ') = $2", "(SELECT count(*) FROM unnest(string_to_array($2, ' ')) n WHERE n::int2 = ANY (i.indkey::int2[])) = i.indnkeyatts", "TestBackfillErrors"},
		{"a migration that met a lock is repeated", "run.go", `pg.Code == "55P03"`, `pg.Code == "55000"`, "TestLockTimeout"},
		{"who waited for the lease is told what for", "run.go", "errors.Is(err, errNoLease)", "errors.Is(nil, errNoLease)", "TestNoLease"},
		{"no session is kept between tries", "run.go", "db.SetMaxIdleConns(-1)", "db.SetMaxIdleConns(2)", "TestLockTimeout"},
		{"tries end", "run.go", "try > r.opts.Retry.Times", "try > 10*r.opts.Retry.Times", "TestRetriesEnd"},
		{"what cannot be rolled back is not repeated", "run.go", "case blocked && f.single && !r.watcher.repeatable():", "case blocked && f.single && r == nil:", "TestRetriesEnd"},
		{"each of several statements must be repeatable", "index.go", "!conditional(one) {", "!conditional(sqltext.Append(nil, text)) {", "TestNothingIsRunTwice"},
		{"a file that commits is not repeated", "folder.go", "f.single = single || begun(up, \"commit\", \"end\") >= 0", "f.single = single", "TestNothingIsRunTwice"},
		{"a file that rolls back is not recorded", "run.go", "if f.ends >= 0 {", "if f.ends > len(f.script.Text) {", "TestNothingIsRunTwice"},
		{"what commits itself is not repeated", "watch.go", "commits(w.sent[len(w.sent)-1])", "commits(\"\")", "TestNothingIsRunTwice"},
		{"a batch's condition narrows the whole of one", "backfill.go", `t.Is("or") || ends(t)`, "ends(t)", "TestBackfillErrors"},
		{"batches go by the keys of a table of the statement", "backfill.go", "t.IsName() && t.Name() == names", "t.IsName() || t.Name() == names", "TestBackfillErrors"},
		{"a batch does not change the key", "backfill.go", "if setsColumn(first, column) {", "if false && setsColumn(first, column) {", "TestBackfillErrors"},
		{"one version has one file", "folder.go", "files[i].Version == files[i-1].Version", "files[i] == nil", "TestFolderErrors"},
		{"an invalid index is dropped before the file runs", "run.go", "return r.dropInvalid(ctx, db, r.current)", "return nil", "TestInvalidIndex"},
		{"an invalid index is dropped after the last try", "lease.go", "err = l.release(ctx, db)", "err = nil", "TestInvalidIndex"},
		{"files of the contract phase wait", "folder.go", "case f.Contract && !target.Contract:", "case f.Contract && target.Version < 0:", "TestPlan"},
		{"files of the contract phase alone may be late", "folder.go", "f.Version < highest && !f.Contract", "f.Version < highest && false", "TestPlan"},
		{"contracts are checked after each file", "gate.go", "lost[len(lost)-1].File = file", "_ = file", "TestGate"},
		{"a column that is made anew is no longer what a release needs", "gate.go", "append(replaced, unmet...)", "append(replaced[:0], unmet...)", "TestGateOfReplacements"},
		{"what no release needs may be made anew", "gate.go", `strings.Contains("\n"+c.String(), column)`, `strings.Contains("\n"+c.String(), column[:3])`, "TestGateOfReplacements"},
		{"a copy has the order of the database", "lease.go", "for i := len(recorded) - 1; i >= 0; i--", "for i := range recorded", "TestGateOrder"},
		{"a requirement that was never met is broken", "gate.go", "broken = g.never(broken)", "_ = g.never(broken)", "TestGate"},
		{"the line is that of the statement", "watch.go", "e.Line = w.last.First", "e.Line = f.script.Statements[0].First", "TestErrorsNameTheLine"},
		{"the line is that of the character at which the server points", "watch.go", "errors.As(err, &pg) && pg.Position > 0", "errors.As(err, &pg) && pg.Position < 0", "TestErrorsNameTheLine"},
	})
}
