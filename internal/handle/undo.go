package handle

import (
	"context"

	"github.com/smrt-go/smrt"
)

// Undo is what a call did to values of its caller, which a rollback must take
// back with the rows: keys, versions, times that came back from the server.
type Undo interface {
	// Undo takes it back.
	Undo()
	// Forget is called afterwards, or when there is nothing to take back any more.
	Forget()
}

// Doubter is an Undo that must know whether what was sent took effect.
type Doubter interface {
	Undo

	// Doubt is called before Forget, and before Undo, if nobody knows.
	Doubt()
}

// Knower is an Undoer that may not be told of the end: its transaction was begun by
// somebody else.
type Knower interface {
	// Knows reports whether it is.
	Knows() bool
}

// Undoer is a transaction that knows how it ends.
type Undoer interface {
	// OnUndo lets u run if what was sent last is rolled back, with its savepoint
	// or as a whole. What was given last runs first. It reports false if
	// nobody will tell how the transaction ends.
	OnUndo(u Undo) bool
}

// UndoerOf returns the transaction that a statement on db under ctx is part of,
// as far as it is known: db itself, one of package txn, or one that was adopted.
// Otherwise it returns nil.
func UndoerOf(ctx context.Context, db smrt.DB) Undoer {
	if u, ok := Root(db).(Undoer); ok {
		return u
	}
	if s := ScopeOf(ctx); s != nil {
		if s = s.Find(db); s != nil {
			u, _ := s.Tx.(Undoer)
			return u
		}
	}
	return nil
}
