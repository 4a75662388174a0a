package crud

import (
	"context"
	"unsafe"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/meta"
)

// result reads the rows that a write returns back into its entities.
type result struct {
	core    *Core
	rows    pgx.Rows
	targets []meta.Target
	head    *bool  // where the first column goes, if it is no column of the entity
	ordinal *int64 // likewise, and it says which entity the row belongs to, from 1
}

// headColumn and ordinalColumn describe the leading columns.
var (
	headColumn    = meta.ColumnFor[bool]("inserted")
	ordinalColumn = meta.ColumnFor[int64]("ordinality")
)

// read reads the rows to where at says for each, and counts them.
func (r *result) read(at func(i int) unsafe.Pointer) (int, error) {
	defer r.rows.Close()
	var lead, d meta.Decoder
	n := 0
	for ; r.rows.Next(); n++ {
		skip := r.lead()
		if n == 0 {
			if skip != nil {
				lead.Init(r.core.Name, skip, r.rows, false)
			}
			d.InitFrom(r.core.Name, r.targets, r.rows, len(skip))
		}
		if skip != nil {
			if err := lead.Row(r.rows, r.leadTarget()); err != nil {
				return n, err
			}
		}
		i := n
		if r.ordinal != nil {
			i = int(*r.ordinal) - 1
		}
		if err := d.Row(r.rows, at(i)); err != nil {
			return n, err
		}
	}
	return n, r.rows.Err()
}

func (r *result) lead() []meta.Target {
	switch {
	case r.head != nil:
		return []meta.Target{{Column: headColumn}}
	case r.ordinal != nil:
		return []meta.Target{{Column: ordinalColumn}}
	}
	return nil
}

func (r *result) leadTarget() unsafe.Pointer {
	if r.head != nil {
		return unsafe.Pointer(r.head)
	}
	return unsafe.Pointer(r.ordinal)
}

// checkFinite refuses a NaN or an infinity for a column that is no floating
// point number: numeric would take it silently.
func (c *Core) checkFinite(ctx context.Context, db smrt.DB, col *meta.Column) error {
	types, err := c.columnTypes(ctx, db)
	if err != nil {
		return err
	}
	switch types[col.Name].name {
	case "pg_catalog.float4", "pg_catalog.float8":
		return nil
	}
	return &smrt.ValueError{
		Table: c.Name, Column: col.Name, Row: -1, Offset: -1, Err: smrt.ErrOutOfRange,
		Reason: "the column takes finite numbers only",
	}
}
