package testdb

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// NotInstalledError says that no PostgreSQL server was found on this machine.
type NotInstalledError struct {
	Version  string   // that of SMRT_PG_VERSION, if only that will do
	Searched []string // the directories that were looked at
}

// Error says in one paragraph what to install.
func (e *NotInstalledError) Error() string {
	searched := " (looked at " + strings.Join(e.Searched, ", ") + ")."
	if e.Version != "" {
		return "PostgreSQL " + e.Version + ", which SMRT_PG_VERSION wants, is not installed: no directory with the programs " +
			"postgres and initdb of that version was found" + searched + " Run tools/install-postgres.sh, which downloads it, " +
			"or unset SMRT_PG_VERSION to use any version."
	}
	return "PostgreSQL is not installed: no directory with the programs postgres and initdb was found" + searched +
		" Run tools/install-postgres.sh, or install it yourself: " + howToInstall
}

const howToInstall = "\"apt-get install postgresql postgresql-contrib\" on Debian and Ubuntu, \"brew install postgresql@17\" " +
	"on macOS, the package postgresql-server elsewhere; a service need not be started. If it is installed in an unusual place, " +
	"set SMRT_PG_BIN to the directory of its programs; to use a running server, set SMRT_TEST_DSN."

// Advice is the error's text for users of the library, who do not have the scripts of this repository.
func (e *NotInstalledError) Advice() string {
	version := "PostgreSQL"
	if e.Version != "" {
		version += " " + e.Version + ", which SMRT_PG_VERSION wants,"
	}
	return "no server to test with: " + version + " is not installed (looked for postgres and initdb in " +
		strings.Join(e.Searched, ", ") + "). Install it: " + howToInstall
}

// FindBinaries returns the directory of the newest PostgreSQL server programs: the one named by SMRT_PG_BIN and no
// other if it is set, else one on the PATH, of a Linux distribution, of Homebrew, or downloaded by tools/postgres. If
// SMRT_PG_VERSION is set, only programs of that version will do. The error is a *NotInstalledError.
func FindBinaries() (string, error) {
	candidates, version := binaryDirs(), os.Getenv("SMRT_PG_VERSION")
	for _, dir := range candidates {
		if hasServer(dir) && (version == "" || isVersion(dir, version)) {
			return dir, nil
		}
	}
	return "", &NotInstalledError{Version: version, Searched: candidates}
}

// isVersion reports whether the server in dir is of a version: 18, or 18.4.
func isVersion(dir, version string) bool {
	out, err := exec.Command(filepath.Join(dir, "postgres"), "--version").Output()
	words := strings.Fields(string(out)) // postgres (PostgreSQL) 18.4 (Debian 18.4-1)
	return err == nil && len(words) >= 3 && (words[2] == version || strings.HasPrefix(words[2], version+"."))
}

// binaryDirs lists the directories to look at, best first. tools/install-postgres.sh looks at the same ones.
func binaryDirs() []string {
	if dir := os.Getenv("SMRT_PG_BIN"); dir != "" {
		return []string{dir}
	}
	var dirs []string
	// What is on the PATH may be a link into the real directory, or Debian's wrapper next to nothing of use.
	for _, program := range []string{"postgres", "initdb", "pg_ctl"} {
		path, err := exec.LookPath(program)
		if err != nil {
			continue
		}
		if real, err := filepath.EvalSymlinks(path); err == nil {
			dirs = append(dirs, filepath.Dir(real))
		}
	}
	if out, err := exec.Command("pg_config", "--bindir").Output(); err == nil {
		dirs = append(dirs, strings.TrimSpace(string(out)))
	}
	for _, pattern := range binaryPatterns() {
		found, _ := filepath.Glob(pattern)
		slices.SortStableFunc(found, func(a, b string) int { return slices.Compare(versionIn(b), versionIn(a)) })
		dirs = append(dirs, found...)
	}
	return dirs
}

func binaryPatterns() []string {
	patterns := []string{
		"/usr/lib/postgresql/*/bin", // Debian, Ubuntu
		"/usr/pgsql-*/bin",          // packages of the PostgreSQL project for Red Hat
		"/usr/libexec/postgresql*",  // Alpine
		"/opt/homebrew/opt/postgresql*/bin",
		"/usr/local/opt/postgresql*/bin",
		"/home/linuxbrew/.linuxbrew/opt/postgresql*/bin",
		"/Applications/Postgres.app/Contents/Versions/*/bin",
	}
	if dir, err := downloadDir(); err == nil {
		patterns = append(patterns, filepath.Join(dir, "*", "bin"))
	}
	return patterns
}

// downloadDir is where tools/postgres puts what it downloads. Root's own cache cannot be read by the user that root
// has to run the server as.
func downloadDir() (string, error) {
	if dir := os.Getenv("XDG_CACHE_HOME"); dir != "" {
		return filepath.Join(dir, "smrt", "postgresql"), nil
	}
	if os.Geteuid() == 0 {
		return "/var/cache/smrt/postgresql", nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(home, ".cache", "smrt", "postgresql"), nil
}

// versionIn returns the numbers of the last part of a path that looks like a version, 9.6 or 17 or 18.3.0.
func versionIn(path string) []int {
	words := strings.FieldsFunc(path, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
	for _, word := range slices.Backward(words) {
		var version []int
		for _, digits := range strings.Split(word, ".") {
			if n, err := strconv.Atoi(digits); err == nil {
				version = append(version, n)
			}
		}
		if len(version) > 0 {
			return version
		}
	}
	return nil
}

// hasServer reports whether dir holds the two programs that everything here is built on.
func hasServer(dir string) bool {
	for _, program := range []string{"postgres", "initdb"} {
		info, err := os.Stat(filepath.Join(dir, program))
		if err != nil || info.IsDir() || info.Mode().Perm()&0o111 == 0 {
			return false
		}
	}
	return true
}
