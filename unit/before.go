package unit

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt/internal/handle"
	"github.com/smrt-go/smrt/internal/table"
)

// A unit that is flushed in a transaction which was joined changes its entities
// and becomes empty before that transaction ends. What happens then is this:
//
//	txn.Run commits           nothing; what was remembered is forgotten
//	txn.Run rolls back        unit and entities are what they were before the
//	                          first flush in that transaction
//	txn.Run retries           the same, before the closure runs again
//	the savepoint around it   unit and entities are what they were before the
//	is rolled back            first flush in the savepoint, at once
//	begun by hand             nothing: nobody says how it ends
//
// A flush on a pool or a connection needs none of this: it changes the entities
// after COMMIT.

// before is a unit and its entities before they were written in a transaction
// that was joined.
type before struct {
	u      *work
	was    work
	ops    []*op
	copies []table.Rows
	undone bool
}

// snapshot remembers the entities, in case the transaction is rolled back.
func (u *work) snapshot() *before {
	b := &before{u: u, was: *u}
	for _, o := range u.ops {
		if o.entity == nil {
			continue
		}
		c := o.table.Copies(1)
		o.table.CopyEntity(c.At(0), o.entity)
		b.ops, b.copies = append(b.ops, o), append(b.copies, c)
	}
	return b
}

// await restores everything if what was sent on tx is rolled back. If tx was begun
// by hand, b is dropped.
func (b *before) await(ctx context.Context, tx pgx.Tx) {
	if u := handle.UndoerOf(ctx, tx); u != nil {
		u.OnUndo(b)
	}
}

// Undo brings back what there was. Of several flushes in the transaction the last
// one is undone first. What was added to the unit since will be added again by the
// closure, if that is repeated.
func (b *before) Undo() {
	if b.undone {
		return
	}
	b.undone = true
	for _, o := range b.was.ops {
		o.done = false
	}
	for i, o := range b.ops {
		o.table.CopyEntity(o.entity, b.copies[i].At(0))
	}
	*b.u = b.was
}

// Forget does nothing: what was remembered is let go of with b.
func (b *before) Forget() {}
