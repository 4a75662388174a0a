//go:build unix

package testdb_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/smrt-go/smrt/internal/testdb"
)

func TestFindBinariesPrefersTheVariable(t *testing.T) {
	bin := fakeServer(t, "chosen")
	t.Setenv("SMRT_PG_BIN", bin)
	t.Setenv("SMRT_PG_VERSION", "")
	if got, err := testdb.FindBinaries(); err != nil || got != bin {
		t.Errorf("got %q, %v, want %q", got, err, bin)
	}
}

// A wrong SMRT_PG_BIN is an error, even where PostgreSQL is installed: the user meant another one.
func TestFindBinariesReportsWhatToInstall(t *testing.T) {
	t.Setenv("SMRT_PG_BIN", "/nonexistent")
	t.Setenv("SMRT_PG_VERSION", "")
	_, err := testdb.FindBinaries()
	var missing *testdb.NotInstalledError
	if !errors.As(err, &missing) || !slices.Equal(missing.Searched, []string{"/nonexistent"}) {
		t.Fatalf("got %#v, want a NotInstalledError of /nonexistent", err)
	}
	text := err.Error()
	for _, word := range []string{
		"/nonexistent", "tools/install-postgres.sh", "apt-get", "brew", "SMRT_PG_BIN", "SMRT_TEST_DSN",
	} {
		if !strings.Contains(text, word) {
			t.Errorf("the message does not mention %s", word)
		}
	}
	if strings.Contains(text, "\n") {
		t.Error("the message is not one paragraph")
	}
}

func TestFindBinariesFollowsLinksOnThePath(t *testing.T) {
	bin, links := fakeServer(t, "real"), t.TempDir()
	if err := os.Symlink(filepath.Join(bin, "postgres"), filepath.Join(links, "postgres")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SMRT_PG_BIN", "")
	t.Setenv("SMRT_PG_VERSION", "")
	t.Setenv("PATH", links)
	if got, err := testdb.FindBinaries(); err != nil || got != bin {
		t.Errorf("got %q, %v, want %q", got, err, bin)
	}
}

func TestFindBinariesAsksPgConfig(t *testing.T) {
	bin, path := fakeServer(t, "real"), t.TempDir()
	writeScript(t, filepath.Join(path, "pg_config"), "echo "+bin)
	t.Setenv("SMRT_PG_BIN", "")
	t.Setenv("SMRT_PG_VERSION", "")
	t.Setenv("PATH", path)
	if got, err := testdb.FindBinaries(); err != nil || got != bin {
		t.Errorf("got %q, %v, want %q", got, err, bin)
	}
}

func TestFindBinariesOfAVersion(t *testing.T) {
	cache := t.TempDir()
	for _, version := range []string{"18.4.0", "18.3.0", "14.23.0", "1.4.0"} {
		bin := filepath.Join(cache, "smrt", "postgresql", version, "bin")
		writeScript(t, filepath.Join(bin, "initdb"), "exit 0")
		writeScript(t, filepath.Join(bin, "postgres"), "echo 'postgres (PostgreSQL) "+
			strings.TrimSuffix(version, ".0")+" (Debian 1)'")
	}
	t.Setenv("SMRT_PG_BIN", "")
	t.Setenv("XDG_CACHE_HOME", cache)
	for version, want := range map[string]string{
		"18": "18.4.0", "18.3": "18.3.0", "14": "14.23.0", "1": "1.4.0", "4": "", "18.": "", "8": "",
	} {
		t.Setenv("SMRT_PG_VERSION", version)
		got, err := testdb.FindBinaries()
		var missing *testdb.NotInstalledError
		switch {
		case want != "" && (err != nil || got != filepath.Join(cache, "smrt", "postgresql", want, "bin")):
			t.Errorf("version %s: got %q, %v, want that of %s", version, got, err, want)
		case want == "" && (!errors.As(err, &missing) || missing.Version != version):
			t.Errorf("version %s: got %q, %v, want a NotInstalledError", version, got, err)
		}
	}
	// The directory of the variable is no exception.
	t.Setenv("SMRT_PG_BIN", filepath.Join(cache, "smrt", "postgresql", "14.23.0", "bin"))
	t.Setenv("SMRT_PG_VERSION", "18")
	if got, err := testdb.FindBinaries(); err == nil || !strings.Contains(err.Error(), "which SMRT_PG_VERSION wants") ||
		!strings.Contains(err.Error(), "tools/install-postgres.sh") || !strings.Contains(err.Error(), "14.23.0") {
		t.Errorf("got %q, %v, want an error that names the version and what to do", got, err)
	}
}

func TestBinaryDirsAreNewestFirst(t *testing.T) {
	cache := t.TempDir()
	for _, version := range []string{"9.6.24", "17.5.0", "18.3.0", "10.23.0"} {
		if err := os.MkdirAll(filepath.Join(cache, "smrt", "postgresql", version, "bin"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("SMRT_PG_BIN", "")
	t.Setenv("PATH", "")
	t.Setenv("XDG_CACHE_HOME", cache)
	var versions []string
	for _, dir := range testdb.BinaryDirs() {
		if name, ok := strings.CutPrefix(dir, filepath.Join(cache, "smrt", "postgresql")+"/"); ok {
			versions = append(versions, filepath.Dir(name))
		}
	}
	if want := []string{"18.3.0", "17.5.0", "10.23.0", "9.6.24"}; !slices.Equal(versions, want) {
		t.Errorf("got %q, want %q", versions, want)
	}
}

func TestVersionIn(t *testing.T) {
	for path, want := range map[string][]int{
		"/usr/lib/postgresql/15/bin":          {15},
		"/usr/lib/postgresql/9.6/bin":         {9, 6},
		"/usr/pgsql-17/bin":                   {17},
		"/opt/homebrew/opt/postgresql@16/bin": {16},
		"/opt/homebrew/opt/postgresql/bin":    nil,
		"/home/me.2/.cache/smrt/18.3.0/bin":   {18, 3, 0},
	} {
		if got := testdb.VersionIn(path); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", path, got, want)
		}
	}
}

func TestReplaceDatabase(t *testing.T) {
	for dsn, want := range map[string]string{
		"postgres://u:p@h:1/old?sslmode=disable": "postgres://u:p@h:1/it%27s%20%5C?sslmode=disable",
		"postgres://h":                           "postgres://h/it%27s%20%5C",
		"host=h dbname=old":                      `host=h dbname=old dbname='it\'s \\'`,
	} {
		if got := testdb.ReplaceDatabase(dsn, `it's \`); got != want {
			t.Errorf("%s: %s, want %s", dsn, got, want)
		}
	}
}

// fakeServer returns a directory that looks like that of a server.
func fakeServer(t *testing.T, name string) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	bin := filepath.Join(dir, name)
	writeScript(t, filepath.Join(bin, "postgres"), "exit 0")
	writeScript(t, filepath.Join(bin, "initdb"), "exit 0")
	return bin
}

func writeScript(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
}
