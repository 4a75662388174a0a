package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
)

// report is where a command says what it did.
type report struct {
	out   io.Writer
	json  bool
	color bool
}

// newReport colours what is read in a terminal, unless NO_COLOR is set.
func newReport(out io.Writer, asJSON bool) *report {
	r := &report{out: out, json: asJSON}
	if f, ok := out.(*os.File); ok && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" {
		info, err := f.Stat()
		r.color = err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	return r
}

// value prints a value as JSON, if that was asked for, and reports whether it did.
func (r *report) value(v any) (done bool, err error) {
	if !r.json {
		return false, nil
	}
	enc := json.NewEncoder(r.out)
	enc.SetIndent("", "  ")
	return true, enc.Encode(v)
}

// The colours.
const (
	red    = "31"
	yellow = "33"
	green  = "32"
)

// paint returns a text in a colour.
func (r *report) paint(color, text string) string {
	if !r.color {
		return text
	}
	return "\x1b[" + color + "m" + text + "\x1b[0m"
}

func (r *report) printf(format string, args ...any) { fmt.Fprintf(r.out, format, args...) }
