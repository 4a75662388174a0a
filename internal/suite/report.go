package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/smrt-go/smrt/internal/check"
)

// event is a line of go test -json.
type event struct {
	Action, Package, Test, Output string
	Elapsed                       float64
}

// tally is what became of a package's tests.
type tally struct {
	seconds                 float64
	passed, failed, skipped int
}

type test struct{ pkg, name string }

// report collects the results of runs of go test.
type report struct {
	w       io.Writer
	tallies map[string]*tally
	output  map[test]*strings.Builder // of what has not ended, or of a package if the name is empty
	took    map[test]float64
	plain   map[test]bool // must run without the race detector
}

func newReport(w io.Writer) *report {
	return &report{w, map[string]*tally{}, map[test]*strings.Builder{}, map[test]float64{}, map[test]bool{}}
}

// read reads the output of a go test -json to its end.
func (r *report) read(out io.Reader) error {
	lines := json.NewDecoder(out)
	for {
		var e event
		if err := lines.Decode(&e); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		r.add(e)
	}
}

func (r *report) add(e event) {
	id := test{e.Package, e.Test}
	switch e.Action {
	case "output":
		if r.output[id] == nil {
			r.output[id] = &strings.Builder{}
		}
		r.output[id].WriteString(e.Output)
		if strings.Contains(e.Output, check.PlainText) {
			name, _, _ := strings.Cut(e.Test, "/")
			r.plain[test{e.Package, name}] = true
		}
	case "build-output":
		io.WriteString(r.w, e.Output)
	case "pass", "fail", "skip":
		r.end(id, e)
	}
}

// end counts a test or a package, and prints what is worth it.
func (r *report) end(id test, e event) {
	t := r.tallies[id.pkg]
	if t == nil {
		t = &tally{}
		r.tallies[id.pkg] = t
	}
	if id.name == "" {
		t.seconds += e.Elapsed
		r.closing(id.pkg, e.Action)
		return
	}
	switch e.Action {
	case "pass":
		t.passed++
	case "skip":
		t.skipped++
	case "fail":
		t.failed++
		r.print(id)
	}
	if !strings.Contains(id.name, "/") {
		r.took[id] = e.Elapsed
	}
	delete(r.output, id)
}

// closing prints what go test says at the end of a package. Of one that failed
// it prints everything, also of tests that did not come to their end.
func (r *report) closing(pkg, action string) {
	if action == "fail" {
		for _, id := range slices.SortedFunc(maps.Keys(r.output), func(a, b test) int { return cmp.Compare(a.name, b.name) }) {
			if id.pkg == pkg && id.name != "" {
				r.print(id)
			}
		}
		r.print(test{pkg: pkg})
	} else if b := r.output[test{pkg: pkg}]; b != nil {
		for line := range strings.Lines(b.String()) {
			if strings.HasPrefix(line, "ok ") {
				io.WriteString(r.w, line)
			}
		}
	}
	maps.DeleteFunc(r.output, func(id test, _ *strings.Builder) bool { return id.pkg == pkg })
}

func (r *report) print(id test) {
	if b := r.output[id]; b != nil {
		io.WriteString(r.w, b.String())
	}
}

// again returns the arguments for the tests that must run without the race
// detector, and forgets them.
func (r *report) again() (args []string) {
	var names, pkgs []string
	for id := range r.plain {
		names, pkgs = append(names, id.name), append(pkgs, id.pkg)
	}
	clear(r.plain)
	if len(names) == 0 {
		return nil
	}
	slices.Sort(names)
	slices.Sort(pkgs)
	return append([]string{"-run=^(" + strings.Join(slices.Compact(names), "|") + ")$"}, slices.Compact(pkgs)...)
}

// table prints the packages and the slowest tests, longest first, and the sums.
func (r *report) table(took time.Duration) {
	var sum tally
	fmt.Fprintf(r.w, "\n%8s %7s %7s %7s  package\n", "seconds", "passed", "failed", "skipped")
	for _, pkg := range slices.SortedFunc(maps.Keys(r.tallies), func(a, b string) int {
		return cmp.Or(cmp.Compare(r.tallies[b].seconds, r.tallies[a].seconds), cmp.Compare(a, b))
	}) {
		if t := r.tallies[pkg]; t.passed+t.failed+t.skipped > 0 {
			fmt.Fprintf(r.w, "%8.1f %7d %7d %7d  %s\n", t.seconds, t.passed, t.failed, t.skipped, pkg)
			sum.passed, sum.failed, sum.skipped = sum.passed+t.passed, sum.failed+t.failed, sum.skipped+t.skipped
		}
	}
	slowest := slices.SortedFunc(maps.Keys(r.took), func(a, b test) int { return cmp.Compare(r.took[b], r.took[a]) })
	fmt.Fprintf(r.w, "\n%8s  slowest tests\n", "seconds")
	for _, id := range slowest[:min(15, len(slowest))] {
		fmt.Fprintf(r.w, "%8.1f  %s %s\n", r.took[id], id.pkg[strings.LastIndexByte(id.pkg, '/')+1:], id.name)
	}
	fmt.Fprintf(r.w, "\n%d passed, %d failed, %d skipped in %v\n", sum.passed, sum.failed, sum.skipped, took.Round(time.Second))
}
