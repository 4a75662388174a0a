package repo_test

import (
	"bytes"
	"debug/elf"
	"os"
	osexec "os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"text/template"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// program calls every method of a repository for each of several entity types,
// with arguments that are only known at run time, and keeps what comes back: no
// part of a method that is inlined can be left out as unused. Distinct struct
// types are distinct shapes to the compiler, so that generic code is compiled
// anew for each. It is linked, never run.
var program = template.Must(template.New("main.go").Parse(`package main

import (
	"context"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

var (
	_ context.Context
	_ smrt.DB
)

//go:noinline
func keep[A any](A) {}

//go:noinline
func keepBoth[A, B any](A, B) {}

func main() {
{{range .}}	use{{.Type}}(new(arguments{{.Type}}))
{{end}}}
{{range .}}
type {{.Type}} struct {
	ID    int64
	Name  string
	Other [{{.Number}}]int64
}

var table{{.Type}} = query.NewTable("t", func(e *{{.Type}}) *int64 { return &e.ID })

type arguments{{.Type}} struct {
{{range $i, $type := .Arguments}}	a{{$i}} {{$type}}
{{end}}}

func use{{.Type}}(in *arguments{{.Type}}) {
	r := repo.New(in.a0, table{{.Type}})
{{range .Calls}}	{{.}}
{{end}}}
{{end}}`))

type programEntity struct {
	Type      string
	Number    int
	Arguments []string // types
	Calls     []string
}

// newEntity writes a call of each method that a repository of the entity type
// has. An argument is a field of the struct with all of them; no options are
// given, but what an update needs, an assignment, is.
func newEntity(number int) programEntity {
	e := programEntity{Type: "entity" + strconv.Itoa(number), Number: number, Arguments: []string{"smrt.DB"}}
	own := regexp.MustCompile(`(github.com/smrt-go/smrt/repo_test|repo_test)\.measurement`)
	argument := func(t reflect.Type) string {
		name := own.ReplaceAllString(t.String(), e.Type)
		i := slices.Index(e.Arguments, name)
		if i < 0 {
			i = len(e.Arguments)
			e.Arguments = append(e.Arguments, name)
		}
		return "in.a" + strconv.Itoa(i)
	}
	assignments := reflect.TypeFor[[]query.Assignment[measurement]]()
	r := reflect.TypeFor[*repo.Repository[measurement, int64]]()
	for i := range r.NumMethod() {
		m := r.Method(i)
		var args []string
		for j := 1; j < m.Type.NumIn(); j++ {
			in := m.Type.In(j)
			switch {
			case !m.Type.IsVariadic() || j < m.Type.NumIn()-1:
				args = append(args, argument(in))
			case in == assignments:
				args = append(args, argument(in.Elem()))
			}
		}
		call := "r." + m.Name + "(" + strings.Join(args, ", ") + ")"
		switch {
		case m.Type.Out(0).Kind() == reflect.Func:
			call = "for v, err := range " + call + " { keepBoth(v, err) }"
		case m.Type.NumOut() == 2:
			call = "keepBoth(" + call + ")"
		default:
			call = "keep(" + call + ")"
		}
		e.Calls = append(e.Calls, call)
	}
	return e
}

// TestProgramTextPerEntity measures how much machine code an entity type adds
// to a program that uses every method of its repository.
func TestProgramTextPerEntity(t *testing.T) {
	check.LongOnly(t) // links two programs
	const entities, limit = 50, 6 << 10
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
	dir := t.TempDir()
	writeProgram(t, dir, n)
	build := osexec.Command("go", "build", "-o", "program", ".")
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

// writeProgram writes a module of its own with the requirements of this one, so
// that what is built here can be built there without a network.
func writeProgram(t *testing.T, dir string, n int) {
	t.Helper()
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	entities := make([]programEntity, n)
	for i := range entities {
		entities[i] = newEntity(i + 1)
	}
	var main bytes.Buffer
	if err := program.Execute(&main, entities); err != nil {
		t.Fatal(err)
	}
	const module = "github.com/smrt-go/smrt"
	mod := strings.Replace(string(read(t, filepath.Join(root, "go.mod"))), "module "+module, "module program", 1) +
		"\nrequire " + module + " v0.0.0\n\nreplace " + module + " => " + root + "\n"
	for name, text := range map[string][]byte{
		"main.go": main.Bytes(), "go.mod": []byte(mod), "go.sum": read(t, filepath.Join(root, "go.sum")),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
