package unit

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/alarm"
	"github.com/smrt-go/smrt/internal/flush"
	"github.com/smrt-go/smrt/internal/handle"
	"github.com/smrt-go/smrt/internal/pgerr"
	"github.com/smrt-go/smrt/internal/traced"
	"github.com/smrt-go/smrt/internal/wal"
	"github.com/smrt-go/smrt/txn"
)

// txn.Run decides what is retried, how often, and what a commit that was not
// answered means. It begins a transaction, runs a closure and commits. Here the
// transaction that it is given sends nothing until it is committed, and then
// BEGIN, the statements and COMMIT at once; so a failure of any of them is a
// failure to commit, which Run reads correctly: errors of the server say that
// nothing was committed, a lost connection leaves it open.
//
// What is sent, and what it means if the connection breaks there:
//
//	BEGIN and settings             nothing is committed
//	the statements of the unit     in doubt: COMMIT is on its way as well
//	whether COMMIT waits for the   in doubt
//	  log (if the position is asked for)
//	COMMIT                         in doubt
//	the end of the log (likewise)  committed: the reply to COMMIT has come
//
// All of it is one round trip. With an idempotency key it is two: BEGIN and the
// insert of the key come first ([oneTrip.SendBatch]), because if the key is
// there already the rest must not be sent.
//
// The methods of the transaction are called by txn only, in this order: Start, SendBatch
// with a key, ready (the closure), Commit or CommitPosition, and Rollback if one of them
// has failed. The connection is taken late and returned as soon as the outcome is known,
// so that a unit holds none while txn waits before it tries again.

// runner begins transactions that send nothing at first.
type runner struct {
	u  *work
	db smrt.DB

	tx   *oneTrip // of the attempt under way
	last *oneTrip // the attempt that sent COMMIT last

	silent bool       // the position of the commit cannot be asked for: the next attempt does not
	stale  bool       // a cached statement did not fit its tables: the next attempt drops all
	result txn.Result // of the last attempt to run it

	// Of a second try because the foreign keys may have changed.
	first error
	known []flush.ForeignKey
}

// Start remembers how the transaction is to begin.
func (r *runner) Start(_ context.Context, b handle.Begin) (pgx.Tx, error) {
	r.tx = &oneTrip{runner: r, begins: b}
	return r.tx, nil
}

// Begin makes r a txn.Beginner. txn calls Start instead.
func (r *runner) Begin(ctx context.Context) (pgx.Tx, error) { return nil, errNotHere }

// Reset lets the pool forget its connections, which lead to a server that is no
// longer the primary.
func (r *runner) Reset() {
	handle.Reset(r.db)
}

// oneTrip is a transaction that is sent when it is committed.
type oneTrip struct {
	*runner
	begins handle.Begin
	ctx    context.Context // of the attempt

	conn  *pgx.Conn
	give  func()         // returns conn to where it came from
	opens handle.Opening // follows BEGIN
	begun bool           // with a key, BEGIN and the key are sent first
	out   outcome

	took  time.Duration // of the round trip that failed
	limit time.Duration // statement_timeout of the session, if it was asked for

	asks bool // for the position of the commit
	told bool // the server has answered that, if only with an error
	at   smrt.Position
}

var (
	_ pgx.Tx           = (*oneTrip)(nil)
	_ handle.TimeoutTx = (*oneTrip)(nil)
	_ handle.Starter   = (*runner)(nil)
)

// take gets a connection, unless t has one. It refuses one that is in a
// transaction already: BEGIN would be a warning there, and COMMIT would end
// what somebody else has begun.
func (t *oneTrip) take(ctx context.Context) error {
	if t.conn != nil {
		return nil
	}
	on, opens, err := handle.Openly(ctx, t.db)
	if err != nil {
		return err
	}
	t.opens, t.give = opens, func() {}
	switch db := on.(type) {
	case smrt.Pool:
		c, err := db.Acquire(ctx)
		if err != nil {
			return err
		}
		t.conn, t.give = c.Conn(), c.Release
	case *pgx.Conn:
		t.conn = db
	case connection:
		t.conn = db.Conn()
	}
	if t.conn.PgConn().TxStatus() != handle.StatusIdle {
		t.release()
		return smrt.ErrTxOpen
	}
	if t.stale {
		// pgx forgets a statement that failed, but a pooler that keeps prepared
		// statements by their texts does not.
		t.stale = false
		if err := t.conn.DeallocateAll(ctx); err != nil {
			t.release()
			return err
		}
	}
	return nil
}

