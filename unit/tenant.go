package unit

import (
	"cmp"
	"context"
	"slices"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/flush"
	"github.com/smrt-go/smrt/internal/handle"
	"github.com/smrt-go/smrt/internal/table"
)

// A unit is about the tenant of the context of its flush. The copies of entities, of
// which statements are made, get it where they have none, so that a flush that fails
// changes no entity. Rows are found by it as they are by their keys.

// own finds out whose rows the unit is about, and refuses those of another tenant,
// before anything is looked up.
func (u *work) own(ctx context.Context) error {
	for _, o := range u.ops {
		if o.table == nil || o.table.Tenant == nil {
			continue
		}
		var keys table.Rows
		if o.key != nil {
			keys = o.table.Keys(o.key, 1)
		}
		owner, err := o.table.OwnKeys(ctx, keys, true)
		err = cmp.Or(err, handle.CheckTenant(ctx))
		if err == nil && o.entity != nil && owner.Bound() && !o.table.Tenant.Zero(o.entity) {
			err = o.table.CheckOwner(owner, o.entity)
		}
		if err != nil {
			return o.failed(err)
		}
		o.owner = owner
	}
	return nil
}

// owned refuses rows of a step that have got another tenant by a reference to a row
// of it, or have none where all are meant.
func owned(ops []*op, s *flush.Step) error {
	t := s.Table
	if t.Tenant == nil {
		return nil
	}
	if slices.ContainsFunc(s.Refs, func(r flush.Ref) bool { return r.Column == t.Tenant }) {
		return ops[0].failed(&smrt.QueryError{Reason: "column " + t.Tenant.Name + " says whose row it is, and cannot be a key that the database has yet to make"})
	}
	for i, o := range ops {
		if o.entity == nil && s.Any {
			continue // found by its key alone
		}
		if err := t.CheckOwner(o.owner, s.Rows.At(i)); err != nil {
			return o.failed(err)
		}
	}
	return nil
}

// give gives the entities the tenant that their copies were written with.
func (u *work) give() {
	for _, o := range u.ops {
		if o.entity != nil {
			o.table.Give(o.owner, o.entity)
		}
	}
}
