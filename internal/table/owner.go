package table

import (
	"cmp"
	"context"
	"reflect"
	"unsafe"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/plan"
)

// What the texts of this package need to know of a tenant: whether one is bound.
// They are made once for each.
var (
	boundOwner = plan.Owner{ID: true}
	anyOwner   = plan.Owner{All: true}
)

// OneKey returns the inputs of a statement whose arguments are a key, and behind
// it the tenant if one is bound.
func (t *Table) OneKey(of plan.Owner) Inputs {
	return t.OfOwner(t.OneRow(t.KeyColumns()), of, len(t.Key))
}

// OfOwner returns in for a statement with so many arguments, behind which comes the
// tenant if one is bound.
func (t *Table) OfOwner(in Inputs, of plan.Owner, args int) Inputs {
	switch {
	case of.All:
		in.Any = true
	case of.Bound():
		in.Owner = placeholder(args)
	}
	return in
}

// seen returns the conditions that a statement sees a row: it is of the tenant, and
// with live not deleted softly. Nothing else says so in a text that is made here.
func (t *Table) seen(in Inputs, live bool) (terms []string) {
	if live && t.SoftDelete != nil {
		terms = append(terms, in.row()+t.SoftDelete.Quoted+" IS NULL")
	}
	if t.Tenant == nil || in.Any {
		return terms
	}
	owner := cmp.Or(in.Owner, in.Exprs[t.Tenant])
	switch {
	case owner == "":
		return append(terms, "false") // rather no row than one of somebody else
	case in.Owner == "" && t.IsKey(t.Tenant):
		return terms // the condition on the key says so
	}
	return append(terms, in.row()+t.Tenant.Quoted+" = "+owner)
}

// AndSeen returns, after AND, that a row is not deleted softly and of the tenant. It
// is empty where all rows are seen.
func (t *Table) AndSeen(in Inputs) string {
	text := ""
	for _, term := range t.seen(in, true) {
		text += " AND " + term
	}
	return text
}

// OwnKeys returns whose rows a call under ctx is about that has these keys. It
// refuses those of another tenant, where the tenant is a part of the key.
func (t *Table) OwnKeys(ctx context.Context, keys Rows, one bool) (plan.Owner, error) {
	if t.Tenant == nil {
		return plan.Owner{}, nil
	}
	o, err := t.Owner(ctx)
	if err != nil || o.All {
		return o, err
	}
	for i, k := range t.Key {
		if k.Column != t.Tenant {
			continue
		}
		for row := range keys.N {
			if !o.Owns(t.KeyParts[i], keys.At(row)) {
				return o, t.mismatch("key", row, one)
			}
		}
	}
	return o, nil
}

func (t *Table) mismatch(what string, row int, one bool) error {
	if one {
		row = -1
	}
	return &smrt.TenantError{Table: t.Name, Column: t.Tenant.Name, Row: row, What: what, Err: smrt.ErrTenantMismatch}
}

// Give gives the entity at p the tenant that o binds, if it has none.
func (t *Table) Give(o plan.Owner, p unsafe.Pointer) {
	if o.Bound() && t.Tenant.Zero(p) {
		reflect.NewAt(t.Tenant.Type, unsafe.Add(p, t.Tenant.Offset)).Elem().Set(reflect.ValueOf(o.ID))
	}
}

// CheckOwner refuses the entity at p if it is of another tenant than o binds, or of
// none where all are meant. The error names no row.
func (t *Table) CheckOwner(o plan.Owner, p unsafe.Pointer) error {
	switch {
	case o.All && t.Tenant.Zero(p):
		return &smrt.TenantError{Table: t.Name, Column: t.Tenant.Name, Row: -1, What: "entity", Err: smrt.ErrNoTenant}
	case o.Bound() && !o.Owns(t.Tenant, p):
		return t.mismatch("entity", 0, true)
	}
	return nil
}

// Filled are the entities that got the tenant of a call.
type Filled struct {
	column *meta.Column
	at     []unsafe.Pointer
}

// Undo takes the tenant back if the call has failed: then the entities are what
// they were.
func (f *Filled) Undo(err *error) {
	if *err == nil {
		return
	}
	for _, p := range f.at {
		reflect.NewAt(f.column.Type, unsafe.Add(p, f.column.Offset)).Elem().SetZero()
	}
}

// Fill gives the tenant of ctx to the entities that have none, and refuses those of
// another. Where all tenants are meant each has one already.
func (t *Table) Fill(ctx context.Context, rows Rows, one bool) (f Filled, err error) {
	if t.Tenant == nil {
		return f, nil
	}
	o, err := t.Owner(ctx)
	if err != nil {
		return f, err
	}
	f.column = t.Tenant
	for row := range rows.N {
		p := rows.At(row)
		switch {
		case t.Tenant.Zero(p) && o.All:
			err = &smrt.TenantError{Table: t.Name, Column: t.Tenant.Name, Row: row, What: "entity", Err: smrt.ErrNoTenant}
		case t.Tenant.Zero(p):
			reflect.NewAt(t.Tenant.Type, unsafe.Add(p, t.Tenant.Offset)).Elem().Set(reflect.ValueOf(o.ID))
			f.at = append(f.at, p)
		case !o.All && !o.Owns(t.Tenant, p):
			err = t.mismatch("entity", row, one)
		}
		if err != nil {
			f.Undo(&err)
			return Filled{}, err
		}
	}
	return f, nil
}
