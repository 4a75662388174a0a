package check

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// mutantVariable is the environment variable that says which mutant a test
// program is, by its number; without it, none.
const mutantVariable = "SMRT_MUTANT"

// edit puts text in place of source[from:to].
type edit struct {
	from, to int
	text     string
}

func apply(source []byte, edits []edit) []byte {
	// Those at one place stay in order.
	slices.SortStableFunc(edits, func(a, b edit) int { return cmp.Compare(a.from, b.from) })
	var b bytes.Buffer
	at := 0
	for _, e := range edits {
		b.Write(source[at:e.from])
		b.WriteString(e.text)
		at = e.to
	}
	b.Write(source[at:])
	return b.Bytes()
}

// switchable is a source file with mutants that one program has all of: a
// function with a changed text is there twice, and the first one calls the
// other if the environment names the mutant. So tests are compiled once and not
// once for each mutant, which takes minutes where a package instantiates much.
type switchable struct {
	source  []byte
	fset    *token.FileSet
	file    *ast.File
	edits   []edit
	unnamed map[*ast.FuncDecl]bool // parameters have names by now
}

func newSwitchable(t *testing.T, name string) *switchable {
	t.Helper()
	s := &switchable{source: Value(os.ReadFile(name))(t), fset: token.NewFileSet(), unnamed: map[*ast.FuncDecl]bool{}}
	s.file = Value(parser.ParseFile(s.fset, name, s.source, parser.SkipObjectResolution))(t)
	return s
}

func (s *switchable) offset(p token.Pos) int { return s.fset.Position(p).Offset }

// add adds a mutant. It reports whether it could: the text must be in the body
// of one function.
func (s *switchable) add(number int, m mutant) bool {
	from := bytes.Index(s.source, []byte(m.From))
	to := from + len(m.From)
	for _, d := range s.file.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok || f.Body == nil || from < s.offset(f.Body.Lbrace) || to > s.offset(f.End()) {
			continue
		}
		copied := fmt.Sprintf("mutant%d", number)
		s.call(f, number, copied)
		name, end := s.offset(f.Name.Pos()), s.offset(f.Name.End())
		text := string(s.source[s.offset(f.Pos()):name]) + copied + string(s.source[end:from]) + m.To + string(s.source[to:s.offset(f.End())])
		s.edits = append(s.edits, edit{len(s.source), len(s.source), "\n" + text + "\n"})
		return true
	}
	return false
}

// call makes f call the copy if the environment names it.
func (s *switchable) call(f *ast.FuncDecl, number int, copied string) {
	args := s.names(f, f.Type.Params)
	called := copied
	if f.Recv != nil {
		called = s.names(f, f.Recv)[0] + "." + copied
	} else if f.Type.TypeParams != nil {
		called += "[" + strings.Join(s.names(f, f.Type.TypeParams), ", ") + "]"
	}
	s.unnamed[f] = true
	call := called + "(" + strings.Join(args, ", ") + ")"
	if f.Type.Results == nil {
		call += "; return"
	} else {
		call = "return " + call
	}
	at := s.offset(f.Body.Lbrace) + 1
	s.edits = append(s.edits, edit{at, at, fmt.Sprintf(" if mutantOn == %d { %s };", number, call)})
}

// names returns the names of parameters. It gives one to those without.
func (s *switchable) names(f *ast.FuncDecl, list *ast.FieldList) (names []string) {
	fresh := func(from, to token.Pos, rest string) string {
		name := fmt.Sprintf("unnamed%d", s.offset(from))
		if !s.unnamed[f] {
			s.edits = append(s.edits, edit{s.offset(from), s.offset(to), name + rest})
		}
		return name
	}
	for _, field := range list.List {
		var some []string
		for _, n := range field.Names {
			if n.Name == "_" {
				some = append(some, fresh(n.Pos(), n.End(), ""))
				continue
			}
			some = append(some, n.Name)
		}
		if len(field.Names) == 0 {
			some = append(some, fresh(field.Type.Pos(), field.Type.Pos(), " "))
		}
		if _, ok := field.Type.(*ast.Ellipsis); ok {
			some[len(some)-1] += "..."
		}
		names = append(names, some...)
	}
	return names
}

// overlay writes the changed files into dir, and the compiler's overlay, whose
// name it returns. Mutant n is the nth of mutants, counted from 1. It also
// returns which of them the files have.
func overlay(t *testing.T, dir string, mutants []mutant) (name string, have []bool) {
	t.Helper()
	files, have := map[string]*switchable{}, make([]bool, len(mutants))
	for i, m := range mutants {
		path := Value(filepath.Abs(m.File))(t)
		if files[path] == nil {
			files[path] = newSwitchable(t, path)
		}
		have[i] = files[path].add(i+1, m)
	}
	replace, written := map[string]string{}, 0
	write := func(original string, text []byte) {
		written++
		changed := filepath.Join(dir, fmt.Sprintf("%d.go", written))
		NoError(t, os.WriteFile(changed, text, 0o600))
		replace[original] = changed
	}
	for path, s := range files {
		write(path, apply(s.source, s.edits))
		write(filepath.Join(filepath.Dir(path), "mutant_on.go"), fmt.Appendf(nil, `package %s

import (
	"os"
	"strconv"
)

var mutantOn, _ = strconv.Atoi(os.Getenv(%q))
`, s.file.Name.Name, mutantVariable))
	}
	return writeOverlay(t, dir, replace), have
}

func writeOverlay(t *testing.T, dir string, replace map[string]string) (name string) {
	t.Helper()
	name = filepath.Join(dir, "overlay.json")
	NoError(t, os.WriteFile(name, Value(json.Marshal(map[string]any{"Replace": replace}))(t), 0o600))
	return name
}
