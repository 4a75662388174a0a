//go:build unix

package smrttest_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/smrt-go/smrt/internal/check"
)

// module is a module of a user, outside of the repository: what is in testdata/shop, and further files.
type module struct {
	dir string // of the module
	tmp string // of what its tests make
}

func newModule(t *testing.T, further ...string) module {
	t.Helper()
	m := module{dir: t.TempDir()}
	check.NoError(t, os.CopyFS(m.dir, os.DirFS("testdata/shop")))
	for _, name := range check.Value(filepath.Glob(filepath.Join(m.dir, "*.txt")))(t) {
		if plain := strings.TrimSuffix(name, ".txt"); slices.Contains(further, filepath.Base(plain)) {
			check.NoError(t, os.Rename(name, plain))
		}
	}
	// The versions are the library's own, as go mod tidy would write them, so that no network is needed.
	root := check.Value(filepath.Abs(".."))(t)
	gomod := string(check.Value(os.ReadFile("../go.mod"))(t))
	gomod = strings.Replace(gomod, "module github.com/smrt-go/smrt\n", "module example.com/shop\n", 1) +
		"\nrequire github.com/smrt-go/smrt v0.0.0\n\nreplace github.com/smrt-go/smrt => " + root + "\n"
	check.NoError(t, os.WriteFile(filepath.Join(m.dir, "go.mod"), []byte(gomod), 0o600))
	check.NoError(t, os.WriteFile(filepath.Join(m.dir, "go.sum"), check.Value(os.ReadFile("../go.sum"))(t), 0o600))
	m.tmp = serverDir(t)
	return m
}

// serverDir returns a directory for what servers are made of: their sockets have short paths, and they may run as
// another user.
func serverDir(t *testing.T) string {
	t.Helper()
	dir := check.Value(os.MkdirTemp("/tmp", "smrt-module-"))(t)
	t.Cleanup(func() { check.NoError(t, os.RemoveAll(dir)) })
	check.NoError(t, os.Chmod(dir, 0o777))
	return dir
}

// usersEnv is as on the machine of a user: without a server, and without what says how our own tests run.
func usersEnv() []string {
	return append(slices.DeleteFunc(os.Environ(), func(entry string) bool {
		return strings.HasPrefix(entry, "SMRT_TEST_") || strings.HasPrefix(entry, "GOFLAGS=")
	}), "GOWORK=off", "GOPROXY=off")
}

// command runs in the module.
func (m module) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Dir = m.dir
	cmd.Env = usersEnv()
	return cmd
}

