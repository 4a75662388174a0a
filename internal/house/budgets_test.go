package house_test

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The budgets.
const (
	fileLines      = 400 // soft
	fileLinesMax   = 700
	functionLines  = 40 // of nine functions in ten
	functionMax    = 100
	exportedMax    = 40 // of a public package
	exportedOfRepo = 80
	publicComments = 25 // percent
	ownComments    = 15 // percent, in internal packages
	examplesMin    = 3
	typeParams     = 2 // of an exported type
	genericLines   = 15
	parameters     = 5
	chainMax       = 6
)

// over says how many places may exceed a budget. Lower a figure when fewer do,
// never raise one without a reason beside it; what is not here is 0.
var over = map[string]int{
	"arrows":          37, // inside internal/crud, where reads by key may come from a cache
	"exported names":  1,  // observe has events, statistics, loops and their page
	"type parameters": 1,  // a reader is of an entity and its key, and reads rows as a third type
}

// allowed are the functions that may panic, because they are declarations or
// pass on a panic of the caller's code, and the variables that may change:
// caches and registries of the process. They are named without their package,
// so that they can be moved.
var allowed = map[string]string{
	"panics": `Gate.Join Single Composite Load.refuse Declare Recursive Relation.By Relation.ByParts Relation.keyTable shapeOf columnAt NewCompositeTable offsetIn declare declaredTable
		Ref.Get Pool.Warm parallel.run MustResolve mustColumn mustResult bind View Select Limits.mustSet NewBuckets NewRate finish bindAll bindFields`,
	"mutable variables":     `textMaps declared structs tables cursors arrayTypes foreignKeys databases places operandColumns texts names observed keepers ofRequests planCosts registered`,
	"functions called init": ``,
}

// ledger collects what exceeds a budget.
type ledger struct {
	t     *testing.T
	found map[string][]string
}

// atMost notes a figure that is above its budget.
func (l *ledger) atMost(budget, what string, got, limit int) {
	if got > limit {
		l.found[budget] = append(l.found[budget], fmt.Sprintf("%s: %d, at most %d", what, got, limit))
	}
}

// listed notes what is not allowed by name.
func (l *ledger) listed(budget, path, name string) {
	if !slices.Contains(strings.Fields(allowed[budget]), name) {
		l.found[budget] = append(l.found[budget], filepath.Join(path, name))
	}
}

// report fails the test for each budget that more places exceed than may.
func (l *ledger) report() {
	for budget, places := range l.found {
		if len(places) > over[budget] {
			slices.Sort(places)
			l.t.Errorf("%s: %d places, %d may:\n\t%s", budget, len(places), over[budget], strings.Join(places, "\n\t"))
		}
	}
	for budget, n := range over {
		if len(l.found[budget]) < n {
			l.t.Logf("%s: %d places are left: lower the figure %d", budget, len(l.found[budget]), n)
		}
	}
}

func TestBudgets(t *testing.T) {
	all := load(t)
	l := &ledger{t: t, found: map[string][]string{}}
	byPath := map[string]*source{}
	for _, s := range all {
		byPath[s.path] = s
	}
	for _, s := range all {
		l.checkFiles(s)
		l.checkFunctions(s)
		if s.production() || s.public() && !s.suite() {
			l.checkComments(s)
		}
		if s.production() {
			l.checkState(s)
			l.atMost("internal import chain", s.path, chain(byPath, s), chainMax)
		}
		if s.public() {
			l.checkPublic(s)
		}
	}
	l.checkArrows(byPath["internal/crud"])
	l.report()
}

// lineCount returns how many lines a file has.
func (s *source) lineCount(f *ast.File) int { return s.fset.File(f.Pos()).LineCount() }

func (l *ledger) checkFiles(s *source) {
	for _, f := range s.files {
		n := s.lineCount(f)
		l.atMost("lines of a file", s.fileName(f), n, fileLines)
		if n > fileLinesMax {
			l.t.Errorf("%s has %d lines, never more than %d", s.fileName(f), n, fileLinesMax)
		}
	}
}

