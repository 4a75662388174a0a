package house_test

import (
	"context"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
)

// exampleModule is the module of docs/guides/sqlc.md.
const exampleModule = "examples/sqlc-module"

// exampleSchema is the tables of the example module.
var exampleSchema = testdb.Schema{Name: "example", Apply: func(ctx context.Context, dsn string) error {
	files, err := filepath.Glob(filepath.Join(root, exampleModule, "migrations", "*.sql"))
	slices.Sort(files)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if err := testdb.SQL(file, string(text)).Apply(ctx, dsn); err != nil {
			return err
		}
	}
	return err
}}

// inExample returns a command that runs in the example module as it would in a
// module of a user, which has no workspace.
func inExample(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
	cmd.Dir = filepath.Join(root, exampleModule)
	cmd.Env = append(os.Environ(), "GOWORK=off")
	return cmd
}

// TestExampleModule vets the example module and runs its programs, each on an
// empty database of its own; their tests compare what they print.
func TestExampleModule(t *testing.T) {
	readExample(t)
	for name, args := range map[string][]string{
		"vet":      {"go", "vet", "./..."},
		"billing":  {"go", "test", "-count=1", "."},
		"pgtypes":  {"go", "test", "-count=1", "./pgtypes"},
		"injected": {"go", "test", "-count=1", "./injected"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := inExample(t, args...)
			cmd.Env = append(cmd.Env, "DATABASE_URL="+testdb.ExampleDSN(exampleSchema))
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// readExample reads all files of the example module, because the go command runs a
// test again only if a file that the test itself has read is another.
func readExample(t *testing.T) {
	t.Helper()
	files := os.DirFS(filepath.Join(root, exampleModule))
	check.NoError(t, fs.WalkDir(files, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		_, err = fs.ReadFile(files, path)
		return err
	}))
}

// TestVersionOfSqlc compares the version in each go:generate line of the example
// module with the one that is pinned for its generated code.
func TestVersionOfSqlc(t *testing.T) {
	for _, file := range []string{"main.go", "pgtypes/main.go", "injected/main.go"} {
		text := string(check.Value(os.ReadFile(filepath.Join(root, exampleModule, file)))(t))
		m := regexp.MustCompile(`(?m)^//go:generate go run (\S+) generate$`).FindStringSubmatch(text)
		if m == nil {
			t.Fatalf("%s has no go:generate line", file)
		}
		check.NoError(t, checkTool(m[1]))
	}
}
