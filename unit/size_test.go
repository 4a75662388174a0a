package unit_test

import (
	"bytes"
	"context"
	"debug/elf"
	"fmt"
	"os"
	osexec "os/exec"
	"path/filepath"
	"strings"
	"testing"
	"text/template"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/unit"
)

// program calls every function of the package for each of several entity types,
// which are distinct shapes to the compiler. It is linked, never run.
var program = template.Must(template.New("main.go").Parse(`package main

import (
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/unit"
)

//go:noinline
func keep[A any](A) {}

func main() {
	u := unit.New()
{{range .}}	use{{.}}(u, new(entity{{.}}), make([]entity{{.}}, 2))
{{end}}}
{{range .}}
type entity{{.}} struct {
	ID     int64
	Parent int64
	Other  [{{.}}]int64
}

var (
	table{{.}}  = query.NewTable("t", func(e *entity{{.}}) *int64 { return &e.ID })
	parent{{.}} = query.Col(func(e *entity{{.}}) *int64 { return &e.Parent })
)

//go:noinline
func use{{.}}(u *unit.Unit, e *entity{{.}}, es []entity{{.}}) {
	k := unit.Create(u, table{{.}}, e)
	r := unit.Refer(parent{{.}}, k)
	keep(unit.CreateMany(u, table{{.}}, es, r))
	unit.Link(u, e, r)
	unit.Update(u, table{{.}}, e, r)
	unit.Patch(u, table{{.}}, e.ID, parent{{.}}.Set(1))
	unit.Delete(u, table{{.}}, e.ID)
	unit.HardDelete(u, table{{.}}, e.ID)
	unit.Remove(u, table{{.}}, e)
	var q query.Query[entity{{.}}] // what makes one is not measured
	unit.UpdateWhere(u, table{{.}}, q, parent{{.}}.Set(1))
	unit.DeleteWhere(u, table{{.}}, q)
	unit.HardDeleteWhere(u, table{{.}}, q)
}
{{end}}`))

// TestProgramTextPerEntity measures how much machine code an entity type adds to
// a program that writes it in every way, its declaration included.
func TestProgramTextPerEntity(t *testing.T) {
	check.LongOnly(t) // links two programs
	// Fifteen calls and the declaration, of about 300 bytes each. A third of it is
	// in the caller.
	const entities, limit = 50, 4608
	one, many := textSize(t, 1), textSize(t, 1+entities)
	each := (many - one) / entities
	t.Logf("%d bytes of text for each entity", each)
	if each >= limit {
		t.Errorf("each entity adds %d bytes of program text, %d or more", each, limit)
	}
}

// textSize is the size of the machine code of a program with n entity types.
func textSize(t *testing.T, n int) int {
	t.Helper()
	root, err := filepath.Abs("..")
	check.NoError(t, err)
	numbers := make([]int, n)
	for i := range numbers {
		numbers[i] = i + 1
	}
	var main bytes.Buffer
	check.NoError(t, program.Execute(&main, numbers))
	const module = "github.com/smrt-go/smrt"
	dir := t.TempDir()
	mod := strings.Replace(read(t, filepath.Join(root, "go.mod")), "module "+module, "module program", 1) +
		"\nrequire " + module + " v0.0.0\n\nreplace " + module + " => " + root + "\n"
	for name, text := range map[string]string{"main.go": main.String(), "go.mod": mod, "go.sum": read(t, filepath.Join(root, "go.sum"))} {
		check.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	build := osexec.CommandContext(t.Context(), "go", "build", "-o", "program", ".")
	build.Dir = dir
	build.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOPROXY=off", "GOWORK=off")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	f, err := elf.Open(filepath.Join(dir, "program"))
	if err != nil {
		t.Skipf("only ELF programs are measured: %v", err)
	}
	defer f.Close()
	text := f.Section(".text")
	if text == nil {
		t.Fatal("the program has no section .text")
	}
	return int(text.Size)
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	check.NoError(t, err)
	return string(text)
}

// TestAllocationsPerRow bounds what a row more costs a unit. Rows are copied into
// memory that they share and sent in arrays; what remains is to remember each
// call, and for a patch its key and its assignments.
func TestAllocationsPerRow(t *testing.T) {
	if testing.Short() {
		t.Skip("writes thousands of rows")
	}
	check.Plain(t) // the race detector allocates by itself
	if mode := testdb.ExecModeName(); mode != "cache_statement" {
		t.Skipf("mode %s allocates by itself", mode)
	}
	l := newLeague(t, testdb.MaxConns(1))
	exec(t, l, "CREATE INDEX ON notes (report)")
	r := stored(t, l, "r")[0]
	flush := func(u *unit.Unit) {
		_, err := u.Flush(context.Background(), l.Pool)
		check.NoError(t, err)
	}
	create := func(ns []note) func() {
		return func() {
			u := unit.New()
			for i := range ns {
				ns[i] = note{Body: "b"}
			}
			unit.CreateMany(u, notes, ns, unit.Refer(noteReport, unit.Create(u, reports, &report{Slug: fmt.Sprint(r.ID)})))
			exec(t, l, "DELETE FROM notes")
			exec(t, l, "DELETE FROM reports WHERE slug = $1", fmt.Sprint(r.ID))
			flush(u)
		}
	}
	update := func(ns []note) func() {
		create(ns)()
		return func() {
			u := unit.New()
			for i := range ns {
				unit.Update(u, notes, &ns[i])
			}
			flush(u)
		}
	}
	patch := func(ns []note) func() {
		create(ns)()
		return func() {
			u := unit.New()
			for i := range ns {
				unit.Patch(u, notes, ns[i].ID, noteReport.Set(ns[i].Report))
			}
			flush(u)
		}
	}
	const few, many = 100, 1100
	for what, c := range map[string]struct {
		run   func([]note) func()
		limit float64
	}{"create": {create, 0.2}, "update": {update, 1.2}, "patch": {patch, 8.5}} {
		run := func(n int) float64 { return testing.AllocsPerRun(5, c.run(make([]note, n))) }
		each := (run(many) - run(few)) / (many - few)
		t.Logf("%s: %.2f allocations for each row", what, each)
		if each > c.limit {
			t.Errorf("%s: %.2f allocations for each row, more than %.2f", what, each, c.limit)
		}
	}
}
