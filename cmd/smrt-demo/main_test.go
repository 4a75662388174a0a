package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/internal/testdb"
)

func TestMain(m *testing.M) { os.Exit(testdb.Main(m)) }

// skipWithoutServer leaves a test out where no server can be started.
func skipWithoutServer(t *testing.T) {
	t.Helper()
	if _, err := testdb.FindBinaries(); err != nil {
		t.Skip(err)
	}
	if os.Getenv("SMRT_TEST_DSN") != "" {
		t.Skip("the demo starts servers of its own")
	}
}

// The whole tour at small scale: every step is there with what it did, within the width, and none failed.
func TestDemo(t *testing.T) {
	t.Parallel()
	skipWithoutServer(t)
	var stdout, stderr bytes.Buffer
	if status := run(t.Context(), []string{"-scale", "small"}, &stdout, &stderr); status != exitDone {
		t.Fatalf("exit status %d\nstderr: %s\nstdout: %s", status, stderr.String(), stdout.String())
	}

	output, rest, number := stdout.String(), stdout.String(), 0
	for _, c := range chapters {
		for _, st := range c.steps {
			number++
			_, after, found := strings.Cut(rest, fmt.Sprintf("\n%2d  %s\n", number, st.title))
			if !found {
				t.Fatalf("step %d, %q, is not in the output after the one before", number, st.title)
			}
			rest = after
			if body, _, _ := strings.Cut(after, "\n\n"); !strings.Contains(body, "\n  go  ") || !strings.Contains(body, "✓   checked") {
				t.Errorf("step %d, %q, lacks its source or its result:\n%s", number, st.title, body)
			}
		}
	}
	if want := fmt.Sprintf("✓ %d steps, ", number); !strings.Contains(rest, want) {
		t.Errorf("no summary with %q", want)
	}
	for line := range strings.Lines(output) {
		if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > width {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	if strings.Contains(output, "\x1b") {
		t.Error("escape sequences in what is no terminal")
	}
}

func TestInterrupted(t *testing.T) {
	t.Parallel()
	skipWithoutServer(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var stdout, stderr bytes.Buffer
	if status := run(ctx, []string{"-scale=small"}, &stdout, &stderr); status != exitInterrupted {
		t.Errorf("exit status %d, want %d; stderr: %s", status, exitInterrupted, stderr.String())
	}
}

func TestUsage(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"-scale", "huge"}, {"-nonsense"}, {"words"}} {
		var stdout, stderr bytes.Buffer
		if status := run(t.Context(), args, &stdout, &stderr); status != exitUsage || stderr.Len() == 0 {
			t.Errorf("%v: exit status %d, stderr %q", args, status, stderr.String())
		}
	}
}

// A step whose result is wrong makes the tour fail.
func TestFailedCheck(t *testing.T) {
	t.Parallel()
	var out outcome
	out.stopped = true
	out.check(true, "fine")
	if err := out.err(); err != nil {
		t.Errorf("error %v after a check that held", err)
	}
	out.check(len("no") == 1, "%d rows, want 1", 2)
	if err := out.err(); err == nil || err.Error() != "2 rows, want 1" {
		t.Errorf("error %v after a check that did not hold", err)
	}
}

// Every step is listed from the source, without what surrounds the call.
func TestListings(t *testing.T) {
	t.Parallel()
	for _, c := range chapters {
		for _, st := range c.steps {
			lines, err := listing(st)
			if err != nil {
				t.Errorf("%s: %v", st.title, err)
			}
			if text := strings.Join(lines, "\n"); strings.Contains(text, "out.") || strings.Contains(text, "if err != nil {") {
				t.Errorf("%s: the listing shows too much:\n%s", st.title, text)
			}
		}
	}
}

// A function that is no step has no listing.
func TestListingMissing(t *testing.T) {
	t.Parallel()
	unlisted := step{run: func(context.Context, *pgxpool.Pool, *outcome) {}}
	if lines, err := listing(unlisted); err == nil {
		t.Errorf("listed as %q", lines)
	}
}

// A step that must ends is over, and the tour learns why.
func TestMust(t *testing.T) {
	t.Parallel()
	wrong, done := errors.New("wrong"), make(chan struct{})
	out := &outcome{}
	go func() {
		defer close(done)
		out.must(nil)
		out.must(wrong)
		t.Error("the step went on")
	}()
	<-done
	if err := out.err(); !errors.Is(err, wrong) {
		t.Errorf("error %v, want %v", err, wrong)
	}
}

func TestSQLLines(t *testing.T) {
	t.Parallel()
	tests := []struct {
		sql  string
		want []string
	}{
		{"begin", []string{"begin"}},
		{`SELECT "a" FROM "t" WHERE "from" = $1`, []string{`SELECT "a" FROM "t" WHERE "from" = $1`}},
		{strings.Repeat("word ", 20) + "end", []string{strings.Repeat("word ", 17) + "word", "    word word end"}},
		{"-- name: X :many\nSELECT 1\n  FROM t\n", []string{"SELECT 1", "  FROM t"}},
	}
	for _, test := range tests {
		if got := sqlLines(test.sql); strings.Join(got, "|") != strings.Join(test.want, "|") {
			t.Errorf("%s:\n got %q\nwant %q", test.sql, got, test.want)
		}
	}
}

// sink keeps what it holds from being optimised away.
var sink []byte

// The watch sees memory that was in use for a moment only, such as what a stream held would be.
func TestHeapWatch(t *testing.T) {
	heapGrowth := watchHeap()
	for range 64 {
		sink = make([]byte, 100_000)
		time.Sleep(time.Millisecond)
	}
	sink = nil
	if growth := heapGrowth(); growth < 1_000_000 {
		t.Errorf("the heap grew by %d bytes, want at least some of the 6.4 MB", growth)
	}
}

func TestThousands(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1000: "-1,000", -999: "-999"} {
		if got := thousands(n); got != want {
			t.Errorf("thousands(%d) = %s, want %s", n, got, want)
		}
	}
}
