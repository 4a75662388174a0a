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

// A write that failed is sent again only if that is safe, and if there is time left
// of Config.Failover. What its error says of it:
//
//	error                                          it had       it is sent
//	refused as read-only (25006)                   no effect    again, at most maxRefusals times:
//	                                                            the server is not the primary
//	the connection could not be opened             no effect    again
//	it was idle for too long, the server says      no effect    again
//	the connection was lost, the server stops      perhaps one  no more: the caller must find out
//	any other, or rows were handed out             -            no more
//
// In a session every write is noted, whether it failed or not: the error may have
// come after the commit.

// writing is a statement on its way to the primary.
type writing struct {
	router *Router
	ctx    context.Context
	node   *Node
	until  instant

	refused int // times that it was refused as a write
}

// maxRefusals is how often a statement is refused as a write before that is
// its own fault. A server that was demoted refuses it once, and once more if it
// was just being asked when that happened.
const maxRefusals = 4

// primary begins a write.
func (r *Router) primary(ctx context.Context) (w writing, err error) {
	if ctx == nil {
		return w, smrt.ErrNilContext
	}
	w = writing{router: r, ctx: ctx, until: r.limit()}
	w.node, err = r.writer(ctx, w.until)
	return w, err
}

// ended notes the write in the session, and tells the router how the statement
// ended. It returns true if the statement had no effect because of where it was
// sent, the caller has seen nothing of it, and w.node is now another place to send
// it to.
func (w *writing) ended(err error, final bool) (again bool) {
	w.router.wrote(w.ctx) // also after an error, which may have come after the commit
	return w.failed(err, final)
}

// failed is ended without a note in the session.
func (w *writing) failed(err error, final bool) (again bool) {
	fault := w.blame(err)
	switch {
	case final, w.ctx.Err() != nil, now() >= w.until:
		return false
	case fault == pgerr.NotPrimary:
		w.refused++ // by a server that says it accepts writes: then it is the statement that does not
		return w.refused < maxRefusals && w.redirect()
	case fault != pgerr.Permanent && neverSent(err), isIdle(err):
		return w.redirect()
	}
	return false // it may have been applied
}

// blame tells the router of an error that is about the server.
func (w *writing) blame(err error) pgerr.Fault {
	if w.ctx.Err() != nil {
		return pgerr.Permanent
	}
	switch fault := faultOf(err); fault {
	case pgerr.NotPrimary:
		w.router.demote(w.node)
		return fault
	case pgerr.Lost, pgerr.Crowded:
		w.router.suspect(w.node, err)
		return fault
	}
	return pgerr.Permanent
}

// redirect waits for a primary that the statement has not been sent to, or for
// the same one when it is back.
func (w *writing) redirect() bool {
	r := w.router
	r.counter.redirects.Add(1)
	if r.table.Load().primary == w.node { // it refuses connections, but is not given up yet
		r.pause(w.ctx, r.cfg.ProbeInterval/10)
	}
	n, err := r.writer(w.ctx, w.until)
	if err != nil {
		return false
	}
	w.node = n
	return true
}

// Exec runs a statement on the primary and reports what it affected. It is sent again
// if it had no effect for sure, because its server is not the primary any more.
func (r *Router) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	w, err := r.primary(ctx)
	if err != nil {
		return pgconn.CommandTag{}, err
	}
	for {
		tag, err := w.node.writes.Exec(ctx, sql, args...)
		if !w.ended(err, false) {
			return tag, err
		}
	}
}

// Query runs a statement on the primary and returns its rows, which the caller
// closes. To read from a replica, use [Router.Reader].
func (r *Router) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	w, err := r.primary(ctx)
	if err != nil {
		return handle.FailedRows(err), err
	}
	return openRows(&rows{source: &w, ctx: ctx, sql: sql, args: args})
}

// QueryRow runs a statement on the primary and returns its first row.
func (r *Router) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	return handle.FirstRow(r.Query(ctx, sql, args...))
}

// SendBatch sends several statements to the primary in one round trip. They are
// not sent again if the server turns out not to be the primary any more.
func (r *Router) SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults {
	w, err := r.primary(ctx)
	if err != nil {
		return pgx.FailedBatchResults(b, err)
	}
	return &batchResults{BatchResults: w.node.writes.SendBatch(ctx, b), writing: w}
}

// CopyFrom loads rows into the primary. It is not repeated if the server turns
// out not to be the primary any more.
func (r *Router) CopyFrom(ctx context.Context, table pgx.Identifier, columns []string, src pgx.CopyFromSource) (int64, error) {
	w, err := r.primary(ctx)
	if err != nil {
		return 0, err
	}
	n, err := w.node.writes.CopyFrom(ctx, table, columns, src)
	w.ended(err, true)
	return n, err
}

// Acquire returns a connection to the primary, to be given back with its Release.
// The session of ctx does not see what is written on it; see [MarkWritten].
func (r *Router) Acquire(ctx context.Context) (*pgxpool.Conn, error) {
	told := r.kind().positions() // then transactions and units tell of their commits: see keepCommits
	w, err := r.primary(ctx)
	if err != nil {
		return nil, err
	}
	for {
		conn, err := w.node.writes.Acquire(ctx)
		if !told {
			r.wrote(ctx)
		}
		if !w.failed(err, false) {
			return conn, err
		}
	}
}

// batchResults tell the router how a batch ended.
type batchResults struct {
	pgx.BatchResults
	writing
	closed bool
}

// Tx is the transaction that the batch has begun, if any.
func (b *batchResults) Tx() pgx.Tx {
	inner := b.BatchResults.Tx()
	if inner == nil {
		return nil
	}
	return &tx{Tx: inner, writing: b.writing}
}

// Close ends the batch.
func (b *batchResults) Close() error {
	err := b.BatchResults.Close()
	if !b.closed {
		b.closed = true
		if b.BatchResults.Tx() == nil { // a transaction that goes on has committed nothing yet
			b.router.wrote(b.ctx)
		}
		b.failed(err, true)
	}
	return err
}
