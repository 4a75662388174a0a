package txn

import (
	"context"
	"strconv"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/result"
)

// handle is the transaction as a closure sees it, at one level of nesting.
type handle struct {
	s    *session
	doom atomic.Pointer[doom] // of a closure that joined this level and failed
	over atomic.Bool

	// Of a savepoint.
	name  string // empty at the outermost level
	byUse bool   // made with Begin: whoever uses it ends it
	mark  int    // hooks that were there before
	first error  // error that was there before
}

var _ pgx.Tx = (*handle)(nil)

// enter takes the connection for a call.
func (h *handle) enter() error {
	if h.over.Load() {
		return smrt.ErrTxDone
	}
	for _, d := range [...]*doom{h.doom.Load(), h.s.doom.Load()} {
		if d != nil {
			return &smrt.AbortedError{Err: d.err}
		}
	}
	return h.s.take()
}

func (h *handle) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	if err := h.enter(); err != nil {
		return pgconn.CommandTag{}, err
	}
	tag, err := h.s.tx.Exec(ctx, sql, args...)
	return tag, h.s.give(err)
}

func (h *handle) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	if err := h.enter(); err != nil {
		return noRows(err), err
	}
	inner, err := h.s.tx.Query(ctx, sql, args...)
	if err != nil {
		return inner, h.s.give(err)
	}
	r := &rows{Rows: inner, s: h.s}
	h.s.leaveOpen(r)
	return r, nil
}

func (h *handle) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	if err := h.enter(); err != nil {
		return result.Row(nil, err)
	}
	r := &row{inner: h.s.tx.QueryRow(ctx, sql, args...), s: h.s}
	h.s.leaveOpen(r)
	return r
}

func (h *handle) SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults {
	if err := h.enter(); err != nil {
		return pgx.FailedBatchResults(b, err)
	}
	r := &results{BatchResults: h.s.tx.SendBatch(ctx, b), s: h.s}
	h.s.leaveOpen(r)
	return r
}

func (h *handle) CopyFrom(ctx context.Context, table pgx.Identifier, columns []string, src pgx.CopyFromSource) (int64, error) {
	if err := h.enter(); err != nil {
		return 0, err
	}
	n, err := h.s.tx.CopyFrom(ctx, table, columns, src)
	return n, h.s.give(err)
}

func (h *handle) Prepare(ctx context.Context, name, sql string) (*pgconn.StatementDescription, error) {
	if err := h.enter(); err != nil {
		return nil, err
	}
	d, err := h.s.tx.Prepare(ctx, name, sql)
	return d, h.s.give(err)
}

// LargeObjects gives pgx's own, which is not watched for concurrent use.
func (h *handle) LargeObjects() pgx.LargeObjects { return h.s.tx.LargeObjects() }

// Conn gives the connection. What is done to it directly is not watched.
func (h *handle) Conn() *pgx.Conn { return h.s.tx.Conn() }

// Begin makes a savepoint, which unlike the transaction is its maker's to
// commit or roll back.
func (h *handle) Begin(ctx context.Context) (pgx.Tx, error) {
	level, err := h.savepoint(ctx)
	if err != nil {
		return nil, err // not a nil pointer in an interface
	}
	level.byUse = true
	return level, nil
}

func (h *handle) Commit(ctx context.Context) error {
	if !h.byUse {
		return smrt.ErrTxManaged
	}
	return h.release(ctx)
}

func (h *handle) Rollback(ctx context.Context) error {
	if !h.byUse {
		return smrt.ErrTxManaged
	}
	return h.undo(ctx)
}

func (h *handle) savepoint(ctx context.Context) (*handle, error) {
	if err := h.enter(); err != nil {
		return nil, err
	}
	s := h.s
	s.names++
	level := &handle{s: s, name: "smrt_" + strconv.Itoa(s.names), mark: s.marked(), first: s.first}
	_, err := s.tx.Exec(ctx, "savepoint "+level.name)
	return level, s.give(err)
}

// release keeps what was done since the savepoint.
func (h *handle) release(ctx context.Context) error {
	if err := h.enter(); err != nil {
		return err
	}
	h.over.Store(true)
	_, err := h.s.tx.Exec(ctx, "release savepoint "+h.name)
	return h.s.give(err)
}

