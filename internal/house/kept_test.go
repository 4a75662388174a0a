package house_test

import (
	"go/ast"
	"go/types"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/smrt-go/smrt/internal/check"
)

// keepsIn says where what a variable or a field may keep is counted. "kept: x" is
// what observe.Memory reports as x; the others say why it is in no report.
var keepsIn = map[string]string{
	"cache.Cache.flights":                "statements under way",
	"cache.Cache.tables":                 "what is declared",
	"guard.shard.full":                   "kept: buckets",
	"internal/batch.Gates.gates":         "callers with calls under way",
	"internal/crud.place.batchers":       "kept: gates",
	"internal/crud.placesKept.Kept":      "kept: gates",
	"internal/flush.known.m":             "kept: foreign keys",
	"internal/flush.known.watched":       "tables that are there",
	"internal/handle.Kept.m":             "handles that are there, of whoever has one",
	"internal/handle.databaseNames.Kept": "kept: handles",
	"internal/kept.keepers.all":          "the register itself",
	"internal/limit.costs.of":            "kept: plan costs",
	"internal/meta.operandsKept.Map":     "kept: structs",
	"internal/meta.structsKept.Map":      "kept: structs",
	"internal/plan.cache.byKey":          "kept: plans",
	"internal/plan.cache.recent":         "kept: plans",
	"internal/relation.relations.known":  "kept: relations",
	"internal/table.arrayTypesKept.Map":  "kept: array types",
	"internal/table.catalogs.m":          "kept: catalogs",
	"internal/table.constraints.m":       "kept: constraints",
	"internal/table.shapes.m":            "kept: statements",
	"internal/traced.names.kept":         "kept: names",
	"internal/traced.names.passed":       "kept: names",
	"loader.memo.entries":                "of one request",
	"observe.callSites.kinds":            "kept: call sites",
	"observe.planner.planned":            "1,000 numbers of an observer",
	"observe.scope.found":                "of one request",
	"observe.scope.loops":                "of one request",
	"observe.scope.statements":           "of one request",
	"observe.shapes.byText":              "kept: shapes",
	"observe.shapes.others":              "kept: shapes",
	"observe.spots.seen":                 "kept: spots",
	"pool.Pool.classes":                  "what is declared",
	"pool.class.held":                    "requests that have connections",
	"pool.class.waiting":                 "calls that wait",
	"pool.queue.waiting":                 "calls that wait",
	"pool.refusals.at":                   "addresses of one server",
	"readreplica.Router.leads":           "caches of the router",
	"readreplica.wires.set":              "connections that are open",
	"schema.Expectation.met":             "what is declared",
	"slots.textsKept.of":                 "kept: texts",
}

// TestEverythingKeptIsReported: each map that a program may fill, of a package or in a
// struct, is in the register of what is kept, or goes with what it belongs to.
func TestEverythingKeptIsReported(t *testing.T) {
	t.Parallel()
	found, reported := map[string]bool{}, map[string]bool{}
	for _, s := range load(t) {
		if !s.production() || s.name == "main" || strings.HasPrefix(s.path, "tools") {
			continue
		}
		for _, f := range s.files {
			text := string(check.Value(os.ReadFile(s.fset.Position(f.Pos()).Filename))(t))
			for _, m := range registered.FindAllStringSubmatch(text, -1) {
				reported[m[1]+m[2]] = true
			}
		}
		scope := s.pkg.Scope()
		for _, name := range scope.Names() {
			switch o := scope.Lookup(name).(type) {
			case *types.Var:
				if _, is := o.Type().Underlying().(*types.Map); is && !s.writes(o) {
					continue // a table of the source
				}
				for _, where := range keepers(o.Type(), s.path+"."+name, true) {
					found[where] = true
				}
			case *types.TypeName:
				if !o.IsAlias() {
					for _, where := range keepers(o.Type().Underlying(), s.path+"."+name, false) {
						found[where] = true
					}
				}
			}
		}
	}
	for where := range found {
		if keepsIn[where] == "" {
			t.Errorf("%s: what is kept there is in no report of observe.Memory, or the list above does not say why", where)
		}
	}
	for where, why := range keepsIn {
		if !found[where] {
			t.Errorf("%s is there no longer", where)
		}
		if name, ok := strings.CutPrefix(why, "kept: "); ok && !reported[name] {
			t.Errorf("%s: nothing is registered as %q", where, name)
		}
	}
}

// registered is how something is registered with package kept.
var registered = regexp.MustCompile(`kept\.Add\("([^"]+)"|Kept\{Name: "([^"]+)"`)

// keepers returns the parts of a type that can grow: maps, and lists of package
// container/list. Of a variable that is itself one. A struct with a map and no lock is of
// one goroutine, and so of a call, a report or a connection.
func keepers(t types.Type, where string, variable bool) (found []string) {
	if grows(t) {
		if variable {
			return []string{where}
		}
		return nil
	}
	s, ok := t.Underlying().(*types.Struct)
	if _, named := t.(*types.Named); !ok || variable && named {
		return nil // its type is looked at by itself
	}
	for i := range s.NumFields() {
		f := s.Field(i)
		if grows(f.Type()) && (variable || locks(s) || !isMap(f.Type())) {
			found = append(found, where+"."+f.Name())
		} else if _, named := f.Type().(*types.Named); !named {
			found = append(found, keepers(f.Type(), where+"."+f.Name(), variable)...)
		}
	}
	return found
}

// writes reports whether a package changes a map of its own: else it is a table that
// stands in the source.
func (s *source) writes(v *types.Var) (found bool) {
	is := func(e ast.Expr) bool {
		id, ok := e.(*ast.Ident)
		return ok && s.info.Uses[id] == v
	}
	for _, f := range s.files {
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.AssignStmt:
				for _, target := range n.Lhs {
					if at, ok := target.(*ast.IndexExpr); ok {
						target = at.X
					}
					found = found || is(target)
				}
			case *ast.IncDecStmt:
				at, ok := n.X.(*ast.IndexExpr)
				found = found || ok && is(at.X)
			case *ast.CallExpr: // of delete, or what may write
				found = found || slices.ContainsFunc(n.Args, is)
			}
			return !found
		})
	}
	return found
}

// locks reports whether a struct has a mutex.
func locks(s *types.Struct) bool {
	for i := range s.NumFields() {
		if name := s.Field(i).Type().String(); name == "sync.Mutex" || name == "sync.RWMutex" {
			return true
		}
	}
	return false
}

func isMap(t types.Type) bool {
	_, ok := t.Underlying().(*types.Map)
	return ok
}

func grows(t types.Type) bool {
	if p, ok := t.(*types.Pointer); ok {
		t = p.Elem()
	}
	if isMap(t) {
		return true
	}
	named, ok := t.(*types.Named)
	if !ok || named.Obj().Pkg() == nil {
		return false
	}
	name := named.Obj().Pkg().Path() + "." + named.Obj().Name()
	return name == "sync.Map" || name == "container/list.List" || strings.HasSuffix(name, "internal/handle.Kept")
}
