package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// width is the number of columns that the output fits into.
const width = 100

// The styles, as the parameters of a terminal's escape sequence.
const (
	bold  = "1"
	dim   = "2"
	red   = "31"
	green = "32"
	cyan  = "36"
)

// screen prints, in colours if it is a terminal.
type screen struct {
	w        io.Writer
	terminal bool
	colour   bool
}

func newScreen(w io.Writer, noColor bool) *screen {
	terminal := isTerminal(w)
	_, unwanted := os.LookupEnv("NO_COLOR")
	return &screen{w: w, terminal: terminal, colour: terminal && !noColor && !unwanted}
}

// isTerminal tells whether escape sequences make sense on w.
func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok || os.Getenv("TERM") == "dumb" {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// paint gives text a style.
func (s *screen) paint(style, text string) string {
	if !s.colour {
		return text
	}
	return "\x1b[" + style + "m" + text + "\x1b[0m"
}

func (s *screen) printf(format string, args ...any) {
	fmt.Fprintf(s.w, format, args...)
}

// block prints lines behind a label, which stands once, in front of the first.
func (s *screen) block(label, style string, lines []string) {
	for i, line := range lines {
		if i > 0 {
			label = ""
		}
		s.printf("  %s %s\n", s.paint(dim, fmt.Sprintf("%-3s", label)), s.paint(style, line))
	}
}

// opening says what is to be seen.
func (s *screen) opening() {
	s.printf("%s\n\n", s.paint(bold, "smrt: a walk through the library, on a real server that is gone afterwards"))
	for _, line := range []string{
		"Each step shows the Go source that ran, read from this program's own files (only the lines",
		"\"if err != nil { return err }\" are left out), the SQL that reached the server with the types of",
		"its arguments, and the time from call to result, which includes the preparing of a statement when",
		"it is sent for the first time. After that, hand-written SQL checks the result. The server runs",
		"without fsync and is loaded without checks of foreign keys: this is a tour and no benchmark.",
	} {
		s.printf("%s\n", line)
	}
	s.printf("\n")
}

// task runs one piece of preparation and prints what it was and how long it took.
func (s *screen) task(what string, do func() error) error {
	if s.terminal {
		s.printf("  … %s", what)
	}
	began := time.Now()
	if err := do(); err != nil {
		if s.terminal {
			s.printf("\n")
		}
		return fmt.Errorf("%s: %w", what, err)
	}
	s.taskDone(what, time.Since(began))
	return nil
}

// taskDone prints the line of a finished task, over the one that announced it.
func (s *screen) taskDone(what string, took time.Duration) {
	if s.terminal {
		s.printf("\r\x1b[K")
	}
	s.printf("  %s %-62s %8s\n", s.paint(green, "✓"), what, brief(took))
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
	var groups []string
	for len(digits) > 3 && digits[len(digits)-4] != '-' {
		groups = append([]string{digits[len(digits)-3:]}, groups...)
		digits = digits[:len(digits)-3]
	}
	return strings.Join(append([]string{digits}, groups...), ",")
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
