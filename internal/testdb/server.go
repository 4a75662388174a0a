package testdb

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Superuser is the role that servers started here are used with. Connections need no password: only the user who
// started a server can reach its socket.
const Superuser = "postgres"

// startTimeout bounds a start whose context has no deadline. Half a second is usual; recovery after a kill is longer.
const startTimeout = 60 * time.Second

// Config says how a server is made. The zero value is right for tests.
type Config struct {
	// BinDir is the directory of the server programs. Default: what FindBinaries returns.
	BinDir string

	// Durable makes a commit survive a crash of the machine, as in production (fsync). Default: off, which is a
	// multiple faster and still survives Kill.
	Durable bool

	// MaxConnections is the server's limit. Default: 200.
	MaxConnections int

	// Shared keeps what servers of other processes are made from, see
	// [ServerVariable].
	Shared bool

	// Unrelated gives the server a system identifier that no other has. Without
	// it, servers that processes start beside a shared one have that one's.
	Unrelated bool

	// Settings are further lines of postgresql.conf. They win over everything set here.
	Settings map[string]string
}

// Server is a PostgreSQL server, listening on a unix socket in a directory of its own. Its methods are safe for
// concurrent use, except that the ones which start and stop it must not run at the same time.
type Server struct {
	name     string
	dir      string // holds data, log and socket
	bin      string
	sandbox  *sandbox
	first    bool    // the sandbox was made for it
	upstream *Server // what a standby streams from, or streamed from; nil for a server that never was one
	external string  // DSN of a server that was not started here; the fields above are then empty
	admins   admins

	mu   sync.Mutex
	proc *process
}

// errExternal is returned by everything that needs power over a server's process.
var errExternal = errors.New("the server named by SMRT_TEST_DSN or SMRT_TEST_SERVER is not ours to start, stop or copy")

// ServerVariable is in the environment of test binaries that share a server:
// the directory of its socket. Unlike with SMRT_TEST_DSN they may start others.
const ServerVariable = "SMRT_TEST_SERVER"

// attach returns the server whose socket is in dir, which another process has
// started and will end.
func attach(dir string) *Server {
	s := &Server{name: "shared", dir: dir}
	s.external = s.DSN("postgres")
	return s
}

// Start makes and starts a server with an empty cluster. Close it: until then, and no longer than this process lives,
// it runs and occupies a temporary directory.
func Start(ctx context.Context, cfg Config) (*Server, error) {
	if err := startable(); err != nil {
		return nil, err
	}
	if cfg.BinDir == "" {
		bin, err := FindBinaries()
		if err != nil {
			return nil, err
		}
		cfg.BinDir = bin
	}
	box, err := newSandbox(cfg.Durable)
	if err != nil {
		return nil, err
	}
	s := &Server{name: "primary", dir: filepath.Join(box.dir, "primary"), bin: cfg.BinDir, sandbox: box, first: true}
	if err := s.initialize(ctx, cfg); err != nil {
		return nil, errors.Join(err, box.close())
	}
	if err := s.launch(ctx); err != nil {
		return nil, errors.Join(err, box.close())
	}
	return s, nil
}

func (s *Server) makeDir() error {
	if err := os.Mkdir(s.dir, 0o700); err != nil {
		return fmt.Errorf("make the server's directory: %w", err)
	}
	return s.sandbox.owner.give(s.dir)
}

// settings returns the lines of postgresql.conf. Except for durability they make one server fit for everything tested
// here, standbys and logical replication included.
func (c Config) settings() map[string]string {
	settings := map[string]string{
		"listen_addresses":      "",
		"max_connections":       strconv.Itoa(cmp.Or(c.MaxConnections, 200)),
		"shared_buffers":        "32MB",
		"timezone":              "UTC",
		"log_timezone":          "UTC",
		"jit":                   "off",
		"wal_level":             "logical",
		"max_wal_senders":       "10",
		"max_replication_slots": "10",
		// For a standby that follows another server than before, whose slot comes too late; see Follow.
		"wal_keep_size":             "256MB",
		"hot_standby":               "on",
		"max_prepared_transactions": "10",
		// The default of five seconds is how long a standby would wait for a restarted primary.
		"wal_retrieve_retry_interval": "100ms",
		// In the data directory, not in /dev/shm, so that nothing is left there by a killed server.
		"dynamic_shared_memory_type": "mmap",
		"fsync":                      "off",
		"checkpoint_timeout":         "1h",
	}
	if c.Durable {
		settings["fsync"] = "on"
		delete(settings, "checkpoint_timeout")
	}
	maps.Copy(settings, c.Settings)
	return settings
}

// configure appends settings to a configuration file, where the last line of a name counts.
func (s *Server) configure(file string, settings map[string]string) error {
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		fmt.Fprintf(&text, "%s = %s\n", name, quoteSetting(settings[name]))
	}
	conf, err := os.OpenFile(filepath.Join(s.dataDir(), file), os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("configure the server: %w", err)
	}
	_, err = conf.WriteString(text.String())
	return errors.Join(err, conf.Close())
}

