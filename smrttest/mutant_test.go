package smrttest_test

import (
	"testing"

	"github.com/smrt-go/smrt/internal/check"
)

// TestRulesAreGuarded breaks rules on purpose, and expects a test to notice.
func TestRulesAreGuarded(t *testing.T) {
	check.Guarded(t, []check.Mutant{
		{
			"the line that acquired is known", "../internal/testdb/watch.go",
			"func(s *session) { s.acquired = at }", "func(s *session) { s.acquired = at[:0] }",
			"TestLeaks",
		},
		{
			"a transaction's line is where it was begun", "../internal/testdb/watch.go",
			"			s.begun = at\n", "			s.begun = at[:0]\n",
			"TestLeaks",
		},
		{
			"settings with a dot are looked at", "../internal/testdb/check.go",
			`if name != "role" && !strings.Contains(name, ".") {`, `if name != "role" {`,
			"TestLeaks",
		},
		{
			"settings that hooks make are not counted", "../internal/testdb/watch.go",
			"s.kept[name] = s.kept[name] || s.inHook", "s.kept[name] = s.kept[name]",
			"TestNoLeaks",
		},
		{
			"a connection beside the pool is a leak", "../internal/testdb/check.go",
			"		return slices.Contains(d.watch.pids(), pid)\n", "		return true || slices.Contains(d.watch.pids(), pid)\n",
			"TestLeakBesideThePool",
		},
		{
			"a server has room for all tests at once", "../internal/testdb/shared.go",
			"max(200, n*(", "max(200, 0*n*(",
			"TestManyTestsAtOnce",
		},
		{
			"files that undo are refused", "schema.go",
			"strings.Contains(strings.ToLower(string(text)), mark)", `strings.Contains(strings.ToLower(string(text)), mark+"?")`,
			"TestRefusedSchemas",
		},
		{
			"a statement by hand is not told of by a write of the library", "cachewrites.go",
			"if c.Does != cached.Create|cached.Update|cached.Delete {", "if c.Does == 0 {",
			"TestCacheWrites",
		},
		{
			"schemas of one name are two", "schema.go",
			"testdb.Digest(name, fmt.Sprint(reflect.ValueOf(fn).Pointer()))", "testdb.Digest(name, fmt.Sprint(reflect.ValueOf(fn).IsNil()))",
			"TestSchemasOfOneName",
		},
		{
			"schemas from the same files are known by more than these", "schema.go",
			"cmp.Or(s.engine.Digest, s.engine.Title)", "cmp.Or(s.engine.Title, s.engine.Digest)",
			"TestFrom",
		},
		{
			"what a function reads is known in all test binaries", "schema.go",
			"s.engine.Name, s.engine.Digest = digest, digest", "s.engine.Name, s.engine.Digest = digest, s.engine.Digest",
			"TestTemplatesAreShared",
		},
	})
}
