//go:build unix

package smrttest_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/smrttest"
)

// manyVariable tells TestMany how many tests to be.
const manyVariable = "SMRTTEST_MANY"

// TestManyTestsAtOnce has more tests beside each other than a server usually has connections for, in a process of their
// own: each holds two while all hold theirs.
func TestManyTestsAtOnce(t *testing.T) {
	n := 120
	if check.Long() {
		n = 200
	}
	dir := serverDir(t)
	cmd := exec.Command(check.Value(os.Executable())(t), "-test.v", "-test.run=^TestMany$", fmt.Sprintf("-test.parallel=%d", n), "-test.timeout=10m")
	cmd.Env = append(usersEnv(), fmt.Sprintf("%s=%d", manyVariable, n), "TMPDIR="+dir)
	out, err := cmd.CombinedOutput()
	if err != nil || strings.Count(string(out), "--- PASS: TestMany/") != n {
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

// sharedVariable tells TestShared where to note what it does.
const sharedVariable = "SMRTTEST_SHARED"

// TestTemplatesAreShared counts how often test binaries that run at the same time call a schema's function on one server:
// once if it says what it reads, else each of them.
func TestTemplatesAreShared(t *testing.T) {
	t.Parallel()
	server := smrttest.Replicas(t, smrttest.SQL(), 1).Primary
	dir := t.TempDir()
	check.NoError(t, os.WriteFile(filepath.Join(dir, "1.sql"), []byte("create table t (n int)"), 0o600))
	var binaries [sharers]*exec.Cmd
	var outs [sharers]bytes.Buffer
	for i := range binaries {
		cmd := exec.Command(check.Value(os.Executable())(t), "-test.v", "-test.run=^TestShared$", "-test.timeout=10m")
		cmd.Env = append(usersEnv(), "SMRT_TEST_DSN="+server.DSN(), sharedVariable+"="+dir)
		cmd.Stdout, cmd.Stderr = &outs[i], &outs[i]
		check.NoError(t, cmd.Start())
		binaries[i] = cmd
	}
	for i, cmd := range binaries {
		if err := cmd.Wait(); err != nil || !strings.Contains(outs[i].String(), "--- PASS: TestShared") {
			t.Errorf("%v\n%s", err, &outs[i])
		}
	}
	for name, want := range map[string]int{"from files": 1, "from nothing": sharers, "ready": sharers} {
		if got := len(check.Value(filepath.Glob(filepath.Join(dir, name+"-*")))(t)); got != want {
			t.Errorf("%s: %d times, want %d", name, got, want)
		}
	}
}

// sharers is how many test binaries there are.
const sharers = 3

// TestShared is what TestTemplatesAreShared runs. It ends when all have their databases: what nobody uses is dropped.
func TestShared(t *testing.T) {
	dir := os.Getenv(sharedVariable)
	if dir == "" {
		t.Skip("only for TestTemplatesAreShared")
	}
	note := func(text string) {
		f := check.Value(os.CreateTemp(dir, text+"-"))(t)
		check.NoError(t, f.Close())
	}
	up := func(text string) smrttest.Schema {
		return smrttest.Migrate(text, func(ctx context.Context, dsn string) error {
			note(text)
			return run(ctx, dsn, string(check.Value(os.ReadFile(filepath.Join(dir, "1.sql")))(t)))
		})
	}
	for _, schema := range []smrttest.Schema{up("from files").From(os.DirFS(dir), "*.sql"), up("from nothing")} {
		if n := one[int](t, smrttest.Pool(t, schema), "select count(*) from t"); n != 0 {
			t.Errorf("%d rows", n)
		}
	}
	for note("ready"); len(check.Value(filepath.Glob(filepath.Join(dir, "ready-*")))(t)) < sharers; {
		time.Sleep(2 * time.Millisecond)
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
