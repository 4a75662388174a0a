package crud

import (
	"context"
	"unsafe"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/plan"
	"github.com/smrt-go/smrt/internal/table"
)

// JoinedColumns are columns that are read after those of an entity: first some
// that go into the same struct, then others that do not.
type JoinedColumns interface {
	Columns() []*plan.JoinedColumn
	Targets() []meta.Target

	// Check sees the other columns before the first row is read, and Row their
	// values in each.
	Check(fields []pgconn.FieldDescription)
	Row(types *pgtype.Map, values [][]byte) error
}

// getJoined reads the row with the key at key.
func (b *Bound) getJoined(ctx context.Context, key unsafe.Pointer, joined JoinedColumns) (unsafe.Pointer, error) {
	if err := b.Table.NeedKey(ctx, b.DB); err != nil {
		return nil, err
	}
	args, err := b.Table.KeyArgs(key)
	if err != nil {
		return nil, err
	}
	return b.onlyJoined(ctx, b.Table.KeySpec(args), joined)
}

func (b *Bound) onlyJoined(ctx context.Context, s *plan.Spec, joined JoinedColumns) (unsafe.Pointer, error) {
	found, err := b.readJoined(ctx, s, joined)
	return theOnly(found.Base(), found.Len(), err)
}

// readJoined reads the rows that match with joined columns.
func (b *Bound) readJoined(ctx context.Context, s *plan.Spec, joined JoinedColumns) (found table.Slice, err error) {
	err = b.again(func(on *Bound) (err error) {
		found, err = on.readJoinedOnce(ctx, s, joined)
		return err
	})
	return found, err
}

func (b *Bound) readJoinedOnce(ctx context.Context, s *plan.Spec, joined JoinedColumns) (table.Slice, error) {
	s = s.OrEmpty()
	found := table.List{Of: &b.Rows.Structs}
	start(&found, s)
	r := b.request(s)
	r.Joined = joined.Columns()
	rows, err := b.open(ctx, r)
	if rows == nil {
		return found.Slice, err
	}
	defer rows.Close()
	targets := append(append([]meta.Target{}, b.Rows.Targets...), joined.Targets()...)
	var d meta.Decoder
	for first := true; rows.Next(); first = false {
		if first {
			d.Init(b.Table.Name, targets, rows, false)
			joined.Check(rows.FieldDescriptions()[len(targets):])
		}
		err := d.Row(rows, found.Next())
		if err == nil {
			err = joined.Row(rows.TypeMap(), rows.RawValues()[len(targets):])
		}
		if err != nil {
			return table.Slice{}, err
		}
	}
	if err := rows.Err(); err != nil {
		return table.Slice{}, b.Table.ExplainSpec(ctx, b.DB, err, s)
	}
	return found.Slice, nil
}
