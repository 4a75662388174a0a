package cache_test

import (
	"testing"

	"github.com/smrt-go/smrt/internal/check"
)

// TestRulesAreGuarded removes rules, one at a time, and sees a test fail for each.
func TestRulesAreGuarded(t *testing.T) {
	check.Guarded(t, []check.Mutant{
		{
			"a gap in the numbers resets", "feed.go",
			"case at.Number > f.last.Number+1:\n\t\tf.reset(at)", "case at.Number > f.last.Number+1:\n\t\tf.last = at",
			"TestFeedMisses",
		},
		{
			"the last message may be missed", "feed.go",
			"if late || f", "if late && f.subscribed != f.subscribed || f",
			"TestFeedMisses",
		},
		{
			"numbers of another stream are not compared", "feed.go",
			"case at.Stream != f.last.Stream:", "case at.Stream == \"\":",
			"TestFeedOfOneStream",
		},
		{
			"a proof has an end", "feed.go",
			"return until != 0 && int64(time.Since(f.began)) < until", "return until != 0",
			"TestFeedIsLate",
		},
		{
			"a proof begins before the question", "feed.go",
			"f.until.Store(int64(f.asked[0].at + f.config.Silence))", "f.until.Store(int64(time.Since(f.began) + f.config.Silence))",
			"TestFeedIsLate",
		},
		{
			"a row that was read before a write of it is void", "attach.go",
			"e.token.Key == now.Key && ", "",
			"TestFillThatAWriteOvertakes",
		},
		{
			"a row that was read before a write of its table is void", "attach.go",
			"e.token.All == now.All && ", "",
			"TestFillThatAWriteOvertakes",
		},
		{
			"that there is no row is void once rows are created", "attach.go",
			"(e.row != nil || e.token.Made == now.Made)", "true",
			"TestMissingRowsAreFoundOnceCreated",
		},
		{
			"what may yet take effect is not kept", "attach.go",
			"token.Key.Blocked() || token.All.Blocked() {", "false {",
			"TestEveryWriteIsSeen",
		},
		{
			"a transaction begun by hand blocks what it writes", "../internal/cached/tell.go",
			"block(all, *xid, true)", "changed(all)",
			"TestEveryWriteIsSeen",
		},
		{
			"a rollback leaves the cache as it was", "../internal/cached/tell.go",
			"case w.undone:", "case false:",
			"TestEveryWriteIsSeen",
		},
		{
			"a commit that nobody answers blocks what it writes", "../internal/cached/tell.go",
			"case w.doubt:", "case false:",
			"TestCommitThatNobodyAnswers",
		},
		{
			"foreign keys pass writes on", "reach.go",
			"far = append(far, k)", "_ = k",
			"TestEveryWriteIsSeen",
		},
		{
			"tenants have entries of their own", "../internal/table/change.go",
			"k.Owner = of.ID", "_ = of",
			"TestTenantsShareNothing",
		},
		{
			"texts that have forms make void their table", "../internal/table/change.go",
			"return typ.IsEnum || typ.Exact && (typ.Base", "return typ.IsEnum || true || (typ.Base",
			"TestKeysThatHaveForms",
		},
		{
			"a write that assigns keys makes void its table", "../internal/table/change.go",
			" || t.AssignsKey(sets) {", " {",
			"TestWritesOfManyRowsByQuery",
		},
		{
			"keys are told if they are those of all rows", "../internal/crud/write.go",
			"if n != int64(len(w.keys)) {", "if n < 0 {",
			"TestWritesOfManyRowsByQuery",
		},
		{
			"what a statement says is told when its rows are closed", "on.go",
			"r.ends.tell(r.Err())", "_ = r.Err()",
			"TestStatementsSayWhatTheyWrite",
		},
		{
			"only whole rows are served", "../internal/crud/fromcache.go",
			"b.Rows != b.Table.Self || ", "",
			"TestReadsThatPass",
		},
		{
			"what is kept of a router is read from the primary", "../internal/crud/bound.go",
			"ctx = t.Filling(ctx)", "_ = t",
			"TestRouters",
		},
		{
			"a session is served what it has written elsewhere", "../readreplica/led.go",
			"if !d.session.allows(r, m) {", "if false {",
			"TestSessionsOfOtherProcesses",
		},
		{
			"what another primary may not have is void", "attach.go",
			"led.OnPrimary(c.Flush)", "led.OnPrimary(func() {})",
			"TestPromotionLosesCommits",
		},
		{
			"reads that miss one row are one statement", "flight.go",
			"if !under {\n			f =", "if true {\n			under = false\n			f =",
			"TestOneReadForAll",
		},
		{
			"that there is no row is not kept while one may be created", "attach.go",
			"ttl < 0 || token.Made.Blocked()", "ttl < 0",
			"TestCreateInDoubt",
		},
		{
			"rows with keys that are computed are not known by them", "../internal/table/change.go",
			"typ.Expression || ", "",
			"TestKeysThatAreComputed",
		},
	})
}
