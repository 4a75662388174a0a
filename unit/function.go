package unit

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/cached"
	"github.com/smrt-go/smrt/internal/handle"
	"github.com/smrt-go/smrt/internal/limit"
	"github.com/smrt-go/smrt/internal/pgerr"
	"github.com/smrt-go/smrt/txn"
)

// A function is a barrier: it may read keys that were made before it, and change
// what is written after it. So the writes between two functions are a segment,
// which goes through all stages of a flush by itself:
//
//	txn.Run begins the transaction, or joins the one that is open
//	the first segment is prepared, sent, and settled in the entities
//	the first function runs
//	the second segment is prepared with the entities as they are now, ...
//	txn.Run commits
//
// The unit holds its writes until the end, so that it is the same when that is
// repeated. What a flush changes is remembered at its beginning (before), and
// brought back at once if it does not come to its end.

// errBusy is for a function that uses the unit that it is part of.
var errBusy = &smrt.QueryError{Reason: "the unit is being flushed: its functions use repositories, or units of their own"}

// do adds a function.
func (u *work) do(fn txn.Func) {
	if fn == nil {
		if u.err == nil {
			u.err = &smrt.OptionsError{Option: "fn", Reason: "must not be nil"}
		}
		return
	}
	u.phase++
	u.add(&op{kind: runs, run: fn})
	u.phase++
}

// refuses reports whether the unit takes nothing because it is being flushed, which
// the flush returns then.
func (u *work) refuses() bool {
	if u.busy && u.err == nil {
		u.err = errBusy
	}
	return u.busy
}

// barrier notes that o is a function: an entity that was written before it is
// written once more after it.
func (u *work) barrier(o *op) {
	if o.run != nil {
		u.functions++
		u.at = nil
	}
}

// flushSegments flushes a unit with functions.
func (u *work) flushSegments(ctx context.Context, db smrt.DB, options []txn.Options) (Summary, error) {
	if err := u.check(); err != nil {
		return Summary{}, err
	}
	if err := u.own(ctx); err != nil { // before a transaction is begun for it
		return Summary{}, err
	}
	var last *before
	sum, err := u.run(ctx, db, func(ctx context.Context, tx pgx.Tx) (sum Summary, err error) {
		last = u.snapshot()
		defer func() {
			if u.busy { // it has failed, or panics
				last.Undo()
			}
		}()
		u.busy = true
		if err := u.segments(ctx, tx, &sum); err != nil {
			return Summary{}, err
		}
		u.done()
		last.await(ctx, tx)
		return sum, nil
	}, options)
	if err != nil && last != nil {
		last.Undo() // also of a commit whose outcome is unknown
	}
	return sum, err
}

// firstSegment returns what is sent before the first function.
func (u *work) firstSegment() *work {
	n := slices.IndexFunc(u.ops, func(o *op) bool { return o.run != nil })
	return &work{ops: u.ops[:n]}
}

// segments writes the segments, and runs the functions between them.
func (u *work) segments(ctx context.Context, tx pgx.Tx, sum *Summary) error {
	first := 0
	for i, o := range u.ops {
		if o.run == nil {
			continue
		}
		if err := u.segment(ctx, tx, sum, first, i); err != nil {
			return err
		}
		first = i + 1
		if err := o.run(limit.Outside(ctx), limit.OnTx(tx, limit.Of(ctx).Set())); err != nil {
			return err
		}
		if err := u.after(ctx, tx); err != nil {
			return err
		}
	}
	return u.segment(ctx, tx, sum, first, len(u.ops))
}

// segment writes the ops from first to last.
func (u *work) segment(ctx context.Context, tx pgx.Tx, sum *Summary, first, last int) (err error) {
	s := &work{ops: u.ops[first:last], base: first}
	if s.idle() {
		return nil
	}
	if first > 0 { // functions may have changed the entities
		if err := s.checkRules(); err != nil {
			return err
		}
	}
	if cached.Any() {
		defer func() { tellIn(ctx, tx, u.ops[first:last], err) }()
	}
	p, err := s.send(ctx, tx)
	if err != nil {
		return err
	}
	s.settle(p)
	sum.add(p.summary())
	return nil
}

// after reports whether the transaction goes on after a function that has returned
// nil. Of an error that the function has kept to itself, the next statement says
// which it was.
func (u *work) after(ctx context.Context, tx pgx.Tx) error {
	if u.err != nil {
		return u.err
	}
	conn := tx.Conn()
	switch {
	case conn == nil:
		return nil
	case conn.IsClosed(): // the next statement says why
	case conn.PgConn().IsBusy(): // it has left rows open
		return smrt.ErrTxConcurrentUse
	case conn.PgConn().TxStatus() == handle.StatusInTx:
		return nil
	case conn.PgConn().TxStatus() == handle.StatusIdle:
		return pgerr.ErrTxEnded
	}
	if _, err := tx.Exec(ctx, "SELECT 1"); err != nil {
		return err
	}
	return smrt.ErrTxAborted
}

// add adds what a segment wrote.
func (s *Summary) add(other Summary) {
	s.Statements += other.Statements
	for _, t := range other.Tables {
		own := s.table(t.Table)
		own.Created += t.Created
		own.Updated += t.Updated
		own.Patched += t.Patched
		own.Deleted += t.Deleted
	}
}
