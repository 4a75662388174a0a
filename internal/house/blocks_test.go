package house_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/internal/testdb"
)

// TestDocuments checks each block of each document as its language wants, and
// runs the programs.
func TestDocuments(t *testing.T) {
	c := newChecker(t)
	programs := map[string]block{}
	for _, b := range documents(t) {
		if err := c.check(b); err != nil {
			t.Errorf("%s:%d: %v", b.file, b.line, err)
			continue
		}
		if _, skip := b.noteFor("not run"); b.isProgram() && !skip {
			programs[fmt.Sprintf("doc%d", len(programs))] = b
		}
	}
	if t.Failed() {
		return
	}
	dir := t.TempDir()
	if err := build(t.Context(), dir, programs); err != nil {
		t.Fatal(err)
	}
	for name, b := range programs {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute) // a bound, not an expectation
		defer cancel()
		program := exec.CommandContext(ctx, filepath.Join(dir, name))
		program.Env = append(os.Environ(), "DATABASE_URL="+testdb.ExampleDSN(programSchema))
		if out, err := program.CombinedOutput(); err != nil {
			t.Errorf("%s:%d: %v\n%s", b.file, b.line, err, out)
		}
	}
}

// programSchema is a shop with a category, so that products can be created.
var programSchema = testdb.Schema{Name: "program", Apply: func(ctx context.Context, dsn string) error {
	fill := testdb.SQL("fill", "INSERT INTO categories (slug, name) VALUES ('maps', 'Maps')")
	return errors.Join(shop.Schema.Apply(ctx, dsn), fill.Apply(ctx, dsn))
}}

// TestMistakesInDocuments is the control: a block in which one character is
// wrong is found.
func TestMistakesInDocuments(t *testing.T) {
	c := newChecker(t)
	for _, tc := range []struct{ right, wrong, document string }{
		{"Create(", "Creat(", "```go\npackage main\n\nimport \"github.com/smrt-go/smrt/unit\"\n\nfunc main() { _ = unit.Create( }\n```"},
		{"Lt(10)", "Lt(\"10\")", "<!-- context: shop -->\n```go\nq := query.Where(Price.Lt(10))\n```"},
		{":= ", "= ", "<!-- context: shop -->\n```go\nq := query.Where(Price.Lt(10))\n```"},
		{"test", "tst", "```sh\nmake test\n```"},
		{"smrt-go/smrt", "smrt-go/smart", "```sh\ngo get github.com/smrt-go/smrt@latest\n```"},
		{"1.31.1", "1.31.2", "```sh\ngo run github.com/sqlc-dev/sqlc/cmd/sqlc@v1.31.1 generate\n```"},
		{"smrt-go/smrt", "smrt-go/smart", "```sh\ngo mod edit -replace github.com/smrt-go/smrt=../smrt\n```"},
		{"cmd/sqlc@", "cmd/sqlx@", "```sh\ngo run github.com/sqlc-dev/sqlc/cmd/sqlc@v1.31.1 generate\n```"},
		{"products", "product", "```sql\nSELECT name FROM products WHERE id = $1\n```"},
		{": ", ":", "```yaml\nsql:\n  - engine: postgresql\n```"},
		{"    b", "   b", "```yaml\na:\n    c: 1\n    b: 1\n```"},
		{"engine", "engines", "<!-- excerpt of: sqlc.yaml -->\n```yaml\n  - engine: postgresql\n```"},
		{"1}", "1", "```json\n{\"a\": 1}\n```"},
		{"go", "", "```go\npackage p\n```"},
		{": it", "; it", "<!-- not run: it is a sketch -->\n```go\nvar _ = nothing\n```"},
	} {
		check := func(document string) error {
			blocks, problems := blocksOf("x.md", document)
			if len(blocks) != 1 || problems != nil {
				t.Fatalf("%q: %d blocks, %q", document, len(blocks), problems)
			}
			return c.check(blocks[0])
		}
		if err := check(tc.document); err != nil && tc.right != "Create(" {
			t.Errorf("%q: %v", tc.document, err)
		}
		if wrong := strings.Replace(tc.document, tc.right, tc.wrong, 1); check(wrong) == nil {
			t.Errorf("the mistake in %q was not found", wrong)
		}
	}

	// Each Go block of the documents, with the first letter of a name changed.
	name := regexp.MustCompile(`\b(query|repo|txn|unit|preload|readreplica|pool|observe|loader|schema)\.([A-Z])`)
	changed := 0
	for _, b := range documents(t) {
		if _, skip := b.noteFor("not run"); b.language != "go" || skip || !name.MatchString(b.text) {
			continue
		}
		changed++
		at := name.FindStringSubmatchIndex(b.text)[4]
		b.text = b.text[:at] + "Zz" + b.text[at+1:]
		if c.check(b) == nil {
			t.Errorf("%s:%d: a mistake was not found:\n%s", b.file, b.line, b.text)
		}
	}
	// Each excerpt, with its last character changed.
	excerpts := 0
	for _, b := range documents(t) {
		if _, ok := b.noteFor("excerpt of"); !ok {
			continue
		}
		excerpts++
		b.text = b.text[:len(b.text)-2] + "\x00\n"
		if c.check(b) == nil {
			t.Errorf("%s:%d: a mistake was not found:\n%s", b.file, b.line, b.text)
		}
	}
	if changed == 0 || excerpts == 0 {
		t.Error("no block was changed")
	}
}

