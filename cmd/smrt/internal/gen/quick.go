package gen

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/tools/go/packages"
)

// common are the packages that generated files import.
var common = []string{modulePath + "/query", modulePath + "/preload", pgtypePath, "encoding/json", "net", "net/netip", "time"}

// loader compiles the packages of a run. The command go would compile everything
// below a file that is not on disk from its source, which takes seconds; so such a
// file is compiled here, and the command go is asked only for what it imports.
type loader struct {
	fset  *token.FileSet
	known map[string]*types.Package // by path
}

// load is load, quickly where that is possible.
func (l *loader) load(dir string, overlay map[string][]byte) (*packages.Package, error) {
	if pkg := l.quick(dir, overlay); pkg != nil {
		return pkg, nil
	}
	return load(dir, overlay)
}

// quick returns nil where it cannot tell, which includes all mistakes.
func (l *loader) quick(dir string, overlay map[string][]byte) *packages.Package {
	var files []string
	for name := range overlay {
		if filepath.Dir(name) == dir {
			files = append(files, name)
		}
	}
	if len(files) == 0 {
		return l.ask(dir, "./"+filepath.Base(dir))
	}
	onDisk, err := goFiles(dir)
	if err != nil || len(files) > 1 || len(onDisk) > 1 || len(onDisk) == 1 && onDisk[0] != filepath.Base(files[0]) {
		return nil
	}
	if l.known == nil && l.ask(dir, common[0]) == nil {
		return nil
	}
	file, err := parser.ParseFile(l.fset, files[0], overlay[files[0]], parser.SkipObjectResolution)
	at := importPath(dir)
	if err != nil || at == "" {
		return nil
	}
	pkg, err := (&types.Config{Importer: l}).Check(at, l.fset, []*ast.File{file}, nil)
	if err != nil {
		return nil
	}
	l.known[at] = pkg
	return &packages.Package{PkgPath: at, Types: pkg, Fset: l.fset}
}

// ask asks the command go for the packages that generated files import and one
// more, which it returns.
func (l *loader) ask(dir, wanted string) *packages.Package {
	within := filepath.Dir(dir)
	for !isDir(within) {
		within = filepath.Dir(within)
	}
	l.fset = token.NewFileSet()
	mode := packages.NeedName | packages.NeedImports | packages.NeedTypes | packages.NeedTypesSizes
	found, err := packages.Load(&packages.Config{Mode: mode, Dir: within, Fset: l.fset}, append([]string{wanted}, common...)...)
	if err != nil {
		return nil
	}
	l.known = map[string]*types.Package{}
	var result *packages.Package
	for _, pkg := range found {
		if len(pkg.Errors) > 0 || pkg.Types == nil {
			l.known = nil
			return nil
		}
		l.known[pkg.PkgPath] = pkg.Types
		if pkg.PkgPath == wanted || strings.HasPrefix(wanted, "./") && path.Base(pkg.PkgPath) == path.Base(wanted) && importPath(dir) == pkg.PkgPath {
			result = pkg
		}
	}
	return result
}

// Import implements types.Importer.
func (l *loader) Import(from string) (*types.Package, error) {
	if pkg, ok := l.known[from]; ok {
		return pkg, nil
	}
	return nil, fmt.Errorf("%s is not known here", from)
}

// importPath returns the import path of a directory, "" if it is in no module.
func importPath(dir string) string {
	for root := dir; ; root = filepath.Dir(root) {
		text, err := os.ReadFile(filepath.Join(root, "go.mod"))
		if err == nil {
			rel, err := filepath.Rel(root, dir)
			if module := modfile.ModulePath(text); err == nil && module != "" {
				return path.Join(module, filepath.ToSlash(rel))
			}
			return ""
		}
		if root == filepath.Dir(root) {
			return ""
		}
	}
}
