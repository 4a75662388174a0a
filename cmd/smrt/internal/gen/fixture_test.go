package gen_test

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/format"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.yaml.in/yaml/v3"
	"golang.org/x/tools/go/packages"

	"github.com/smrt-go/smrt/cmd/smrt/internal/gen"
	"github.com/smrt-go/smrt/internal/catalog"
	"github.com/smrt-go/smrt/internal/check"
)

// relationsOf returns what the catalog says of a schema.
func relationsOf(t *testing.T, pool *pgxpool.Pool, schema string) []*catalog.Relation {
	t.Helper()
	return check.Value(catalog.Schemas(t.Context(), pool, []string{schema}))(t)
}

// compiled finds the compiled form of what generated code imports.
var compiled = sync.OnceValues(func() (map[string]string, error) {
	list := exec.Command("go", "list", "-export", "-deps", "-f", "{{.ImportPath}}\t{{.Export}}",
		"github.com/smrt-go/smrt/preload", "database/sql", "encoding/json", "net/netip")
	out, err := list.Output()
	files := map[string]string{}
	for line := range strings.Lines(string(out)) {
		path, file, _ := strings.Cut(strings.TrimSpace(line), "\t")
		files[path] = file
	}
	return files, err
})

// compiler compiles packages in memory, in milliseconds where the command go takes
// a second.
type compiler struct {
	root   string
	fset   *token.FileSet
	shared types.Importer
	own    map[string]*types.Package
}

func newCompiler(t *testing.T) *compiler {
	t.Helper()
	files := check.Value(compiled())(t)
	c := &compiler{root: t.TempDir(), fset: token.NewFileSet()}
	c.shared = importer.ForCompiler(c.fset, "gc", func(path string) (io.ReadCloser, error) { return os.Open(cmp.Or(files[path], path)) })
	return c
}

// Import implements types.Importer.
func (c *compiler) Import(path string) (*types.Package, error) {
	if pkg, ok := c.own[path]; ok {
		return pkg, nil
	}
	return c.shared.Import(path)
}

// load compiles the files of a directory.
func (c *compiler) load(dir string, overlay map[string][]byte) (*packages.Package, error) {
	var files []*ast.File
	for path, text := range overlay {
		if filepath.Dir(path) != dir {
			continue
		}
		f, err := parser.ParseFile(c.fset, path, text, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	path := "example.com/program/" + filepath.ToSlash(strings.TrimPrefix(dir, c.root+string(filepath.Separator)))
	pkg, err := (&types.Config{Importer: c}).Check(path, c.fset, files, nil)
	if err != nil {
		return nil, err
	}
	if c.own == nil {
		c.own = map[string]*types.Package{}
	}
	c.own[path] = pkg
	return &packages.Package{PkgPath: path, Types: pkg, Fset: c.fset}, nil
}

// generate runs with a configuration, and fails the test if that does not end well.
func (c *compiler) generate(t *testing.T, relations []*catalog.Relation, schema, config string) *gen.Result {
	t.Helper()
	return check.Value(c.try(relations, schema, config))(t)
}

func (c *compiler) try(relations []*catalog.Relation, schema, config string) (*gen.Result, error) {
	parsed, err := gen.ParseConfig([]byte(config))
	if err != nil {
		return nil, fmt.Errorf("%w in\n%s", err, config)
	}
	parsed.Models, parsed.Out = "db", filepath.Join("db", "tables")
	return gen.RunWith(gen.Input{Relations: relations, Schema: schema, Config: parsed, Dir: c.root}, c.load)
}

// pasted runs until nothing is found, with the lines that each run proposes.
func (c *compiler) pasted(t *testing.T, relations []*catalog.Relation, schema, config string) (*gen.Result, string) {
	t.Helper()
	for range 5 {
		result := c.generate(t, relations, schema, config)
		if !result.Failed() {
			return result, config
		}
		for _, f := range result.Findings {
			if f.Note {
				continue
			}
			if f.Config == "" || f.Problem == "" {
				t.Fatalf("a finding has no line to paste: %+v", f)
			}
			config = merge(t, config, f.Config)
		}
	}
	t.Fatalf("the lines that were proposed end no finding:\n%s", config)
	return nil, ""
}

// merge adds a line to a configuration.
func merge(t *testing.T, config, line string) string {
	t.Helper()
	var all, more map[string]any
	check.NoError(t, yaml.Unmarshal([]byte(config), &all))
	check.NoError(t, yaml.Unmarshal([]byte(line), &more))
	return string(check.Value(yaml.Marshal(merged(all, more)))(t))
}

func merged(a, b map[string]any) map[string]any {
	if a == nil {
		return b
	}
	for key, value := range b {
		below, ok := value.(map[string]any)
		if before, both := a[key].(map[string]any); ok && both {
			value = merged(before, below)
		}
		a[key] = value
	}
	return a
}

// file returns the text of a file of a result.
func file(t *testing.T, r *gen.Result, name string) string {
	t.Helper()
	for _, f := range r.Files {
		if filepath.Base(f.Path) == name {
			return f.Content()
		}
	}
	t.Fatalf("there is no %s; found: %+v", name, r.Findings)
	return ""
}

// declared returns what a file declares, by names such as Products.Category.
func declared(t *testing.T, text string) map[string]string {
	t.Helper()
	fset := token.NewFileSet()
	f := check.Value(parser.ParseFile(fset, "tables.go", text, parser.SkipObjectResolution))(t)
	all := map[string]string{}
	for _, d := range f.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.VAR {
			continue
		}
		v := g.Specs[0].(*ast.ValueSpec)
		if fields, ok := v.Values[0].(*ast.CompositeLit); ok {
			for _, e := range fields.Elts {
				kv := e.(*ast.KeyValueExpr)
				all[v.Names[0].Name+"."+kv.Key.(*ast.Ident).Name] = source(t, fset, kv.Value)
			}
			continue
		}
		all[v.Names[0].Name] = source(t, fset, v.Values[0])
	}
	return all
}

// source returns an expression on one line.
func source(t *testing.T, fset *token.FileSet, e ast.Expr) string {
	t.Helper()
	var b strings.Builder
	check.NoError(t, format.Node(&b, fset, e))
	return strings.Join(strings.Fields(b.String()), " ")
}

// findings returns the messages that have a rule.
func findings(r *gen.Result, rule string) (all []string) {
	for _, f := range r.Findings {
		if f.Rule == rule {
			all = append(all, f.Table+": "+f.Problem)
		}
	}
	return all
}

// loader is a way to compile the package in a directory.
type loader = func(dir string, overlay map[string][]byte) (*packages.Package, error)
