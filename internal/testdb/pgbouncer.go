package testdb

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// PoolMode says for how long a client of PgBouncer keeps the server connection that it was given.
type PoolMode string

// The modes of PgBouncer that smrt is tested with.
const (
	TransactionPooling PoolMode = "transaction" // until its transaction ends, or its single statement
	SessionPooling     PoolMode = "session"     // until it disconnects
)

// PgBouncerConfig says how PgBouncer pools. The zero value is transaction pooling without prepared statements.
type PgBouncerConfig struct {
	// Server is what is behind it. Default: the server on which Pool makes its databases.
	Server *Server

	// PoolMode is the mode. Default: TransactionPooling.
	PoolMode PoolMode

	// MaxPreparedStatements is how many prepared statements PgBouncer keeps for each server connection, so that clients
	// may use theirs on any. Default: none, and clients must not prepare. PgBouncer has had it since 1.21.
	MaxPreparedStatements int

	// PoolSize is the most server connections for each database and user. Default: 20, as PgBouncer's own.
	PoolSize int

	// Settings are further settings of PgBouncer. They win over everything set here.
	Settings map[string]string
}

// PgBouncer is a running PgBouncer, listening on a unix socket in a directory of its own. It is safe for concurrent use.
type PgBouncer struct {
	name   string
	dir    string
	server *Server
	box    *sandbox
	proc   *process
}

// pgBouncerPort is part of the socket's name only.
const pgBouncerPort = 6432

// Why there is no PgBouncer for a test.
var (
	errNoPgBouncer  = errors.New("PgBouncer is not installed")
	errOldPgBouncer = errors.New("PgBouncer is too old")
)

// StartPgBouncer starts a PgBouncer that is ended with tb. Where the program is missing tb is skipped, or fails with
// CI=true in the environment, where it is expected; a version without what cfg asks for skips tb in either case, and so
// does SMRT_TEST_DSN, as the way into that server is not known.
func StartPgBouncer(tb TB, cfg PgBouncerConfig) *PgBouncer {
	tb.Helper()
	b, err := OpenPgBouncer(context.Background(), cfg)
	switch {
	case IsAbsent(err):
		tb.Skipf("testdb: %v", err)
		return nil
	case err != nil:
		tb.Fatalf("testdb: %v", err)
		return nil
	}
	tb.Cleanup(func() {
		if err := b.Close(); err != nil {
			tb.Errorf("testdb: %v", err)
		}
	})
	return b
}

// IsAbsent reports whether an error of [OpenPgBouncer] is a reason to skip a test, as [StartPgBouncer] does.
func IsAbsent(err error) bool {
	ci, _ := strconv.ParseBool(os.Getenv("CI"))
	return errors.Is(err, errOldPgBouncer) || errors.Is(err, errExternal) || errors.Is(err, errNoPgBouncer) && !ci
}

// OpenPgBouncer starts a PgBouncer, which the caller closes.
func OpenPgBouncer(ctx context.Context, cfg PgBouncerConfig) (*PgBouncer, error) {
	if os.Getenv("SMRT_TEST_DSN") != "" {
		return nil, errExternal
	}
	if cfg.Server == nil {
		h, err := sharedHost(ctx)
		if err != nil {
			return nil, err
		}
		cfg.Server = h.Server
	}
	program, err := findPgBouncer()
	if err != nil {
		return nil, err
	}
	if cfg.MaxPreparedStatements > 0 && !program.prepares {
		return nil, fmt.Errorf("%w: %s is %s, max_prepared_statements came with 1.21; SMRT_PGBOUNCER names another one",
			errOldPgBouncer, program.path, program.version)
	}
	return cfg.Server.startPgBouncer(ctx, program, cfg)
}

// pgBouncerProgram is an installed PgBouncer.
type pgBouncerProgram struct {
	path     string
	version  string // such as "PgBouncer 1.18.0"
	prepares bool   // it has max_prepared_statements
}

// findPgBouncer returns the program that SMRT_PGBOUNCER names and no other if it is set, else one on the PATH, or in the
// directory of Debian's package, which is on root's PATH only.
func findPgBouncer() (pgBouncerProgram, error) {
	candidates := []string{"pgbouncer", "/usr/sbin/pgbouncer"}
	if path := os.Getenv("SMRT_PGBOUNCER"); path != "" {
		candidates = []string{path}
	}
	for _, candidate := range candidates {
		path, err := exec.LookPath(candidate)
		if err != nil {
			continue
		}
		text, err := exec.Command(path, "--version").Output()
		if err != nil {
			return pgBouncerProgram{}, fmt.Errorf("%s --version: %w", path, err)
		}
		version, _, _ := strings.Cut(string(text), "\n")
		prepares := slices.Compare(versionIn(version), []int{1, 21}) >= 0
		return pgBouncerProgram{path: path, version: version, prepares: prepares}, nil
	}
	return pgBouncerProgram{}, fmt.Errorf("%w (looked for %s): install the package "+
		"pgbouncer (tools/install-postgres.sh of smrt does on Debian and Ubuntu), or set SMRT_PGBOUNCER to the program",
		errNoPgBouncer, strings.Join(candidates, ", "))
}

