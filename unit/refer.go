package unit

import (
	"slices"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/table"
)

// reference is a column that gets the key of another row. As it is given, it may
// be the parts of a composite key, which each become a reference of their own
// (apart).
type reference struct {
	column *meta.Column
	to     *op
	part   *meta.Column   // of the key of to
	parts  []meta.KeyPart // columns and the parts of the key that they get, before they are apart
}

// apart returns a copy of references, each of one column. Two foreign keys may have
// a column in common, such as that of a tenant, and so may a foreign key and the
// key of the row. So a part that the program makes gives way: to a reference in
// has or to one before it, and to the key of fixed, whose rows exist.
func apart(refs, has []reference, fixed *table.Table) []reference {
	out := make([]reference, 0, len(refs))
	for _, r := range refs {
		switch {
		case r.to == nil:
			out = append(out, r)
		case r.parts != nil && !covers(r.parts, r.to.table):
			out = append(out, reference{to: r.to}) // is refused
		case r.parts == nil:
			if len(r.to.table.Key) == 1 {
				r.part = r.to.table.Key[0].Column
			}
			if !r.yields() {
				out = append(out, r)
			}
		}
	}
	gives := func(list []reference, col *meta.Column) bool {
		return slices.ContainsFunc(list, func(r reference) bool { return r.column == col })
	}
	for _, r := range refs {
		if r.yields() && !gives(has, r.column) && !gives(out, r.column) { // it was apart already
			out = append(out, r)
		}
		for i := 0; i < len(r.parts) && r.to != nil && covers(r.parts, r.to.table); i++ {
			col, part := r.parts[i].Column, r.to.table.PartAt(r.parts[i].Offset)
			if r.to.table.MadeByServer(part) || !gives(has, col) && !gives(out, col) && (fixed == nil || !fixed.IsKey(col)) {
				out = append(out, reference{column: col, to: r.to, part: part})
			}
		}
	}
	return out
}

// yields reports whether r is to a part of a composite key that the program makes.
func (r reference) yields() bool {
	return r.to != nil && r.part != nil && len(r.to.table.Key) > 1 && !r.to.table.MadeByServer(r.part)
}

// partsOf returns the reference to a row whose composite key goes to several
// columns.
func partsOf(parts []meta.KeyPart, to *op) reference {
	if parts == nil {
		parts = []meta.KeyPart{} // not a reference of one column
	}
	return reference{parts: parts, to: to}
}

// covers reports whether the parts of a foreign key are those of the key of t.
func covers(parts []meta.KeyPart, t *table.Table) bool {
	return len(parts) == len(t.Key) && !slices.ContainsFunc(t.Key, func(k meta.KeyPart) bool {
		return !slices.ContainsFunc(parts, func(p meta.KeyPart) bool { return p.Offset == k.Offset })
	})
}

// checkRefs refuses references of the write with the given index that can never
// be made.
func (u *work) checkRefs(o *op, index int) {
	for i := range o.refs {
		u.fail(o.kind, o.table, index, o.checkRef(i))
	}
}

func (o *op) checkRef(i int) error {
	r, reason := o.refs[i], ""
	switch {
	case r.column == nil:
		reason = "a Reference needs a column, or those of all parts of a key: take it from unit.Refer or unit.ReferKey"
	case r.to == nil:
		reason = "the zero Key is that of no row: take it from unit.Create"
	case r.part == nil:
		reason = "a reference needs a row whose key is one column, or the columns of a composite key: see unit.ReferKey"
	case o.kind == updates && o.table.IsKey(r.column):
		reason = "column " + r.column.Name + " is the key, which an update does not change"
	case slices.ContainsFunc(o.refs[:i], func(other reference) bool { return other.column == r.column }):
		reason = "column " + r.column.Name + " is given two keys"
	default:
		return o.table.CheckColumn(r.column)
	}
	return &smrt.QueryError{Reason: reason}
}
