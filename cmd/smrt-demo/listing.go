package main

import (
	"bytes"
	"embed"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"reflect"
	"runtime"
	"strings"
)

// sources are the files with the steps, as they were compiled.
//
//go:embed steps_*.go
var sources embed.FS

// listings holds what is shown of each step's source, by the name of the function.
type listings map[string][]string

// readListings finds the listings of all functions in the embedded files.
func readListings() (listings, error) {
	found := make(listings)
	names, err := fs.Glob(sources, "*.go")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		text, err := sources.ReadFile(name)
		if err != nil {
			return nil, err
		}
		files := token.NewFileSet()
		file, err := parser.ParseFile(files, name, text, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		for _, decl := range file.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok {
				found[fn.Name.Name] = listing(files, text, fn)
			}
		}
	}
	return found, nil
}

// of returns the listing of a step.
func (l listings) of(s step) ([]string, error) {
	name := runtime.FuncForPC(reflect.ValueOf(s.run).Pointer()).Name()
	name = name[strings.LastIndexByte(name, '.')+1:]
	lines := l[name]
	if len(lines) == 0 {
		return nil, fmt.Errorf("no listing of %s: does it call stop?", name)
	}
	return lines, nil
}

// listing returns the lines of a function between its calls of start and stop: the part that is timed and traced too.
// Without a call of start it is from the beginning. Lines that only pass an error on are left out.
func listing(files *token.FileSet, text []byte, fn *ast.FuncDecl) []string {
	offset := func(p token.Pos) int { return files.Position(p).Offset }
	from, to := offset(fn.Body.Lbrace)+1, 0
	for _, stmt := range fn.Body.List {
		switch calledMethod(stmt) {
		case "start":
			from = offset(stmt.End())
		case "stop":
			to = offset(stmt.Pos())
		}
	}
	if to <= from {
		return nil
	}
	return undent(withoutErrorChecks(text[from:to]))
}

// calledMethod returns the method's name if a statement is nothing but a call of one.
func calledMethod(stmt ast.Stmt) string {
	expr, ok := stmt.(*ast.ExprStmt)
	if !ok {
		return ""
	}
	call, ok := expr.X.(*ast.CallExpr)
	if !ok {
		return ""
	}
	method, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	return method.Sel.Name
}

// withoutErrorChecks drops "if err != nil { return err }", of which every Go programmer knows where it stands.
func withoutErrorChecks(source []byte) []string {
	lines := strings.Split(string(bytes.Trim(source, "\n\t ")), "\n")
	var kept []string
	for i := 0; i < len(lines); i++ {
		if i+2 < len(lines) && strings.TrimSpace(lines[i]) == "if err != nil {" &&
			strings.TrimSpace(lines[i+1]) == "return err" && strings.TrimSpace(lines[i+2]) == "}" {
			i += 2
			continue
		}
		kept = append(kept, lines[i])
	}
	return kept
}

// undent takes the indentation of a function's body away and makes tabs four columns wide.
func undent(lines []string) []string {
	for i, line := range lines {
		line = strings.TrimPrefix(line, "\t")
		lines[i] = strings.ReplaceAll(line, "\t", "    ")
	}
	return lines
}
