package migrate

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/pressly/goose/v3"

	"github.com/smrt-go/smrt/cmd/smrt/internal/annotation"
	"github.com/smrt-go/smrt/cmd/smrt/internal/script"
)

// File is a migration.
type File struct {
	Version  int64
	Name     string // in its folder
	Contract bool   // of the contract phase

	script  *script.Script
	single  bool // its statements have no transaction, or may end it
	ends    int  // where a statement gives up the transaction, -1 for nowhere
	indexes []index
	batches *backfill // nil: the file is run as it is
}

// IsFolder returns an error if there is no directory of this name.
func IsFolder(dir string) error {
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return errors.Join(fmt.Errorf("migrations: %s is no directory", dir), err)
	}
	return nil
}

// readFolder reads the migrations of a folder, in the order of their versions.
func readFolder(fsys fs.FS) ([]*File, error) {
	if err := noPrograms(fsys); err != nil {
		return nil, err
	}
	names, err := fs.Glob(fsys, "*.sql")
	if err != nil {
		return nil, err
	}
	var files []*File
	for _, name := range names {
		version, err := goose.NumericComponent(name)
		if err != nil {
			continue // goose ignores it too
		}
		text, err := fs.ReadFile(fsys, name)
		if err != nil {
			return nil, err
		}
		f := &File{Version: version, Name: path.Base(name), script: script.New(string(text))}
		if err := f.read(); err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	slices.SortStableFunc(files, func(a, b *File) int { return cmp.Compare(a.Version, b.Version) })
	for i := 1; i < len(files); i++ {
		if files[i].Version == files[i-1].Version {
			return nil, &DuplicateError{Version: files[i].Version, Files: [2]string{files[i-1].Name, files[i].Name}}
		}
	}
	return files, nil
}

// DuplicateError is of two files with one version. A database records versions, so it
// could have had only one of them.
type DuplicateError struct {
	Version int64
	Files   [2]string
}

func (e *DuplicateError) Error() string {
	return fmt.Sprintf("%s and %s both have version %d: give one of them another", e.Files[0], e.Files[1], e.Version)
}

// passedOver returns the files that begin with a number as migrations do, and are none to
// goose: 3-notes.sql, 3.sql, 0_notes.sql, 3_notes.SQL.
func passedOver(fsys fs.FS) (names []string, err error) {
	entries, err := fs.ReadDir(fsys, ".")
	for _, e := range entries {
		name := e.Name()
		_, none := goose.NumericComponent(name)
		if none != nil && name[0] >= '0' && name[0] <= '9' && strings.EqualFold(path.Ext(name), ".sql") {
			names = append(names, name)
		}
	}
	return names, err
}

// noPrograms returns an error if there are migrations in Go, which this command cannot
// run: they are part of another program.
func noPrograms(fsys fs.FS) error {
	names, err := fs.Glob(fsys, "*.go")
	for _, name := range names {
		if _, no := goose.NumericComponent(name); no == nil && !strings.HasSuffix(name, "_test.go") {
			return fmt.Errorf("%s is a migration in Go, which only a program that it is compiled into can run", name)
		}
	}
	return err
}

// Annotations returns the error of a file's annotations, an *annotation.Error that names
// the file, or nil.
func Annotations(file, text string) error {
	f := &File{Name: file, script: script.New(text)}
	return f.annotations()
}

// annotations reads what the comments of the file say.
func (f *File) annotations() error {
	all, err := annotation.Parse(f.Name, f.script.Text)
	if err != nil {
		return err
	}
	for _, a := range all {
		switch {
		case a.Name == annotation.Backfill:
			if f.batches, err = newBackfill(a, f.script); err != nil {
				return err
			}
		case a.Name == annotation.Phase && a.Text == "contract":
			f.Contract = true
		case a.Name == annotation.Phase && a.Text != "expand":
			return &annotation.Error{File: a.File, Line: a.Line, Problem: fmt.Sprintf("smrt:phase %s: the phases are expand and contract", a.Text)}
		}
	}
	return nil
}

// read reads what the comments of the file say, and which indexes it builds.
func (f *File) read() error {
	if err := f.annotations(); err != nil {
		return err
	}
	up, first := f.script.Up()
	single, ends := f.script.NoTransaction, begun(up, "rollback", "abort")
	f.single = single || begun(up, "commit", "end") >= 0
	if f.ends = -1; ends >= 0 && !single {
		f.ends = first + ends
	}
	f.indexes = indexesOf(up)
	for _, x := range f.indexes {
		if x.name == "" && single {
			return &annotation.Error{File: f.Name, Line: f.script.Line(first + x.pos), Problem: "CREATE INDEX CONCURRENTLY has no name for the index, " +
				"so an invalid one that a failed build leaves could not be found: give it one"}
		}
	}
	return nil
}

// Target says how far to migrate.
type Target struct {
	Version      int64 // 0: all files
	Contract     bool  // files of the contract phase too
	AllowMissing bool  // files below the version of the database too
}

// plan returns the files that are to be run, in order, and those that wait for the
// contract phase.
//
// Files of the contract phase wait longer than later files of the expand phase, so
// they alone may be missing below the version of the database.
func plan(files []*File, applied []int64, target Target) (run, waiting []*File, err error) {
	if target.Version > 0 && !slices.ContainsFunc(files, func(f *File) bool { return f.Version == target.Version }) {
		return nil, nil, &UsageError{fmt.Errorf("there is no migration of version %d", target.Version)}
	}
	var missing []string
	highest := slices.Max(append(slices.Clone(applied), 0))
	for _, f := range files {
		switch {
		case slices.Contains(applied, f.Version) || target.Version > 0 && f.Version > target.Version:
		case f.Contract && !target.Contract:
			waiting = append(waiting, f)
		default:
			run = append(run, f)
			if f.Version < highest && !f.Contract {
				missing = append(missing, f.Name)
			}
		}
	}
	if len(missing) > 0 && !target.AllowMissing {
		return nil, nil, &OrderError{Missing: missing, Version: highest}
	}
	return run, waiting, nil
}

// OrderError is of files that should have been run before others that were.
type OrderError struct {
	Missing []string
	Version int64
}

func (e *OrderError) Error() string {
	return fmt.Sprintf("%s not run, though the database is at version %s: give a newer version to the file, or run it all the same with --allow-missing",
		were(e.Missing), strconv.FormatInt(e.Version, 10))
}

// were joins names with the verb that follows them.
func were(names []string) string {
	if len(names) == 1 {
		return names[0] + " was"
	}
	return strings.Join(names, ", ") + " were"
}

// UsageError is of a call that cannot be meant.
type UsageError struct{ error }

func (e *UsageError) Unwrap() error { return e.error }

// errEmpty is the error of a folder without migrations.
var errEmpty = errors.New("there are no migrations, files such as 00001_name.sql")
