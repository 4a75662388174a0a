package testdb

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// grace is how long connections may take to come back after a test: a cancelled query, say, is still being cleaned up
// when its caller has returned.
const grace = 500 * time.Millisecond

// checkKey marks the context under which connections are taken for a check, see [isCheck].
type checkKey struct{}

// isCheck reports whether a connection is acquired by a check. Hooks of the pool do not run for it.
func isCheck(ctx context.Context) bool { return ctx.Value(checkKey{}) != nil }

// Close returns what the test left behind, a sentence for each, and releases everything. The database is dropped soon after.
func (d *Database) Close() (problems []string) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	err := d.host.withAdmin(ctx, func(conn *pgx.Conn) (err error) {
		problems, err = d.leaks(ctx, conn)
		return err
	})
	if err != nil {
		problems = append(problems, fmt.Sprintf("check for leaks: %v", err))
	}
	problems = append(problems, d.closePool(ctx)...)
	d.host.dropLater(d.name)
	return problems
}

// closePool closes the pool and returns what was left on its sessions.
func (d *Database) closePool(ctx context.Context) (problems []string) {
	switch {
	case d.pool == nil:
	case d.pool.Stat().AcquiredConns() > 0:
		// Close waits for connections that will never come back. The test has failed, so nobody counts goroutines.
		go d.pool.Close()
	default:
		problems = d.leftOnSessions(ctx)
		d.pool.Close()
	}
	return problems
}

// leaks waits until nothing is held any more, or the grace is over.
func (d *Database) leaks(ctx context.Context, conn *pgx.Conn) ([]string, error) {
	deadline := time.Now().Add(Patience(grace))
	for wait := time.Millisecond; ; wait *= 2 {
		problems, err := d.held(ctx, conn)
		if err != nil || len(problems) == 0 || time.Now().After(deadline) {
			return problems, err
		}
		time.Sleep(wait)
	}
}

// held returns a sentence for what is acquired, and one for each transaction, lock and foreign connection.
func (d *Database) held(ctx context.Context, conn *pgx.Conn) ([]string, error) {
	problems := d.acquired()
	rows, err := conn.Query(ctx, `select pid, backend_type, state, query
		from pg_stat_activity where datname = $1 and backend_type = 'client backend' order by pid`, d.name)
	if err != nil {
		return nil, err
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[backend])
	if err != nil {
		return nil, err
	}
	for _, b := range all {
		if problem := d.problemOf(b); problem != "" {
			problems = append(problems, problem)
		}
	}
	locks, err := d.locks(ctx, conn)
	return append(problems, locks...), err
}

// backend is a connection as the server sees it.
type backend struct {
	PID                uint32
	Type, State, Query *string
}

// problemOf returns what is wrong with a connection after the test: an open transaction, or that it is there at all if
// nobody is left to close it.
func (d *Database) problemOf(b backend) string {
	if b.State != nil && strings.HasPrefix(*b.State, "idle in transaction") {
		text := fmt.Sprintf("backend %d is %s, its last statement: %s", b.PID, *b.State, *b.Query)
		if at := d.where(b.PID, func(s session) stack { return s.begun }); at != "" {
			text += "; the transaction was begun by" + at
		}
		return text
	}
	if d.ownConnection(b.PID) {
		return ""
	}
	last := "none"
	if b.Query != nil && *b.Query != "" {
		last = *b.Query
	}
	return fmt.Sprintf("a connection that the test opened itself is still open (backend %d, its last statement: %s): "+
		"close it, or its pool, before the test ends", b.PID, last)
}

// ownConnection reports whether the pool closes a connection, or nobody looks.
func (d *Database) ownConnection(pid uint32) bool {
	switch {
	case d.pool == nil:
		return d.host.pooler != nil // the pooler's connections outlive those of its clients
	case d.watch == nil, d.watch.pooled:
		return true
	default:
		return slices.Contains(d.watch.pids(), pid)
	}
}

// where returns the lines of the program for a connection of the pool.
func (d *Database) where(pid uint32, of func(session) stack) string {
	if d.watch == nil {
		return ""
	}
	for _, s := range d.watch.copies() {
		if s.pid == pid {
			return of(s).String()
		}
	}
	return ""
}

