//go:build unix

package testdb_test

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
)

// Whatever way a test binary ends, its servers and their directories end with it.
func TestNothingIsLeftBehind(t *testing.T) {
	check.LongOnly(t)
	signal := func(sig syscall.Signal) func(*child) {
		return func(c *child) { c.cmd.Process.Signal(sig) }
	}
	for name, tc := range map[string]struct {
		part   string
		action func(*child) // done when the servers run
		code   int
		stderr string
		limit  time.Duration // 0: gone when the process is
	}{
		"success": {part: "pass"},
		"failure": {part: "fail", code: 1},
		"os.Exit": {part: "exit", code: 7, limit: testdb.Patience(20 * time.Second)},
		"panic":   {part: "panic", code: 2, stderr: "child panics", limit: testdb.Patience(20 * time.Second)},
		"crash":   {part: "crash", code: 2, stderr: "child crashes", limit: testdb.Patience(20 * time.Second)},
		"SIGKILL": {part: "hang", action: signal(syscall.SIGKILL), code: -1, limit: testdb.Patience(20 * time.Second)},
		"SIGTERM": {part: "hang", action: signal(syscall.SIGTERM), code: -1, limit: testdb.Patience(20 * time.Second)},
		"go test -timeout": {
			part: "hang", action: signal(syscall.SIGQUIT), code: 2, stderr: "SIGQUIT", limit: testdb.Patience(20 * time.Second),
		},
		"Ctrl-C": {
			part: "hang", code: -1, limit: testdb.Patience(20 * time.Second),
			// The terminal sends it to the whole process group.
			action: func(c *child) { syscall.Kill(-c.cmd.Process.Pid, syscall.SIGINT) },
		},
		"hang-up of the terminal": {
			part: "hang", code: -1, limit: testdb.Patience(20 * time.Second),
			action: func(c *child) { syscall.Kill(-c.cmd.Process.Pid, syscall.SIGHUP) },
		},
		"SIGKILL with a standby": {part: "standby", action: signal(syscall.SIGKILL), code: -1, limit: testdb.Patience(20 * time.Second)},
		// A frozen server is killed when it has not ended by itself.
		"SIGKILL with a frozen standby": {
			part: "frozen", action: signal(syscall.SIGKILL), code: -1, limit: testdb.Patience(30 * time.Second),
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := startChild(t, tc.part)
			c.awaitReady(t)
			if len(c.processes(t)) < 5 && tc.action != nil {
				t.Errorf("the search for processes finds only %q", c.processes(t))
			}
			if tc.action != nil {
				tc.action(c)
			}
			if code := c.wait(); code != tc.code {
				t.Errorf("exit code %d, want %d", code, tc.code)
			}
			if !strings.Contains(c.stderr.String(), tc.stderr) {
				t.Errorf("stderr does not mention %q", tc.stderr)
			}
			c.assertNothingLeft(t, tc.limit)
		})
	}
}

// Each of 50 kills finds a server in another state: not yet made, being made, starting, running.
func TestNothingIsLeftBehindWhenKilledAtAnyMoment(t *testing.T) {
	check.LongOnly(t)
	for delay := time.Duration(0); delay < 1000*time.Millisecond; delay += 20 * time.Millisecond {
		t.Run(delay.String(), func(t *testing.T) {
			t.Parallel()
			c := startChild(t, "early")
			c.awaitReady(t)
			time.Sleep(delay)
			c.cmd.Process.Kill()
			c.wait()
			c.assertNothingLeft(t, testdb.Patience(20*time.Second))
		})
	}
}

// A caller that is not root runs servers as itself.
func TestNothingIsLeftBehindByAnUnprivilegedUser(t *testing.T) {
	check.LongOnly(t)
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("every other test of this run is by an unprivileged user")
	}
	c := startChild(t, "pass", func(cmd *exec.Cmd) {
		// The directory of the test binary is closed to others.
		binary := filepath.Join(cmd.Dir, "child.test")
		copyFile(t, cmd.Path, binary)
		cmd.Path = binary
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: 65534, Gid: 65534}
		cmd.Env = slices.DeleteFunc(cmd.Env, func(entry string) bool { return strings.HasPrefix(entry, "HOME=") })
	})
	if code := c.wait(); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	if err := os.Remove(filepath.Join(c.tmp, "child.test")); err != nil {
		t.Fatal(err)
	}
	c.assertNothingLeft(t, 0)
}

func TestMainReportsALeakedGoroutine(t *testing.T) {
	check.LongOnly(t)
	t.Parallel()
	c := startChild(t, "goroutine")
	code := c.wait()
	if code != 1 || !strings.Contains(c.stderr.String(), "goroutines outlive the tests") ||
		!strings.Contains(c.stderr.String(), "playChild") {
		t.Errorf("exit code %d and %q, want 1 and the goroutine", code, c.stderr.String())
	}
	c.assertNothingLeft(t, 0)
}

func TestMainStartsNothingThatIsNotAskedFor(t *testing.T) {
	t.Parallel()
	c := startChild(t, "unused", func(cmd *exec.Cmd) {
		cmd.Env = append(cmd.Env, "SMRT_PG_BIN=/nonexistent") // a start would fail
	})
	if code := c.wait(); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	c.assertNothingLeft(t, 0)
}

// Without PostgreSQL the user reads what to install, and no stack of anything but the example.
func TestWithoutPostgreSQL(t *testing.T) {
	t.Parallel()
	c := startChild(t, "pass", func(cmd *exec.Cmd) {
		cmd.Env = append(cmd.Env, "SMRT_PG_BIN=/nonexistent", "SMRT_PG_VERSION=")
	})
	if code := c.wait(); code != 2 {
		t.Errorf("exit code %d, want that of a panic, 2", code)
	}
	if !strings.Contains(c.stderr.String(), "PostgreSQL is not installed") {
		t.Errorf("got %q", c.stderr.String())
	}
	c.assertNothingLeft(t, testdb.Patience(20*time.Second))
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(out, in); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
}
