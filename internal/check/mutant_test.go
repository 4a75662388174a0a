package check

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// functions has a function of every form. Each returns or prints a one.
const functions = `package main

import "fmt"

type adder[T any] struct{ n int }

func (a adder[T]) value() int         { return a.n + 1 }
func (a *adder[T]) pointer(...T) *int { a.n++; return &a.n }
func (adder[T]) unnamed() (n int)     { return 1 }

func generic[K comparable, V any](_ K, vs ...V) int { return len(vs) + 1 }
func types(int, string) (int, error)                { return 1, nil }
func nothing()                                      { fmt.Print(1) }

const outside = 1

func main() {
	a := &adder[string]{}
	n, _ := types(0, "")
	fmt.Print(a.value(), *(&adder[string]{}).pointer("a"), a.unnamed(), generic[int, int](0), n)
	nothing()
	fmt.Print(outside)
}
`

// One program has the mutants of functions of every form, and is the one that it
// is told to be.
func TestOverlay(t *testing.T) {
	dir := t.TempDir()
	source, program := filepath.Join(dir, "main.go"), filepath.Join(dir, "program")
	NoError(t, os.WriteFile(source, []byte(functions), 0o600))
	NoError(t, os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module main\n\ngo 1.26\n"), 0o600))
	mutants := []mutant{
		{From: "a.n + 1", To: "a.n + 2"},
		{From: "a.n++", To: "a.n += 2"},
		{From: "{ return 1 }", To: "{ return 2 }"},
		{From: "len(vs) + 1", To: "len(vs) + 2"},
		{From: "return 1, nil", To: "return 2, nil"},
		{From: "fmt.Print(1)", To: "fmt.Print(2)"},
		{From: "fmt.Print(1)", To: "fmt.Print(3)"},
		{From: "outside = 1", To: "outside = 2"},
	}
	for i := range mutants {
		mutants[i].File = source
	}
	changed, have := overlay(t, t.TempDir(), mutants)
	Same(t, "mutants in the program", fmt.Sprint(have), "[true true true true true true true false]")
	build := exec.CommandContext(t.Context(), "go", "build", "-overlay", changed, "-o", program, ".")
	build.Dir, build.Env = dir, append(os.Environ(), "GOWORK=off", "GOFLAGS=")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for i, want := range []string{"1 1 1 1 111", "2 1 1 1 111", "1 2 1 1 111", "1 1 2 1 111", "1 1 1 2 111", "1 1 1 1 211", "1 1 1 1 121", "1 1 1 1 131"} {
		Same(t, fmt.Sprint("output of mutant ", i), string(Value(runMutant(t, program, i, "x"))(t)), want)
	}
}
