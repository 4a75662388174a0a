//go:build unix

package testdb_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/smrt-go/smrt/internal/check"
)

// installation runs tools/install-postgres.sh on a pretended machine: below root, with nothing on the PATH but what the
// script needs and what the test puts there.
type installation struct {
	root, path string
	env        []string
}

func newInstallation(t *testing.T) *installation {
	t.Helper()
	in := &installation{root: t.TempDir(), path: t.TempDir()}
	for _, program := range []string{"sh", "cat", "chmod", "dirname", "env", "mkdir", "printf", "readlink", "rm", "true"} {
		real, err := exec.LookPath(program)
		if err != nil {
			t.Skip(err)
		}
		if err := os.Symlink(real, filepath.Join(in.path, program)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(in.root, "usr/sbin"), 0o755); err != nil {
		t.Fatal(err)
	}
	in.program(t, "id", "echo 0")
	writeScript(t, filepath.Join(in.root, pgBouncer), "exit 0")
	in.env = []string{
		"PATH=" + in.path, "HOME=" + in.root + "/home", "ROOT=" + in.root, "SMRT_SEARCH_PREFIX=" + in.root,
	}
	return in
}

const pgBouncer = "usr/sbin/pgbouncer"

// program puts a program on the PATH that notes its call and runs the script.
func (in *installation) program(t *testing.T, name, script string) {
	t.Helper()
	writeScript(t, filepath.Join(in.path, name), `[ `+name+` = id ] || echo "`+name+` $*" >>"$ROOT/calls"`+"\n"+script)
}

// appears is a script that makes a server appear in a directory below root.
func appears(dir string) string {
	return `mkdir -p "$ROOT/` + dir + `"
for program in postgres initdb; do
	printf '#!/bin/sh\n' >"$ROOT/` + dir + `/$program"
	chmod 755 "$ROOT/` + dir + `/$program"
done`
}

// run returns the exit code, what was written, and which programs were called.
func (in *installation) run(t *testing.T, args ...string) (code int, output, calls string) {
	t.Helper()
	script, err := filepath.Abs("../../tools/install-postgres.sh")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/bin/sh", append([]string{script}, args...)...)
	cmd.Env = in.env
	text, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	noted, _ := os.ReadFile(filepath.Join(in.root, "calls"))
	return cmd.ProcessState.ExitCode(), string(text), string(noted)
}

func TestInstallDoesNothingWhenAServerIsFound(t *testing.T) {
	check.LongOnly(t)
	t.Parallel()
	for name, arrange := range map[string]func(*testing.T, *installation){
		"variable": func(t *testing.T, in *installation) {
			in.env = append(in.env, "SMRT_PG_BIN="+fakeServer(t, "bin"))
		},
		"running server": func(t *testing.T, in *installation) {
			in.env = append(in.env, "SMRT_TEST_DSN=postgres://somewhere")
		},
		"link on the path": func(t *testing.T, in *installation) {
			if err := os.Symlink(fakeServer(t, "bin")+"/postgres", in.path+"/postgres"); err != nil {
				t.Fatal(err)
			}
		},
		"pg_config": func(t *testing.T, in *installation) {
			writeScript(t, in.path+"/pg_config", "echo "+fakeServer(t, "bin"))
		},
		"Debian":   func(t *testing.T, in *installation) { in.server(t, "usr/lib/postgresql/17/bin") },
		"Red Hat":  func(t *testing.T, in *installation) { in.server(t, "usr/pgsql-17/bin") },
		"Alpine":   func(t *testing.T, in *installation) { in.server(t, "usr/libexec/postgresql17") },
		"Homebrew": func(t *testing.T, in *installation) { in.server(t, "opt/homebrew/opt/postgresql@17/bin") },
		"download": func(t *testing.T, in *installation) { in.server(t, "var/cache/smrt/postgresql/17.5.0/bin") },
		"download of a user": func(t *testing.T, in *installation) {
			in.program(t, "id", "echo 1000")
			in.server(t, "home/.cache/smrt/postgresql/17.5.0/bin")
		},
		"download elsewhere": func(t *testing.T, in *installation) {
			in.env = append(in.env, "XDG_CACHE_HOME="+in.root+"/elsewhere")
			in.server(t, "elsewhere/smrt/postgresql/17.5.0/bin")
		},
	} {
		t.Run(name, func(t *testing.T) {
			in := newInstallation(t)
			in.program(t, "apt-get", "exit 0")
			in.program(t, "go", "exit 0")
			arrange(t, in)
			if code, output, calls := in.run(t); code != 0 || output != "" || calls != "" {
				t.Errorf("exit code %d, wrote %q, called %q, want 0 and nothing", code, output, calls)
			}
		})
	}
}

func (in *installation) server(t *testing.T, dir string) {
	t.Helper()
	writeScript(t, filepath.Join(in.root, dir, "postgres"), "exit 0")
	writeScript(t, filepath.Join(in.root, dir, "initdb"), "exit 0")
}

const debianBin = "usr/lib/postgresql/17/bin"

func TestInstallWithApt(t *testing.T) {
	check.LongOnly(t)
	t.Parallel()
	in := newInstallation(t)
	// The service must not be started while the packages are installed.
	in.program(t, "apt-get", `[ "$1" = install ] || exit 0
[ "$DEBIAN_FRONTEND" = noninteractive ] || exit 9
"$ROOT/usr/sbin/policy-rc.d"; [ $? = 101 ] || exit 8
`+appears(debianBin))
	in.program(t, "brew", "exit 0")
	code, output, calls := in.run(t)
	if want := "apt-get update\napt-get install -y postgresql postgresql-contrib\n"; code != 0 || calls != want {
		t.Errorf("exit code %d, called %q, wrote %q, want %q", code, calls, output, want)
	}
	if _, err := os.Stat(in.root + "/usr/sbin/policy-rc.d"); !os.IsNotExist(err) {
		t.Errorf("policy-rc.d stayed: %v", err)
	}
}

func TestInstallWithAptKeepsAPolicy(t *testing.T) {
	check.LongOnly(t)
	t.Parallel()
	in := newInstallation(t)
	policy := in.root + "/usr/sbin/policy-rc.d"
	writeScript(t, policy, "exit 104")
	in.program(t, "apt-get", appears(debianBin))
	if code, output, _ := in.run(t); code != 0 {
		t.Errorf("exit code %d: %s", code, output)
	}
	if text, err := os.ReadFile(policy); err != nil || !strings.Contains(string(text), "104") {
		t.Errorf("the policy is now %q, %v", text, err)
	}
}

func TestInstallWithAptAndSudo(t *testing.T) {
	check.LongOnly(t)
	t.Parallel()
	in := newInstallation(t)
	in.program(t, "id", "echo 1000")
	in.program(t, "sudo", `shift; exec "$@"`)
	in.program(t, "apt-get", appears(debianBin))
	code, output, calls := in.run(t)
	if code != 0 || !strings.Contains(calls, "sudo -n apt-get update\n") ||
		!strings.Contains(calls, "sudo -n env DEBIAN_FRONTEND=noninteractive apt-get install") {
		t.Errorf("exit code %d, called %q, wrote %q", code, calls, output)
	}
}

// Where sudo asks for a password the next way is taken, and so is it when a way fails or brings no server.
func TestInstallTriesOneWayAfterAnother(t *testing.T) {
	check.LongOnly(t)
	t.Parallel()
	in := newInstallation(t)
	in.program(t, "id", "echo 1000")
	in.program(t, "sudo", "exit 1")
	in.program(t, "apt-get", "exit 0")
	in.program(t, "brew", "exit 0")
	in.program(t, "go", appears("home/.cache/smrt/postgresql/17.5.0/bin"))
	code, output, calls := in.run(t)
	if code != 0 || strings.Contains(calls, "apt-get update") {
		t.Errorf("exit code %d, called %q, wrote %q", code, calls, output)
	}
	brew, download := strings.Index(calls, "brew install postgresql@17\n"), strings.Index(calls, "go run -C ")
	if brew < 0 || download < brew || !strings.Contains(calls, "/tools/postgres .\n") {
		t.Errorf("called %q, want brew, then the download", calls)
	}
}

func TestInstallGivesUpWithOneParagraph(t *testing.T) {
	check.LongOnly(t)
	t.Parallel()
	in := newInstallation(t)
	for _, program := range []string{"apt-get", "brew", "go"} {
		in.program(t, program, "exit 1")
	}
	code, output, calls := in.run(t)
	if code != 1 || strings.Count(calls, "\n") != 4 {
		t.Errorf("exit code %d, called %q, want 1 after apt-get twice, brew and go", code, calls)
	}
	last := output[strings.LastIndex(strings.TrimSuffix(output, "\n"), "\n")+1:]
	for _, word := range []string{"apt-get", "brew", "Go and the internet", "SMRT_PG_BIN", "SMRT_TEST_DSN"} {
		if !strings.Contains(last, word) {
			t.Errorf("the last line %q does not mention %s", last, word)
		}
	}
	if _, err := os.Stat(in.root + "/usr/sbin/policy-rc.d"); !os.IsNotExist(err) {
		t.Errorf("policy-rc.d stayed: %v", err)
	}
}

func TestInstallDoesNotGuessBesideTheVariable(t *testing.T) {
	check.LongOnly(t)
	t.Parallel()
	in := newInstallation(t)
	in.program(t, "apt-get", "exit 0")
	in.env = append(in.env, "SMRT_PG_BIN=/nonexistent")
	code, output, calls := in.run(t)
	if code != 1 || calls != "" || !strings.Contains(output, "SMRT_PG_BIN is /nonexistent") {
		t.Errorf("exit code %d, called %q, wrote %q, want 1, nothing, and the reason", code, calls, output)
	}
}

// Programs of another version will not do, and no package manager is asked for the one that does.
func TestInstallOfAVersion(t *testing.T) {
	check.LongOnly(t)
	t.Parallel()
	for version, found := range map[string]bool{"17": true, "17.5": true, "17.4": false, "1": false, "18": false} {
		t.Run(version, func(t *testing.T) {
			in := newInstallation(t)
			in.env = append(in.env, "SMRT_PG_VERSION="+version)
			in.server(t, debianBin)
			writeScript(t, filepath.Join(in.root, debianBin, "postgres"), "echo 'postgres (PostgreSQL) 17.5 (Debian 17.5-1)'")
			in.program(t, "apt-get", "exit 0")
			in.program(t, "go", appears("var/cache/smrt/postgresql/18.4.0/bin")+`
printf 'echo "postgres (PostgreSQL) 18.4"' >>"$ROOT/var/cache/smrt/postgresql/18.4.0/bin/postgres"`)
			code, output, calls := in.run(t)
			if found && (code != 0 || calls != "") {
				t.Errorf("exit code %d, called %q, wrote %q, want what is there", code, calls, output)
			}
			major, _, _ := strings.Cut(version, ".")
			if !found && (!strings.HasSuffix(calls, "/tools/postgres . "+major+"\n") || strings.Contains(calls, "apt-get")) {
				t.Errorf("called %q, want the download", calls)
			}
			if want := found || version == "18"; want != (code == 0) || !want && !strings.Contains(output, "SMRT_PG_VERSION wants") {
				t.Errorf("exit code %d, wrote %q", code, output)
			}
		})
	}
}

// PgBouncer is added where it is asked for, and the machine is ready without it as well.
func TestInstallAddsPgBouncer(t *testing.T) {
	check.LongOnly(t)
	t.Parallel()
	const (
		install = "apt-get update\napt-get install -y pgbouncer\n"
		adding  = "install-postgres: installing PgBouncer with apt-get\n"
	)
	for name, c := range map[string]struct {
		arrange func(*testing.T, *installation)
		calls   string
		output  string
	}{
		"missing": {func(t *testing.T, in *installation) {
			in.program(t, "apt-get", `[ "$1" = install ] || exit 0
"$ROOT/usr/sbin/policy-rc.d"; [ $? = 101 ] || exit 8`)
		}, install, adding},
		"fails": {func(t *testing.T, in *installation) { in.program(t, "apt-get", "exit 1") }, install, adding +
			"install-postgres: PgBouncer could not be installed: the tests that need it are skipped\n"},
		"no password": {func(t *testing.T, in *installation) {
			in.program(t, "id", "echo 1000")
			in.program(t, "sudo", "exit 1")
			in.program(t, "apt-get", "exit 0")
		}, "sudo -n true\n", ""},
		"no apt-get": {func(*testing.T, *installation) {}, "", ""},
		"on the path": {func(t *testing.T, in *installation) {
			in.program(t, "apt-get", "exit 0")
			in.program(t, "pgbouncer", "exit 0")
		}, "", ""},
		"variable": {func(t *testing.T, in *installation) {
			in.program(t, "apt-get", "exit 0")
			in.env = append(in.env, "SMRT_PGBOUNCER=/somewhere")
		}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			in := newInstallation(t)
			check.NoError(t, os.Remove(filepath.Join(in.root, pgBouncer)))
			in.server(t, debianBin)
			c.arrange(t, in)
			if code, output, calls := in.run(t); code != 0 || calls != "" || output != "" {
				t.Errorf("nobody asked for PgBouncer: exit code %d, called %q, wrote %q", code, calls, output)
			}
			code, output, calls := in.run(t, "pgbouncer")
			if code != 0 || calls != c.calls || output != c.output {
				t.Errorf("exit code %d, called %q, wrote %q, want 0, %q and %q", code, calls, output, c.calls, c.output)
			}
			if _, err := os.Stat(in.root + "/usr/sbin/policy-rc.d"); !os.IsNotExist(err) {
				t.Errorf("policy-rc.d stayed: %v", err)
			}
		})
	}
}

