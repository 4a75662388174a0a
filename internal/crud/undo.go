package crud

import (
	"context"

	"github.com/smrt-go/smrt/internal/handle"
	"github.com/smrt-go/smrt/internal/table"
)

// keepWritten ends a call that wrote to entities what came back from the server,
// and that ended with err:
//
//	it failed                         the entities are what they were
//	in a transaction that package     they are what they were if it is rolled
//	txn began, or that was adopted    back, with its savepoint or as a whole
//	in one that was begun by hand     they stay as they are: nobody says how it
//	                                  ends
//	outside of transactions           they stay as they are
func (b *Bound) keepWritten(ctx context.Context, w *table.Written, err error) {
	switch {
	case w == nil:
		return
	case err != nil:
		w.Undo()
	case !w.None():
		if u := handle.UndoerOf(ctx, b.DB); u != nil && u.OnUndo(w) {
			return
		}
	}
	w.Release()
}
