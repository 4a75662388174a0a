package readreplica

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/handle"
	"github.com/smrt-go/smrt/internal/wal"
)

// How a transaction commits, and where its position goes:
//
//	begun by              committed by        the position
//	BeginTx, with a       wal.Commit, in one  goes to the session, and to the caller of
//	session or txn's      round trip          CommitPosition
//	TrackPosition
//	BeginTx without       pgx                 is not asked for: nobody wants it
//	SendBatch             pgx                 is not known; the session notes that it wrote
//	any, read-only        pgx                 there is none; the session notes that it read
//	any, on an engine     pgx                 there is none; the session notes when it wrote
//	without positions

// Begin begins a transaction on the primary, as BeginTx without options.
func (r *Router) Begin(ctx context.Context) (pgx.Tx, error) { return r.BeginTx(ctx, pgx.TxOptions{}) }

// BeginTx begins a transaction: on a replica if it is read-only, else on the
// primary. Everything in it happens there. PostgreSQL's standbys cannot do
// serializable transactions, so those go to the primary. Where there is no server
// for it the error is smrt.ErrNoPrimary or smrt.ErrNoFreshReplica. The caller ends
// the transaction; it is for one goroutine at a time.
func (r *Router) BeginTx(ctx context.Context, options pgx.TxOptions) (pgx.Tx, error) {
	if options.AccessMode == pgx.ReadOnly && options.IsoLevel != pgx.Serializable {
		return r.beginRead(ctx, options)
	}
	w, err := r.primary(ctx)
	if err != nil {
		return nil, err
	}
	for {
		t, err := w.begin(options)
		if err == nil {
			return t, nil
		}
		w.blame(err)
		if !isHealth(err) && !isIdle(err) || ctx.Err() != nil || now() >= w.until || !w.redirect() { // BEGIN has no effect
			return nil, err
		}
	}
}

// begin takes a connection of its own, because a transaction that is committed
// together with a question for its position is not committed by its pgx.Tx.
func (w *writing) begin(options pgx.TxOptions) (pgx.Tx, error) {
	conn, err := w.node.writes.Acquire(w.ctx)
	if err != nil {
		return nil, err
	}
	inner, err := conn.BeginTx(w.ctx, options)
	if err != nil {
		conn.Release()
		return nil, err
	}
	return &tx{Tx: inner, conn: conn, writing: *w}, nil
}

// beginRead begins a transaction on a replica, which it stays on. To its end it
// counts as one read: on the primary it has a place of Config.PrimaryShare.
func (r *Router) beginRead(ctx context.Context, options pgx.TxOptions) (pgx.Tx, error) {
	if ctx == nil {
		return nil, smrt.ErrNilContext
	}
	var try handle.Try
	for {
		var err error
		if try, err = r.next(ctx, try); err != nil {
			return nil, err
		}
		n := r.nodes[try.Node]
		inner, err := n.reads.BeginTx(ctx, options)
		if err == nil {
			try.Began = 0 // how long it takes is up to the caller
			return &tx{Tx: inner, writing: writing{router: r, ctx: ctx, node: n}, reads: true, try: try}, nil
		}
		try.Err = err
	}
}

// tx is a transaction on a node. After its end its Tx is a closed one: a connection
// that was given back may serve somebody else then.
type tx struct {
	pgx.Tx
	conn *pgxpool.Conn // nil: Tx ends the transaction by itself
	writing
	reads bool
	try   handle.Try // of a transaction that reads
	over  bool
}

var _ pgx.Tx = (*tx)(nil)

// end gives the connection back.
func (t *tx) end(ctx context.Context, err error) {
	t.over, t.Tx = true, handle.ClosedTx()
	if t.conn != nil {
		t.conn.Release()
	}
	if !t.reads {
		t.blame(err)
		return
	}
	t.try.Err = err
	t.router.finish(t.node, t.try)
	sessionOf(ctx).noteRead(t.node)
}

// Commit commits, and notes the position in the session of ctx.
func (t *tx) Commit(ctx context.Context) error {
	if t.over {
		return pgx.ErrTxClosed
	}
	if t.router.keepCommits(ctx) == nil {
		return t.plainCommit(ctx)
	}
	_, err := t.CommitPosition(ctx)
	return err
}

// CommitPosition commits and returns the position of the commit, which is zero
// where it cannot be known. The session of ctx gets it too.
func (t *tx) CommitPosition(ctx context.Context) (smrt.Position, error) {
	if t.over {
		return smrt.Position{}, pgx.ErrTxClosed
	}
	if t.reads || t.conn == nil || !t.router.kind().positions() {
		return smrt.Position{}, t.plainCommit(ctx)
	}
	p, err := wal.Commit(ctx, t.conn.Conn())
	if keep := t.router.keepCommits(ctx); keep != nil {
		keep(p) // after an error too: it may have been committed, and now counts
	}
	t.end(ctx, err)
	return p, err
}

// plainCommit commits as pgx does. The session notes a write whose position is not
// known, after an error too.
func (t *tx) plainCommit(ctx context.Context) error {
	err := t.Tx.Commit(ctx)
	if !t.reads {
		t.router.wrote(ctx)
	}
	t.end(ctx, err)
	return err
}

// Rollback undoes the transaction. How it came to that is not told here, but
// its connection reports whether it was the server's fault.
func (t *tx) Rollback(ctx context.Context) error {
	if t.over {
		return pgx.ErrTxClosed
	}
	conn := t.Conn()
	lost, failed := conn.IsClosed(), conn.PgConn().TxStatus() == handle.StatusFailed
	err := t.Tx.Rollback(ctx)
	switch {
	case lost:
		t.end(ctx, pgconn.ErrConnClosed)
		if t.reads {
			t.node.failed(pgconn.ErrConnClosed)
		}
	case failed:
		t.end(ctx, err)
		if t.reads {
			t.node.conflicted()
		}
		t.node.prober.hurry() // perhaps it is not what it was
	default:
		t.end(ctx, err)
	}
	return err
}
