package check

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Mutant is a change of the package under test, or of one that it uses, that
// breaks a rule on purpose.
type Mutant = struct { // without a name of its own: vet would want its fields named in each list
	Rule     string
	File     string // path from the package under test
	From, To string // the first From in the file becomes To
	// Caught is the test that notices. Any failure of it counts, a panic that ends the program included. If Caught
	// has the form "TestName: text", only one whose output contains the text does.
	Caught string
}

type mutant Mutant

// Guarded makes each of the mutants, and fails the test if the test that should
// notice does not.
//
// It compiles the tests anew, and once more for each change outside of a
// function, so that is skipped unless SMRT_TEST_MUTANTS is set, as `make verify`
// does. A text that is no longer there fails always, and so does a change that
// leaves behind what is not used.
func Guarded(t *testing.T, all []Mutant) {
	t.Helper()
	mutants := make([]mutant, len(all))
	for i, m := range all {
		mutants[i] = mutant(m)
		mutants[i].parse(t)
	}
	if os.Getenv("SMRT_TEST_MUTANTS") == "" {
		t.Skip("compiles the tests anew: make verify sets SMRT_TEST_MUTANTS")
	}
	if t.Failed() {
		return
	}
	dir := t.TempDir()
	program := filepath.Join(dir, "test")
	changed, have := overlay(t, dir, mutants)
	if out, err := exec.CommandContext(t.Context(), "go", "test", "-c", "-vet=off", "-overlay", changed, "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("the package does not compile with its mutants: %v\n%s", err, out)
	}
	tests := map[string]bool{}
	for _, m := range mutants {
		test, _, _ := strings.Cut(m.Caught, ": ")
		tests[test] = true
	}
	t.Run("no mutant", func(t *testing.T) { // with which the tests pass, or they would notice nothing
		out, err := runMutant(t, program, 0, "("+strings.Join(slices.Sorted(maps.Keys(tests)), "|")+")")
		if err != nil {
			t.Fatalf("a test that should notice a mutant fails without one: %v\n%s", err, out)
		}
	})
	for i, m := range mutants {
		t.Run(m.Rule, func(t *testing.T) {
			program, number := program, i+1
			if !have[i] {
				program, number = m.alone(t), 0
			}
			m.noticed(t, program, number)
		})
	}
}

// parse fails the test if the mutant is none any more, or cannot be compiled as
// far as its file alone says.
func (m mutant) parse(t *testing.T) {
	t.Helper()
	source, broken := m.texts(t)
	before := unused(t, m.File, source) // which is no error of the compiler's: it sees the other files
	for _, text := range unused(t, m.File, broken) {
		if !slices.Contains(before, text) {
			t.Errorf("%s: with %q in place of %q the package does not compile: %s", m.Rule, m.To, m.From, text)
		}
	}
}

// texts returns the file's text and the mutant's.
func (m mutant) texts(t *testing.T) (source, broken string) {
	t.Helper()
	source = string(Value(os.ReadFile(m.File))(t))
	broken = strings.Replace(source, m.From, m.To, 1)
	if broken == source {
		t.Fatalf("%s: %s does not contain %q", m.Rule, m.File, m.From)
	}
	return source, broken
}

// alone compiles the tests with the mutant alone.
func (m mutant) alone(t *testing.T) (program string) {
	t.Helper()
	dir := t.TempDir()
	_, broken := m.texts(t)
	mutant, program := filepath.Join(dir, filepath.Base(m.File)), filepath.Join(dir, "test")
	NoError(t, os.WriteFile(mutant, []byte(broken), 0o600))
	one := writeOverlay(t, dir, map[string]string{Value(filepath.Abs(m.File))(t): mutant})
	if out, err := exec.CommandContext(t.Context(), "go", "test", "-c", "-vet=off", "-overlay", one, "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("with %q in place of %q the package does not compile: %v\n%s", m.To, m.From, err, out)
	}
	return program
}

// noticed fails the test if the mutant's test passes.
func (m mutant) noticed(t *testing.T, program string, number int) {
	t.Helper()
	test, text, _ := strings.Cut(m.Caught, ": ")
	out, err := runMutant(t, program, number, test)
	switch {
	case err == nil || !strings.Contains(string(out), "--- FAIL: "+test) && !strings.Contains(string(out), "panic: "):
		t.Errorf("%s did not notice: %v\n%s", test, err, out)
	case !strings.Contains(string(out), text):
		t.Errorf("%s failed, but does not say %q:\n%s", test, text, out)
	}
}

// runMutant runs the tests with a name in a program that may be a mutant.
func runMutant(t *testing.T, program string, number int, test string) (out []byte, err error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, "-test.short", "-test.timeout=30m", "-test.run=^"+test+"$")
	cmd.Env = append(os.Environ(), mutantVariable+"="+strconv.Itoa(number))
	return cmd.CombinedOutput()
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
