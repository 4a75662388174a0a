package pgerr_test

import (
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/pgerr"
)

func TestRefusedValue(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ code, message, text, want string }{
		{"22P02", `invalid input syntax for type bigint: "acme"`, "acme", "22P02"},
		{"22P02", `ungültige Eingabesyntax für Typ bigint: »acme«`, "acme", "22P02"},
		{"22003", `value "9" is out of range for type smallint`, "9", "22003"},
		{"22P02", `invalid input syntax for type bigint: "acme"`, "", ""},
		{"22P02", `invalid input syntax for type bigint: "acme 1"`, "acme", ""},
		{"22P02", `invalid input syntax for type int: "of int"`, "int", ""},
		{"22P02", `a "aa" and "a"`, "a", "22P02"},
		{"22P02", `ends with acme`, "acme", ""},
		{"42703", `column "acme" does not exist`, "acme", ""},
	} {
		check.Same(t, c.message, pgerr.RefusedValue(&pgconn.PgError{Code: c.code, Message: c.message}, c.text), c.want)
	}
}
