//go:build unix

package testdb_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
)

const ownDatabases = `select coalesce(string_agg(datname, ' ' order by datname), '')
	from pg_database where datname like 'smrt%'`

// With SMRT_TEST_DSN tests run on a server that is there already, and clean up after themselves and those that were killed.
func TestKilledProcess(t *testing.T) {
	t.Parallel()
	server := testdb.Primary(t, testdb.Config{})
	conn := connect(t, server, "postgres")
	for name, dsn := range map[string]string{
		"url":   server.DSN("postgres"),
		"pairs": "host=" + strings.TrimSuffix(server.Dir(), "/") + "/primary port=5432 user=postgres dbname=postgres",
	} {
		t.Run(name, func(t *testing.T) {
			use := func(cmd *exec.Cmd) { cmd.Env = append(cmd.Env, "SMRT_TEST_DSN="+dsn, "SMRT_PG_BIN=/nonexistent") }

			killed := startChild(t, "hang", use)
			killed.awaitReady(t)
			if got := queryOne[string](t, conn, ownDatabases); strings.Count(got, "smrt_test_") != 2 {
				t.Errorf("while the test runs there are %q, want a template and a database", got)
			}
			if len(killed.processes(t)) > 1 {
				t.Errorf("the child started a server of its own: %q", killed.processes(t))
			}
			// What one uses no other drops.
			check.Same(t, "exit code beside it", startChild(t, "pass", use).wait(), 0)
			if got := queryOne[string](t, conn, ownDatabases); strings.Count(got, "smrt_test_") != 2 {
				t.Errorf("another process left %q, want what is in use", got)
			}
			killed.cmd.Process.Signal(syscall.SIGKILL)
			killed.wait()
			killed.assertNothingLeft(t, 0)
			awaitNoLocks(t, conn)
			check.Same(t, "exit code after it", startChild(t, "pass", use).wait(), 0)
			check.Same(t, "databases in the end", queryOne[string](t, conn, ownDatabases), "")
		})
	}
}

// awaitNoLocks waits until the server has noticed that a process is gone.
func awaitNoLocks(t *testing.T, conn *pgx.Conn) {
	t.Helper()
	for queryOne[int](t, conn, "select count(*) from pg_locks where locktype = 'advisory'") > 0 {
		time.Sleep(2 * time.Millisecond)
	}
}

// TestTemplateIsSharedByProcesses counts how often processes that use one server fill a template: once if the schema has
// a digest, else once each. What somebody did not fill to the end is filled anew, and what only looks like a test's
// database stays.
func TestTemplateIsSharedByProcesses(t *testing.T) {
	t.Parallel()
	server := testdb.Primary(t, testdb.Config{})
	conn := connect(t, server, "postgres")
	unfinished := "smrt_template_" + sharedItems("").Digest
	for _, name := range []string{unfinished, "smrt_production", "smrt_test_items", "smrt_template_shop"} {
		check.NoError(t, server.CreateDatabase(t.Context(), name, ""))
	}
	// Somebody waits to use it, so that nobody drops it before it is asked for.
	_ = queryOne[string](t, conn, "select pg_advisory_lock_shared(hashtextextended($1, 0))::text", unfinished)
	log := filepath.Join(t.TempDir(), "log")
	var children []*child
	for range 3 {
		c := startChild(t, "share", func(cmd *exec.Cmd) {
			cmd.Env = append(cmd.Env, "SMRT_TEST_DSN="+server.DSN("postgres"), "SMRT_TESTDB_LOG="+log)
		})
		children = append(children, c)
	}
	for _, c := range children {
		c.awaitReady(t)
	}
	lines := strings.Split(string(check.Value(os.ReadFile(log))(t)), "\n")
	slices.Sort(lines)
	check.Same(t, "schemas that were applied", strings.Join(lines, " "), " own own own shared")
	_ = queryOne[bool](t, conn, "select pg_advisory_unlock_shared(hashtextextended($1, 0))", unfinished)
	for i, c := range children {
		if there := queryOne[string](t, conn, ownDatabases); !strings.Contains(there, unfinished) {
			t.Errorf("when %d had ended there were %q, want the template", i, there)
		}
		c.cmd.Process.Signal(syscall.SIGINT)
		check.Same(t, "exit code", c.wait(), 0)
	}
	check.Same(t, "databases in the end", queryOne[string](t, conn, ownDatabases), "smrt_production smrt_template_shop smrt_test_items")
}

// sharedItems is a schema that notes in a file when it is applied.
func sharedItems(log string) testdb.Schema {
	return testdb.Schema{Name: "shared", Digest: testdb.Digest("items"), Apply: noting(log, "shared")}
}

func noting(log, text string) func(context.Context, string) error {
	return func(ctx context.Context, dsn string) error {
		f, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		_, err = f.WriteString(text + "\n")
		return errors.Join(err, f.Close(), fillItems(ctx, dsn))
	}
}

// shareTemplate is the child of TestTemplateIsSharedByProcesses.
func shareTemplate() int {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGINT)
	defer signal.Stop(stop)
	log := os.Getenv("SMRT_TESTDB_LOG")
	for _, schema := range []testdb.Schema{sharedItems(log), {Name: "own", Apply: noting(log, "own")}} {
		pool, done := testdb.ExamplePool(schema)
		defer done()
		var name string
		if err := pool.QueryRow(context.Background(), "select name from items").Scan(&name); err != nil {
			panic(err)
		}
	}
	fmt.Println("ready")
	<-stop
	return 0
}

func TestExternalServerHasNoStandbys(t *testing.T) {
	t.Setenv("SMRT_TEST_DSN", "postgres://somewhere")
	tb := &fakeTB{}
	if s := testdb.Primary(tb, testdb.Config{}); s != nil || !reported(tb.skips, "SMRT_TEST_DSN") {
		t.Errorf("got %v and %q, want the test to be skipped", s, tb.skips)
	}
}
