//go:build unix

package testdb_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
)

func TestServerSettings(t *testing.T) {
	t.Parallel()
	s := testdb.Primary(t, testdb.Config{MaxConnections: 33, Settings: map[string]string{"work_mem": "7MB", "jit": "on"}})
	conn := connect(t, s, "postgres")
	for name, want := range map[string]string{
		"timezone": "UTC", "fsync": "off", "wal_level": "logical", "hot_standby": "on", "listen_addresses": "",
		"max_connections": "33", "work_mem": "7MB", "jit": "on", "server_encoding": "UTF8",
	} {
		if got := queryOne[string](t, conn, "select current_setting($1)", name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if owner, err := testdb.ServerRunsAs(); err != nil || processOwner(t, s.PID()) != owner || owner == 0 {
		t.Errorf("the server runs as %d, want %d, %v", processOwner(t, s.PID()), owner, err)
	}
	if !strings.Contains(s.Log(), "ready to accept connections") {
		t.Errorf("the log does not tell of the start: %s", s.Log())
	}
}

func TestServerIsDurableOnRequest(t *testing.T) {
	t.Parallel()
	s := testdb.Primary(t, testdb.Config{Durable: true})
	if got := queryOne[string](t, connect(t, s, "postgres"), "show fsync"); got != "on" {
		t.Errorf("fsync is %s, want on", got)
	}
	if memory := testdb.MemoryDir(0); memory != "" && os.Getenv("TMPDIR") == "" && filepath.Dir(s.Dir()) == memory {
		t.Errorf("the server is in memory, %s", s.Dir())
	}
}

// A server is in memory where there is enough, unless TMPDIR says where it is to be.
func TestServerInMemory(t *testing.T) {
	if dir := testdb.MemoryDir(1 << 60); dir != "" {
		t.Errorf("%s has an exabyte left", dir)
	}
	memory := testdb.MemoryDir(testdb.MemoryRoom)
	if memory == "" {
		t.Skip("there is no file system in memory with enough room")
	}
	elsewhere := openTempDir(t)
	for variable, want := range map[string]string{"": memory, elsewhere: elsewhere} {
		t.Setenv("TMPDIR", variable)
		if dir := filepath.Dir(testdb.Primary(t, testdb.Config{}).Dir()); dir != want {
			t.Errorf("with TMPDIR %q the server is in %s, want %s", variable, dir, want)
		}
	}
}

// The environment of the caller is not meant for this server.
func TestServerIgnoresTheEnvironment(t *testing.T) {
	t.Setenv("PGDATA", "/nonexistent")
	t.Setenv("PGPORT", "1")
	t.Setenv("PGUSER", "nobody-of-that-name")
	t.Setenv("PGDATABASE", "none")
	s := testdb.Primary(t, testdb.Config{})
	if user := queryOne[string](t, connect(t, s, "postgres"), "select current_user"); user != testdb.Superuser {
		t.Errorf("user %s, want %s", user, testdb.Superuser)
	}
}

func TestServerReportsWhyItDoesNotStart(t *testing.T) {
	tmp := openTempDir(t)
	t.Setenv("TMPDIR", tmp)
	_, err := testdb.Start(t.Context(), testdb.Config{Settings: map[string]string{"work_mem": "a lot"}})
	if err == nil || !strings.Contains(err.Error(), `invalid value for parameter "work_mem": "a lot"`) {
		t.Errorf("got %v, want the server's own words", err)
	}
	_, err = testdb.Start(t.Context(), testdb.Config{BinDir: "/nonexistent"})
	if err == nil || !strings.Contains(err.Error(), "initdb") {
		t.Errorf("got %v, want the program that is missing", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err = testdb.Start(ctx, testdb.Config{}); err == nil || !strings.Contains(err.Error(), "deadline exceeded") {
		t.Errorf("got %v, want the deadline", err)
	}
	if left, err := os.ReadDir(tmp); len(left) > 0 || err != nil {
		t.Errorf("servers that did not start left %v, %v", left, err)
	}
}

func TestServerDatabases(t *testing.T) {
	t.Parallel()
	s := testdb.Primary(t, testdb.Config{})
	ctx := t.Context()
	name := `it's a "name"/%`
	if err := s.CreateDatabase(ctx, name, ""); err != nil {
		t.Fatal(err)
	}
	conn := connect(t, s, name)
	if _, err := conn.Exec(ctx, "create table t as select 5 as n"); err != nil {
		t.Fatal(err)
	}
	conn.Close(ctx)
	if err := s.CreateDatabase(ctx, "copy", name); err != nil {
		t.Fatal(err)
	}
	if n := queryOne[int](t, connect(t, s, "copy"), "select n from t"); n != 5 {
		t.Errorf("the copy has %d, want 5", n)
	}
	// The connection to it does not keep it.
	for _, database := range []string{"copy", name, "never existed"} {
		if err := s.DropDatabase(ctx, database); err != nil {
			t.Error(err)
		}
	}
	if err := s.CreateDatabase(ctx, "postgres", ""); err == nil || !strings.Contains(err.Error(), "postgres") {
		t.Errorf("got %v, want an error that names the database", err)
	}
}

func TestServerStopAndRestart(t *testing.T) {
	t.Parallel()
	s := testdb.Primary(t, testdb.Config{})
	ctx := t.Context()
	if err := s.CreateDatabase(ctx, "kept", ""); err != nil {
		t.Fatal(err)
	}
	conn := connect(t, s, "kept")
	for range 2 { // the second time there is nothing to stop
		if err := s.Stop(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if s.PID() != 0 {
		t.Error("a stopped server has a pid")
	}
	if err := conn.Ping(ctx); err == nil {
		t.Error("the connection survived")
	}
	if err := s.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	first := s.PID()
	if err := s.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	if s.PID() == first {
		t.Error("the restart of a running server kept its process")
	}
	connect(t, s, "kept")
}

func TestServerKill(t *testing.T) {
	t.Parallel()
	s := testdb.Primary(t, testdb.Config{})
	ctx := t.Context()
	conn := connect(t, s, "postgres")
	if _, err := conn.Exec(ctx, "create table t as select 1 as n"); err != nil {
		t.Fatal(err)
	}
	// Busy, not waiting, the backend would take long to notice that its parent is gone.
	busy := make(chan error, 1)
	go func() {
		_, err := conn.Exec(context.Background(), "select count(*) from generate_series(1, 1000000000)")
		busy <- err
	}()
	time.Sleep(20 * time.Millisecond)
	for range 2 { // the second time there is nothing to kill
		if err := s.Kill(); err != nil {
			t.Fatal(err)
		}
	}
	if err := <-busy; err == nil {
		t.Error("the statement survived")
	}
	if runtime.GOOS == "linux" {
		for _, process := range processesIn(s.Dir()) {
			if !strings.Contains(process, "smrt-watchdog") {
				t.Errorf("%s survived", process)
			}
		}
	}
	if err := s.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	if n := queryOne[int](t, connect(t, s, "postgres"), "select n from t"); n != 1 {
		t.Errorf("the committed row reads %d, want 1", n)
	}
}

// The System V segment of a killed server would stay until the machine is restarted.
func TestClosingAKilledServerFreesItsMemory(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/proc/sysvipc/shm"); err != nil {
		t.Skip("needs /proc/sysvipc")
	}
	s := testdb.Primary(t, testdb.Config{})
	pid := s.PID()
	if !hasSegment(t, pid) {
		t.Fatal("the search for segments finds none of a running server")
	}
	if err := s.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if hasSegment(t, pid) {
		t.Error("the segment is left")
	}
}

func TestServerFreeze(t *testing.T) {
	t.Parallel()
	s := testdb.Primary(t, testdb.Config{})
	conn := connect(t, s, "postgres")
	if err := s.Freeze(); err != nil {
		t.Fatal(err)
	}
	answered := make(chan error, 1)
	go func() { answered <- conn.Ping(context.Background()) }()
	select {
	case err := <-answered:
		t.Error("a frozen server answered:", err)
	case <-time.After(50 * time.Millisecond):
	}
	if err := s.Thaw(); err != nil {
		t.Fatal(err)
	}
	if err := <-answered; err != nil {
		t.Error("the connection did not survive:", err)
	}
	// A frozen server can be stopped, started again, and closed without delay.
	for _, end := range []func() error{func() error { return s.Stop(t.Context()) }, s.Kill, s.Close} {
		check.Faster(t, "to end a frozen server", 4500*time.Millisecond, func() {
			check.NoError(t, s.Restart(t.Context()))
			check.NoError(t, s.Freeze())
			check.NoError(t, end())
		})
	}
}

func TestServerClose(t *testing.T) {
	t.Parallel()
	s := testdb.Primary(t, testdb.Config{})
	standby, err := s.Standby(t.Context(), testdb.StandbyConfig{})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	if s.PID() != 0 || standby.PID() != 0 {
		t.Errorf("still running: %d, %d", s.PID(), standby.PID())
	}
	if _, err := os.Stat(s.Dir()); !os.IsNotExist(err) {
		t.Errorf("the directory: %v", err)
	}
	if err := standby.Close(); err != nil {
		t.Error("closing a standby that went with its primary:", err)
	}
	if err := s.Restart(t.Context()); err == nil {
		t.Error("a closed server started again")
	}
}

// A directory the server's user cannot enter, or too long for a socket, is not used.
func TestServerAvoidsAnUnusableTemporaryDirectory(t *testing.T) {
	long := filepath.Join(t.TempDir(), strings.Repeat("long", 25))
	if err := os.Mkdir(long, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", long)
	s := testdb.Primary(t, testdb.Config{})
	if dir := filepath.Dir(s.Dir()); dir != "/tmp" {
		t.Errorf("the server is in %s, want /tmp", dir)
	}
	closed := t.TempDir()
	if err := os.Chmod(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	if testdb.CanReach(filepath.Join(closed, "below")) || !testdb.CanReach("/") {
		t.Error("a closed directory counts as open, or the root as closed")
	}
}

func BenchmarkStart(b *testing.B) {
	for b.Loop() {
		s, err := testdb.Start(context.Background(), testdb.Config{})
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}

// openTempDir is t.TempDir for servers: that one is closed to the user that root runs them as.
func openTempDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "smrt-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	return dir
}

// connect opens a connection to a database of a server, or of what is in front of one.
func connect(t *testing.T, s interface{ DSN(database string) string }, database string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.DSN(database))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

func processOwner(t *testing.T, pid int) int {
	t.Helper()
	info, err := os.Stat(fmt.Sprintf("/proc/%d", pid))
	if err != nil {
		t.Skip("needs /proc:", err)
	}
	return int(info.Sys().(*syscall.Stat_t).Uid)
}

// hasSegment reports whether there is a System V segment that the process made.
func hasSegment(t *testing.T, pid int) bool {
	t.Helper()
	text, err := os.ReadFile("/proc/sysvipc/shm")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) > 4 && fields[4] == fmt.Sprint(pid) {
			return true
		}
	}
	return false
}
