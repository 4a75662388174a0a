//go:build unix

package testdb_test

import (
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
)

const ownDatabases = `select coalesce(string_agg(datname, ' ' order by datname), '')
	from pg_database where datname like 'smrt%'`

// With SMRT_TEST_DSN tests run on a server that is there already, and clean up after themselves.
func TestExternalServer(t *testing.T) {
	check.LongOnly(t)
	t.Parallel()
	server := testdb.Primary(t, testdb.Config{})
	conn := connect(t, server, "postgres")
	for name, dsn := range map[string]string{
		"url":   server.DSN("postgres"),
		"pairs": "host=" + strings.TrimSuffix(server.Dir(), "/") + "/primary port=5432 user=postgres dbname=postgres",
	} {
		t.Run(name, func(t *testing.T) {
			use := func(cmd *exec.Cmd) { cmd.Env = append(cmd.Env, "SMRT_TEST_DSN="+dsn, "SMRT_PG_BIN=/nonexistent") }

			c := startChild(t, "hang", use)
			c.awaitReady(t)
			got := queryOne[string](t, conn, ownDatabases)
			if strings.Count(got, " ") != 1 || !strings.Contains(got, "_template_items") {
				t.Errorf("while the test runs there are %q, want a template and a database", got)
			}
			if len(c.processes(t)) > 1 {
				t.Errorf("the child started a server of its own: %q", c.processes(t))
			}
			c.cmd.Process.Signal(syscall.SIGKILL)
			c.wait()
			c.assertNothingLeft(t, 0)
			left := queryOne[string](t, conn, ownDatabases)

			c = startChild(t, "pass", use)
			if code := c.wait(); code != 0 {
				t.Errorf("exit code %d, want 0", code)
			}
			if got := queryOne[string](t, conn, ownDatabases); got != left {
				t.Errorf("after the tests there are %q, before them there were %q", got, left)
			}
			for database := range strings.FieldsSeq(left) {
				if err := server.DropDatabase(t.Context(), database); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func TestExternalServerHasNoStandbys(t *testing.T) {
	t.Setenv("SMRT_TEST_DSN", "postgres://somewhere")
	tb := &fakeTB{}
	if s := testdb.Primary(tb, testdb.Config{}); s != nil || !reported(tb.skips, "SMRT_TEST_DSN") {
		t.Errorf("got %v and %q, want the test to be skipped", s, tb.skips)
	}
}
