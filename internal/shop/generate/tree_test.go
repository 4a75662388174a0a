package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestCompare(t *testing.T) {
	t.Parallel()
	made := tree{"a.go": []byte("one\ntwo\nthree\n"), "b.go": []byte("b\n")}

	for name, tc := range map[string]struct {
		present tree
		want    []string
	}{
		"same":      {tree{"a.go": []byte("one\ntwo\nthree\n"), "b.go": []byte("b\n")}, nil},
		"nothing":   {tree{}, []string{"a.go: missing", "b.go: missing"}},
		"edited":    {tree{"a.go": []byte("one\ntwo\nTHREE\n"), "b.go": []byte("b\n")}, []string{"a.go: differs from line 3 on"}},
		"cut":       {tree{"a.go": []byte("one\n"), "b.go": []byte("b\n")}, []string{"a.go: differs from line 2 on"}},
		"left over": {tree{"a.go": made["a.go"], "b.go": made["b.go"], "c.go": nil}, []string{"c.go: not generated"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := made.compare(tc.present); !slices.Equal(got, tc.want) {
				t.Errorf("compare: %q, want %q", got, tc.want)
			}
		})
	}
}

func TestReadTreeOfNothing(t *testing.T) {
	t.Parallel()
	files, err := readTree(filepath.Join(t.TempDir(), "absent"))
	if err != nil || len(files) != 0 {
		t.Errorf("readTree of no directory: %v, %v; want no files", files, err)
	}
}

func TestWriteToMakesTheDirectoryEqual(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "new", "shopdb")
	first := tree{"kept.go": []byte("kept"), "changed.go": []byte("old"), "gone.go": []byte("gone")}
	if err := first.writeTo(dir); err != nil {
		t.Fatal(err)
	}
	longAgo := time.Unix(1_000_000, 0)
	kept := filepath.Join(dir, "kept.go")
	if err := os.Chtimes(kept, longAgo, longAgo); err != nil {
		t.Fatal(err)
	}

	second := tree{"kept.go": []byte("kept"), "changed.go": []byte("new"), "added.go": []byte("added")}
	if err := second.writeTo(dir); err != nil {
		t.Fatal(err)
	}
	present, err := readTree(dir)
	if err != nil {
		t.Fatal(err)
	}
	if differences := second.compare(present); len(differences) > 0 {
		t.Errorf("after writeTo: %q", differences)
	}
	info, err := os.Stat(kept)
	if err != nil {
		t.Fatal(err)
	}
	if !info.ModTime().Equal(longAgo) {
		t.Error("a file that was right already was written again")
	}
}

func TestWriteToWhereItCannot(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := (tree{"a.go": nil}).writeTo(filepath.Join(file, "dir")); err == nil {
		t.Error("writeTo below a file: no error")
	}
}

func TestRunOutsideTheRepository(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := run(t.Context(), true); err == nil {
		t.Error("run outside the repository: no error")
	}
}

// TestEveryConfiguration compares the projects with the configurations of sqlc that
// the repository has: one that is not a project would never be found stale.
func TestEveryConfiguration(t *testing.T) {
	t.Parallel()
	var want, got []string
	root := os.DirFS("../../..")
	err := fs.WalkDir(root, ".", func(path string, d fs.DirEntry, err error) error {
		if d != nil && d.IsDir() && strings.HasPrefix(d.Name(), ".") && path != "." {
			return fs.SkipDir
		}
		if filepath.Base(path) == "sqlc.yaml" {
			want = append(want, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range projects() {
		got = append(got, p.config)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("projects have %q, the repository has %q", got, want)
	}
}
