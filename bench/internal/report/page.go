package report

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/smrt-go/smrt/bench/internal/measure"
)

// Machine says where and how something was measured.
type Machine struct {
	Server      string // version
	Turns       measure.Turns
	Contestants []measure.Contestant
}

// Write writes RESULTS.md and the plot that it shows to a directory.
func Write(dir string, m Machine, results []measure.Result) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "times.svg"), []byte(Plot(results)), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "RESULTS.md"), []byte(Page(m, results)), 0o644)
}

// Page returns RESULTS.md.
func Page(m Machine, results []measure.Result) string {
	var b strings.Builder
	b.WriteString("# Results\n\n`make bench` wrote this page. Ratios are to hand-written pgx in the same round: below 1 is faster. " +
		"A figure is a median, the quartiles follow in parentheses.\n\n![times](times.svg)\n\n")
	b.WriteString("| task | ours | pgx | ours / pgx | target | best peer | peer / pgx | client's CPU, ours / pgx | target |\n" +
		"|---|---|---|---|---|---|---|---|---|\n")
	for _, r := range results {
		if s := summaryOf(linesOf(r)); s.Hand != nil && s.Ours != nil {
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s | %s | %s |\n", r.Task.Title, duration(s.Ours.Time.Median),
				duration(s.Hand.Time.Median), spread(s.Ours.Ratio), verdict(s.Ours.Ratio.Median, r.Task.Time), peer(s.Best),
				peerRatio(s.Best), spread(s.Ours.CPURatio), verdict(s.Ours.CPURatio.Median, r.Task.CPU))
		}
	}
	for _, r := range results {
		section(&b, r)
	}
	method(&b, m)
	return b.String()
}

// section writes what all contestants did in one task.
func section(b *strings.Builder, r measure.Result) {
	fmt.Fprintf(b, "\n## %s\n\n| | time | / pgx | client's CPU / pgx | allocations | bytes allocated | statements | round trips | bytes sent | "+
		"received |\n|---|---|---|---|---|---|---|---|---|---|\n", r.Task.Title)
	for _, l := range linesOf(r) {
		fmt.Fprintf(b, "| %s | %s | %s | %s | %.0f | %.0f | %d | %d | %d | %d |\n", l.Name, duration(l.Time.Median), spread(l.Ratio),
			spread(l.CPURatio), l.Allocs, l.Mem, l.Wire.Statements, l.Wire.RoundTrips, l.Wire.Sent, l.Wire.Received)
	}
	if r.Task.Holds {
		var held []string
		for _, l := range linesOf(r) {
			held = append(held, fmt.Sprintf("%s %d", l.Name, l.Held))
		}
		fmt.Fprintf(b, "\nBytes of memory that an answer holds: %s.\n", strings.Join(held, ", "))
	}
	for _, s := range r.Sides {
		if s.Cannot != "" {
			fmt.Fprintf(b, "\n%s: %s.\n", s.Name, s.Cannot)
		}
	}
}

const methodText = `
Every contestant has a database of its own, a copy of one with the same rows, and a pool of the same size. All use pgx as
their driver, those of database/sql through its package stdlib. Before it is measured, each does the task %[1]d times; the
answers must be the same, and so must be what the databases hold afterwards.

Then they take turns, %[2]d each of at least %[3]v and of at least three calls if they write, in an order that changes from round to round.
By then each has done the task as often as the others, so that its statements are prepared and its tables have been updated
as often. A turn begins with a collected heap, so that each pays for its own garbage, and with calls that are not measured:
a service works without the pause that the turns of others are, and finds in the caches of its processor and in its own
pools what its last call left there. The client's CPU is the processor time of this process, user and system; the server is
another process. Statements are those that the server said it had completed, round trips are counted on the connection,
below the driver.

The server runs on the same machine, reached by a Unix socket, without fsync and autovacuum. Where it is said to be away,
each round trip takes as much longer, and what is sent without waiting for an answer is under way together.
`

// method writes where and how it was measured.
func method(b *strings.Builder, m Machine) {
	fmt.Fprintf(b, "\n## How it is measured\n"+methodText+"\n| | |\n|---|---|\n", measure.Warm, m.Turns.Count, m.Turns.Least)
	fmt.Fprintf(b, "| processors | %d |\n", runtime.NumCPU())
	if memory := memoryGiB(); memory != "" {
		fmt.Fprintf(b, "| memory | %s GiB |\n", memory)
	}
	fmt.Fprintf(b, "| PostgreSQL | %s |\n| Go | %s, %s/%s |\n", m.Server, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	versions := map[string]string{}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, module := range info.Deps {
			versions[module.Path] = module.Version
		}
	}
	for _, c := range m.Contestants {
		version := cmp.Or(c.Version, versions[c.Module])
		if c.Module == "github.com/smrt-go/smrt" {
			version = "this commit"
		}
		fmt.Fprintf(b, "| %s | %s %s |\n", c.Name, c.Module, version)
	}
}

// memoryGiB returns how much memory the machine has, "" where that is not known.
func memoryGiB() string {
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return ""
	}
	var kib int
	if _, err := fmt.Sscanf(string(text), "MemTotal: %d kB", &kib); err != nil {
		return ""
	}
	return fmt.Sprintf("%d", (kib+1<<19)>>20)
}