func TestInstallAddsPgBouncerToANewServer(t *testing.T) {
	check.LongOnly(t)
	t.Parallel()
	in := newInstallation(t)
	check.NoError(t, os.Remove(filepath.Join(in.root, pgBouncer)))
	in.program(t, "apt-get", `[ "$3" = postgresql ] || exit 1
`+appears(debianBin))
	code, output, calls := in.run(t, "pgbouncer")
	if code != 0 || strings.Count(calls, "apt-get install") != 2 || !strings.Contains(output, "are skipped") {
		t.Errorf("exit code %d, called %q, wrote %q", code, calls, output)
	}
}

// The browser and Redis are added in the same way.
func TestInstallAddsOthers(t *testing.T) {
	check.LongOnly(t)
	t.Parallel()
	for name, c := range map[string]struct {
		argument, program, script, want string
	}{
		"missing":              {"chromium", "apt-get", "exit 0", "apt-get update\napt-get install -y chromium\n"},
		"fails":                {"chromium", "apt-get", "exit 1", "apt-get update\napt-get install -y chromium\n"},
		"on the path":          {"chromium", "google-chrome", "exit 0", ""},
		"no apt-get":           {"chromium", "chromium-browser", "exit 0", ""},
		"no Redis":             {"redis", "apt-get", "exit 0", "apt-get update\napt-get install -y redis-server\n"},
		"no Redis that fails":  {"redis", "apt-get", "exit 1", "apt-get update\napt-get install -y redis-server\n"},
		"a Valkey on the path": {"redis", "valkey-server", "exit 0", ""},
		"no Redis, no apt-get": {"redis", "redis-server", "exit 0", ""},
	} {
		t.Run(name, func(t *testing.T) {
			in := newInstallation(t)
			in.server(t, debianBin)
			in.program(t, c.program, c.script)
			code, output, calls := in.run(t, "pgbouncer", c.argument)
			if code != 0 || calls != c.want || strings.Contains(output, "are skipped") != (c.script == "exit 1") {
				t.Errorf("exit code %d, called %q, wrote %q, want 0 and %q", code, calls, output, c.want)
			}
		})
	}
}
