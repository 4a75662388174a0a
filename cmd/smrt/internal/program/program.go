// Package program runs a piece of Go that sees the tables that a user's packages
// declare, inside their module.
//
// A declaration is a value of the program, with functions in it, so it can be read only
// by running code that imports its package. That code is given to the go command as an
// overlay: it is in the module for this one run, and never on the disk of its user.
package program

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/types"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"text/template"

	"golang.org/x/tools/go/packages"
)

// queryPath is the package that declarations are made with.
const queryPath = "github.com/smrt-go/smrt/query"

// Tables are the package variables of a module that are tables.
type Tables struct {
	Packages []Package

	module *packages.Module
}

// Package has tables.
type Package struct {
	Path string
	Name string   // that it is imported under
	Vars []string // its tables, as Go expressions without the package
}

// Find returns the exported package variables of packages that are tables, or structs
// with one in a field, as those that smrt gen writes. The patterns are those of the go
// command; they are of one module.
func Find(ctx context.Context, dir string, patterns []string) (*Tables, error) {
	using, err := importers(ctx, dir, patterns)
	if err != nil {
		return nil, err
	}
	mode := packages.NeedName | packages.NeedTypes | packages.NeedImports | packages.NeedModule
	found, err := packages.Load(&packages.Config{Context: ctx, Mode: mode, Dir: dir}, using...)
	if err != nil {
		return nil, err
	}
	t := &Tables{}
	for _, p := range found {
		if len(p.Errors) > 0 {
			return nil, fmt.Errorf("package %s: %w", p.PkgPath, p.Errors[0])
		}
		if vars := tablesIn(p.Types); len(vars) > 0 && p.Name != "main" {
			t.Packages = append(t.Packages, Package{Path: p.PkgPath, Name: fmt.Sprintf("p%d", len(t.Packages)), Vars: vars})
			t.module = p.Module
		}
	}
	if len(t.Packages) == 0 {
		return nil, fmt.Errorf("no package that matches %s has an exported variable that is a table of %s", strings.Join(patterns, " "), queryPath)
	}
	if t.module == nil || t.module.Dir == "" {
		return nil, errors.New("the packages are in no module: run go mod init first")
	}
	return t, nil
}

// importers returns the packages that import what tables are made with, so that no others
// need be compiled.
func importers(ctx context.Context, dir string, patterns []string) ([]string, error) {
	all, err := packages.Load(&packages.Config{Context: ctx, Mode: packages.NeedName | packages.NeedImports, Dir: dir}, patterns...)
	if err != nil {
		return nil, err
	}
	var using []string
	for _, p := range all {
		if len(p.Errors) > 0 {
			return nil, fmt.Errorf("package %s: %w", p.PkgPath, p.Errors[0])
		}
		if p.Imports[queryPath] != nil {
			using = append(using, p.PkgPath)
		}
	}
	if len(using) == 0 {
		return nil, fmt.Errorf("no package that matches %s imports %s", strings.Join(patterns, " "), queryPath)
	}
	return using, nil
}

// tablesIn returns the exported variables that are tables, and the exported fields of
// variables that are, as Go expressions.
func tablesIn(pkg *types.Package) (found []string) {
	for _, name := range pkg.Scope().Names() {
		v, ok := pkg.Scope().Lookup(name).(*types.Var)
		if !ok || !v.Exported() {
			continue
		}
		if isTable(v.Type()) {
			found = append(found, name)
			continue
		}
		fields, ok := types.Unalias(v.Type()).Underlying().(*types.Struct)
		for i := 0; ok && i < fields.NumFields(); i++ {
			if f := fields.Field(i); f.Exported() && isTable(f.Type()) {
				found = append(found, name+"."+f.Name())
			}
		}
	}
	return found
}

// isTable reports whether a type is *query.Table[T, K].
func isTable(t types.Type) bool {
	p, ok := types.Unalias(t).(*types.Pointer)
	if !ok {
		return false
	}
	named, ok := types.Unalias(p.Elem()).(*types.Named)
	return ok && named.Obj().Name() == "Table" && named.Obj().Pkg() != nil && named.Obj().Pkg().Path() == queryPath
}

// place returns the directory for code that may import all of the packages: those below
// an internal directory are for what is below its parent only.
func (t *Tables) place() (string, error) {
	at := t.module.Path
	for _, p := range t.Packages {
		i := strings.LastIndex("/"+p.Path+"/", "/internal/")
		if i < 0 {
			continue
		}
		parent := strings.Trim(p.Path[:max(i-1, 0)], "/")
		switch {
		case parent == at || strings.HasPrefix(at, parent+"/"):
		case strings.HasPrefix(parent, at+"/"):
			at = parent
		default:
			return "", fmt.Errorf("nothing can import both %s and what is internal to %s: name the packages of one of them", p.Path, at)
		}
	}
	return filepath.Join(t.module.Dir, filepath.FromSlash(strings.TrimPrefix(at, t.module.Path)), "smrt_program"), nil
}

// Run runs the program that a template makes of the tables, and decodes what it prints,
// as JSON. The arguments are those of the program.
func (t *Tables) Run(ctx context.Context, text *template.Template, into any, args ...string) error {
	var source bytes.Buffer
	if err := text.Execute(&source, t); err != nil {
		return err
	}
	dir, err := t.place()
	if err != nil {
		return err
	}
	temp, err := os.MkdirTemp("", "smrt")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(temp) }()
	file, overlay := filepath.Join(temp, "main.go"), filepath.Join(temp, "overlay.json")
	replace, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(dir, "main.go"): file}})
	if err != nil {
		return err
	}
	if err := errors.Join(os.WriteFile(file, source.Bytes(), 0o600), os.WriteFile(overlay, replace, 0o600)); err != nil {
		return err
	}
	rel, err := filepath.Rel(t.module.Dir, dir)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "go", append([]string{"run", "-overlay", overlay, "./" + path.Clean(filepath.ToSlash(rel))}, args...)...)
	var out, errs bytes.Buffer
	cmd.Dir, cmd.Stdout, cmd.Stderr = t.module.Dir, &out, &errs
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("running the declarations: %w\n%s", err, bytes.TrimSpace(errs.Bytes()))
	}
	if err := json.Unmarshal(out.Bytes(), into); err != nil {
		return fmt.Errorf("running the declarations: they print something of their own: %w", err)
	}
	return nil
}

// Count returns how many tables there are.
func (t *Tables) Count() (n int) {
	for _, p := range t.Packages {
		n += len(p.Vars)
	}
	return n
}