// test compiles the tests and runs them, and returns what they print.
func (m module) test(t *testing.T, env []string, args ...string) (string, error) {
	t.Helper()
	binary := filepath.Join(m.dir, "shop.test")
	if out, err := m.command("go", "test", "-c", "-o", binary).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	cmd := m.command(binary, args...)
	cmd.Env = append(cmd.Env, append(env, "TMPDIR="+m.tmp)...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// assertNothingLeft looks for what servers were made of.
func assertNothingLeft(t *testing.T, dir string) {
	t.Helper()
	for _, entry := range check.Value(os.ReadDir(dir))(t) {
		t.Errorf("%s is left behind", entry.Name())
	}
}

// TestModuleOfAUser runs what the README shows, with one command.
func TestModuleOfAUser(t *testing.T) {
	t.Parallel()
	m := newModule(t)
	if out, err := m.command("go", "test", "-count=1", "./...").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	// What the library's own tests need is not compiled.
	deps := string(check.Value(m.command("go", "list", "-deps", "-test", "./...").Output())(t))
	if strings.Contains(deps, "goose") || !strings.Contains(deps, "smrt/smrttest\n") {
		t.Errorf("the tests import:\n%s", deps)
	}
	// What is for tests is not in the program.
	program := string(check.Value(m.command("go", "list", "-deps", ".").Output())(t))
	for _, path := range []string{"testing", "go.uber.org/goleak", "github.com/smrt-go/smrt/internal/testdb"} {
		if slices.Contains(strings.Fields(program), path) {
			t.Errorf("the program imports %s", path)
		}
	}
	out, err := m.test(t, nil)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	assertNothingLeft(t, m.tmp)
}

// TestNothingOfTestsInPrograms looks at what the packages of the library import, all but those for tests and internal ones.
func TestNothingOfTestsInPrograms(t *testing.T) {
	t.Parallel()
	list := exec.Command("go", "list", "-f", `{{.ImportPath}} {{.Name}} {{join .Deps " "}}`, "./...")
	list.Dir = ".."
	seen := 0
	for line := range strings.Lines(string(check.Value(list.Output())(t))) {
		words := strings.Fields(line)
		if strings.Contains(words[0], "/internal/") || words[1] == "main" || strings.HasSuffix(words[1], "test") {
			continue
		}
		seen++
		for _, path := range []string{"testing", "go.uber.org/goleak", "github.com/smrt-go/smrt/smrttest"} {
			if slices.Contains(words[2:], path) {
				t.Errorf("%s imports %s", words[0], path)
			}
		}
	}
	if seen < 5 {
		t.Errorf("%d packages were seen", seen)
	}
}

// TestDocumentationIsComplete looks for types in what is exported that users cannot look up.
func TestDocumentationIsComplete(t *testing.T) {
	t.Parallel()
	text := string(check.Value(exec.Command("go", "doc", "-all", ".").Output())(t))
	if strings.Contains(text, "testdb.") || !strings.Contains(text, "func Pool(") {
		t.Errorf("go doc says:\n%s", text)
	}
}

// TestLeaksInAModule has tests that leak: a connection, a transaction, a setting and a goroutine. Each fails, and its
// report has the line that is marked.
func TestLeaksInAModule(t *testing.T) {
	t.Parallel()
	m := newModule(t, "leaks_test.go", "goroutine_test.go")
	leaks := 0
	for _, file := range []string{"leaks_test.go", "goroutine_test.go"} {
		for test, line := range marked(t, filepath.Join(m.dir, file)) {
			leaks++
			out, err := m.test(t, []string{"SMRT_TEST_PATIENCE=1"}, "-test.run=^"+test+"$")
			place := fmt.Sprintf("%s:%d ", file, line)
			if err == nil || !strings.Contains(out, place) || !strings.Contains(out, "smrttest: ") {
				t.Errorf("%s: %v, want a failure that names %s\n%s", test, err, place, out)
			}
		}
	}
	if leaks != 4 {
		t.Errorf("%d leaks, want 4", leaks)
	}
	assertNothingLeft(t, m.tmp)
}

// marked returns the lines of a file that a comment marks, by the test that it names.
func marked(t *testing.T, file string) map[string]int {
	t.Helper()
	f := check.Value(os.Open(file))(t)
	defer func() { check.NoError(t, f.Close()) }()
	lines := map[string]int{}
	scanner := bufio.NewScanner(f)
	for n := 1; scanner.Scan(); n++ {
		if m := regexp.MustCompile(`// leak: (\w+)$`).FindStringSubmatch(scanner.Text()); m != nil {
			lines[m[1]] = n
		}
	}
	check.NoError(t, scanner.Err())
	return lines
}

// TestWithoutAServer looks for what a test says where PostgreSQL is not installed.
func TestWithoutAServer(t *testing.T) {
	t.Parallel()
	m := newModule(t)
	out, err := m.test(t, []string{"SMRT_PG_BIN=/nonexistent"}, "-test.run=^TestPlace$")
	for _, want := range []string{"no server to test with", "/nonexistent", "apt-get install", "brew install", "SMRT_PG_BIN", "SMRT_TEST_DSN"} {
		if err == nil || !strings.Contains(out, want) {
			t.Errorf("%v, want a failure that says %s\n%s", err, want, out)
		}
	}
	if strings.Contains(out, "tools/") {
		t.Errorf("a user has no scripts of the repository:\n%s", out)
	}
	assertNothingLeft(t, m.tmp)
}
