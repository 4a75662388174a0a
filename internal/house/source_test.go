package house_test

import (
	"encoding/json"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// source is a package of the module with its syntax and its types.
type source struct {
	path    string // below the module, "" for the root
	name    string
	fset    *token.FileSet
	files   []*ast.File
	tests   []*ast.File
	info    types.Info
	pkg     *types.Package
	imports []string // of the module
}

func (s *source) internal() bool { return strings.HasPrefix(s.path, "internal/") }

// public reports whether users import the package. Those below examples are copied.
func (s *source) public() bool {
	return !s.internal() && s.name != "main" && s.path != "queries" && !strings.HasPrefix(s.path, "examples")
}

// suite reports whether what the package exports are tests, for others to run.
func (s *source) suite() bool { return s.path == "cache/storetest" }

// production reports whether the package is for programs and not only for tests.
func (s *source) production() bool {
	for _, prefix := range []string{
		"internal/testdb", "internal/shop", "internal/pagila", "internal/check", "internal/house", "internal/suite", "cmd", "queries", "examples",
	} {
		if strings.HasPrefix(s.path, prefix) {
			return false
		}
	}
	return !strings.HasSuffix(s.path, "test")
}

// load reads and type-checks all packages of the module.
func load(t *testing.T) []*source {
	t.Helper()
	list := exec.Command("go", "list", "-export", "-deps",
		"-json=ImportPath,Name,Dir,GoFiles,TestGoFiles,XTestGoFiles,Imports,Export,Module", "./...")
	list.Dir = root
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	compiled := map[string]string{}
	imports := importer.ForCompiler(token.NewFileSet(), "gc", func(path string) (io.ReadCloser, error) {
		return os.Open(compiled[path])
	})
	var all []*source
	for dec := json.NewDecoder(strings.NewReader(string(out))); dec.More(); {
		var p struct {
			ImportPath, Name, Dir, Export               string
			GoFiles, TestGoFiles, XTestGoFiles, Imports []string
			Module                                      *struct {
				Path string
				Main bool
			}
		}
		if err := dec.Decode(&p); err != nil {
			t.Fatal(err)
		}
		compiled[p.ImportPath] = p.Export
		if p.Module == nil || !p.Module.Main {
			continue
		}
		s := &source{name: p.Name, fset: token.NewFileSet()}
		s.path = strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, p.Module.Path), "/")
		for _, path := range p.Imports {
			if rest, ok := strings.CutPrefix(path, p.Module.Path); ok {
				s.imports = append(s.imports, strings.TrimPrefix(rest, "/"))
			}
		}
		s.files = parse(t, s.fset, p.Dir, p.GoFiles)
		s.tests = parse(t, s.fset, p.Dir, append(p.TestGoFiles, p.XTestGoFiles...))
		s.info = types.Info{Uses: map[*ast.Ident]types.Object{}, Defs: map[*ast.Ident]types.Object{}}
		cfg := types.Config{Importer: imports}
		if s.pkg, err = cfg.Check(p.ImportPath, s.fset, s.files, &s.info); err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	return all
}

func parse(t *testing.T, fset *token.FileSet, dir string, names []string) (files []*ast.File) {
	t.Helper()
	for _, name := range names {
		f, err := parser.ParseFile(fset, filepath.Join(dir, name), nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		if !ast.IsGenerated(f) {
			files = append(files, f)
		}
	}
	return files
}

// lines returns how many lines a node has.
func (s *source) lines(n ast.Node) int {
	return s.fset.Position(n.End()).Line - s.fset.Position(n.Pos()).Line + 1
}

func (s *source) fileName(n ast.Node) string {
	return filepath.Join(s.path, filepath.Base(s.fset.Position(n.Pos()).Filename))
}