// launch starts the server process and waits until it accepts connections.
func (s *Server) launch(ctx context.Context) error {
	ctx, cancel := withTimeout(ctx, startTimeout)
	defer cancel()
	proc, err := s.sandbox.start(s.name, s.logFile(),
		filepath.Join(s.bin, "postgres"), "-D", s.dataDir(), "-k", s.dir, "-p", "5432")
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.proc = proc
	s.mu.Unlock()
	for !s.ready(proc.cmd.Process.Pid) {
		select {
		case <-proc.done:
			return fmt.Errorf("%s server: %s\n%s", s.name, proc.cmd.ProcessState, tail(s.logFile()))
		case <-ctx.Done():
			return fmt.Errorf("%s server is not ready: %w\n%s", s.name, ctx.Err(), tail(s.logFile()))
		case <-time.After(2 * time.Millisecond):
		}
	}
	return nil
}

// ready reports whether the server with that pid accepts connections, which it notes in its pid file as pg_ctl does.
func (s *Server) ready(pid int) bool {
	text, err := os.ReadFile(filepath.Join(s.dataDir(), "postmaster.pid"))
	if err != nil {
		return false
	}
	lines := strings.Split(string(text), "\n")
	return len(lines) >= 8 && lines[0] == strconv.Itoa(pid) && strings.TrimSpace(lines[7]) == "ready"
}

// DSN returns the connection string of a database of the server.
func (s *Server) DSN(database string) string {
	if s.external != "" {
		return replaceDatabase(s.external, database)
	}
	dsn := url.URL{Scheme: "postgres", User: url.User(Superuser), Path: "/" + database, RawQuery: url.Values{
		"host":    {s.dir},
		"port":    {"5432"},
		"sslmode": {"disable"},
	}.Encode()}
	return dsn.String()
}

// SocketDir returns the directory of the server's socket, which is how others
// connect to it, see [ServerVariable].
func (s *Server) SocketDir() string { return s.dir }

// PID returns the pid of the server's main process, 0 if it is not running.
func (s *Server) PID() int {
	if proc := s.process(); proc.running() {
		return proc.cmd.Process.Pid
	}
	return 0
}

// Log returns the end of what the server logged.
func (s *Server) Log() string { return tail(s.logFile()) }

// Stop ends the server in an orderly way, breaking connections ("fast shutdown"). Its data stay; see Restart.
func (s *Server) Stop(ctx context.Context) error {
	if s.external != "" {
		return errExternal
	}
	proc := s.process()
	if !proc.running() {
		return nil
	}
	ctx, cancel := withTimeout(ctx, startTimeout)
	defer cancel()
	if err := proc.signal(goOn); err != nil {
		return fmt.Errorf("stop the %s server: %w", s.name, err)
	}
	if err := kill(proc.cmd.Process.Pid, syscall.SIGINT); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("stop the %s server: %w", s.name, err)
	}
	select {
	case <-proc.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("stop the %s server: %w", s.name, ctx.Err())
	}
}

// Kill ends the server and all its processes with SIGKILL, as a crash would. Its data stay; see Restart.
func (s *Server) Kill() error {
	if s.external != "" {
		return errExternal
	}
	proc := s.process()
	if !proc.running() {
		return nil
	}
	// Stopped first, it can have no further children between the list and the signal.
	kill(proc.cmd.Process.Pid, halt)
	pids := proc.family()
	for _, pid := range pids {
		kill(pid, syscall.SIGKILL)
	}
	<-proc.done
	return waitGone(pids, 10*time.Second)
}

// Freeze halts the server and all its processes with SIGSTOP: connections stay open and nothing answers, as when a
// machine hangs. Thaw lets it go on.
func (s *Server) Freeze() error {
	if s.external != "" {
		return errExternal
	}
	// Twice: after the first time the postmaster starts no process any more, so
	// the second time all of them are found.
	p := s.process()
	return errors.Join(p.signal(halt), p.signal(halt))
}

// Thaw ends what Freeze began.
func (s *Server) Thaw() error {
	if s.external != "" {
		return errExternal
	}
	return s.process().signal(goOn)
}

// Restart stops the server if it runs, and starts it again on its data.
func (s *Server) Restart(ctx context.Context) error {
	if err := s.Stop(ctx); err != nil {
		return err
	}
	return s.launch(ctx)
}

// Close ends the server for good and removes its data. Closing the server made by Start closes its standbys too.
func (s *Server) Close() error {
	if s.external != "" {
		return nil
	}
	if s.first {
		return s.sandbox.close()
	}
	if err := s.Kill(); err != nil {
		return err
	}
	s.leave(s.upstream)
	return errors.Join(s.discardData(), os.RemoveAll(s.dir))
}

// discardData removes the data of a server that does not run, and the System V segment that a killed one leaves, which
// is in the seventh line of its pid file and would stay until the machine is restarted.
func (s *Server) discardData() error {
	text, err := os.ReadFile(filepath.Join(s.dataDir(), "postmaster.pid"))
	if lines := strings.Split(string(text), "\n"); err == nil && len(lines) >= 7 {
		if key := strings.Fields(lines[6]); len(key) == 2 {
			exec.Command("ipcrm", "-m", key[1]).Run() // fails where the segment is gone
		}
	}
	return os.RemoveAll(s.dataDir())
}

func (s *Server) process() *process {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.proc
}

func (s *Server) dataDir() string { return filepath.Join(s.dir, "data") }

func (s *Server) logFile() string { return filepath.Join(s.dir, "log") }

// withTimeout bounds a context that has no deadline of its own.
func withTimeout(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	if _, bounded := ctx.Deadline(); bounded {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, limit)
}

// quoteSetting quotes a value of a configuration file, where unlike in SQL a backslash is special.
func quoteSetting(s string) string { return quoteLiteral(strings.ReplaceAll(s, `\`, `\\`)) }

func quoteLiteral(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
