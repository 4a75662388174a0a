package table

import (
	"unsafe"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt/internal/meta"
)

// Result reads the rows that a write returns back into its entities.
type Result struct {
	Table   *Table
	Rows    pgx.Rows
	Targets []meta.Target
	Head    *bool    // where the first column goes, if it is no column of the entity
	Ordinal *int64   // likewise, and it says which entity the row belongs to, from 1
	Written *Written // notes what is written, unless it is nil
}

// headColumn and ordinalColumn describe the leading columns.
var (
	headColumn    = meta.ColumnFor[bool]("inserted")
	OrdinalColumn = meta.ColumnFor[int64]("ordinality")
)

// read reads the rows to where at says for each, and counts them.
func (r *Result) Read(at func(i int) unsafe.Pointer) (int, error) {
	defer r.Rows.Close()
	var lead, d meta.Decoder
	n := 0
	for ; r.Rows.Next(); n++ {
		skip := r.lead()
		if n == 0 {
			if skip != nil {
				lead.Init(r.Table.Name, skip, r.Rows, false)
			}
			d.InitFrom(r.Table.Name, r.Targets, r.Rows, len(skip))
		}
		if skip != nil {
			if err := lead.Row(r.Rows, r.leadTarget()); err != nil {
				return n, err
			}
		}
		i := n
		if r.Ordinal != nil {
			i = int(*r.Ordinal) - 1
		}
		p := at(i)
		r.Written.Before(p)
		err := d.Row(r.Rows, p)
		r.Written.After()
		if err != nil {
			return n, err
		}
	}
	return n, r.Rows.Err()
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
