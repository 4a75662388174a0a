package main

import (
	"embed"
	"fmt"
	"io/fs"
	"reflect"
	"runtime"
	"strings"
)

// sources are the files with the steps, as they were compiled.
//
//go:embed steps_*.go
var sources embed.FS

// listing returns the source of a step between its calls of start and stop: the
// part that is timed and traced too. Without a call of start it is from the
// beginning. Calls of must, which only pass an error on, are left out.
func listing(s step) ([]string, error) {
	name := runtime.FuncForPC(reflect.ValueOf(s.run).Pointer()).Name()
	name = name[strings.LastIndexByte(name, '.')+1:]
	text, err := allSources()
	if err != nil {
		return nil, err
	}
	_, body, _ := strings.Cut(text, "\nfunc "+name+"(")
	_, body, _ = strings.Cut(body, " {\n")
	body, _, _ = strings.Cut(body, "\n}\n")
	body, _, found := strings.Cut(body, "\n\tout.stop(")
	if !found {
		return nil, fmt.Errorf("no listing of %s: does it call stop?", name)
	}
	if _, after, found := strings.Cut(body, "\tout.start()\n"); found {
		body = after
	}
	var lines []string
	for line := range strings.Lines(body) {
		if strings.HasPrefix(strings.TrimSpace(line), "out.must(") {
			continue
		}
		line = strings.TrimRight(strings.TrimPrefix(line, "\t"), "\n")
		lines = append(lines, strings.ReplaceAll(line, "\t", "    "))
	}
	return lines, nil
}

// allSources returns the embedded files, one after the other.
func allSources() (string, error) {
	var all strings.Builder
	names, err := fs.Glob(sources, "*.go")
	if err != nil {
		return "", err
	}
	for _, name := range names {
		text, err := sources.ReadFile(name)
		if err != nil {
			return "", err
		}
		all.Write(text)
	}
	return all.String(), nil
}
