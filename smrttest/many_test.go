//go:build unix

package smrttest_test

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/smrttest"
)

// manyVariable tells TestMany how many tests to be.
const manyVariable = "SMRTTEST_MANY"

// TestManyTestsAtOnce has more tests beside each other than a server usually has connections for, in a process of their
// own: each holds two while all hold theirs.
func TestManyTestsAtOnce(t *testing.T) {
	const n = "120"
	dir := serverDir(t)
	cmd := exec.Command(check.Value(os.Executable())(t), "-test.v", "-test.run=^TestMany$", "-test.parallel="+n, "-test.timeout=10m")
	cmd.Env = append(usersEnv(), manyVariable+"="+n, "TMPDIR="+dir)
	out, err := cmd.CombinedOutput()
	if err != nil || strings.Count(string(out), "--- PASS: TestMany/") != 120 {
		t.Errorf("%v\n%s", err, out)
	}
	assertNothingLeft(t, dir)
}

// TestExternalServer has a server that runs already, with a table of databases that must be what it was.
func TestExternalServer(t *testing.T) {
	t.Parallel()
	server := smrttest.Replicas(t, smrttest.SQL(), 1).Primary
	child := func(dsn, tests string) (string, error) {
		cmd := exec.Command(check.Value(os.Executable())(t), "-test.v", "-test.run="+tests)
		cmd.Env = append(usersEnv(), "SMRT_TEST_DSN="+dsn, "SMRT_PG_BIN=/nonexistent")
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	out, err := child(server.DSN(), "^(TestEachTestHasItsOwnDatabase|TestDSN|TestReplicas|ExamplePool)$")
	if err != nil || strings.Count(out, "--- PASS") != 3 || strings.Count(out, "--- SKIP: TestReplicas") != 1 {
		t.Errorf("%v\n%s", err, out)
	}

	pool := check.Value(pgxpool.New(t.Context(), server.DSN()))(t)
	t.Cleanup(pool.Close)
	if left := one[int](t, pool, "select count(*) from pg_database where datname like 'smrt%'"); left != 0 {
		t.Errorf("%d databases are left", left)
	}

	// With no connection to spare, the test says what to do.
	_ = check.Value(pool.Exec(t.Context(), "create role few login createdb connection limit 0"))(t)
	few := strings.Replace(server.DSN(), "postgres@", "few@", 1)
	if out, err := child(few, "^TestDSN$"); err == nil || !strings.Contains(out, "-parallel") {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestMany is what TestManyTestsAtOnce runs.
func TestMany(t *testing.T) {
	n, err := strconv.Atoi(os.Getenv(manyVariable))
	if err != nil {
		t.Skip("only for TestManyTestsAtOnce")
	}
	var ready sync.WaitGroup
	ready.Add(n)
	for range n {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			holdTwo(t, &ready)
		})
	}
}

// holdTwo holds two connections until all tests do.
func holdTwo(t *testing.T, ready *sync.WaitGroup) {
	arrived := sync.OnceFunc(ready.Done)
	defer arrived() // a test that fails keeps none waiting
	pool := smrttest.Pool(t, items)
	for range 2 {
		conn, err := pool.Acquire(t.Context())
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Release()
		if _, err := conn.Exec(t.Context(), "update items set name = 'mine'"); err != nil {
			t.Error(err)
		}
	}
	arrived()
	ready.Wait()
}