func (l *ledger) checkFunctions(s *source) {
	var lengths []int
	for _, f := range s.files {
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Body == nil {
				continue
			}
			name := filepath.Join(s.path, functionName(fn))
			lengths = append(lengths, s.lines(fn))
			l.atMost("lines of a function", name, s.lines(fn), functionMax)
			l.atMost("parameters", name, fn.Type.Params.NumFields(), parameters)
			if s.production() && isGeneric(fn) {
				l.atMost("lines of a generic body", name, s.lines(fn.Body)-2, genericLines)
			}
		}
	}
	if slices.Sort(lengths); len(lengths) > 0 {
		l.atMost("lines of nine functions in ten", s.path, lengths[len(lengths)*9/10], functionLines)
	}
}

func functionName(fn *ast.FuncDecl) string {
	if fn.Recv == nil {
		return fn.Name.Name
	}
	return strings.TrimLeft(strings.Split(types.ExprString(fn.Recv.List[0].Type), "[")[0], "*") + "." + fn.Name.Name
}

// isGeneric reports whether a function is compiled again for each type.
func isGeneric(fn *ast.FuncDecl) bool {
	if fn.Recv == nil {
		return fn.Type.TypeParams != nil
	}
	receiver := fn.Recv.List[0].Type
	if star, ok := receiver.(*ast.StarExpr); ok {
		receiver = star.X
	}
	switch receiver.(type) {
	case *ast.IndexExpr, *ast.IndexListExpr:
		return true
	}
	return false
}

// checkComments counts lines that have a comment, of all that are not empty.
func (l *ledger) checkComments(s *source) {
	comments, all := map[string]bool{}, 0
	for _, f := range s.files {
		text, err := os.ReadFile(s.fset.Position(f.Pos()).Filename)
		if err != nil {
			l.t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if strings.TrimSpace(line) != "" {
				all++
			}
		}
		for _, group := range f.Comments {
			for _, c := range group.List {
				at := s.fset.Position(c.Pos())
				comments[fmt.Sprint(at.Filename, at.Line)] = true
			}
		}
	}
	budget := ownComments
	if s.public() {
		budget = publicComments
	}
	if all > 0 {
		l.atMost("percent of comment missing", s.path, budget-len(comments)*100/all, 0)
	}
}

// checkState finds panics, functions called init, and variables that may change:
// those that some statement assigns to, and maps, pointers and locks.
func (l *ledger) checkState(s *source) {
	for _, f := range s.files {
		for _, d := range f.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Name.Name == "init" && d.Recv == nil {
					l.listed("functions called init", s.path, "init")
				}
				panics := false
				ast.Inspect(d, func(n ast.Node) bool {
					if assign, ok := n.(*ast.AssignStmt); ok {
						l.checkAssignment(s, assign)
					}
					if id, ok := n.(*ast.Ident); ok && s.info.Uses[id] == types.Universe.Lookup("panic") {
						panics = true
					}
					return true
				})
				if panics {
					l.listed("panics", s.path, functionName(d))
				}
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					if v, ok := spec.(*ast.ValueSpec); ok && d.Tok == token.VAR {
						for _, id := range v.Names {
							l.checkVariable(s, id)
						}
					}
				}
			}
		}
	}
}

// checkAssignment finds assignments to variables of the package.
func (l *ledger) checkAssignment(s *source, assign *ast.AssignStmt) {
	for _, target := range assign.Lhs {
		if index, ok := target.(*ast.IndexExpr); ok {
			target = index.X
		}
		if id, ok := target.(*ast.Ident); ok {
			if v, ok := s.info.Uses[id].(*types.Var); ok && v.Parent() == s.pkg.Scope() {
				l.listed("mutable variables", s.path, id.Name)
			}
		}
	}
}

// checkVariable finds variables of the package that are made to be changed.
func (l *ledger) checkVariable(s *source, id *ast.Ident) {
	if id.Name == "_" {
		return
	}
	for _, kind := range []string{"sync.Map", "sync.Pool", "sync.Mutex", "sync.RWMutex", "sync/atomic.", "LRU"} {
		if !strings.Contains(s.info.Defs[id].Type().Underlying().String(), kind) {
			continue
		}
		l.listed("mutable variables", s.path, id.Name)
		return
	}
}

