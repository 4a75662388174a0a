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

// JoinedColumns are columns that travel behind those of an entity: first some that go
// into the same struct, then others that do not.
type JoinedColumns interface {
	Columns() []*plan.JoinedColumn
	Targets() []meta.Target

	// Check sees the other columns before the first row is read, and Row their
	// values in each.
	Check(fields []pgconn.FieldDescription)
	Row(types *pgtype.Map, values [][]byte) error
}

// The methods below read on the handle itself: they are a part of what somebody
// passes to Read.

// FindWith is Find with joined columns.
func (b *Bound) FindWith(ctx context.Context, s *plan.Spec, r JoinedColumns) (table.Slice, error) {
	found, err := b.readJoined(ctx, s, r)
	return found, b.fail(ctx, "find", err)
}

// FirstWith is First with joined columns.
func (b *Bound) FirstWith(ctx context.Context, s *plan.Spec, r JoinedColumns) (unsafe.Pointer, error) {
	return b.onlyWith(ctx, "first", b.ordered(s.WithLimit(1)), r)
}

// OneWith is One with joined columns.
func (b *Bound) OneWith(ctx context.Context, s *plan.Spec, r JoinedColumns) (unsafe.Pointer, error) {
	return b.onlyWith(ctx, "one", s.WithLimit(2), r)
}

// GetWith is Get with joined columns.
func (b *Bound) GetWith(ctx context.Context, key unsafe.Pointer, r JoinedColumns) (unsafe.Pointer, error) {
	if err := b.Table.NeedKey(ctx, b.DB); err != nil {
		return nil, b.fail(ctx, "get", err)
	}
	args, err := b.Table.KeyArgs(key)
	if err != nil {
		return nil, b.fail(ctx, "get", err)
	}
	return b.onlyWith(ctx, "get", b.Table.KeySpec(args), r)
}

func (b *Bound) onlyWith(ctx context.Context, op table.Op, s *plan.Spec, r JoinedColumns) (unsafe.Pointer, error) {
	found, err := b.readJoined(ctx, s, r)
	p, err := theOnly(found.Base(), found.Len(), err)
	return p, b.fail(ctx, op, err)
}

// readJoined reads rows with what travels behind their columns.
func (b *Bound) readJoined(ctx context.Context, s *plan.Spec, r JoinedColumns) (table.Slice, error) {
	s = s.OrEmpty()
	found := table.List{Of: &b.Rows.Structs}
	found.Start(capacity(s))
	rows, err := b.open(ctx, &plan.Request{Verb: plan.Select, List: b.Rows.List, Spec: s, Joined: r.Columns()})
	if rows == nil {
		return found.Slice, err
	}
	defer rows.Close()
	targets := append(append([]meta.Target{}, b.Rows.Targets...), r.Targets()...)
	var d meta.Decoder
	for first := true; rows.Next(); first = false {
		if first {
			d.Init(b.Table.Name, targets, rows, false)
			r.Check(rows.FieldDescriptions()[len(targets):])
		}
		err := d.Row(rows, found.Next())
		if err == nil {
			err = r.Row(rows.TypeMap(), rows.RawValues()[len(targets):])
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
