package house_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// block is a fenced block of a document, without the indentation of its fence.
type block struct {
	file     string
	line     int // of the fence
	language string
	note     string // of the comment before it: "not run: why" or "context: name"
	text     string
}

var (
	fence   = regexp.MustCompile("^( *)```(.*)$")
	comment = regexp.MustCompile(`^ *<!-- ((?:not run|context|excerpt of): .+) -->$`)
)

// blocksOf returns the blocks of a document, and what is wrong with them as
// such.
func blocksOf(file, text string) (blocks []block, problems []string) {
	var open *block
	indent, note := "", ""
	for i, line := range strings.Split(text, "\n") {
		m := fence.FindStringSubmatch(line)
		switch {
		case m != nil && open == nil:
			indent = m[1]
			open = &block{file: file, line: i + 1, language: strings.TrimSpace(m[2]), note: note}
			note = ""
		case m != nil:
			blocks = append(blocks, *open)
			open = nil
		case open != nil:
			open.text += strings.TrimPrefix(line, indent) + "\n"
		case comment.MatchString(line):
			note = comment.FindStringSubmatch(line)[1]
		case strings.TrimSpace(line) != "":
			note = ""
		}
	}
	if open != nil {
		problems = append(problems, "a block that does not end")
	}
	return blocks, problems
}

// documents returns the paths of the documents, and their blocks.
func documents(t *testing.T) []block {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir(filepath.Join(root, "docs"), func(path string, _ fs.DirEntry, err error) error {
		if filepath.Ext(path) == ".md" {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	var all []block
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		blocks, problems := blocksOf(strings.TrimPrefix(file, root+"/"), string(text))
		for _, problem := range problems {
			t.Errorf("%s: %s", file, problem)
		}
		all = append(all, blocks...)
	}
	if !slices.ContainsFunc(all, block.isProgram) {
		t.Fatal("no document has a program")
	}
	return all
}

// isProgram reports whether a block is a whole file of Go.
func (b block) isProgram() bool {
	return b.language == "go" && regexp.MustCompile(`(?m)^package \w+$`).MatchString(b.text)
}

// noteFor returns what the block's comment says after a prefix.
func (b block) noteFor(prefix string) (string, bool) { return strings.CutPrefix(b.note, prefix+": ") }