func (l *ledger) checkPublic(s *source) {
	var names []string
	for _, name := range s.pkg.Scope().Names() {
		if ast.IsExported(name) {
			names = append(names, name)
		}
	}
	switch s.path {
	case "", "query": // catalogues
	case "repo":
		l.atMost("exported names", s.path, len(names), exportedOfRepo)
	default:
		l.atMost("exported names", s.path, len(names), exportedMax)
	}
	for _, name := range names {
		if named, ok := s.pkg.Scope().Lookup(name).Type().(*types.Named); ok {
			if _, isType := s.pkg.Scope().Lookup(name).(*types.TypeName); isType {
				l.atMost("type parameters", filepath.Join(s.path, name), named.TypeParams().Len(), typeParams)
			}
		}
	}
	l.checkDocumented(s)
	code, tests, examples := 0, 0, 0
	for _, f := range s.files {
		code += s.lineCount(f)
	}
	for _, f := range s.tests {
		tests += s.lineCount(f)
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && strings.HasPrefix(fn.Name.Name, "Example") {
				examples++
				if !hasOutput(f, fn) {
					l.atMost("examples without output", filepath.Join(s.path, fn.Name.Name), 1, 0)
				}
			}
		}
	}
	if !s.suite() {
		l.atMost("lines of tests missing", s.path, code-tests, 0)
	}
	l.atMost("examples missing", s.path, examplesMin-examples, 0)
}

func hasOutput(f *ast.File, fn *ast.FuncDecl) bool {
	return slices.ContainsFunc(f.Comments, func(c *ast.CommentGroup) bool {
		text := strings.ToLower(strings.TrimSpace(c.Text()))
		return c.Pos() > fn.Body.Pos() && c.End() < fn.Body.End() &&
			(strings.HasPrefix(text, "output:") || strings.HasPrefix(text, "unordered output:"))
	})
}

// checkDocumented finds exported functions, types and methods without comment.
func (l *ledger) checkDocumented(s *source) {
	for _, f := range s.files {
		for _, d := range f.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if ast.IsExported(d.Name.Name) && d.Doc == nil && exportedReceiver(d) {
					l.listed("names without comment", s.path, functionName(d))
				}
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					if ts, ok := spec.(*ast.TypeSpec); ok && ast.IsExported(ts.Name.Name) && d.Doc == nil && ts.Doc == nil {
						l.listed("names without comment", s.path, ts.Name.Name)
					}
				}
			}
		}
	}
}

func exportedReceiver(fn *ast.FuncDecl) bool {
	name, _, method := strings.Cut(functionName(fn), ".")
	return !method || ast.IsExported(name)
}

// chain returns how many packages of the module the longest chain of imports
// below one has.
func chain(all map[string]*source, s *source) int {
	longest := 0
	for _, path := range s.imports {
		longest = max(longest, 1+chain(all, all[path]))
	}
	return longest
}

// checkArrows counts the pairs of files of which one uses a name that the other
// declares.
func (l *ledger) checkArrows(s *source) {
	pairs := map[string]bool{}
	for id, obj := range s.info.Uses {
		if obj.Pkg() != s.pkg || !obj.Pos().IsValid() {
			continue
		}
		from, to := s.fset.Position(id.Pos()).Filename, s.fset.Position(obj.Pos()).Filename
		if from != to && obj.Parent() == s.pkg.Scope() || from != to && isMember(obj) {
			pairs[filepath.Base(from)+" > "+filepath.Base(to)] = true
		}
	}
	for pair := range pairs {
		l.found["arrows"] = append(l.found["arrows"], pair)
	}
}

// isMember reports whether an object is a field or a method.
func isMember(obj types.Object) bool {
	switch obj := obj.(type) {
	case *types.Var:
		return obj.IsField()
	case *types.Func:
		return obj.Signature().Recv() != nil
	}
	return false
}
