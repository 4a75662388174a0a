package house_test

import (
	"go/types"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/smrt-go/smrt/internal/check"
)

// keepsIn says where what a variable or a field may keep is counted. "kept: x" is
// what observe.Memory reports as x; the others say why it is in no report.
var keepsIn = map[string]string{
	"analyze.Baseline.reasons":            "of one report",
	"internal/analysis.Analysis.columns":  "of one report",
	"internal/analysis.Analysis.followed": "of one report",
	"internal/batch.Gates.gates":          "callers with calls under way",
	"internal/crud.copied":                "a table of the source",
	"internal/crud.place.batchers":        "kept: gates",
	"internal/crud.placesKept.Kept":       "kept: gates",
	"internal/flush.known.m":              "kept: foreign keys",
	"internal/flush.known.watched":        "tables that are there",
	"internal/handle.Kept.m":              "handles that are there, of whoever has one",
	"internal/handle.databaseNames.Kept":  "kept: handles",
	"internal/kept.keepers.all":           "the register itself",
	"internal/load.index.ints":            "of one call",
	"internal/load.index.texts":           "of one call",
	"internal/meta.Struct.fields":         "a part of a struct",
	"internal/meta.functions":             "a table of the source",
	"internal/meta.isJSONText":            "a table of the source",
	"internal/meta.numbers":               "a table of the source",
	"internal/meta.operandsKept.Map":      "kept: structs",
	"internal/meta.samples":               "a table of the source",
	"internal/meta.structsKept.Map":       "kept: structs",
	"internal/pgerr.conditions":           "a table of the source",
	"internal/pgerr.constraintKinds":      "a table of the source",
	"internal/pgerr.faults":               "a table of the source",
	"internal/pgerr.timeouts":             "a table of the source",
	"internal/pgerr.units":                "a table of the source",
	"internal/plan.cache.byKey":           "kept: plans",
	"internal/plan.cache.recent":          "kept: plans",
	"internal/plan.comparisons":           "a table of the source",
	"internal/relation.relations.known":   "kept: relations",
	"internal/slot.aggregates":            "a table of the source",
	"internal/table.Catalog.Columns":      "a part of a catalog",
	"internal/table.Inputs.Exprs":         "of one call",
	"internal/table.Ranges":               "a table of the source",
	"internal/table.arrayTypesKept.Map":   "kept: array types",
	"internal/table.catalogs.m":           "kept: catalogs",
	"internal/table.constraints.m":        "kept: constraints",
	"internal/table.match.index":          "of one call",
	"internal/table.shapes.m":             "kept: statements",
	"internal/traced.constants":           "a table of the source",
	"internal/traced.names.kept":          "kept: names",
	"internal/traced.names.passed":        "kept: names",
	"internal/verify.verifier.asked":      "of one report",
	"loader.memo.entries":                 "of one request",
	"loader.question.values":              "of one call",
	"observe.Shape.Errors":                "of one report",
	"observe.callSites.kinds":             "kept: call sites",
	"observe.callers":                     "a table of the source",
	"observe.record.states":               "a part of a shape",
	"observe.scope.found":                 "of one request",
	"observe.scope.loops":                 "of one request",
	"observe.scope.statements":            "of one request",
	"observe.shapes.byText":               "kept: shapes",
	"observe.shapes.others":               "kept: shapes",
	"observe.state.batches":               "with its connection, eight at most",
	"observe.PageConfig.Handles":          "settings",
	"observe.orders":                      "a table of the source",
	"observe.Shape.Columns":               "of one report",
	"observe.joined.first":                "of one report",
	"observe.spots.seen":                  "kept: spots",
	"analyze.run.sites":                   "of one report",
	"observe.serverView.byID":             "of one page, some hundred at most",
	"observe.verbs":                       "a table of the source",
	"pool.connState.seen":                 "with its connection, 256 at most",
	"pool.profiles":                       "a table of the source",
	"pool.refusals.at":                    "addresses of one server",
	"pool.resolver.url":                   "settings",
	"readreplica.wires.set":               "connections that are open",
	"schema.Expectation.met":              "what is declared",
	"slots.textsKept.of":                  "kept: texts",
	"txn.strength":                        "a table of the source",
	"unit.work.at":                        "of one unit",
}

// TestEverythingKeptIsReported: each map that a program may fill, of a package or in a
// struct, is in the register of what is kept, or goes with what it belongs to.
func TestEverythingKeptIsReported(t *testing.T) {
	t.Parallel()
	found, reported := map[string]bool{}, map[string]bool{}
	for _, s := range load(t) {
		if !s.production() || s.name == "main" || strings.HasPrefix(s.path, "tools") || strings.HasPrefix(s.path, "examples") {
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
// container/list. Of a variable that is itself one.
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
		if grows(f.Type()) {
			found = append(found, where+"."+f.Name())
		} else if _, named := f.Type().(*types.Named); !named {
			found = append(found, keepers(f.Type(), where+"."+f.Name(), variable)...)
		}
	}
	return found
}

func grows(t types.Type) bool {
	if p, ok := t.(*types.Pointer); ok {
		t = p.Elem()
	}
	if _, ok := t.Underlying().(*types.Map); ok {
		return true
	}
	named, ok := t.(*types.Named)
	if !ok || named.Obj().Pkg() == nil {
		return false
	}
	name := named.Obj().Pkg().Path() + "." + named.Obj().Name()
	return name == "sync.Map" || name == "container/list.List" || strings.HasSuffix(name, "internal/handle.Kept")
}
