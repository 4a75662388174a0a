package testdb

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"
)

// Databases on a server that several processes use begin with these, so that
// each may remove what a process that was killed has left.
const (
	runPrefix      = "smrt_test_"     // and a word that no other run has
	templatePrefix = "smrt_template_" // and the digest of a schema: all runs use it
)

var leftBehind = regexp.MustCompile(`^(smrt_test_[a-z2-7]{16})_|^(smrt_template_[0-9a-f]{32})$`)

// newRun returns the prefix of a process's databases.
func newRun() string { return runPrefix + strings.ToLower(rand.Text()[:16]) }

// lease says to other processes on the same server which databases are in use.
// An advisory lock stands for this process and one for each template that it
// uses. They belong to a session, so they end with the process, however it ends.
type lease struct {
	server *Server
	run    string
	keep   bool // templates stay until the server ends

	mu   sync.Mutex
	conn *pgx.Conn
}

// openLease also removes what killed processes have left.
func openLease(ctx context.Context, server *Server, run string, keep bool) (*lease, error) {
	conn, err := pgx.Connect(ctx, server.external)
	if err != nil {
		return nil, err
	}
	l := &lease{server: server, run: run, keep: keep, conn: conn}
	// The session is idle for as long as tests run.
	_, err = conn.Exec(ctx, "select set_config('idle_session_timeout', '0', false), pg_advisory_lock("+lockKey+")", run)
	if err == nil {
		err = l.sweep(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, conn.Close(ctx))
	}
	return l, nil
}

// lockKey is the key of a database's lock, or of that of all databases of a run.
const lockKey = "hashtextextended($1, 0)"

// share returns when the template is filled, by fill or by another process, and
// keeps others from dropping it until close.
func (l *lease) share(ctx context.Context, name string, fill func(context.Context) error) error {
	// Those who come while a template is filled wait here. Closing the connection lets the next one go on.
	turn, err := pgx.Connect(ctx, l.server.external)
	if err != nil {
		return err
	}
	defer turn.Close(context.WithoutCancel(ctx))
	if _, err := turn.Exec(ctx, "select pg_advisory_lock("+lockKey+")", "fill "+name); err != nil {
		return err
	}
	if err := l.use(ctx, name); err != nil {
		return err
	}
	filled := false // sealed by who filled it to the end
	err = turn.QueryRow(ctx, "select not datallowconn from pg_database where datname = $1", name).Scan(&filled)
	if filled || err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return err
	}
	if err := dropDatabase(ctx, turn, name); err != nil { // its maker was killed
		return err
	}
	if err := fill(ctx); err != nil {
		dropErr := dropDatabase(ctx, turn, name)
		return errors.Join(err, dropErr)
	}
	return nil
}

func (l *lease) use(ctx context.Context, name string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, err := l.conn.Exec(ctx, "select pg_advisory_lock_shared("+lockKey+")", name)
	return err
}

// close gives everything back, and drops what nobody uses.
func (l *lease) close(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, err := l.conn.Exec(ctx, "select pg_advisory_unlock_all()")
	if err == nil {
		err = l.sweep(ctx)
	}
	return errors.Join(err, l.conn.Close(ctx))
}

// sweep drops databases whose lock nobody has. What cannot be dropped is an
// error if it is this process's: others' may hold a prepared transaction.
func (l *lease) sweep(ctx context.Context) error {
	rows, err := l.conn.Query(ctx, `select datname from pg_database where datname ~ $1
		and pg_has_role(datdba, 'usage') order by datname`, leftBehind.String())
	if err != nil {
		return err
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	var errs []error
	for _, name := range names {
		match := leftBehind.FindStringSubmatch(name)
		owner := match[1] + match[2]
		if l.keep && match[2] != "" {
			continue
		}
		if err := l.dropUnused(ctx, name, owner); err != nil && owner == l.run {
			errs = append(errs, fmt.Errorf("drop database %s: %w", name, err))
		}
	}
	return errors.Join(errs...)
}

// dropUnused drops a database unless somebody has the lock of its owner. This
// session may have one itself, which would not keep it from another.
func (l *lease) dropUnused(ctx context.Context, name, owner string) (err error) {
	unused := false
	err = l.conn.QueryRow(ctx, "select pg_try_advisory_lock("+lockKey+")", owner).Scan(&unused)
	if err != nil || !unused {
		return err
	}
	err = dropDatabase(ctx, l.conn, name)
	_, unlockErr := l.conn.Exec(ctx, "select pg_advisory_unlock("+lockKey+")", owner)
	return errors.Join(err, unlockErr)
}
