package gen

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/tools/go/packages"
)

// loadMode is what is read of a package: its types, and of those that it imports
// their compiled form.
const loadMode = packages.NeedName | packages.NeedFiles | packages.NeedCompiledGoFiles | packages.NeedImports |
	packages.NeedTypes | packages.NeedTypesSizes | packages.NeedSyntax | packages.NeedTypesInfo | packages.NeedModule

// load compiles the package in a directory, with files that are not on disk.
func load(dir string, overlay map[string][]byte) (*packages.Package, error) {
	within := dir
	for !isDir(within) { // the command go runs in a directory that exists
		within = filepath.Dir(within)
	}
	rel, err := filepath.Rel(within, dir)
	if err != nil {
		return nil, err
	}
	found, err := packages.Load(&packages.Config{Mode: loadMode, Dir: within, Overlay: overlay}, "./"+filepath.ToSlash(rel))
	if err != nil {
		return nil, fmt.Errorf("loading the package in %s: %w", dir, err)
	}
	if len(found) != 1 {
		return nil, fmt.Errorf("%s holds %d packages, not one", dir, len(found))
	}
	if errs := found[0].Errors; len(errs) > 0 {
		return nil, &CompileError{Dir: dir, Errors: errs}
	}
	if found[0].Types == nil || found[0].PkgPath == "" || strings.HasPrefix(found[0].PkgPath, "command-line-arguments") {
		return nil, fmt.Errorf("%s is in no module: run go mod init first", dir)
	}
	return found[0], nil
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// CompileError is of a package that does not compile.
type CompileError struct {
	Dir    string
	Errors []packages.Error
}

func (e *CompileError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "the package in %s does not compile:", e.Dir)
	missing := false
	for i, err := range e.Errors {
		if i == 10 {
			fmt.Fprintf(&b, "\n\tand %d more", len(e.Errors)-i)
			break
		}
		fmt.Fprintf(&b, "\n\t%v", err)
		missing = missing || strings.Contains(err.Msg, "no required module provides package github.com/")
	}
	if missing {
		b.WriteString("\nAdd what is missing with go get, as in: go get github.com/smrt-go/smrt github.com/jackc/pgx/v5")
	}
	return b.String()
}

// goFiles lists the files of a directory that are compiled with a package.
func goFiles(dir string) (names []string, err error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	for _, e := range entries {
		if name := e.Name(); strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go") && !e.IsDir() {
			names = append(names, name)
		}
	}
	return names, err
}
