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
	})
}