// undo undoes what was done since the savepoint, and releases it: pgx does not,
// so that a loop of failures would pile up subtransactions on the server. It
// also mends a level that a closure joined and failed in.
func (h *handle) undo(ctx context.Context) error {
	if h.over.Load() {
		return smrt.ErrTxDone
	}
	if err := h.s.take(); err != nil {
		return err
	}
	h.over.Store(true)
	h.s.undone(h.mark)
	_, err := h.s.tx.Exec(ctx, "rollback to savepoint "+h.name+"; release savepoint "+h.name)
	if err == nil {
		h.s.first = h.first
	}
	return h.s.give(err)
}

// noRows are rows of a query that was not sent.
func noRows(err error) pgx.Rows {
	rows, _ := pgx.FailedBatchResults(&pgx.Batch{}, err).Query()
	return rows
}

// rows hold the connection until they are closed.
type rows struct {
	pgx.Rows
	s     *session
	err   error       // instead of that of Rows
	ended atomic.Bool // and err is final
}

func (r *rows) Next() bool {
	if !r.s.retake(r) {
		r.lost()
		return false
	}
	if r.Rows.Next() {
		r.s.use.Store(isOpen)
		return true
	}
	r.finish()
	return false
}

func (r *rows) Scan(dst ...any) error {
	if !r.s.retake(r) {
		return r.Rows.Scan(dst...) // closed: pgx has the error
	}
	if err := r.Rows.Scan(dst...); err != nil {
		r.finish() // pgx closes the rows after an error
		return err
	}
	r.s.use.Store(isOpen)
	return nil
}

func (r *rows) Values() ([]any, error) {
	if !r.s.retake(r) {
		return r.Rows.Values()
	}
	values, err := r.Rows.Values()
	if err != nil {
		r.finish()
		return values, err
	}
	r.s.use.Store(isOpen)
	return values, nil
}

func (r *rows) Close() {
	if r.s.retake(r) {
		r.Rows.Close()
		r.finish()
		return
	}
	r.lost()
}

func (r *rows) Err() error {
	if r.err != nil {
		return r.err
	}
	return r.Rows.Err()
}

// lost is for a call on rows that are not the ones that are open, or not now.
func (r *rows) lost() {
	if !r.ended.Load() && r.s.use.Load() != isEnded {
		r.err = smrt.ErrTxConcurrentUse
	}
}

// finish returns the connection. It is pgx that knows of errors first.
func (r *rows) finish() {
	r.err = r.s.note(r.Rows.Err())
	r.ended.Store(true)
	_ = r.s.done(nil)
}

func (r *rows) shut() {
	r.Rows.Close()
	r.err = r.s.note(r.Rows.Err())
	r.ended.Store(true)
}

// row holds the connection until it is scanned.
type row struct {
	inner pgx.Row
	s     *session
}

func (r *row) Scan(dst ...any) error {
	if !r.s.retake(r) {
		return smrt.ErrTxDone
	}
	return r.s.done(r.inner.Scan(dst...))
}

// shut reads the row into nothing. pgx closes the result, whatever it says of
// the missing destination.
func (r *row) shut() { _ = r.inner.Scan(new(pgtype.DriverBytes)) }

// results hold the connection until they are closed.
type results struct {
	pgx.BatchResults
	s *session
}

func (r *results) Exec() (pgconn.CommandTag, error) {
	if !r.s.retake(r) {
		return pgconn.CommandTag{}, smrt.ErrTxConcurrentUse
	}
	tag, err := r.BatchResults.Exec()
	err = r.s.note(err)
	r.s.use.Store(isOpen)
	return tag, err
}

func (r *results) Query() (pgx.Rows, error) {
	if !r.s.retake(r) {
		return noRows(smrt.ErrTxConcurrentUse), smrt.ErrTxConcurrentUse
	}
	inner, err := r.BatchResults.Query()
	err = r.s.note(err)
	r.s.use.Store(isOpen)
	return inner, err
}

func (r *results) QueryRow() pgx.Row {
	return result.Row(r.Query())
}

func (r *results) Close() error {
	if !r.s.retake(r) {
		return r.BatchResults.Close() // closed before: pgx gives the same answer again
	}
	return r.s.done(r.BatchResults.Close())
}

func (r *results) shut() { _ = r.s.note(r.BatchResults.Close()) }
