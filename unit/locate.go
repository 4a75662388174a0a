package unit

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt/internal/flush"
	"github.com/smrt-go/smrt/internal/handle"
)

// A constraint that is violated by one of many rows in a statement is reported
// without the row. So the statement is sent again in parts, after those before
// it, and undone: the part that fails has the row. Of 20,000 rows the first
// round sends 64 parts of 313, the second 63 parts of 5, and the third 5 parts
// of one row. Each round is one round trip.
//
// Two rows can be wrong only together, such as two with the same unique value.
// So a round begins with all rows before those that are searched, in one
// statement: the row that is found is the second of the two.
//
// The search takes locks and draws from sequences as the unit did. It can find
// nothing, if others have changed the rows in the meantime; then the error
// names the statement only.

// locateParts is into how many parts rows are split.
const locateParts = 64

// search sends statements again to find a row.
type search struct {
	unit *prepared
	send func(*pgx.Batch) pgx.BatchResults
	open func(*pgx.Batch) // before the statements of a round
	undo func()           // after them
}

// search searches in transactions of its own.
func (t *oneTrip) search() *search {
	return &search{
		unit: t.out.prepared,
		send: func(b *pgx.Batch) pgx.BatchResults { return t.conn.SendBatch(t.ctx, b) },
		open: func(b *pgx.Batch) { t.begin(b) },
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

// searchIn searches in the transaction that was joined. It is over when the
// search is, however that ends: the caller gets the error of the unit, and the
// transaction must not be committed by mistake with a part of the unit in it.
func (p *prepared) searchIn(ctx context.Context, tx pgx.Tx) *search {
	back := func() { _, _ = tx.Exec(ctx, "rollback to savepoint "+savepoint) }
	return &search{
		unit: p,
		send: func(b *pgx.Batch) pgx.BatchResults { return tx.SendBatch(ctx, b) },
		open: func(*pgx.Batch) { back() }, // by itself, because nothing can be prepared before
		undo: func() { // if nothing fails any more, the unit must not be written after all
			if conn := tx.Conn(); conn == nil || conn.PgConn().TxStatus() == handle.StatusInTx {
				back()
			}
		},
	}
}

// divisible reports whether the rows of a step can be sent in parts.
func divisible(k flush.Kind) bool {
	return k == flush.Insert || k == flush.Update || k == flush.Patch || k == flush.Delete
}

// row finds the row of a failed statement. It returns -1 if none of them fails
// any more.
func (s *search) row(failed int) int {
	if !divisible(s.unit.steps[failed].Kind) {
		return -1
	}
	from, to := 0, len(s.unit.ops[failed])
	for to-from > 1 {
		var batch pgx.Batch
		s.open(&batch)
		for _, st := range s.unit.statements[:failed] {
			batch.Queue(st.SQL, st.Args...)
		}
		if from > 0 && !s.queuePart(&batch, failed, 0, from) { // two rows may be wrong only together
			return -1
		}
		before := batch.Len()
		size := (to - from + locateParts - 1) / locateParts
		for at := from; at < to; at += size {
			if !s.queuePart(&batch, failed, at, min(at+size, to)) {
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

func (s *search) queuePart(b *pgx.Batch, step, from, to int) bool {
	st, err := s.unit.part(step, from, to)
	if err == nil {
		b.Queue(st.SQL, st.Args...)
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
