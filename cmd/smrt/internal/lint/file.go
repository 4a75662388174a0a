package lint

import (
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/smrt-go/smrt/cmd/smrt/internal/annotation"
)

// file is a migration's text, in which the statements that goose sends are found
// again: goose says of none where it stood.
type file struct {
	path        string
	version     int64
	lines       []string
	next        int // the first line, from 0, behind the last statement
	annotations []annotation.Annotation
}

func readFile(dir string, fsys fs.FS, path string, version int64) (*file, error) {
	text, err := fs.ReadFile(fsys, path)
	if err != nil {
		return nil, err
	}
	f := &file{path: filepath.Join(dir, path), version: version, lines: strings.Split(string(text), "\n")}
	f.annotations, err = annotation.Parse(f.path, string(text))
	return f, err
}

// find returns the lines, from 1, of the next statement with this text.
func (f *file) find(text string) (first, last int, ok bool) {
	want := significant(strings.Split(text, "\n"))
	for start := f.next; start < len(f.lines) && len(want) > 0; start++ {
		if strings.TrimSpace(f.lines[start]) != want[0] {
			continue
		}
		if end, ok := f.match(start, want); ok {
			f.next = end
			return start + 1, end, true
		}
	}
	return 0, 0, false
}

// match returns the line behind a statement that begins at a line.
func (f *file) match(start int, want []string) (end int, ok bool) {
	i := start
	for _, line := range want {
		for i < len(f.lines) && skipped(f.lines[i]) {
			i++
		}
		if i == len(f.lines) || strings.TrimSpace(f.lines[i]) != line {
			return 0, false
		}
		i++
	}
	return i, true
}

// following returns the next line that may begin a statement: that of one whose
// text goose has changed, as it does with ENVSUB.
func (f *file) following() int {
	for f.next < len(f.lines) && skipped(f.lines[f.next]) {
		f.next++
	}
	f.next = min(f.next+1, len(f.lines))
	return f.next
}

// significant returns lines without those that goose may leave out.
func significant(lines []string) (kept []string) {
	for _, line := range lines {
		if !skipped(line) {
			kept = append(kept, strings.TrimSpace(line))
		}
	}
	return kept
}

func skipped(line string) bool {
	line = strings.TrimSpace(line)
	return line == "" || strings.HasPrefix(line, "--")
}
