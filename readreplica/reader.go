package readreplica

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/handle"
	"github.com/smrt-go/smrt/internal/pgerr"
)

// Reader is a handle of a [Router] on which every statement is declared a read,
// such as the queries of sqlc: SQL is never looked at. The context decides what
// the reads must see, as with repositories. It is safe for concurrent use.
//
// A write on it fails with smrt.ErrWriteOnReplica, and a read for which there is no
// server with smrt.ErrNoFreshReplica or smrt.ErrNoPrimary. Inside of a transaction
// begun on the router its methods return smrt.ErrTxBypass.
type Reader struct{ router *Router }

var _ smrt.Pool = (*Reader)(nil)

// Reader returns the handle for reading. It always returns the same one.
func (r *Router) Reader() *Reader { return &r.reader }

// Exec runs a statement that reads, and reports what it returned. It is run again on
// another node if the first cannot serve it.
func (r *Reader) Exec(ctx context.Context, sql string, args ...any) (tag pgconn.CommandTag, err error) {
	if ctx == nil {
		return tag, smrt.ErrNilContext
	}
	err = handle.Read(ctx, r, func(on smrt.DB, _ int) (final bool, err error) {
		tag, err = on.Exec(ctx, sql, args...)
		return false, err
	})
	return tag, err
}

// Query runs a query. It is run again on another node if the first cannot
// serve it and no row was handed out.
func (r *Reader) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	q, err := r.begin(ctx)
	if err != nil {
		return handle.FailedRows(err), err
	}
	return openRows(&rows{source: q, ctx: ctx, sql: sql, args: args})
}

// QueryRow runs a query and returns its first row, as Query does. Errors come from
// its Scan.
func (r *Reader) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	return handle.FirstRow(r.Query(ctx, sql, args...))
}

// SendBatch sends several queries to one node in one round trip. They are not run
// again, because results may have been read. The caller closes the results.
func (r *Reader) SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults {
	q, err := r.begin(ctx)
	if err != nil {
		return pgx.FailedBatchResults(b, err)
	}
	return &readResults{BatchResults: q.try.On.SendBatch(ctx, b), reading: q}
}

// CopyFrom returns smrt.ErrWriteOnReplica.
func (r *Reader) CopyFrom(context.Context, pgx.Identifier, []string, pgx.CopyFromSource) (int64, error) {
	return 0, smrt.ErrWriteOnReplica
}

// Acquire returns a connection to a node that serves reads now, to be given back
// with its Release. What is done on it later is not counted, and the session of ctx
// does not see it.
func (r *Reader) Acquire(ctx context.Context) (conn *pgxpool.Conn, err error) {
	if ctx == nil {
		return nil, smrt.ErrNilContext
	}
	err = handle.Read(ctx, r, func(_ smrt.DB, place int) (final bool, err error) {
		conn, err = r.router.nodes[place].reads.Acquire(ctx)
		return false, err
	})
	return conn, err
}

// Begin begins a read-only transaction, as [Router.BeginTx] does.
func (r *Reader) Begin(ctx context.Context) (pgx.Tx, error) { return r.BeginTx(ctx, pgx.TxOptions{}) }

// BeginTx begins a transaction, which is read-only even if options say otherwise.
func (r *Reader) BeginTx(ctx context.Context, options pgx.TxOptions) (pgx.Tx, error) {
	options.AccessMode = pgx.ReadOnly
	return r.router.BeginTx(ctx, options)
}

// reading is a query on its way to a node: the source of its rows. next and done of
// the router are called in turn, so that what a try has taken is given back once.
type reading struct {
	router *Router
	ctx    context.Context
	try    handle.Try
	err    error // why it is not sent again
}

// begin chooses the first node for a read.
func (r *Reader) begin(ctx context.Context) (*reading, error) {
	if ctx == nil {
		return nil, smrt.ErrNilContext
	}
	q := &reading{router: r.router, ctx: ctx}
	var err error
	q.try, err = r.router.next(ctx, q.try)
	return q, err
}

// query sends the query to the node that was chosen.
func (q *reading) query(ctx context.Context, sql string, args []any) (pgx.Rows, error) {
	return q.try.On.Query(ctx, sql, args...)
}

// ended lets the router end the read, or choose another node for it.
func (q *reading) ended(err error, final bool) (again bool) {
	q.try.Err = err
	if err == nil || final {
		q.err = q.router.done(q.ctx, q.try)
		return false
	}
	q.try, q.err = q.router.next(q.ctx, q.try)
	return q.err == nil
}

// rejected is the router's error for err, which may say more.
func (q *reading) rejected(err error) error {
	if q.err != nil {
		return q.err
	}
	return err
}

// readResults tell the router how a batch ended.
type readResults struct {
	pgx.BatchResults
	*reading
	closed bool
}

// Exec reads the result of the next statement.
func (b *readResults) Exec() (pgconn.CommandTag, error) {
	tag, err := b.BatchResults.Exec()
	return tag, declared(err)
}

// QueryRow reads the row of the next query.
func (b *readResults) QueryRow() pgx.Row { return declaredRow{b.BatchResults.QueryRow()} }

// declaredRow is a row whose error may say that its query was a write.
type declaredRow struct{ pgx.Row }

func (r declaredRow) Scan(dst ...any) error { return declared(r.Row.Scan(dst...)) }

// declared is the error of a statement that was declared as a read.
func declared(err error) error {
	if pgerr.FaultOf(err) == pgerr.NotPrimary {
		return &writeError{err}
	}
	return err
}

// Close ends the batch.
func (b *readResults) Close() error {
	err := b.BatchResults.Close()
	if b.closed {
		return declared(err)
	}
	b.closed = true
	b.ended(err, true)
	if err != nil {
		return b.rejected(err)
	}
	return nil
}
