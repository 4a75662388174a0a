package txn

import (
	"context"
	"strconv"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/handle"
)

// managedTx is the transaction as a closure sees it, at one level of nesting. Each
// of its methods takes the connection with enter, and gives it back with settle, or
// with what it returns: rows, a row or results.
type managedTx struct {
	a    *attempt
	doom atomic.Pointer[doom] // of a closure that joined this level and failed
	over atomic.Bool

	// Of a savepoint.
	parent *managedTx
	name   string // empty at the outermost level
	byUse  bool   // made with Begin: whoever uses it ends it
	mark   int    // hooks that were there before
	first  error  // error that was there before
}

var _ pgx.Tx = (*managedTx)(nil)

// enter takes the connection for a call.
func (h *managedTx) enter() error {
	if err := h.usable(); err != nil {
		return err
	}
	return h.a.take()
}

// usable reports whether this level and those around it go on.
func (h *managedTx) usable() error {
	if h.ended() {
		return smrt.ErrTxDone
	}
	for level := h; level != nil; level = level.parent {
		if d := level.doom.Load(); d != nil {
			return &smrt.AbortedError{Err: d.err}
		}
	}
	if d := h.a.doom.Load(); d != nil {
		return &smrt.AbortedError{Err: d.err}
	}
	return nil
}

// ended reports whether this level has ended, or one around it and this with it.
func (h *managedTx) ended() bool {
	for level := h; level != nil; level = level.parent {
		if level.over.Load() {
			return true
		}
	}
	return h.a.use.Load() >= isEnded
}

func (h *managedTx) Exec(ctx context.Context, sql string, args ...any) (tag pgconn.CommandTag, err error) {
	if err := h.enter(); err != nil {
		return pgconn.CommandTag{}, err
	}
	defer h.a.settle(&err)
	return h.a.tx.Exec(ctx, sql, args...)
}

func (h *managedTx) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	if err := h.enter(); err != nil {
		return handle.FailedRows(err), err
	}
	return h.a.query(ctx, sql, args)
}

// query runs a query whose rows hold the connection until they are closed.
func (a *attempt) query(ctx context.Context, sql string, args []any) (_ pgx.Rows, err error) {
	r := &rows{a: a}
	defer func() {
		if r.Rows == nil {
			a.settle(&err)
		}
	}()
	inner, err := a.tx.Query(ctx, sql, args...)
	if err != nil {
		return inner, err
	}
	r.Rows = inner
	a.leaveOpen(r)
	return r, nil
}

func (h *managedTx) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	if err := h.enter(); err != nil {
		return handle.FirstRow(nil, err)
	}
	r := &row{a: h.a}
	defer r.begun()
	r.inner = h.a.tx.QueryRow(ctx, sql, args...)
	return r
}

func (h *managedTx) SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults {
	if err := h.enter(); err != nil {
		return pgx.FailedBatchResults(b, err)
	}
	r := &results{a: h.a}
	defer r.begun()
	r.BatchResults = h.a.tx.SendBatch(ctx, b)
	return r
}

func (h *managedTx) CopyFrom(ctx context.Context, table pgx.Identifier, columns []string, src pgx.CopyFromSource) (n int64, err error) {
	if err := h.enter(); err != nil {
		return 0, err
	}
	defer h.a.settle(&err)
	return h.a.tx.CopyFrom(ctx, table, columns, src)
}

func (h *managedTx) Prepare(ctx context.Context, name, sql string) (_ *pgconn.StatementDescription, err error) {
	if err := h.enter(); err != nil {
		return nil, err
	}
	defer h.a.settle(&err)
	return h.a.tx.Prepare(ctx, name, sql)
}

// LargeObjects returns pgx's own, whose calls do not pass through the handle: use
// by two goroutines at a time is not noticed. If the transaction cannot be used
// any more, it returns those of a closed one.
func (h *managedTx) LargeObjects() pgx.LargeObjects {
	if h.usable() != nil {
		return handle.ClosedTx().LargeObjects()
	}
	return h.a.tx.LargeObjects()
}

// Conn returns the connection, or nil once the transaction has ended, when it may
// already serve someone else. What is done to it directly is not watched.
func (h *managedTx) Conn() *pgx.Conn {
	if h.ended() {
		return nil
	}
	return h.a.tx.Conn()
}

// Begin makes a savepoint, which unlike the transaction is its maker's to
// commit or roll back.
func (h *managedTx) Begin(ctx context.Context) (pgx.Tx, error) {
	level, err := h.savepoint(ctx)
	if err != nil {
		return nil, err // not a nil pointer in an interface
	}
	level.byUse = true
	return level, nil
}

func (h *managedTx) Commit(ctx context.Context) error {
	if !h.byUse {
		return smrt.ErrTxManaged
	}
	return h.release(ctx)
}

func (h *managedTx) Rollback(ctx context.Context) error {
	if !h.byUse {
		return smrt.ErrTxManaged
	}
	return h.undo(ctx)
}

// savepoint makes a level below h, which remembers what there was before it: hooks
// and the first error.
func (h *managedTx) savepoint(ctx context.Context) (level *managedTx, err error) {
	if err := h.enter(); err != nil {
		return nil, err
	}
	a := h.a
	defer a.settle(&err)
	a.names++
	level = &managedTx{a: a, parent: h, name: "smrt_" + strconv.Itoa(a.names), mark: a.marked(), first: a.first}
	_, err = a.tx.Exec(ctx, "savepoint "+level.name)
	return level, err
}

// release keeps what was done since the savepoint.
func (h *managedTx) release(ctx context.Context) (err error) {
	if err := h.enter(); err != nil {
		return err
	}
	defer h.a.settle(&err)
	h.over.Store(true)
	_, err = h.a.tx.Exec(ctx, "release savepoint "+h.name)
	return err
}

// undo undoes what was done since the savepoint, and releases it: pgx does not,
// so that a loop of failures would pile up subtransactions on the server. It
// also mends a level that a closure joined and failed in.
func (h *managedTx) undo(ctx context.Context) (err error) {
	if h.ended() {
		return smrt.ErrTxDone
	}
	if err := h.a.take(); err != nil {
		return err
	}
	defer h.a.settle(&err)
	h.over.Store(true)
	h.a.undone(h.mark)
	_, err = h.a.tx.Exec(ctx, "rollback to savepoint "+h.name+"; release savepoint "+h.name)
	if err == nil {
		h.a.first = h.first
	}
	return err
}
