package crud

import (
	"context"
	"unsafe"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/plan"
)

// Riders are columns that travel behind those of an entity: first some that go
// into the same struct, then others that do not.
type Riders interface {
	Subs() []*plan.JoinedColumn
	Targets() []meta.Target

	// Check sees the other columns before the first row is read, and Row their
	// values in each.
	Check(fields []pgconn.FieldDescription)
	Row(types *pgtype.Map, values [][]byte) error
}

// The methods below read on the handle itself: they are a part of what somebody
// passes to Read.

// FindWith is Find with riders.
func (b *Bound) FindWith(ctx context.Context, s *plan.Spec, r Riders) (Slice, error) {
	found, err := b.carry(ctx, s, r)
	return found, b.fail(ctx, "find", err)
}

// FirstWith is First with riders.
func (b *Bound) FirstWith(ctx context.Context, s *plan.Spec, r Riders) (unsafe.Pointer, error) {
	return b.onlyWith(ctx, "first", b.Core.Ordered(s.WithLimit(1)), r)
}

// OneWith is One with riders.
func (b *Bound) OneWith(ctx context.Context, s *plan.Spec, r Riders) (unsafe.Pointer, error) {
	return b.onlyWith(ctx, "one", s.WithLimit(2), r)
}

// GetWith is Get with riders.
func (b *Bound) GetWith(ctx context.Context, key unsafe.Pointer, r Riders) (unsafe.Pointer, error) {
	if err := b.Core.NeedKey(ctx, b.DB); err != nil {
		return nil, b.fail(ctx, "get", err)
	}
	args, err := b.Core.keyArgs(key)
	if err != nil {
		return nil, b.fail(ctx, "get", err)
	}
	return b.onlyWith(ctx, "get", b.Core.withKey(args), r)
}

// withKey is the query for the row with a key.
func (c *Core) withKey(args []any) *plan.Spec {
	s := &plan.Spec{Where: make([]plan.Node, len(args)), Unordered: true}
	for i, k := range c.Key {
		s.Where[i] = plan.Node{Op: plan.Eq, Column: k.Column, A: args[i]}
	}
	return s
}

func (b *Bound) onlyWith(ctx context.Context, op Op, s *plan.Spec, r Riders) (unsafe.Pointer, error) {
	found, err := b.carry(ctx, s, r)
	p, err := theOnly(found.data, found.len, err)
	return p, b.fail(ctx, op, err)
}

// carry reads rows with what travels behind their columns.
func (b *Bound) carry(ctx context.Context, s *plan.Spec, r Riders) (Slice, error) {
	s = s.OrEmpty()
	found := List{Of: &b.Rows.Structs}
	found.start(capacity(s))
	rows, err := b.Core.open(ctx, b.DB, &plan.Request{Verb: plan.Select, List: b.Rows.List, Spec: s, Subs: r.Subs()})
	if rows == nil {
		return found.Slice, err
	}
	defer rows.Close()
	targets := append(append([]meta.Target{}, b.Rows.Targets...), r.Targets()...)
	var d meta.Decoder
	for first := true; rows.Next(); first = false {
		if first {
			d.Init(b.Core.Name, targets, rows, false)
			r.Check(rows.FieldDescriptions()[len(targets):])
		}
		err := d.Row(rows, found.Next())
		if err == nil {
			err = r.Row(rows.TypeMap(), rows.RawValues()[len(targets):])
		}
		if err != nil {
			return Slice{}, err
		}
	}
	if err := rows.Err(); err != nil {
		return Slice{}, b.Core.explainSpec(ctx, b.DB, err, s)
	}
	return found.Slice, nil
}
