package rowsecurity

import (
	"context"
	"database/sql/driver"
	"encoding"
	"encoding/hex"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/handle"
	"github.com/smrt-go/smrt/internal/pgerr"
)

// tenant is whom the server is told. Its text is a value of a user, so that no error may
// show it; what errors say of a tenant is its type in the program.
type tenant struct {
	text string
	of   reflect.Type
}

// tenantOf returns the tenant of ctx.
func tenantOf(ctx context.Context) (tenant, error) {
	if ctx == nil {
		return tenant{}, smrt.ErrNilContext
	}
	t := smrt.TenantOf(ctx)
	switch {
	case t.All:
		return tenant{}, &smrt.RowSecurityError{Reason: "the handle is bound to one tenant at a time, and smrt.AllTenants is about all: " +
			"act for all on a pool of its own, whose role has BYPASSRLS"}
	case t.ID == nil || reflect.ValueOf(t.ID).IsZero():
		return tenant{}, smrt.ErrNoTenant
	}
	text, err := textOf(t.ID)
	if err == nil && (strings.ContainsRune(text, 0) || !utf8.ValidString(text)) {
		err = &smrt.OptionsError{Option: "tenant", Reason: fmt.Sprintf("is a %T that PostgreSQL has no text for: it must be UTF-8, without NUL", t.ID)}
	}
	return tenant{text, reflect.TypeOf(t.ID)}, err
}

// typed gives an error of the server its type if it is about policies, or about the tenant,
// whose value it does not show. The server casts the setting where a policy reads it,
// which is in the statement of the caller: so the SQLSTATE alone does not tell whether the
// tenant was refused or one of the caller's arguments, and the message, which repeats the
// value, is looked at too.
func (t tenant) typed(err error) error {
	if code := pgerr.RefusedValue(err, t.text); code != "" {
		return &smrt.OptionsError{Option: "tenant", Reason: fmt.Sprintf("is a %v, whose text the server does not take for the type that policies cast it to (SQLSTATE %s): "+
			"give smrt.WithTenant a value of the type of the column", t.of, code)}
	}
	return pgerr.Policy(err)
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
