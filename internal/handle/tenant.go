package handle

import (
	"context"
	"math"
	"reflect"

	"github.com/smrt-go/smrt"
)

// SameTenant reports whether a and b are one tenant, or both all. Types that differ in
// their name or their size only do not matter, as they do not where a tenant is compared
// with a column.
func SameTenant(a, b smrt.Tenant) bool {
	return a.All == b.All && (a.ID == b.ID || plain(a.ID) == plain(b.ID))
}

// plain returns an id as the type that all of its kind have in common.
func plain(id any) any {
	v := reflect.ValueOf(id)
	switch {
	case v.CanInt():
		return v.Int()
	case v.CanUint() && v.Uint() <= math.MaxInt64:
		return int64(v.Uint())
	case v.CanUint():
		return v.Uint()
	case v.Kind() == reflect.String:
		return v.String()
	}
	if uuid, ok := AsUUID(id); ok {
		return uuid
	}
	return id
}

// AsUUID returns the bytes of an id that is an array of 16, whatever its type is called.
func AsUUID(id any) (uuid [16]byte, ok bool) {
	v := reflect.ValueOf(id)
	if v.Kind() != reflect.Array || v.Len() != len(uuid) || v.Type().Elem().Kind() != reflect.Uint8 {
		return uuid, false
	}
	reflect.Copy(reflect.ValueOf(uuid[:]), v)
	return uuid, true
}

// CheckOwn returns an error if what was begun under one tenant, or for all, is used
// under the context of another, or of none. What was begun under none may have any.
func CheckOwn(ctx context.Context, what string, begun smrt.Tenant) error {
	now := smrt.TenantOf(ctx)
	switch {
	case isNone(begun) || SameTenant(now, begun):
		return nil
	case isNone(now):
		return smrt.ErrNoTenant
	}
	return &smrt.TenantError{Row: -1, What: what, Err: smrt.ErrTenantMismatch}
}

func isNone(t smrt.Tenant) bool {
	return !t.All && (t.ID == nil || reflect.ValueOf(t.ID).IsZero())
}
