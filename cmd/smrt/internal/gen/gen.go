package gen

import (
	"bytes"
	"errors"
	"fmt"
	"go/format"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/tools/go/packages"

	"github.com/smrt-go/smrt/internal/catalog"
	"github.com/smrt-go/smrt/internal/meta"
)

// The files that are written.
const (
	modelsFile = "models.go"
	tablesFile = "tables.go"
)

// Input is what a run goes by.
type Input struct {
	Relations []*catalog.Relation
	Schema    string // whose tables are named without it
	Config    Config
	Dir       string // that the directories of Config are below
}

// Result is what a run found, and the files that it would have.
type Result struct {
	Files     []File    `json:"files"`
	Findings  []Finding `json:"findings"`
	Tables    int       `json:"tables"`
	Columns   int       `json:"columns"`
	Relations int       `json:"relations"`
	Notes     int       `json:"notes"`
}

// File is a file of a run.
type File struct {
	Path    string `json:"path"`
	Changed bool   `json:"changed"` // it is not so on disk
	content []byte
}

// Failed reports whether something was found for which nothing is written.
func (r *Result) Failed() bool { return len(r.Findings) > r.Notes }

// run is one run.
type run struct {
	Input
	found     findings
	namer     namer
	names     map[*catalog.Relation]string
	relations []*catalog.Relation // those that are declared
	overlay   map[string][]byte
	load      func(dir string, overlay map[string][]byte) (*packages.Package, error)
	result    Result
}

// Run makes the declarations. It writes nothing: that is for Result.Write. The
// error is of the surroundings, such as a package that does not compile.
func Run(in Input) (*Result, error) { return start(in, load) }

func start(in Input, load func(dir string, overlay map[string][]byte) (*packages.Package, error)) (*Result, error) {
	r := &run{Input: in, names: map[*catalog.Relation]string{}, overlay: map[string][]byte{}, load: load}
	r.namer = newNamer(in.Config.Initialisms)
	r.choose()
	models, out := filepath.Join(in.Dir, in.Config.Models), filepath.Join(in.Dir, in.Config.Out)
	if models == out {
		return nil, fmt.Errorf("models and declarations are both in %s: their names would be mixed; choose another directory for out", models)
	}
	if err := r.writeModels(models); err != nil {
		return nil, err
	}
	if len(r.found) == 0 || !r.failed() {
		if err := r.declare(models, out); err != nil {
			return nil, err
		}
	}
	r.result.Findings = r.found.sorted()
	if r.failed() {
		r.result.Files = nil
	}
	for _, f := range r.found {
		if f.Note {
			r.result.Notes++
		}
	}
	return &r.result, nil
}

func (r *run) failed() bool {
	for _, f := range r.found {
		if !f.Note {
			return true
		}
	}
	return false
}

// ofMigrations are the tables that running migrations makes.
var ofMigrations = []string{"goose_db_version", "goose_lock", "smrt_backfill"}

// choose takes the tables that are to be declared and can be.
func (r *run) choose() {
	known := map[string]bool{}
	for _, rel := range r.Relations {
		name := rel.Name
		if rel.Schema != r.Schema {
			name = rel.Schema + "." + rel.Name
		}
		known[name] = true
		switch err := errors.Join(meta.CheckIdent(rel.Schema), meta.CheckIdent(rel.Name)); {
		case r.Config.skips(name) || slices.Contains(ofMigrations, rel.Name):
		case err != nil:
			r.found.note("table", name, "it is not declared: "+err.Error(), lines("true", "tables", name, "skip"))
		case strings.Contains(rel.Name, ".") || strings.Contains(rel.Schema, "."):
			r.found.note("table", name, "it is not declared: a dot in a name divides schema and table", lines("true", "tables", name, "skip"))
		case len(rel.Columns) == 0:
			r.found.note("table", name, "it is not declared: it has no columns", lines("true", "tables", name, "skip"))
		default:
			r.names[rel] = name
			r.relations = append(r.relations, rel)
		}
	}
	for name := range r.Config.Tables {
		if !known[name] {
			r.found.add("config", name, "the configuration names a table that the database does not have", "")
		}
	}
}

// writeModels writes structs where there is no package, or the one that it wrote
// before.
func (r *run) writeModels(dir string) error {
	path := filepath.Join(dir, modelsFile)
	names, err := goFiles(dir)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(path)
	if len(names) > 0 && (err != nil || !bytes.HasPrefix(text, []byte(header))) {
		return nil
	}
	w := &modelWriter{
		config: &r.Config, names: r.names, namer: r.namer, found: &r.found, enums: map[string][]string{}, scope: map[string]string{},
	}
	return r.file(path, w.write(packageClause(dir, names), r.relations))
}

