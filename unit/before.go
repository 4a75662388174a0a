package unit

import (
	"context"
	"unsafe"

	"github.com/smrt-go/smrt/internal/table"
	"github.com/smrt-go/smrt/txn"
)

// A unit that is flushed in a transaction which was joined changes its entities
// and becomes empty before that transaction ends. What happens then is this:
//
//	txn.Run commits           nothing; what was remembered is forgotten
//	txn.Run rolls back        unit and entities are what they were before the
//	                          first flush in that transaction
//	txn.Run retries           the same, before the closure runs again
//	the savepoint around it   the same, when the outermost transaction has
//	is rolled back            ended, even if that is committed
//	begun by hand             nothing: nobody says how it ends
//
// A flush on a pool or a connection needs none of this: it changes the entities
// after COMMIT.

// before is a unit and its entities before they were written in a transaction
// that was joined. Several of one unit in one transaction are a list, because
// the unit may be filled and flushed again.
type before struct {
	u        *work
	was      work
	ops      []*op
	copies   []table.Rows
	earlier  *before // of the same unit in the same transaction
	restored bool
}

// snapshot remembers the entities, in case the transaction is rolled back.
func (u *work) snapshot() *before {
	b := &before{u: u, was: *u, earlier: u.flushed}
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

// await restores everything if the transaction is rolled back. If the
// transaction was begun by hand, txn has no hooks for it, and b is dropped.
func (b *before) await(ctx context.Context) {
	if txn.AfterRollback(ctx, func(context.Context) { b.restore() }) != nil {
		return
	}
	_ = txn.AfterCommit(ctx, func(context.Context) { b.forget() })
	b.u.flushed = b
}

// forget lets go of what is not needed after a commit.
func (b *before) forget() {
	b.earlier = nil
	if b.u.flushed == b {
		b.u.flushed = nil
	}
}

// restore brings back what there was. It is called for each flush of the
// transaction, the first one first. What a later one remembers was written in
// the same transaction, so that the first one has the last word. What was added
// to the unit since will be added again by the closure, if that is repeated.
func (b *before) restore() {
	b.restored = true
	for _, o := range b.was.ops {
		o.done = false
	}
	back, again := map[unsafe.Pointer]bool{}, false
	for e := b.earlier; e != nil; e = e.earlier {
		if !e.restored {
			continue
		}
		again = true
		for _, o := range e.ops {
			back[o.entity] = true
		}
	}
	for i, o := range b.ops {
		if !back[o.entity] {
			o.table.CopyEntity(o.entity, b.copies[i].At(0))
		}
	}
	if !again {
		*b.u = b.was
	}
	b.u.flushed = nil
}
