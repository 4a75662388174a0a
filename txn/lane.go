package txn

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/handle"
)

// laneDB is a lane as its step sees it.
type laneDB lane

var _ smrt.DB = (*laneDB)(nil)

// do asks for a statement to be sent, and waits for its result: the lane gives its
// turn back, and gets it again with the result. A second goroutine of the step
// would take the turn of the first, so it is refused.
func (l *laneDB) do(ctx context.Context, r *request) answer {
	if ctx == nil {
		return answer{err: smrt.ErrNilContext}
	}
	if err := ctx.Err(); err != nil {
		return answer{err: err}
	}
	if err := l.own(ctx); err != nil {
		return answer{err: err}
	}
	if !l.busy.TryLock() {
		return answer{err: smrt.ErrTxConcurrentUse}
	}
	defer l.busy.Unlock()
	if l.over {
		return answer{err: smrt.ErrTxDone}
	}
	r.dropModes()
	l.ask <- r
	return <-l.turn
}

// own refuses the context of another tenant than that of Pipeline, under whose context
// everything is sent: the statement would see and change rows of that one.
func (l *laneDB) own(ctx context.Context) error {
	if l.inTx {
		if err := handle.CheckTenant(ctx); err != nil {
			return err
		}
	}
	return handle.CheckOwn(ctx, "pipeline", l.tenant)
}

// dropModes drops what a batch does not take: how a statement is to be sent. It
// notes where that was in order to be planned each time.
func (r *request) dropModes() {
	for len(r.args) > 0 {
		switch mode := r.args[0].(type) {
		case pgx.QueryExecMode:
			r.planned = mode != pgx.QueryExecModeCacheStatement
		case pgx.QueryResultFormats, pgx.QueryResultFormatsByOID:
		default:
			return
		}
		r.args = r.args[1:]
	}
}

func (l *laneDB) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	a := l.do(ctx, &request{sql: sql, args: args})
	return a.tag, a.err
}

func (l *laneDB) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	a := l.do(ctx, &request{sql: sql, args: args, rows: true})
	if a.err != nil {
		return handle.FailedRows(a.err), a.err
	}
	return a.rows, nil
}

func (l *laneDB) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	return handle.FirstRow(l.Query(ctx, sql, args...))
}

// errInPipeline refuses what cannot be sent together with other statements.
var errInPipeline = &smrt.QueryError{Reason: "a step of a pipeline takes single statements only: use the handle itself for batches and COPY"}

func (l *laneDB) SendBatch(_ context.Context, b *pgx.Batch) pgx.BatchResults {
	return pgx.FailedBatchResults(b, errInPipeline)
}

func (l *laneDB) CopyFrom(context.Context, pgx.Identifier, []string, pgx.CopyFromSource) (int64, error) {
	return 0, errInPipeline
}

// OnUndo implements handle.Undoer: a step's statement is undone with its round
// trip, and with the transaction that the pipeline is in. Who must know how it ends is
// told by that, or after the round trip: it may be of an earlier one.
func (l *laneDB) OnUndo(u handle.Undo) bool {
	if d, ok := u.(handle.Doubter); ok {
		if l.within != nil {
			return l.within.OnUndo(u)
		}
		l.ends = append(l.ends, d)
		return true
	}
	l.undos = append(l.undos, u)
	if l.within != nil {
		l.within.OnUndo(u)
	}
	return true
}

// Knows implements handle.Knower.
func (l *laneDB) Knows() bool {
	if l.within == nil {
		return !l.inTx
	}
	knows, ok := l.within.(handle.Knower)
	return !ok || knows.Knows()
}

var (
	_ handle.Undoer = (*laneDB)(nil)
	_ handle.Knower = (*laneDB)(nil)
)

// settle tells those who must know that a round trip has ended. What was sent in one
// that has failed was undone, unless the connection was lost; what was sent in one
// before was not. So they are not told that it was undone.
func (l *lane) settle(lost bool) {
	for _, d := range l.ends {
		if lost {
			d.Doubt()
		}
		d.Forget()
	}
	l.ends = nil
}

// takeBack takes back what calls wrote to the step's values since the round trip
// began, which has failed.
func (l *lane) takeBack() {
	for _, u := range slices.Backward(l.undos) {
		u.Undo()
	}
}

// laneRows are rows of a batch, which end when the step that has them asks for its
// next statement or returns. They scan by themselves: an error in scanning
// would otherwise be one of the batch, and hide the results that follow.
type laneRows struct {
	inner  pgx.Rows
	closed bool
	err    error
}

var _ pgx.Rows = (*laneRows)(nil)

func (r *laneRows) Close() {
	if !r.closed {
		r.closed = true
		r.inner.Close()
	}
}

func (r *laneRows) Err() error {
	if r.err != nil {
		return r.err
	}
	return r.inner.Err()
}

func (r *laneRows) Next() bool {
	if r.closed {
		return false
	}
	if r.inner.Next() {
		return true
	}
	r.closed = true
	return false
}

func (r *laneRows) Scan(dst ...any) error {
	if r.closed {
		return smrt.ErrTxDone
	}
	var err error
	if own, ok := rowScanner(dst); ok {
		err = own.ScanRow(r)
	} else {
		err = pgx.ScanRow(r.inner.TypeMap(), r.inner.FieldDescriptions(), r.inner.RawValues(), dst...)
	}
	if err != nil {
		r.err = err
		r.Close()
	}
	return err
}

// rowScanner returns the only destination if it scans rows by itself, as pgx allows.
func rowScanner(dst []any) (pgx.RowScanner, bool) {
	if len(dst) != 1 {
		return nil, false
	}
	own, ok := dst[0].(pgx.RowScanner)
	return own, ok
}

func (r *laneRows) Values() ([]any, error) {
	if r.closed {
		return nil, smrt.ErrTxDone
	}
	return r.inner.Values()
}

func (r *laneRows) RawValues() [][]byte                          { return r.inner.RawValues() }
func (r *laneRows) CommandTag() pgconn.CommandTag                { return r.inner.CommandTag() }
func (r *laneRows) FieldDescriptions() []pgconn.FieldDescription { return r.inner.FieldDescriptions() }
func (r *laneRows) TypeMap() *pgtype.Map                         { return r.inner.TypeMap() }

// Conn returns nil: the connection is in the middle of a batch.
func (r *laneRows) Conn() *pgx.Conn { return nil }
