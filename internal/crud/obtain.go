package crud

import (
	"context"
	"unsafe"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/plan"
	"github.com/smrt-go/smrt/internal/table"
)

// maxObtains is how often a row is looked for and created in turn. It is not there
// and cannot be created if another transaction creates it in between; the next
// look finds it, unless it was deleted again.
const maxObtains = 3

// GetOrCreate reads the row that conflicts with that of the entity at p into the
// entity. If there is none, it creates the entity's. It reports whether it did.
func (b *Bound) GetOrCreate(ctx context.Context, p unsafe.Pointer, conflict *plan.Conflict) (created bool, err error) {
	defer b.wrap(ctx, "get or create", &err)
	x := conflict.WithNothing()
	if err := b.writableEntity(ctx, p); err != nil {
		return false, err
	}
	if err := (*table.Conflict)(x).Check(b.Table); err != nil {
		return false, err
	}
	if len(x.Update) > 0 {
		return false, &smrt.QueryError{Reason: "a row that exists is read and not changed: leave out Update, or use Upsert"}
	}
	s, err := b.Table.ConflictSpec(p, x)
	if err != nil {
		return false, err
	}
	for range maxObtains {
		n, o := 0, Unchanged
		err := b.again(func(on *Bound) (err error) {
			if n, err = on.obtain(ctx, p, s); err == nil && n == 0 {
				o, err = on.upsert(ctx, p, x)
			}
			return err
		})
		if err != nil || n > 0 || o == Inserted {
			return o == Inserted, err
		}
	}
	return false, &smrt.LeftOutError{Table: b.Table.Name, Sent: 1}
}

// obtain reads the row that s selects into the entity at p, from where rows are
// written: a standby may not have it yet.
func (b *Bound) obtain(ctx context.Context, p unsafe.Pointer, s *plan.Spec) (int, error) {
	rows, err := b.open(ctx, &plan.Request{Verb: plan.Select, List: b.Table.Self.List, Spec: s})
	if err != nil || rows == nil {
		return 0, err
	}
	return b.readInto(ctx, p, rows, true)
}

// readInto reads the row that a statement returned into the entity at p. If it must
// be the only one, the error of several is smrt.ErrTooManyRows.
func (b *Bound) readInto(ctx context.Context, p unsafe.Pointer, rows pgx.Rows, only bool) (int, error) {
	st := b.Table.Statement([]byte{'p'}, func() *table.Statement { return &table.Statement{Returned: meta.TargetsOf(b.Table.Struct.Columns, 0)} })
	r := table.Result{Table: b.Table, Rows: rows, Statement: st, Some: true, Written: b.Table.Written(st)}
	n, err := r.Read(table.Entities{Rows: b.Table.Entities(p, 1)}, nil)
	if err == nil && n > 1 && only {
		err = smrt.ErrTooManyRows
	}
	b.keepWritten(ctx, r.Written, err)
	return n, err
}
