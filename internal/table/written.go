package table

import (
	"slices"
	"unsafe"

	"github.com/smrt-go/smrt/internal/meta"
)

// Written is what the results of a statement wrote into entities, and what had
// been there, so that it can be taken back: when the call fails after some of its
// rows have come back, or when the transaction is rolled back.
//
// Only the fields that came back are kept, and a field is taken back only as
// long as it holds what was written. A statement that needed one and is done with
// it gives it to the next, so that it costs no memory outside of transactions.
type Written struct {
	Earlier *Written // of the same call

	st     *Statement
	rows   []unsafe.Pointer
	fields []writtenField
}

// writtenField is one column of the rows that were written.
type writtenField struct {
	column  *meta.Column
	offset  uintptr
	of      Structs
	was, is List
}

// maxKept is for how many rows memory is kept for the next call.
const maxKept = 4096

// Written returns room for what a statement will write to n rows, nil if it returns
// nothing.
func (st *Statement) Written(n int) *Written {
	if len(st.Returned) == 0 {
		return nil
	}
	w, ok := st.written.Get().(*Written)
	if !ok {
		w = st.newWritten()
	}
	w.rows = slices.Grow(w.rows, n)
	for i := range w.fields {
		w.fields[i].was.Reserve(n)
		w.fields[i].is.Reserve(n)
	}
	return w
}

func (st *Statement) newWritten() *Written {
	w := &Written{st: st, fields: make([]writtenField, len(st.Returned))}
	for i, t := range st.Returned {
		f := &w.fields[i]
		f.column, f.offset, f.of = t.Column, t.Base+t.Column.Offset, StructsOf(t.Column.Type)
		f.was.Of, f.is.Of = &f.of, &f.of
	}
	return w
}

// Before notes what is in the entity at p, which is about to be written.
func (w *Written) Before(p unsafe.Pointer) {
	if w == nil {
		return
	}
	w.rows = append(w.rows, p)
	for i := range w.fields {
		f := &w.fields[i]
		f.column.Copy(f.was.Next(), unsafe.Add(p, f.offset))
	}
}

// After notes what was written to the entity that Before was given last.
func (w *Written) After() {
	if w == nil {
		return
	}
	p := w.rows[len(w.rows)-1]
	for i := range w.fields {
		f := &w.fields[i]
		f.column.Copy(f.is.Next(), unsafe.Add(p, f.offset))
	}
}

// Undo takes back what was written, the last first.
func (w *Written) Undo() {
	for ; w != nil; w = w.Earlier {
		for row := len(w.rows) - 1; row >= 0; row-- {
			for i := range w.fields {
				f := &w.fields[i]
				dst := unsafe.Add(w.rows[row], f.offset)
				if f.column.Same(dst, f.is.At(row)) {
					f.column.Copy(dst, f.was.At(row))
				}
			}
		}
	}
}

// None reports whether nothing was written.
func (w *Written) None() bool {
	for ; w != nil; w = w.Earlier {
		if len(w.rows) > 0 {
			return false
		}
	}
	return true
}

// Forget gives the memory to the next call.
func (w *Written) Forget() {
	for w != nil {
		earlier := w.Earlier
		if cap(w.rows) <= maxKept {
			clear(w.rows)
			w.rows, w.Earlier = w.rows[:0], nil
			for i := range w.fields {
				w.fields[i].was.clear()
				w.fields[i].is.clear()
			}
			w.st.written.Put(w)
		}
		w = earlier
	}
}
