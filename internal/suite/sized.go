package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// sizedTests returns the names of the tests below dir that ask check.Long or
// check.LongOnly for their size, themselves or by way of functions of their
// package.
func sizedTests(dir string) ([]string, error) {
	uses := map[string]map[string][]string{} // by directory and function, the names that it uses
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		return addUses(uses, path)
	})
	tests := map[string]bool{}
	for _, pkg := range uses {
		for name := range pkg {
			if strings.HasPrefix(name, "Test") && isSized(pkg, name, map[string]bool{}) {
				tests[name] = true
			}
		}
	}
	if err == nil && len(tests) == 0 {
		err = fmt.Errorf("no test in %s has a full size", dir)
	}
	return slices.Sorted(maps.Keys(tests)), err
}

// addUses adds what the functions of a file use. Methods go by their own name.
func addUses(uses map[string]map[string][]string, path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	file, err := parser.ParseFile(token.NewFileSet(), path, text, parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	pkg := uses[filepath.Dir(path)]
	if pkg == nil {
		pkg = map[string][]string{}
		uses[filepath.Dir(path)] = pkg
	}
	for _, d := range file.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok {
			continue
		}
		ast.Inspect(fn, func(n ast.Node) bool {
			if id, ok := n.(*ast.Ident); ok && id != fn.Name {
				pkg[fn.Name.Name] = append(pkg[fn.Name.Name], id.Name)
			}
			return true
		})
	}
	return nil
}

// isSized reports whether a function asks for the size of its test.
func isSized(pkg map[string][]string, name string, seen map[string]bool) bool {
	if seen[name] {
		return false
	}
	seen[name] = true
	return slices.ContainsFunc(pkg[name], func(used string) bool {
		return used == "Long" || used == "LongOnly" || isSized(pkg, used, seen)
	})
}
