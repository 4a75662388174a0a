package smrtredis_test

import (
	"testing"

	"github.com/smrt-go/smrt/internal/check"
)

// TestRulesAreGuarded removes rules, one at a time, and sees a test fail for each.
func TestRulesAreGuarded(t *testing.T) {
	check.Guarded(t, []check.Mutant{
		{
			"without its store a process has its part and no more", "store.go",
			"b.Burst = max(b.Burst/int64(n), 1)", "_ = n",
			"TestStoreIsAway",
		},
		{
			"what is not there is not taken", "store.go",
			"if ARGV[1] == 'take' and after < 0 then", "if false then",
			"TestStore",
		},
		{
			"rates that read alike are not one", "store.go",
			`fmt.Sprintf("%s%d:%s:%s", c.Prefix, len(b.Rate), b.Rate, b.Key)`, `fmt.Sprintf("%s%s:%s", c.Prefix, b.Rate, b.Key)`,
			"TestOneBucketEach",
		},
		{
			"a bucket holds no more than its burst", "store.go",
			"if full <= now then", "if false then",
			"TestKeys",
		},
		{
			"a caller that has gone is not a store that is away", "store.go",
			"context.WithTimeout(context.WithoutCancel(ctx), ", "context.WithTimeout(ctx, ",
			"TestStoreIsAway",
		},
		{
			"a store that is away is not asked by each call", "store.go",
			"return now >= until && s.away.CompareAndSwap(until, now+int64(s.config.Retry))", "return now >= 0",
			"TestStoreIsNotAsked",
		},
	})
}
