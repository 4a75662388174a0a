package guard

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/limit"
)

// DB is a handle whose use is limited. It goes wherever the handle goes that it was
// made of: repositories, units and package txn work on that as before, and the
// transactions that are begun on a DB have its limits. It is as safe for concurrent
// use as that handle is.
//
// Statements that are sent on it by hand, or by code of sqlc, are bound by Timeout,
// MaxStatements, MaxLimit and MaxBytes. Their rows are counted as they come: what is
// read of a result before it is given up is the caller's. By then the server has run the
// statement, so that one that writes, such as UPDATE ... RETURNING, may have written
// though it is refused: run it in a transaction, which the error rolls back.
type DB struct{ db *limit.DB }

var _ smrt.Pool = (*DB)(nil)

// On limits the use of a pool, a router, a connection or any other handle; limits of a
// handle that db is made of hold too, by hand if db does not show them:
//
//	db := guard.On(pool, guard.Limits{MaxLimit: 1_000, Timeout: 2 * time.Second})
//
// Limits that db has already hold too. For a transaction there is [OnTx]. On panics if
// l cannot be, see [Limits.Check].
func On(db smrt.DB, l Limits) *DB { return &DB{limit.NewDB(db, l.mustSet(&throttle{}))} }

// OnTx is [On] for a transaction, and returns one. What its Begin returns has the
// limits too.
func OnTx(tx pgx.Tx, l Limits) pgx.Tx { return limit.OnTx(tx, l.mustSet(&throttle{})) }

// Traits is for the other packages of smrt.
func (d *DB) Traits() any { return d.db.Traits() }

// Exec runs a statement and reports what it affected.
func (d *DB) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	return d.db.Exec(ctx, sql, args...)
}

// Query runs a statement and returns its rows, which must be closed or read to the
// end. If there are more of them than MaxLimit, they end with smrt.ErrRowLimit; a
// statement that writes may have written then.
func (d *DB) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	return d.db.Query(ctx, sql, args...)
}

// QueryRow runs a statement whose first row is wanted.
func (d *DB) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	return d.db.QueryRow(ctx, sql, args...)
}

// SendBatch sends several statements in one round trip. MaxLimit holds for the rows of
// each, Timeout for all of them.
func (d *DB) SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults {
	return d.db.SendBatch(ctx, b)
}

// CopyFrom loads rows with the COPY protocol and returns how many.
func (d *DB) CopyFrom(ctx context.Context, table pgx.Identifier, columns []string, src pgx.CopyFromSource) (int64, error) {
	return d.db.CopyFrom(ctx, table, columns, src)
}

// Begin begins a transaction by hand, with the same limits. Timeout holds for Begin
// itself, and for each call in the transaction.
func (d *DB) Begin(ctx context.Context) (pgx.Tx, error) { return d.db.Begin(ctx) }

// BeginTx begins a transaction by hand with options. On a handle that cannot begin
// one the error is smrt.ErrBadOptions.
func (d *DB) BeginTx(ctx context.Context, options pgx.TxOptions) (pgx.Tx, error) {
	return d.db.BeginTx(ctx, options)
}

// Acquire lends a connection, on which nothing is limited. On a handle that lends none
// the error is smrt.ErrBadOptions.
func (d *DB) Acquire(ctx context.Context) (*pgxpool.Conn, error) { return d.db.Acquire(ctx) }
