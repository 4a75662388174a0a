package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// tree is the files of a directory by their name. shopdb is flat, and so is a tree.
type tree map[string][]byte

// readTree reads a directory; one that does not exist has no files.
func readTree(dir string) (tree, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return tree{}, nil
	}
	if err != nil {
		return nil, err
	}
	files := make(tree, len(entries))
	for _, entry := range entries {
		content, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			return nil, err
		}
		files[entry.Name()] = content
	}
	return files, nil
}

// compare lists where the files that are present differ from t, one line a file.
func (t tree) compare(present tree) []string {
	var differences []string
	for _, name := range t.names() {
		content, ok := present[name]
		switch {
		case !ok:
			differences = append(differences, name+": missing")
		case !bytes.Equal(content, t[name]):
			differences = append(differences, fmt.Sprintf("%s: differs from line %d on", name, firstDifference(content, t[name])))
		}
	}
	for _, name := range present.names() {
		if _, ok := t[name]; !ok {
			differences = append(differences, name+": not generated")
		}
	}
	return differences
}

// writeTo makes dir hold exactly t. Files that are right already are not touched, so builds do not see them as new.
func (t tree) writeTo(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	present, err := readTree(dir)
	if err != nil {
		return err
	}
	for name, content := range t {
		if old, ok := present[name]; ok && bytes.Equal(old, content) {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			return err
		}
	}
	for name := range present {
		if _, ok := t[name]; ok {
			continue
		}
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return nil
}

func (t tree) names() []string {
	return slices.Sorted(maps.Keys(t))
}

// firstDifference returns the number of the first line in which a and b differ.
func firstDifference(a, b []byte) int {
	end := min(len(a), len(b))
	at := 0
	for at < end && a[at] == b[at] {
		at++
	}
	return 1 + bytes.Count(a[:at], []byte("\n"))
}
