package smrtprom_test

import (
	"testing"

	"github.com/smrt-go/smrt/internal/check"
)

// TestRulesAreGuarded removes rules, one at a time, and sees a test fail for each.
func TestRulesAreGuarded(t *testing.T) {
	check.Guarded(t, []check.Mutant{
		{
			"labels have no texts, which have values in them", "collector.go",
			"snapshot.ByName() {\n\t\t\tl := c.labelsOf(key, shape.Name)",
			"snapshot.Shapes {\n\t\t\tl := c.labelsOf(key, observe.Name{Query: shape.SQL})",
			"TestSeriesAreBounded",
		},
		{
			"what has no room among the texts is counted", "collector.go",
			"range snapshot.ByName()", "range snapshot.Shapes",
			"TestSeriesAreBounded",
		},
		{
			"there are no more series than there may be", "labels.go",
			"if len(r) >= n {", "if false {",
			"TestOverflow",
		},
		{
			"a series is kept", "labels.go",
			"if len(r) >= n {\n\t\treturn false\n\t}", "if len(r) >= n {\n\t\tclear(r)\n\t}",
			"TestOverflow",
		},
		{
			"SQLSTATEs have a cap", "labels.go",
			"if !c.errors.has(e, c.config.MaxSeries) {", "if false {",
			"TestErrorsOverflow",
		},
		{
			"a name that is not UTF-8 fails no scrape", "labels.go",
			"utf8.ValidString(s)", "(true || utf8.ValidString(s))",
			"TestLabelsOfAnySQL",
		},
		{
			"calls that wait for their class are no connections of it", "pools.go",
			"return float64(c.Waiting)", "return float64(c.InUse)",
			"TestClassesAreScraped",
		},
		{
			"reads that fall back are counted", "routers.go",
			"return float64(s.Fallbacks)", "return float64(s.Redirects)",
			"TestRoutersAreScraped",
		},
		{
			"no call is in a bucket that it is longer than", "statements.go",
			"t.classic[i] += n", "t.classic[max(i-1, 0)] += n",
			"TestBuckets",
		},
	})
}