// checker knows what blocks are checked against.
type checker struct {
	t       *testing.T
	imports types.Importer
	db      *pgx.Conn
	module  string
}

func newChecker(t *testing.T) *checker {
	t.Helper()
	gomod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	c := &checker{t: t, module: strings.Fields(string(gomod))[1], imports: exports(t)}
	if c.db, err = pgx.Connect(t.Context(), testdb.ExampleDSN(shop.Schema)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.db.Close(context.WithoutCancel(t.Context())) })
	return c
}

// exports opens the compiled form of the module's packages and of those they
// import.
func exports(t *testing.T) types.Importer {
	t.Helper()
	list := exec.Command("go", "list", "-export", "-deps", "-f", "{{.ImportPath}}\t{{.Export}}", "./...")
	list.Dir = root
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for line := range strings.Lines(string(out)) {
		path, file, _ := strings.Cut(strings.TrimSpace(line), "\t")
		files[path] = file
	}
	return importer.ForCompiler(token.NewFileSet(), "gc", func(path string) (io.ReadCloser, error) {
		return os.Open(cmp.Or(files[path], path))
	})
}

// check returns what is wrong with a block.
func (c *checker) check(b block) error {
	if _, skip := b.noteFor("not run"); skip {
		return nil
	}
	if file, ok := b.noteFor("excerpt of"); ok {
		return checkExcerpt(file, b.text)
	}
	switch b.language {
	case "go":
		return c.checkGo(b)
	case "sql":
		return c.checkSQL(b.text)
	case "sh":
		return checkShell(c.module, b.text)
	case "yaml":
		return checkYAML(b.text)
	case "json":
		if !json.Valid([]byte(b.text)) {
			return errors.New("not JSON")
		}
		return nil
	case "text":
		return nil
	default:
		return fmt.Errorf("language %q: write go, sql, sh, yaml, json or text", b.language)
	}
}

func checkExcerpt(file, text string) error {
	whole, err := os.ReadFile(filepath.Join(root, file))
	if err == nil && !strings.Contains("\n"+string(whole), "\n"+text) {
		err = fmt.Errorf("%s does not have these lines", file)
	}
	return err
}

// checkGo compiles a whole file, or a fragment in its context. What is declared
// and not used is no mistake in a fragment.
func (c *checker) checkGo(b block) error {
	source := b.text
	if !b.isProgram() {
		name, ok := b.noteFor("context")
		if !ok {
			return errors.New("a fragment names its context in a comment before it")
		}
		around, err := os.ReadFile(filepath.Join("testdata", name+".go.txt"))
		if err != nil {
			return err
		}
		if source, err = inContext(string(around), b.text); err != nil {
			return err
		}
	}
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, "block.go", source, 0)
	if err != nil {
		return err
	}
	for _, spec := range file.Imports {
		if b.isProgram() && strings.Contains(spec.Path.Value, "/internal/") {
			return fmt.Errorf("a user cannot import %s", spec.Path.Value)
		}
	}
	var errs []error
	cfg := types.Config{Importer: c.imports, Error: func(err error) {
		if soft := new(types.Error); b.isProgram() || !errors.As(err, soft) || !soft.Soft {
			errs = append(errs, err)
		}
	}}
	_, _ = cfg.Check("p", fset, []*ast.File{file}, nil)
	return errors.Join(errs...)
}

// inContext puts a fragment into its context: declarations at its end,
// statements where it says so.
func inContext(around, fragment string) (string, error) {
	const marker = "// the statements"
	if _, err := parser.ParseFile(token.NewFileSet(), "", "package p\n"+fragment, 0); err == nil {
		return around + "\n" + fragment, nil
	}
	before, after, ok := strings.Cut(around, marker)
	if !ok {
		return "", fmt.Errorf("the context has no line %q", marker)
	}
	return before + "{\n" + fragment + "\n}" + after, nil
}

