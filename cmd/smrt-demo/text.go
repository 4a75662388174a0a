package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// The output fits into width columns, block's label takes the first margin of
// them, and so many lines of a statement are shown.
const (
	width    = 100
	margin   = 6
	maxLines = 14
)

// isTerminal reports whether bold headings make sense on w.
func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	_, unwanted := os.LookupEnv("NO_COLOR")
	if !ok || unwanted || os.Getenv("TERM") == "dumb" {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

func (s *stage) printf(format string, args ...any) { fmt.Fprintf(s, format, args...) }

// heading prints a line, in bold on a terminal, after an empty one.
func (s *stage) heading(line string) {
	if s.bold {
		line = "\x1b[1m" + line + "\x1b[0m"
	}
	s.printf("\n%s\n", line)
}

// block prints lines behind a label, which stands once, in front of the first.
func (s *stage) block(label string, lines []string) {
	for _, line := range lines {
		s.printf("  %-3s %s\n", label, line)
		label = ""
	}
}

// opening says what is to be seen.
func (s *stage) opening() {
	s.heading("smrt: a walk through the library, on a real server that is gone afterwards")
	s.printf(`
Each step shows the Go source that ran, read from this program's own files (only the lines
"out.must(err)", which end the step, are left out), the SQL that reached the server with the types
of its arguments, and the time from call to result, which includes the preparing of a statement
when it is sent for the first time. After that, hand-written SQL checks the result. The server runs
without fsync and is loaded without checks of foreign keys: this is a tour and no benchmark.

`)
}

// sqlLines breaks a statement into lines that fit, without comments, and cuts
// off what is long.
func sqlLines(sql string) []string {
	var lines []string
	for line := range strings.Lines(strings.TrimSpace(sql)) {
		if !strings.HasPrefix(strings.TrimSpace(line), "--") {
			lines = append(lines, wrap(strings.TrimRight(line, "\r\n "))...)
		}
	}
	if len(lines) > maxLines {
		more := fmt.Sprintf("… and %d more lines", len(lines)-(maxLines-1))
		lines = append(lines[:maxLines-1], more)
	}
	return lines
}

// wrap breaks a line between words; the rest is indented further.
func wrap(line string) (lines []string) {
	const limit = width - margin
	indent := line[:len(line)-len(strings.TrimLeft(line, " \t"))] + "    "
	for len([]rune(line)) > limit {
		at := strings.LastIndexByte(string([]rune(line)[:limit]), ' ')
		if at < len(indent) {
			break // one word, and a long one
		}
		lines = append(lines, line[:at])
		line = indent + line[at+1:]
	}
	return append(lines, line)
}

// brief rounds a duration to three digits.
func brief(d time.Duration) string {
	unit := time.Nanosecond
	for d >= 1000*unit {
		unit *= 10
	}
	return d.Round(unit).String()
}

// thousands writes a number with separators.
func thousands[N int | int32 | int64 | uint64](n N) string {
	digits := fmt.Sprint(n)
	for at := len(digits) - 3; at > 0 && digits[at-1] != '-'; at -= 3 {
		digits = digits[:at] + "," + digits[at:]
	}
	return digits
}

// plural writes a number and what is counted.
func plural[N int | int64](n N, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return thousands(n) + " " + noun
}

// euros writes an amount of cents.
func euros(cents int64) string {
	return fmt.Sprintf("%s.%02d €", thousands(cents/100), cents%100)
}
