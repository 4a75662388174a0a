package main

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	embedded "github.com/fergusstrange/embedded-postgres"
)

// archived is the release of the tests.
const archived = embedded.V17

func TestDownload(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	cache, err := cacheDir()
	if err != nil {
		t.Fatal(err)
	}
	server := repository(t, bundle(t, "postgres", "initdb", "pg_ctl"))
	s := fromArchive(archived, embedded.DefaultConfig().BinaryRepositoryURL(server))

	if err := download(cache, s); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(cache, "postgresql", string(archived))
	if err := runs(dir, string(archived)); err != nil {
		t.Error("downloaded programs do not run:", err)
	}
	if left, _ := filepath.Glob(filepath.Join(cache, "download-*")); len(left) > 0 {
		t.Error("left behind:", left)
	}
	if got, err := installed("17"); err != nil || got != dir {
		t.Errorf("installed again: %q, %v; want %q and no download", got, err, dir)
	}
}

func TestDownloadOfAnIncompleteBundle(t *testing.T) {
	server := repository(t, bundle(t, "initdb", "pg_ctl"))
	wantNothing(t, fromArchive(archived, embedded.DefaultConfig().BinaryRepositoryURL(server)), "postgres --version")
}

func TestDownloadOfAnotherVersion(t *testing.T) {
	server := repository(t, bundle(t, "postgres", "initdb", "pg_ctl"))
	wantNothing(t, fromArchive(embedded.V16, embedded.DefaultConfig().BinaryRepositoryURL(server)), "want version 16.9.0")
}

func TestDownloadWithoutNetwork(t *testing.T) {
	cfg := embedded.DefaultConfig().BinaryRepositoryURL("http://127.0.0.1:1")
	wantNothing(t, fromArchive(archived, cfg), "unable to connect to http://127.0.0.1:1")
}

// wantNothing downloads what cannot be had, and wants an error with that text and no version in its place.
func wantNothing(t *testing.T, s source, text string) {
	t.Helper()
	cache := t.TempDir()
	if err := download(cache, s); err == nil || !strings.Contains(err.Error(), text) {
		t.Errorf("got %v, want an error with %q", err, text)
	}
	if left, _ := filepath.Glob(filepath.Join(cache, "*", "*")); len(left) > 0 {
		t.Error("left behind:", left)
	}
}

func TestUnknownMajor(t *testing.T) {
	if dir, err := installed("13"); err == nil || !strings.Contains(err.Error(), "14, 15, 16, 17, 18") {
		t.Errorf("got %q, %v, want an error that names what there is", dir, err)
	}
}

func TestCacheDir(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", "")
	t.Setenv("HOME", "/home/somebody")
	want := "/home/somebody/.cache/smrt"
	if os.Geteuid() == 0 {
		want = "/var/cache/smrt"
	}
	if got, err := cacheDir(); err != nil || got != want {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
}

// repository serves the same bundle under every address, and its checksum.
func repository(t *testing.T, jar []byte) string {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, ".sha256") {
			fmt.Fprintf(w, "%x", sha256.Sum256(jar))
			return
		}
		w.Write(jar)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// bundle packs programs that know their version and nothing else, in the way real ones are packed.
func bundle(t *testing.T, programs ...string) []byte {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, program := range programs {
		script := "#!/bin/sh\n[ \"$1\" = --version ] && echo \"$(basename $0) (PostgreSQL) 17.5 (Debian)\"\n"
		if err := os.WriteFile(filepath.Join(dir, "bin", program), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	packed, err := exec.Command("tar", "-C", dir, "-cJf", "-", "bin").Output()
	if err != nil {
		t.Skip("packing a bundle needs tar and xz:", err)
	}
	var jar bytes.Buffer
	archive := zip.NewWriter(&jar)
	file, err := archive.Create("postgres-linux-x86_64.txz")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.Write(packed); err != nil {
		t.Fatal(err)
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	return jar.Bytes()
}
