package unit

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// A constraint that is violated by one of many rows in a statement is reported
// without the row. So the statement is sent again in parts, behind those before
// it and in a transaction that is rolled back: the part that fails holds the
// row. Three round trips find one row in twenty thousand.

// locateParts is into how many parts rows are split.
const locateParts = 64

// about tells whether err is about the values of a row.
func about(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && len(pg.Code) == 5 && (pg.Code[:2] == "22" || pg.Code[:2] == "23")
}

// locate finds the row of a failed step. It returns -1 if none of them fails
// any more.
func locate(ctx context.Context, conn *pgx.Conn, d *draft, failed int) int {
	s := &d.steps[failed]
	from, to := 0, len(s.ops)
	if s.part == nil {
		return -1
	}
	var batch pgx.Batch
	for to-from > 1 {
		size := (to - from + locateParts - 1) / locateParts
		batch = pgx.Batch{}
		batch.Queue("begin")
		for i := range failed {
			batch.Queue(d.steps[i].write.SQL, d.steps[i].write.Args...)
		}
		before := batch.Len()
		if from > 0 { // two rows may be wrong only together
			if !queuePart(&batch, s, 0, from) {
				return -1
			}
			before++
		}
		for at := from; at < to; at += size {
			if !queuePart(&batch, s, at, min(at+size, to)) {
				return -1
			}
		}
		k := firstFailure(ctx, conn, &batch) - before
		if k < 0 || k >= (to-from+size-1)/size {
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

// firstFailure is the first statement of a transaction that fails, or how many
// there are. Nothing of the transaction remains.
func firstFailure(ctx context.Context, conn *pgx.Conn, b *pgx.Batch) int {
	results := conn.SendBatch(ctx, b)
	n := 0
	for ; n < b.Len(); n++ {
		if _, err := results.Exec(); err != nil {
			break
		}
	}
	_ = results.Close() // with the error that was looked for
	if !conn.IsClosed() && conn.PgConn().TxStatus() != idle {
		_, _ = conn.Exec(ctx, "rollback")
	}
	return n
}
