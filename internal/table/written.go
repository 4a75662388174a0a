package table

import (
	"unsafe"

	"github.com/smrt-go/smrt/internal/meta"
)

// Written is what the results of a statement wrote into entities, and what had
// been there, so that it can be taken back: when the call fails after some of its
// rows have come back, or when the transaction is rolled back.
//
// Entities are copied as a whole, because that is one allocation for all of them,
// but only the columns that came back are taken back. A statement that needed a
// Written and is done with it gives it to the next, so that few rows cost no
// memory outside of transactions.
type Written struct {
	Earlier *Written // of the same call

	st      *Statement
	structs *Structs
	of      Entities
	was, is Rows // copies, before and after
	noted   bool // is has a copy
}

// maxKept is for how many rows memory is kept for the next call.
const maxKept = 4096

// Written returns room for what a statement will write to entities of t, nil if
// it returns nothing.
func (t *Table) Written(st *Statement) *Written {
	if len(st.Returned) == 0 {
		return nil
	}
	if w, ok := st.written.Get().(*Written); ok {
		return w
	}
	return &Written{st: st, structs: &t.Self.Structs}
}

// before notes what is in entities that are about to be written.
func (w *Written) before(of Entities) {
	if w != nil {
		w.of = of
		w.was = w.structs.copied(w.was, of)
	}
}

// Note notes what is in the entities after they were written: what they hold is
// taken back only if it is still that.
func (w *Written) Note() {
	for ; w != nil; w = w.Earlier {
		w.is, w.noted = w.structs.copied(w.is, w.of), true
	}
}

// copied copies entities, to the memory of an earlier copy if that is enough.
func (t *Structs) copied(to Rows, of Entities) Rows {
	n := of.Len()
	switch {
	case to.Base != nil && to.N >= n:
	case of.Chosen == nil:
		return t.Copy(of.Rows)
	default:
		to = Rows{Base: t.Room(n), Size: t.Size, N: n}
	}
	for i := range n {
		t.CopyOne(to.At(i), of.At(i))
	}
	return to
}

// Undo takes back what was written, the last first.
func (w *Written) Undo() {
	for ; w != nil; w = w.Earlier {
		for row := w.of.Len() - 1; row >= 0; row-- {
			for _, c := range w.st.Returned {
				w.undo(row, c)
			}
		}
	}
}

func (w *Written) undo(row int, c meta.Target) {
	at := c.Base + c.Column.Offset
	dst := unsafe.Add(w.of.At(row), at)
	if !w.noted || c.Column.Same(dst, unsafe.Add(w.is.At(row), at)) {
		c.Column.Copy(dst, unsafe.Add(w.was.At(row), at))
	}
}

// None reports whether nothing was written.
func (w *Written) None() bool {
	for ; w != nil; w = w.Earlier {
		if w.of.Len() > 0 {
			return false
		}
	}
	return true
}

// Forget gives the memory to the next call.
func (w *Written) Forget() {
	for w != nil {
		earlier := w.Earlier
		if w.was.N <= maxKept {
			w.of, w.Earlier, w.noted = Entities{}, nil, false
			w.structs.clear(w.was)
			w.structs.clear(w.is)
			w.st.written.Put(w)
		}
		w = earlier
	}
}
