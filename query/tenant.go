package query

import "github.com/smrt-go/smrt/internal/meta"

// Tenant declares the column that says whose row it is. From then on every
// operation needs a context with a tenant, see smrt.WithTenant, and sees and changes
// rows of that tenant only; without one the error is smrt.ErrNoTenant, before
// anything is sent. It is filled into rows that are created where it is zero.
// Entities and keys of another tenant are refused with smrt.ErrTenantMismatch.
//
// The column is an integer, a string or a UUID, and may be a part of the key. It is
// never assigned by an update. The target of an upsert includes it. Fragments of
// SQL, in Raw for instance, are as they are: what they select from is not looked at.
func Tenant[T any, V comparable](field func(*T) *V) TableOption[T] {
	return TableOption[T]{tenant(meta.ColumnOf(field))}
}

func tenant(c *meta.Column) setting {
	return role("Tenant", func(t *meta.Table) **meta.Column { return &t.Tenant }, c)
}