func (s *Server) startPgBouncer(
	ctx context.Context, program pgBouncerProgram, cfg PgBouncerConfig,
) (*PgBouncer, error) {
	box := s.sandbox
	if box == nil { // the server is another process's
		var err error
		if box, err = newSandbox(false); err != nil {
			return nil, err
		}
	}
	b := &PgBouncer{name: box.nextName("pooler"), server: s, box: box}
	b.dir = filepath.Join(box.dir, b.name)
	if err := b.launch(program, cfg); err != nil {
		return nil, errors.Join(err, b.closeBox())
	}
	if err := b.awaitReady(ctx); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return b, nil
}

// launch starts the program in a directory of its own.
func (b *PgBouncer) launch(program pgBouncerProgram, cfg PgBouncerConfig) (err error) {
	if err := os.Mkdir(b.dir, 0o700); err != nil {
		return fmt.Errorf("make PgBouncer's directory: %w", err)
	}
	if err := errors.Join(b.box.owner.give(b.dir), b.configure(program, cfg)); err != nil {
		return fmt.Errorf("configure PgBouncer: %w", err)
	}
	b.proc, err = b.box.start(b.name, b.logFile(), program.path, b.iniFile())
	return err
}

// configure writes the configuration. Every role of the server may come in, without a password as on the server: those
// that the file of users does not name are looked up there.
func (b *PgBouncer) configure(program pgBouncerProgram, cfg PgBouncerConfig) error {
	settings := map[string]string{
		"unix_socket_dir":   b.dir,
		"listen_port":       strconv.Itoa(pgBouncerPort),
		"auth_type":         "trust",
		"auth_file":         filepath.Join(b.dir, "users"),
		"auth_user":         Superuser,
		"admin_users":       Superuser,
		"max_client_conn":   "1000",
		"pool_mode":         string(cmp.Or(cfg.PoolMode, TransactionPooling)),
		"default_pool_size": strconv.Itoa(cmp.Or(cfg.PoolSize, 20)),
	}
	if program.prepares { // its default was 0 and is 200 since 1.24
		settings["max_prepared_statements"] = strconv.Itoa(cfg.MaxPreparedStatements)
	}
	maps.Copy(settings, cfg.Settings)
	var ini strings.Builder
	fmt.Fprintf(&ini, "[databases]\n* = host=%s port=5432\n[pgbouncer]\n", quoteLiteral(b.server.dir))
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		fmt.Fprintf(&ini, "%s = %s\n", name, settings[name])
	}
	for path, text := range map[string]string{
		b.iniFile():           ini.String(),
		settings["auth_file"]: fmt.Sprintf("%q %q\n", Superuser, ""),
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return err
		}
		if err := b.box.owner.give(path); err != nil {
			return err
		}
	}
	return nil
}

// awaitReady waits until PgBouncer takes connections.
func (b *PgBouncer) awaitReady(ctx context.Context) error {
	ctx, cancel := withTimeout(ctx, 10*time.Second)
	defer cancel()
	socket := filepath.Join(b.dir, fmt.Sprintf(".s.PGSQL.%d", pgBouncerPort))
	for {
		conn, err := net.Dial("unix", socket)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-b.proc.done:
			return fmt.Errorf("PgBouncer: %s\n%s", b.proc.cmd.ProcessState, b.Log())
		case <-ctx.Done():
			return fmt.Errorf("PgBouncer is not ready: %w\n%s", ctx.Err(), b.Log())
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// DSN returns the connection string of a database of the server, by way of PgBouncer. The database "pgbouncer" is its
// console, which knows the simple protocol only.
func (b *PgBouncer) DSN(database string) string {
	dsn := url.URL{Scheme: "postgres", User: url.User(Superuser), Path: "/" + database, RawQuery: url.Values{
		"host":    {b.dir},
		"port":    {strconv.Itoa(pgBouncerPort)},
		"sslmode": {"disable"},
	}.Encode()}
	return dsn.String()
}

// Log returns the end of what PgBouncer logged.
func (b *PgBouncer) Log() string { return tail(b.logFile()) }

// Close ends PgBouncer, breaking connections, and removes its directory. How an orderly end is asked for differs between
// its versions, and there is nothing to lose.
func (b *PgBouncer) Close() error {
	if err := b.proc.signal(syscall.SIGKILL); err != nil {
		return fmt.Errorf("end PgBouncer: %w", err)
	}
	<-b.proc.done
	return errors.Join(os.RemoveAll(b.dir), b.closeBox())
}

// closeBox closes the sandbox if it was made for PgBouncer alone.
func (b *PgBouncer) closeBox() error {
	if b.box == b.server.sandbox {
		return nil
	}
	return b.box.close()
}

func (b *PgBouncer) iniFile() string { return filepath.Join(b.dir, "pgbouncer.ini") }

func (b *PgBouncer) logFile() string { return filepath.Join(b.dir, "log") }
