//go:build unix

package testdb_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/internal/testdb"
)

// run is a set of tests for testdb.Main.
type run func() int

func (r run) Run() int { return r() }

// playChild does in a process of its own what a test cannot do to its own process. Each part uses a database first, and
// says so on standard output.
func playChild(part string) int {
	parts := map[string]run{
		"pass":    func() int { testdb.ExampleDSN(items); return 0 }, // dropped by Main
		"fail":    func() int { return 1 },
		"exit":    func() int { os.Exit(7); return 0 },
		"panic":   func() int { panic("child panics") },
		"crash":   func() int { go func() { panic("child crashes") }(); select {} },
		"hang":    func() int { time.Sleep(time.Minute); return 0 },
		"standby": func() int { startStandby(false); time.Sleep(time.Minute); return 0 },
		"frozen":  func() int { startStandby(true); time.Sleep(time.Minute); return 0 },
		"pooled":  throughPooler,
		"goroutine": func() int {
			go func() { select {} }()
			return 0
		},
	}
	return testdb.Main(run(func() int {
		if part == "unused" {
			return 0
		}
		if part == "share" {
			return shareTemplate()
		}
		if part == "early" {
			fmt.Println("ready")
		}
		pool, done := testdb.ExamplePool(items)
		if err := pool.Ping(context.Background()); err != nil {
			panic(err)
		}
		if slices.Contains([]string{"pass", "goroutine", "pooled"}, part) {
			defer done()
		}
		if !slices.Contains([]string{"standby", "frozen", "early"}, part) {
			fmt.Println("ready")
		}
		if part == "early" {
			part = "hang"
		}
		return parts[part]()
	}))
}

func startStandby(frozen bool) {
	ctx := context.Background()
	primary, err := testdb.Start(ctx, testdb.Config{})
	if err != nil {
		panic(err)
	}
	standby, err := primary.Standby(ctx, testdb.StandbyConfig{})
	if err != nil {
		panic(err)
	}
	if frozen {
		if err := standby.Freeze(); err != nil {
			panic(err)
		}
	}
	fmt.Println("ready")
}

// throughPooler returns 0 if a test's pool leads through the pooler of the environment, and one that is to be direct does
// not.
func throughPooler() int {
	named := func(opts ...testdb.Option) (host string) {
		pool, done := testdb.ExamplePool(items, append(opts, testdb.SearchPath("public"))...)
		defer done()
		var name string
		if err := pool.QueryRow(context.Background(), "select name from items where id = $1", 1).Scan(&name); err != nil {
			panic(err)
		}
		return filepath.Base(pool.Config().ConnConfig.Host)
	}
	example, err := pgxpool.ParseConfig(testdb.ExampleDSN(items))
	if err != nil || filepath.Base(example.ConnConfig.Host) != "pooler1" {
		fmt.Fprintln(os.Stderr, "an example's:", err, example)
		return 1
	}
	if pooled, direct := named(), named(testdb.Direct()); pooled != "pooler1" || direct != "primary" {
		fmt.Fprintln(os.Stderr, pooled, direct)
		return 1
	}
	return 0
}

// child is a running test binary with a temporary directory of its own, in which everything it leaves is found.
type child struct {
	cmd    *exec.Cmd
	tmp    string
	stdout *bufio.Reader
	stderr strings.Builder
}

func startChild(t *testing.T, part string, change ...func(*exec.Cmd)) *child {
	t.Helper()
	tmp := openTempDir(t)
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := &child{cmd: exec.Command(binary), tmp: tmp}
	c.cmd.Dir = tmp
	c.cmd.Env = append(os.Environ(),
		"SMRT_TESTDB_CHILD="+part, "TMPDIR="+tmp, "SMRT_TEST_DSN=", "SMRT_TEST_SERVER=", "GORACE=atexit_sleep_ms=0")
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.cmd.Stderr = &c.stderr
	for _, fn := range change {
		fn(c.cmd)
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.stdout = bufio.NewReader(out)
	// What this process ignores (SIGHUP under nohup, SIGINT in the background of a shell) a child would ignore, too. What
	// it is notified of has its default in a child.
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM)
	defer signal.Stop(signals)
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log("the child wrote:", c.stderr.String())
		}
	})
	return c
}

// awaitReady waits until the child's servers run.
func (c *child) awaitReady(t *testing.T) {
	t.Helper()
	if line, err := c.stdout.ReadString('\n'); line != "ready\n" {
		c.wait()
		t.Fatalf("the child said %q, %v: %s", line, err, c.stderr.String())
	}
}

// wait returns the exit code, -1 if a signal ended the child.
func (c *child) wait() int {
	io.Copy(io.Discard, c.stdout)
	c.cmd.Wait()
	return c.cmd.ProcessState.ExitCode()
}

// processes returns the command lines of processes that the child started and that still run.
func (c *child) processes(t *testing.T) []string {
	t.Helper()
	if runtime.GOOS == "linux" {
		return processesIn(c.tmp)
	}
	text, err := exec.Command("ps", "-axww", "-o", "pid=,command=").Output()
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(strings.Split(string(text), "\n"), func(line string) bool {
		return !strings.Contains(line, c.tmp)
	})
}

// processesIn finds servers by their working directory, which is their data, and the watchdog by its arguments.
func processesIn(dir string) (found []string) {
	paths, _ := filepath.Glob("/proc/[0-9]*")
	for _, path := range paths {
		cwd, _ := os.Readlink(path + "/cwd")
		args, _ := os.ReadFile(path + "/cmdline")
		if len(args) > 0 && (strings.HasPrefix(cwd, dir) || strings.Contains(string(args), dir)) {
			found = append(found, filepath.Base(path)+" "+strings.ReplaceAll(string(args), "\x00", " "))
		}
	}
	return found
}

// assertNothingLeft waits for processes and directories of the child to disappear.
func (c *child) assertNothingLeft(t *testing.T, limit time.Duration) {
	t.Helper()
	deadline := time.Now().Add(limit)
	for {
		files, err := os.ReadDir(c.tmp)
		if err != nil {
			t.Fatal(err)
		}
		late := time.Now().After(deadline)
		if len(files) == 0 || late { // the search for processes is not cheap
			running := c.processes(t)
			if len(files) == 0 && len(running) == 0 {
				return
			}
			if late {
				t.Fatalf("after %v the child's files %v and processes %q are still there", limit, files, running)
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
}
