package lint

import (
	"io/fs"
	"path/filepath"

	"github.com/smrt-go/smrt/cmd/smrt/internal/annotation"
	"github.com/smrt-go/smrt/cmd/smrt/internal/script"
)

// file is a migration's text.
type file struct {
	path        string
	version     int64
	script      *script.Script
	sent        *script.Cursor
	annotations []annotation.Annotation
}

func readFile(dir string, fsys fs.FS, path string, version int64) (*file, error) {
	text, err := fs.ReadFile(fsys, path)
	if err != nil {
		return nil, err
	}
	f := &file{path: filepath.Join(dir, path), version: version, script: script.New(string(text))}
	f.sent = f.script.Cursor()
	f.annotations, err = annotation.Parse(f.path, f.script.Text)
	return f, err
}
