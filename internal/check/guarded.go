package check

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Guarded breaks a rule of the package under test on purpose, and fails the
// test if the test called caught does not notice. The file of the package's
// source, of which from becomes to, is replaced for one run of the tests, by
// the compiler's overlay.
//
// Any failure of the test counts, a panic that ends the program included. If caught has the form "TestName: text", only
// one whose output contains the text does.
//
// It compiles the tests anew, so that is skipped unless SMRT_TEST_MUTANTS is
// set, as `make verify` does. A text that is no longer there fails always, and
// so does a change that leaves behind what is not used.
func Guarded(t *testing.T, file, from, to, caught string) {
	t.Helper()
	source := Value(os.ReadFile(file))(t)
	broken := strings.Replace(string(source), from, to, 1)
	if broken == string(source) {
		t.Fatalf("%s does not contain %q", file, from)
	}
	before := unused(t, file, string(source)) // which is no error of the compiler's: it sees the other files
	for _, text := range unused(t, file, broken) {
		if !slices.Contains(before, text) {
			t.Fatalf("with %q in place of %q the package does not compile: %s", to, from, text)
		}
	}
	if os.Getenv("SMRT_TEST_MUTANTS") == "" {
		t.Skip("compiles the tests once for each rule: make verify sets SMRT_TEST_MUTANTS")
	}
	test, text, _ := strings.Cut(caught, ": ")
	dir := t.TempDir()
	mutant, overlay := filepath.Join(dir, filepath.Base(file)), filepath.Join(dir, "overlay.json")
	NoError(t, os.WriteFile(mutant, []byte(broken), 0o600))
	original := Value(filepath.Abs(file))(t)
	replace := Value(json.Marshal(map[string]any{"Replace": map[string]string{original: mutant}}))(t)
	NoError(t, os.WriteFile(overlay, replace, 0o600))
	cmd := exec.CommandContext(t.Context(), "go", "test", "-short", "-timeout", "30m", "-vet=off", "-overlay", overlay, "-run", "^"+test+"$", ".")
	out, err := cmd.CombinedOutput()
	switch {
	case strings.Contains(string(out), "[build failed]"):
		t.Errorf("with %q in place of %q the package does not compile:\n%s", to, from, out)
	case err == nil || !strings.Contains(string(out), "--- FAIL: "+test) && !strings.Contains(string(out), "panic: "):
		t.Errorf("%s did not notice: %v\n%s", test, err, out)
	case !strings.Contains(string(out), text):
		t.Errorf("%s failed, but does not say %q:\n%s", test, text, out)
	}
}

// unused returns what the compiler could say of the imports and variables of a
// file that it does not use, and of its syntax. It looks at no other file, so
// it takes milliseconds where a build takes seconds.
func unused(t *testing.T, name, source string) (found []string) {
	t.Helper()
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, name, source, parser.SkipObjectResolution)
	if err != nil {
		return []string{err.Error()}
	}
	names := map[string]bool{}
	ast.Inspect(file, func(n ast.Node) bool {
		if selector, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := selector.X.(*ast.Ident); ok {
				names[x.Name] = true
			}
		}
		return true
	})
	for _, spec := range file.Imports {
		if base := path.Base(strings.Trim(spec.Path.Value, `"`)); !names[base] {
			found = append(found, base+" is imported and not used")
		}
	}
	config := types.Config{Error: func(err error) {
		var e types.Error
		for _, text := range []string{"declared and not used", "missing return"} {
			if errors.As(err, &e) && strings.Contains(e.Msg, text) { // other messages come from what is in other files
				found = append(found, e.Msg) // without the line, which a change moves
			}
		}
	}}
	_, _ = config.Check(file.Name.Name, fset, []*ast.File{file}, nil) // it fails: the imports are unknown
	return found
}
