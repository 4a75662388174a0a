package rowsecurity

import (
	"context"
	"database/sql/driver"
	"encoding"
	"encoding/hex"
	"fmt"
	"reflect"
	"strconv"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/handle"
)

// tenantOf returns the tenant of ctx as text.
func tenantOf(ctx context.Context) (string, error) {
	if ctx == nil {
		return "", smrt.ErrNilContext
	}
	switch t := smrt.TenantOf(ctx); {
	case t.All:
		return "", &smrt.RowSecurityError{Reason: "the handle is bound to one tenant at a time, and smrt.AllTenants is about all: " +
			"act for all on a pool of its own, whose role has BYPASSRLS"}
	case t.ID == nil || reflect.ValueOf(t.ID).IsZero():
		return "", smrt.ErrNoTenant
	default:
		return textOf(t.ID)
	}
}

// textOf returns what PostgreSQL reads as the id. A setting is a text, which a policy
// casts to the type of its column. Types of the program are asked in this order, so that
// a UUID that is an array and has MarshalText is written as its package writes it.
func textOf(id any) (string, error) {
	switch id := id.(type) {
	case int64:
		return strconv.FormatInt(id, 10), nil
	case string:
		return id, nil
	case encoding.TextMarshaler:
		text, err := id.MarshalText()
		return string(text), err
	case driver.Valuer: // as pgtype's
		if v, err := id.Value(); err != nil {
			return "", err
		} else if v != nil {
			return textOf(v)
		}
		return "", smrt.ErrNoTenant
	}
	if bytes, ok := handle.AsUUID(id); ok {
		return uuid(bytes), nil
	}
	switch v := reflect.ValueOf(id); {
	case v.CanInt():
		return strconv.FormatInt(v.Int(), 10), nil
	case v.CanUint():
		return strconv.FormatUint(v.Uint(), 10), nil
	case v.Kind() == reflect.String:
		return v.String(), nil
	}
	return "", &smrt.OptionsError{Option: "tenant", Reason: fmt.Sprintf(
		"is a %T, which has no text: it must be an integer, a string, a [16]byte, or have MarshalText or Value", id)}
}

// uuid writes the bytes of a UUID.
func uuid(b [16]byte) string {
	h := hex.EncodeToString(b[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}
