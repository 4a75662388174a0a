package repo_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/smrt-go/smrt/internal/check"
)

// ruleLine is a rule with the test that proves it.
var ruleLine = regexp.MustCompile("^- .*: `(Test[A-Za-z0-9]+)`$")

// TestEveryRuleHasItsTest reads docs/semantics.md and looks for the tests that
// it names.
func TestEveryRuleHasItsTest(t *testing.T) {
	tests := declaredTests(t)
	text, err := os.ReadFile(filepath.Join("..", "docs", "semantics.md"))
	check.NoError(t, err)
	rules := 0
	for i, line := range strings.Split(string(text), "\n") {
		if !strings.HasPrefix(line, "- ") {
			continue
		}
		rules++
		switch m := ruleLine.FindStringSubmatch(line); {
		case m == nil:
			t.Errorf("line %d does not end with the name of a test", i+1)
		case !tests[m[1]]:
			t.Errorf("line %d: there is no %s", i+1, m[1])
		}
	}
	if rules < 60 {
		t.Errorf("found %d rules: has the form of the document changed?", rules)
	}
}

// declaredTests are the names of the test functions of all packages.
func declaredTests(t *testing.T) map[string]bool {
	t.Helper()
	var files []string
	for _, pattern := range []string{"../*/*_test.go", "../cache/*/*_test.go", "../internal/*/*_test.go", "../contrib/*/*_test.go", "../cmd/smrt/*_test.go", "../cmd/smrt/internal/*/*_test.go"} {
		files = append(files, check.Value(filepath.Glob(pattern))(t)...)
	}
	tests := map[string]bool{}
	for _, name := range files {
		file := check.Value(parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution))(t)
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil {
				tests[f.Name.Name] = true
			}
		}
	}
	return tests
}
