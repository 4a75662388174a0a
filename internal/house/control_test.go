package house_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"strings"
	"testing"
)

// TestBudgetsAreChecked is the control: source that breaks budgets is found.
func TestBudgetsAreChecked(t *testing.T) {
	text := `package p
var last int
type Wide[A, B, C any] struct{}
func init() {}
func Change() { last = 1 }
func Many(a, b, c, d, e, f int) { panic(a) }
func Long[T any]() {` + strings.Repeat("\nprintln()", 101) + `
}`
	s := &source{path: "p", name: "p", fset: token.NewFileSet()}
	file, err := parser.ParseFile(s.fset, "p.go", text, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	s.files = []*ast.File{file}
	s.info = types.Info{Uses: map[*ast.Ident]types.Object{}, Defs: map[*ast.Ident]types.Object{}}
	if s.pkg, err = new(types.Config).Check("p", s.fset, s.files, &s.info); err != nil {
		t.Fatal(err)
	}

	l := &ledger{t: t, found: map[string][]string{}}
	l.checkFunctions(s)
	l.checkState(s)
	l.checkPublic(s)
	for _, budget := range []string{
		"lines of a function", "lines of nine functions in ten", "lines of a generic body", "parameters", "panics",
		"mutable variables", "functions called init", "type parameters", "names without comment", "examples missing",
		"lines of tests missing",
	} {
		if len(l.found[budget]) == 0 {
			t.Errorf("%s: nothing was found", budget)
		}
	}
}