func (t *oneTrip) release() {
	if t.give != nil {
		t.give()
	}
	t.conn, t.give = nil, nil
}

// ready makes the statements, for which the catalog may have to be queried.
// That is done on the connection that sends them, outside of the transaction,
// unless a key has begun it.
func (t *oneTrip) ready(ctx context.Context) error {
	t.ctx = ctx
	err := t.take(ctx)
	if err != nil {
		return pgerr.Wrap("begin", "transaction", err)
	}
	t.out.prepared, err = t.u.prepare(ctx, t.conn)
	if err == nil && t.first != nil && slices.EqualFunc(t.out.keys, t.known, flush.ForeignKey.Equal) {
		return t.first // they have not changed: the row is wrong
	}
	return err
}

// begin queues BEGIN and the settings that follow it.
func (t *oneTrip) begin(b *pgx.Batch) (statements int) {
	b.BeginTx(t.begins.Modes)
	for _, sql := range t.begins.Settings {
		b.Queue(sql)
	}
	t.opens.Queue(b)
	return b.Len()
}

// Commit sends everything and waits for it. Once it is sent it does not end
// with the caller's context: the server is asked to stop instead, so that there
// is an answer which says what happened.
func (t *oneTrip) Commit(ctx context.Context) error {
	defer t.release()
	t.last = t
	sent := time.Now()
	if t.out.err = t.send(ctx); t.out.err == nil {
		return nil
	}
	t.took, t.limit = time.Since(sent), 0
	t.stale = pgerr.FaultOf(t.out.err) == pgerr.StalePlan
	t.undo(ctx)
	if pgerr.IsCanceled(t.out.err) && t.ctx.Err() == nil && t.conn.PgConn().TxStatus() == handle.StatusIdle {
		t.limit, _ = pgerr.AskTimeout(ctx, t.conn.PgConn(), "")
	}
	return t.explained(ctx)
}

// TimedOut takes the session's limit, which was asked for, if that given is 0.
func (t *oneTrip) TimedOut(limit time.Duration) bool {
	return pgerr.TimedOut(t.took, cmp.Or(limit, t.limit))
}

// send is the round trip. Once the reply to COMMIT has come, nothing after it
// is an error. An error that occurs before anything could be sent says so.
func (t *oneTrip) send(ctx context.Context) error {
	var b pgx.Batch
	begins := 0
	if !t.begun {
		begins = t.begin(&b)
	}
	t.out.queue(&b)
	if t.asks {
		b.Queue(traced.Pass(wal.AsyncSQL, "", "position"))
	}
	b.Queue("commit")
	if t.asks {
		b.Queue(traced.Pass(wal.EndSQL, "", "position"))
	}
	defer t.watch()()
	traced.Of(t.conn).Retries(t.begins.Attempt, t.begins.Cause)
	results := t.conn.SendBatch(ctx, &b)
	err := t.receive(results, begins)
	if closing := results.Close(); err == nil && !t.out.committed {
		err = closing
	}
	return mayBeSent(err)
}

// receive reads all replies, of which the first are those to BEGIN and
// settings. The alarm that limits COMMIT is set when everything before it was
// answered.
func (t *oneTrip) receive(results pgx.BatchResults, begins int) error {
	t.out.failed = -1
	for range begins {
		if _, err := results.Exec(); err != nil {
			return err
		}
	}
	if t.out.receive(results); t.out.err != nil {
		return t.out.err
	}
	t.out.failed = len(t.out.statements) // what fails now is a constraint that was deferred
	async := ""
	if t.asks {
		if err := results.QueryRow().Scan(&async); err != nil {
			return err
		}
	}
	defer alarm.Of(t.conn).Set(t.begins.Limit).Off()
	tag, err := results.Exec()
	if err == nil && tag.String() != "COMMIT" {
		err = pgx.ErrTxCommitRollback
	}
	if t.out.committed = err == nil; t.out.committed && t.asks {
		t.tell(results, async == "true")
	}
	return err
}

