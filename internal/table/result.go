package table

import (
	"unsafe"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt/internal/meta"
)

// Result reads the rows that a write returns back into its entities.
type Result struct {
	Table     *Table
	Rows      pgx.Rows
	Statement *Statement
	Head      *bool    // where the first column goes, if it is no column of the entity
	Ordinal   *int64   // likewise, and it says which entity the row belongs to, from 1
	Unordered bool     // rows come in any order
	Some      bool     // rows may be missing
	Written   *Written // notes what is written, unless it is nil
}

// headColumn and ordinalColumn describe the leading columns.
var (
	headColumn    = meta.ColumnFor[bool]("inserted")
	OrdinalColumn = meta.ColumnFor[int64]("ordinality")
)

// Read reads the rows into their entities and counts them. place, which may be
// nil, is told the entity of each row before it is read. Unless rows may be
// missing, another number of rows than of entities is a *smrt.LeftOutError.
func (r *Result) Read(of Entities, place func(i int)) (int, error) {
	defer r.Rows.Close()
	var lead, d meta.Decoder
	m := match{columns: r.Statement.Match, of: of}
	if of.Len() == 1 {
		m.columns = nil
	}
	n := 0
	for ; r.Rows.Next(); n++ {
		if n == 0 {
			r.Written.before(of)
			skip := r.lead()
			if skip != nil {
				lead.Init(r.Table.Name, skip, r.Rows, false)
			}
			if m.columns != nil {
				m.init(r, len(skip))
			}
			d.InitFrom(r.Table.Name, r.Statement.Returned, r.Rows, len(skip)+len(r.Statement.Match))
		}
		i, err := min(n, of.Len()), error(nil)
		if of.Len() == 1 {
			i = 0 // several rows with one key, where that is declared wrongly
		}
		if r.Head != nil || r.Ordinal != nil {
			if err := lead.Row(r.Rows, r.leadTarget()); err != nil {
				return n, err
			}
			if r.Ordinal != nil {
				i = int(*r.Ordinal) - 1
			}
		}
		if m.columns != nil {
			if i, err = m.entity(r.Rows, n, !r.Unordered && !r.Some); err != nil {
				return n, err
			}
		}
		if i < 0 || i >= of.Len() {
			return n, r.Table.leftOut(of.Len(), -1)
		}
		if place != nil {
			place(i)
		}
		if err := d.Row(r.Rows, of.At(i)); err != nil {
			return n, err
		}
	}
	err := r.Rows.Err()
	if err == nil && n != of.Len() && !r.Some {
		err = r.Table.leftOut(of.Len(), n)
	}
	return n, err
}

func (r *Result) lead() []meta.Target {
	switch {
	case r.Head != nil:
		return []meta.Target{{Column: headColumn}}
	case r.Ordinal != nil:
		return []meta.Target{{Column: OrdinalColumn}}
	}
	return nil
}

func (r *Result) leadTarget() unsafe.Pointer {
	if r.Head != nil {
		return unsafe.Pointer(r.Head)
	}
	return unsafe.Pointer(r.Ordinal)
}