// acquired returns a sentence for each connection that was not given back, or one for all where there is no watch.
func (d *Database) acquired() []string {
	if d.pool == nil || d.pool.Stat().AcquiredConns() == 0 {
		return nil
	}
	const why = "rows not closed, a transaction not ended, or Acquire without Release"
	var problems []string
	if d.watch != nil {
		for _, s := range d.watch.copies() {
			if s.acquired != nil {
				problems = append(problems, "a connection of the pool is still acquired: "+why+"; it was acquired by"+s.acquired.String())
			}
		}
	}
	if problems == nil {
		problems = []string{fmt.Sprintf("%d connections of the pool are still acquired: %s", d.pool.Stat().AcquiredConns(), why)}
	}
	return problems
}

// locks returns a sentence for each advisory lock on a connection that was given back. It stays until the connection is
// closed, and nobody knows on which it is.
func (d *Database) locks(ctx context.Context, conn *pgx.Conn) ([]string, error) {
	if d.watch == nil || d.watch.pooled {
		return nil, nil
	}
	rows, err := conn.Query(ctx, `select distinct pid from pg_locks where locktype = 'advisory' and granted
		and database = (select oid from pg_database where datname = $1)`, d.name)
	if err != nil {
		return nil, err
	}
	pids, err := pgx.CollectRows(rows, pgx.RowTo[uint32])
	var problems []string
	for _, s := range d.watch.copies() {
		if s.acquired == nil && slices.Contains(pids, s.pid) {
			problems = append(problems, "an advisory lock is left on a connection that was given back; the last one was taken by"+
				s.locked.String())
		}
	}
	return problems, err
}

// leftOnSessions returns a sentence for each setting and channel on a connection that was given back: who acquires it
// next would meet them.
func (d *Database) leftOnSessions(ctx context.Context) []string {
	if d.watch == nil || d.watch.pooled {
		return nil
	}
	var problems []string
	for _, c := range d.pool.AcquireAllIdle(context.WithValue(ctx, checkKey{}, true)) {
		left, err := d.watch.left(ctx, c.Conn())
		c.Release()
		if err == nil { // else it is broken, and leaves nothing
			problems = append(problems, left...)
		}
	}
	return problems
}

// left returns what an idle connection of the pool has beyond what the pool gave it.
func (w *watch) left(ctx context.Context, conn *pgx.Conn) ([]string, error) {
	var s session
	w.on(conn, func(known *session) { s = *known })
	settings, err := w.changed(ctx, conn, s)
	if err != nil {
		return nil, err
	}
	var problems []string
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		text := fmt.Sprintf("the setting %s is left as '%s' on a connection that was given back: use SET LOCAL or set_config "+
			"with true in a transaction, or RESET it", name, settings[name])
		if at := s.set[name].String(); at != "" {
			text += "; it was set by" + at
		}
		problems = append(problems, text)
	}
	var channels []string
	err = conn.QueryRow(ctx, "select coalesce(array_agg(c), '{}') from pg_listening_channels() as c",
		pgx.QueryExecModeExec).Scan(&channels)
	if err == nil && len(channels) > 0 {
		problems = append(problems, fmt.Sprintf("a connection that was given back still listens to %s; the last LISTEN was sent by%s",
			strings.Join(channels, ", "), s.listened))
	}
	return problems, err
}

// changed returns the settings of a connection that are the session's own, by name in lower case.
func (w *watch) changed(ctx context.Context, conn *pgx.Conn, s session) (map[string]string, error) {
	settings := map[string]string{}
	rows, err := conn.Query(ctx, "select lower(name), setting from pg_settings where source = 'session'", pgx.QueryExecModeExec)
	if err != nil {
		return nil, err
	}
	var name, value string
	_, err = pgx.ForEachRow(rows, []any{&name, &value}, func() error {
		settings[name] = value
		return nil
	})
	if err != nil {
		return nil, err
	}
	// Names with a dot, such as a tenant's, and the role are not in the view.
	for name := range s.set {
		if name != "role" && !strings.Contains(name, ".") {
			continue
		}
		var value *string
		if err := conn.QueryRow(ctx, "select current_setting($1, true)", pgx.QueryExecModeExec, name).Scan(&value); err != nil {
			return nil, err
		}
		if value != nil && *value != "" && *value != "none" && *value != w.params[name] {
			settings[name] = *value
		}
	}
	maps.DeleteFunc(settings, func(name, _ string) bool { return s.kept[name] })
	return settings, nil
}
