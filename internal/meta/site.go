package meta

import (
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
)

// Site returns where a declaration stands, as "folder/file.go:line": the innermost
// caller that is in none of these packages of this module, such as "query". It
// returns "" if there is none.
func Site(packages ...string) string {
	var pcs [16]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs[:])])
	for {
		frame, more := frames.Next()
		if !isOf(frame.Function, packages) {
			return filepath.Join(filepath.Base(filepath.Dir(frame.File)), filepath.Base(frame.File)) + ":" + strconv.Itoa(frame.Line)
		}
		if !more {
			return ""
		}
	}
}

// isOf reports whether a function is of one of the packages of this module.
func isOf(function string, packages []string) bool {
	name, ok := strings.CutPrefix(function, "github.com/smrt-go/smrt/")
	for _, p := range packages {
		if ok && strings.HasPrefix(name, p+".") {
			return true
		}
	}
	return false
}
