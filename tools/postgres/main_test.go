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

func TestDownload(t *testing.T) {
	cache := t.TempDir()
	dir := filepath.Join(cache, "postgresql", string(version))
	server := repository(t, bundle(t, "postgres", "initdb", "pg_ctl"))

	if err := download(cache, dir, embedded.DefaultConfig().BinaryRepositoryURL(server)); err != nil {
		t.Fatal(err)
	}
	if err := runs(dir); err != nil {
		t.Error("downloaded programs do not run:", err)
	}
	if left, _ := filepath.Glob(filepath.Join(cache, "download-*")); len(left) > 0 {
		t.Error("left behind:", left)
	}

	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	want := filepath.Join(os.Getenv("XDG_CACHE_HOME"), "smrt", "postgresql", string(version))
	if err := os.MkdirAll(filepath.Dir(want), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(dir, want); err != nil {
		t.Fatal(err)
	}
	if got, err := installed(); err != nil || got != want {
		t.Errorf("installed again: %q, %v; want %q and no download", got, err, want)
	}
}

func TestDownloadOfAnIncompleteBundle(t *testing.T) {
	cache := t.TempDir()
	dir := filepath.Join(cache, "postgresql", string(version))
	server := repository(t, bundle(t, "initdb", "pg_ctl"))

	err := download(cache, dir, embedded.DefaultConfig().BinaryRepositoryURL(server))
	if err == nil || !strings.Contains(err.Error(), "postgres --version") {
		t.Errorf("got %v, want an error about postgres --version", err)
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("an incomplete version is in the place of a complete one")
	}
}

func TestDownloadWithoutNetwork(t *testing.T) {
	cache := t.TempDir()
	err := download(cache, filepath.Join(cache, "postgresql", string(version)),
		embedded.DefaultConfig().BinaryRepositoryURL("http://127.0.0.1:1"))
	if err == nil || !strings.Contains(err.Error(), "unable to connect to http://127.0.0.1:1") {
		t.Errorf("got %v, want an error that names the repository", err)
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
		script := "#!/bin/sh\n[ \"$1\" = --version ]\n"
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
