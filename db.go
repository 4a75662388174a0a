package smrt

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// DB is what every part of smrt runs SQL on. A *pgxpool.Pool, a *pgxpool.Conn,
// a *pgx.Conn and a pgx.Tx satisfy it as they are, and so does the DBTX
// parameter of the code that sqlc generates, so one handle serves repositories
// and hand-written queries alike.
//
// A DB is as safe for concurrent use as the value behind it: a pool is, a
// single connection and a transaction are not. smrt uses a handle from several
// goroutines only if it is a [Pool].
//
// The interface follows pgx; it grows only if smrt comes to need another of
// pgx's own methods.
type DB interface {
	// Exec runs a statement and reports what it affected.
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)

	// Query runs a statement and returns its rows. The caller closes them.
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)

	// QueryRow runs a statement whose first row is wanted. Errors are deferred
	// until Scan is called on the row.
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row

	// SendBatch sends several statements in one round trip. Outside a
	// transaction they form an implicit one: all take effect or none.
	SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults

	// CopyFrom loads rows with the COPY protocol and returns how many.
	CopyFrom(ctx context.Context, table pgx.Identifier, columns []string, rows pgx.CopyFromSource) (int64, error)
}

// Pool is a DB that lends connections, as a *pgxpool.Pool does. It is safe for
// concurrent use.
type Pool interface {
	DB

	// Acquire lends a connection, which is given back with its Release.
	Acquire(ctx context.Context) (*pgxpool.Conn, error)
}

var (
	_ Pool = (*pgxpool.Pool)(nil)
	_ DB   = (*pgxpool.Conn)(nil)
	_ DB   = (*pgx.Conn)(nil)
	_ DB   = pgx.Tx(nil)
)
