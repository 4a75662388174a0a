package unit

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt/internal/handle"
)

// A constraint that is violated by one of many rows in a statement is reported
// without the row. So the statement is sent again in parts, behind those before
// it, and undone: the part that fails holds the row. Three rounds find one row in
// twenty thousand.

// locateParts is into how many parts rows are split.
const locateParts = 64

// search sends statements again to find a row.
type search struct {
	draft *draft
	send  func(*pgx.Batch) pgx.BatchResults
	open  func(*pgx.Batch) // before the statements of a round
	undo  func()           // behind them
}

// search searches in transactions of its own.
func (t *oneTrip) search() *search {
	return &search{
		draft: t.out.draft,
		send:  func(b *pgx.Batch) pgx.BatchResults { return t.conn.SendBatch(t.ctx, b) },
		open:  func(b *pgx.Batch) { t.begin(b) },
		undo: func() {
			if !t.conn.IsClosed() && t.conn.PgConn().TxStatus() != handle.StatusIdle {
				_, _ = t.conn.Exec(t.ctx, "rollback")
			}
		},
	}
}

// savepoint is what a joined unit is undone to, so that a row can be searched.
// The transaction has failed all the same when the search is over.
const savepoint = "smrt_unit"

// searchIn searches in the transaction that was joined.
func (d *draft) searchIn(ctx context.Context, tx pgx.Tx) *search {
	back := func() { _, _ = tx.Exec(ctx, "rollback to savepoint "+savepoint) }
	return &search{
		draft: d,
		send:  func(b *pgx.Batch) pgx.BatchResults { return tx.SendBatch(ctx, b) },
		open:  func(*pgx.Batch) { back() }, // by itself, because nothing can be prepared before
		undo: func() { // if nothing fails any more, the unit must not be written after all
			if conn := tx.Conn(); conn == nil || conn.PgConn().TxStatus() == handle.StatusInTx {
				back()
			}
		},
	}
}

// row finds the row of a failed step. It returns -1 if none of them fails any
// more.
func (s *search) row(failed int) int {
	step := &s.draft.steps[failed]
	from, to := 0, len(step.ops)
	if step.part == nil {
		return -1
	}
	for to-from > 1 {
		var batch pgx.Batch
		s.open(&batch)
		for i := range failed {
			batch.Queue(s.draft.steps[i].write.SQL, s.draft.steps[i].write.Args...)
		}
		if from > 0 && !queuePart(&batch, step, 0, from) { // two rows may be wrong only together
			return -1
		}
		before := batch.Len()
		size := (to - from + locateParts - 1) / locateParts
		for at := from; at < to; at += size {
			if !queuePart(&batch, step, at, min(at+size, to)) {
				return -1
			}
		}
		k := s.firstFailure(&batch) - before
		if k < 0 || k >= batch.Len()-before {
			return -1
		}
		from += k * size
		to = min(from+size, to)
	}
	return from
}

func queuePart(b *pgx.Batch, s *step, from, to int) bool {
	w, err := s.part(from, to)
	if err == nil {
		b.Queue(w.SQL, w.Args...)
	}
	return err == nil
}

// firstFailure is the first statement that fails, or how many there are.
func (s *search) firstFailure(b *pgx.Batch) int {
	results := s.send(b)
	n := 0
	for ; n < b.Len(); n++ {
		if _, err := results.Exec(); err != nil {
			break
		}
	}
	_ = results.Close() // with the error that was looked for
	s.undo()
	return n
}
