package migrate

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

// PoolerError is of connections that lead through a pooler, such as PgBouncer, on which
// no lock_timeout can be set: a setting of the session would be that of other clients too.
type PoolerError struct {
	Timeout time.Duration // that was to be set
	Err     error         // nil if the setting was dropped without an error
}

func (e *PoolerError) Error() string {
	text := fmt.Sprintf("a lock_timeout of %v cannot be set, as the connection leads through a pooler such as PgBouncer: connect to the server itself; "+
		"or pass --lock-timeout 0, and begin each file with SET LOCAL lock_timeout = '2s'", e.Timeout)
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

func (e *PoolerError) Unwrap() error { return e.Err }

// connector opens connections to the database. Those on which no lock_timeout can be set
// have a PoolerError.
type connector struct {
	driver.Connector
	timeout time.Duration
	set     *atomic.Bool // that the server has it was seen
}

func newConnector(config *pgx.ConnConfig, timeout time.Duration) connector {
	c := connector{timeout: timeout, set: new(atomic.Bool)}
	c.Connector = stdlib.GetConnector(*config, stdlib.OptionAfterConnect(c.check))
	return c
}

// Connect opens a connection.
func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	// PgBouncer has no SQLSTATE of its own for a setting that it does not take. PostgreSQL
	// has another one, and takes this setting.
	if pg := (*pgconn.PgError)(nil); c.timeout > 0 && errors.As(err, &pg) && pg.Code == "08P01" {
		return nil, &PoolerError{c.timeout, err}
	}
	return conn, err
}

// check asks the first connection whether it has the setting, which a pooler can be told
// to drop.
func (c connector) check(ctx context.Context, conn *pgx.Conn) error {
	if c.timeout == 0 || c.set.Load() {
		return nil
	}
	var ms int64
	if err := conn.QueryRow(ctx, "SELECT setting::bigint FROM pg_catalog.pg_settings WHERE name = 'lock_timeout'").Scan(&ms); err != nil {
		return err
	}
	if ms != milliseconds(c.timeout) {
		return &PoolerError{Timeout: c.timeout}
	}
	c.set.Store(true)
	return nil
}

// milliseconds is a timeout as the server takes it, which has no shorter ones.
func milliseconds(d time.Duration) int64 { return max(d.Milliseconds(), 1) }