// declare makes the declarations of all tables.
func (r *run) declare(models, out string) error {
	pkg, err := r.load(models, r.overlay)
	if err != nil {
		return err
	}
	m := &matcher{config: &r.Config, found: &r.found, structs: structsOf(pkg), owned: map[*structure][]string{}}
	given := map[string]*structure{}
	for _, rel := range r.relations {
		if s := r.written(m, rel); s != nil {
			given[r.names[rel]] = s
		} else if s := m.match(rel, r.names[rel]); s != nil {
			given[r.names[rel]] = s
		}
	}
	m.shared(given)
	p := &planner{config: &r.Config, namer: r.namer, found: &r.found, models: pkg.Types, byOID: map[uint32]*table{}}
	for _, rel := range r.relations {
		if s := given[r.names[rel]]; s != nil {
			p.add(rel, r.names[rel], s)
		}
	}
	p.noteTenant()
	p.planReferences()
	p.planRelations()
	p.checkScope()
	r.count(p.tables)
	if r.failed() {
		return nil
	}
	names, err := goFiles(out)
	if err != nil {
		return err
	}
	w := &writer{models: pkg.Types}
	if err := r.file(filepath.Join(out, tablesFile), w.write(packageClause(out, names), p.tables)); err != nil {
		return err
	}
	_, err = r.load(out, r.overlay)
	return err
}

// written returns the struct that was written for a table, nil if structs are the
// user's.
func (r *run) written(m *matcher, rel *catalog.Relation) *structure {
	if len(r.result.Files) == 0 {
		return nil
	}
	w := &modelWriter{config: &r.Config, names: r.names, namer: r.namer}
	for _, s := range m.structs {
		if s.name == w.structOf(rel) {
			return s
		}
	}
	return nil
}

// count counts what is declared.
func (r *run) count(tables []*table) {
	for _, t := range tables {
		columns := len(t.structure.fields)
		r.result.Tables++
		r.result.Columns += columns
		r.result.Relations += len(t.members) - columns
	}
}

// checkScope finds names that two things would have.
func (p *planner) checkScope() {
	scope := map[string]string{}
	declare := func(t *table, name, what, key string) {
		if first, taken := scope[name]; taken {
			p.found.add("clash", t.name, fmt.Sprintf("%s and %s would both be called %s", first, what, name), lines(name+"Other", "tables", t.name, key))
		}
		scope[name] = what
	}
	for _, t := range p.tables {
		declare(t, t.goName, t.name, "name")
	}
	for _, t := range p.tables {
		if len(t.key) > 1 && t.keyType == nil {
			declare(t, t.keyName, "the key of "+t.name, "key_type")
		}
	}
}

// file formats a file and takes it into the result.
func (r *run) file(path, text string) error {
	content, err := format.Source([]byte(text))
	if err != nil {
		if r.failed() {
			return nil
		}
		return fmt.Errorf("%s: what was written is no Go, which is a mistake of smrt gen: %w", path, err)
	}
	old, err := os.ReadFile(path)
	switch {
	case err == nil && !bytes.HasPrefix(old, []byte(header)):
		return fmt.Errorf("%s was not written by smrt gen, so it is not replaced: move it, or choose another directory", path)
	case err != nil && !errors.Is(err, os.ErrNotExist):
		return err
	}
	r.overlay[path] = content
	r.result.Files = append(r.result.Files, File{Path: path, Changed: err != nil || !bytes.Equal(old, content), content: content})
	return nil
}

// packageClause returns the name of the package in a directory: that of its files,
// or else of the directory.
func packageClause(dir string, files []string) string {
	for _, name := range files {
		if f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(dir, name), nil, parser.PackageClauseOnly); err == nil {
			return f.Name.Name
		}
	}
	name := strings.ToLower(strings.Join(words(filepath.Base(dir)), ""))
	if !token.IsIdentifier(name) || !unicode.IsLetter(rune(name[0])) {
		return "tables"
	}
	return name
}

// Write replaces the files that are not so on disk.
func (r *Result) Write() error {
	for _, f := range r.Files {
		if !f.Changed {
			continue
		}
		if err := replace(f.Path, f.content); err != nil {
			return err
		}
	}
	return nil
}

// replace writes a file beside its place and then renames it, so that nobody reads
// half of it.
func replace(path string, content []byte) (err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".smrt-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	_, err = f.Write(content)
	if err := errors.Join(err, f.Chmod(0o644), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