// checkSQL runs statements in a transaction that is rolled back, or prepares
// one that has parameters.
func (c *checker) checkSQL(text string) error {
	ctx := c.t.Context()
	tx, err := c.db.Begin(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(ctx) }()
	if strings.Contains(text, "$1") {
		_, err = tx.Prepare(ctx, "", text)
	} else {
		_, err = tx.Exec(ctx, text, pgx.QueryExecModeSimpleProtocol)
	}
	return err
}

// checkShell looks whether what the lines call exists. Nothing is run.
func checkShell(module, text string) error {
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		return err
	}
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, " #")
		words := slices.DeleteFunc(strings.Fields(line), func(w string) bool { return strings.Contains(w, "=") })
		switch {
		case len(words) == 0 || strings.HasPrefix(words[0], "#"):
		case len(words) == 2 && words[0] == "make":
			if !regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(words[1]) + `:`).Match(makefile) {
				return fmt.Errorf("there is no target %s", words[1])
			}
		case len(words) == 3 && words[0] == "go" && words[1] == "get":
			if path, _, _ := strings.Cut(words[2], "@"); path != module {
				return fmt.Errorf("the module is %s", module)
			}
		case slices.Equal(words, []string{"go", "mod", "tidy"}):
		case strings.HasPrefix(line, "go mod edit -replace "+module+"="):
		case len(words) > 3 && words[0] == "go" && words[1] == "run" && strings.Contains(words[2], "@"):
			if err := checkTool(words[2]); err != nil {
				return err
			}
		case len(words) == 3 && words[0] == "go" && (words[1] == "run" || words[1] == "test"):
			if _, err := os.Stat(filepath.Join(root, strings.TrimSuffix(words[2], "/..."))); err != nil {
				return err
			}
		default:
			return fmt.Errorf("%q is not known here: say why it is not run", strings.TrimSpace(line))
		}
	}
	return nil
}

// checkTool looks whether a module below tools pins a program at this version.
func checkTool(program string) error {
	path, version, _ := strings.Cut(program, "@")
	files, err := filepath.Glob(filepath.Join(root, "tools", "*", "go.mod"))
	if err != nil {
		return err
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(text)) {
			if words := strings.Fields(line); len(words) > 1 && strings.HasPrefix(path, words[0]+"/") && words[1] == version &&
				strings.Contains(string(text), "tool "+path+"\n") {
				return nil
			}
		}
	}
	return fmt.Errorf("no module below tools has %s at %s", path, version)
}

var yamlLine = regexp.MustCompile(`^( *)((?:- )*)(?:[\w./-]+:(?: \S.*)?|[^:]+|"[^"]*"|'[^']*')$`)

// checkYAML checks the part of YAML that configurations use: mappings and lists
// of scalars, one on a line.
func checkYAML(text string) error {
	open := []int{0}
	for line := range strings.Lines(text) {
		line = strings.TrimRight(regexp.MustCompile(`(^|\s)#.*`).ReplaceAllString(line, ""), " \n")
		if line == "" {
			continue
		}
		m := yamlLine.FindStringSubmatch(line)
		if m == nil || strings.Contains(line, "\t") {
			return fmt.Errorf("%q is not YAML", line)
		}
		at := len(m[1])
		if last := open[len(open)-1]; at > last {
			open = append(open, at)
		}
		for len(open) > 1 && at < open[len(open)-1] {
			open = open[:len(open)-1]
		}
		if open[len(open)-1] != at {
			return fmt.Errorf("%q is not below anything", line)
		}
		if m[2] != "" {
			open = append(open, at+len(m[2]))
		}
	}
	return nil
}

// build compiles programs as packages of the module, all at once and without a
// network, into dir.
func build(ctx context.Context, dir string, programs map[string]block) error {
	top, err := filepath.Abs(root)
	if err != nil {
		return err
	}
	replace := map[string]string{}
	command := []string{"build", "-overlay", filepath.Join(dir, "overlay.json"), "-o", dir + "/"}
	for name, b := range programs {
		source := filepath.Join(dir, name+".go")
		if err := os.WriteFile(source, []byte(b.text), 0o600); err != nil {
			return err
		}
		replace[filepath.Join(top, "internal", "house", name, "main.go")] = source
		command = append(command, "./internal/house/"+name)
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "overlay.json"), overlay, 0o600); err != nil {
		return err
	}
	compile := exec.CommandContext(ctx, "go", command...)
	compile.Dir = top
	if out, err := compile.CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	return nil
}