// watch asks the server to stop when the caller's context ends. If it does not
// answer within the limit the connection is cut. The request is complete before
// the connection is used for anything else.
func (t *oneTrip) watch() (stop func()) {
	if t.ctx.Done() == nil {
		return func() {}
	}
	done := make(chan struct{})
	asked := make(chan struct{})
	pg, wire := t.conn.PgConn(), alarm.Wire(t.conn)
	cancel := context.AfterFunc(t.ctx, func() {
		defer close(asked)
		ctx, stop := context.WithTimeout(context.Background(), t.begins.Limit)
		defer stop()
		_ = pg.CancelRequest(ctx)
		// The connection's alarm may be set for COMMIT at this time.
		timer := time.AfterFunc(t.begins.Limit, func() { _ = wire.Close() })
		<-done
		timer.Stop()
	})
	return func() {
		close(done)
		if !cancel() {
			<-asked
		}
	}
}

// undo ends the transaction that a failed statement left open. A server that is
// no longer the primary is left instead, so that the next attempt finds the new
// one.
func (t *oneTrip) undo(ctx context.Context) {
	if t.conn.IsClosed() || t.conn.PgConn().TxStatus() == handle.StatusIdle {
		return
	}
	if pgerr.FaultOf(t.out.err) == pgerr.NotPrimary {
		_ = t.conn.Close(ctx)
		return
	}
	defer alarm.Of(t.conn).Set(t.begins.Limit).Off()
	_, _ = t.conn.Exec(ctx, "rollback") // if it fails, pgx drops the connection, and the server rolls back
}

// explained returns the error of the attempt with the row that it is about. If
// the caller's context has ended, that is the error: the server was asked to
// stop, and what it says then is only how. A closed connection cannot be asked,
// and its error must stay as it is, for txn to see that the outcome is in
// doubt.
func (t *oneTrip) explained(ctx context.Context) error {
	if err := t.ctx.Err(); err != nil {
		return errors.Join(err, pgerr.Wrap("flush", "unit", t.out.err))
	}
	if t.conn.IsClosed() {
		return t.out.err
	}
	t.out.forgetIf(t.out.err)
	return t.out.explain(ctx, t.conn, t.search())
}

// forgetIf forgets the foreign keys if an error says that they may have
// changed.
func (s *schema) forgetIf(err error) {
	if pgerr.IsKeyDrift(err) {
		s.forget()
	}
}

// Rollback ends an attempt that was not committed.
func (t *oneTrip) Rollback(ctx context.Context) error {
	defer t.release()
	if t.conn == nil || !t.begun {
		return nil
	}
	_, err := t.conn.Exec(ctx, "rollback")
	return err
}

// SendBatch sends BEGIN and what txn sends after it. That must be answered
// before the rest can be sent.
func (t *oneTrip) SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults {
	if err := t.take(ctx); err != nil {
		return pgx.FailedBatchResults(b, err)
	}
	if t.begun {
		return t.conn.SendBatch(ctx, b)
	}
	var all pgx.Batch
	begins := t.begin(&all)
	all.QueuedQueries = append(all.QueuedQueries, b.QueuedQueries...)
	results := t.conn.SendBatch(ctx, &all)
	t.begun = true
	for range begins {
		if _, err := results.Exec(); err != nil {
			break // Close returns it
		}
	}
	return results
}

// Exec is used by txn only once the transaction is begun.
func (t *oneTrip) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	return t.conn.Exec(ctx, sql, args...)
}

// Query is used by txn only once the transaction is begun.
func (t *oneTrip) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	return t.conn.Query(ctx, sql, args...)
}

// QueryRow is used by txn only once the transaction is begun.
func (t *oneTrip) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	return t.conn.QueryRow(ctx, sql, args...)
}

// Conn is nil as long as the connection is in no transaction, as txn would find
// out, and the one that COMMIT is about to be sent on when it is.
func (t *oneTrip) Conn() *pgx.Conn {
	if t.out.prepared == nil {
		return nil
	}
	return t.conn
}
