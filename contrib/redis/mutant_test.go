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
		{
			"entries of another run are not there", "cache_scripts.go",
			"string.sub(e, 1, #header) == header then", "string.sub(e, #run + 2, #header) == string.sub(header, #run + 2) then",
			"TestCacheStore",
		},
		{
			"leases of another run do not stand", "cache_scripts.go",
			"redis.call('GET', key) == 'L' .. run .. token", "string.sub(redis.call('GET', key), -16) == token",
			"TestCacheStore",
		},
		{
			"floors of another run are not known", "cache_scripts.go",
			"if f and string.sub(f, 1, #run) == run then", "if f then",
			"TestCacheStore",
		},
		{
			"a floor that is not there is not known", "cache_scripts.go",
			"return run .. id .. '0' .. (", "return run .. id .. '1' .. (",
			"TestCacheStore",
		},
		{
			"a generation that is not there is a random one", "cache_scripts.go",
			"g = 'V' .. new(i)", "g = 'V0000000000000001'",
			"TestCacheStore",
		},
		{
			"blocks of entries are lifted by name", "cache_scripts.go",
			"local left = blocksOf(KEYS[i], lift)", "local left = false",
			"TestCacheStore",
		},
		{
			"blocks of generations are lifted by name", "cache_scripts.go",
			"blocksOf(KEYS[i], lift) or 'V'", "false or 'V'",
			"TestCacheStore",
		},
		{
			"numbers of another run are another stream", "cache_scripts.go",
			"if v and string.sub(v, 1, #run) == run then\n    return string", "if v then\n    return string",
			"TestCacheStore",
		},
		{
			"a value is not larger than it may be", "cache_codec.go",
			"err == nil && n <= limit {", "err == nil && n > 0 {",
			"TestCacheValues",
		},
		{
			"points of the process do not go to the store", "store.go",
			"if !b.Local {", "if true {",
			"TestStartWithoutStore",
		},
		{
			"a store that is away at the start is asked later", "store.go",
			"		s.connectLater()\n", "		_ = s.connectLater\n",
			"TestStartWithoutStore",
		},
	})
}
