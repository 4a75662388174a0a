package pgerr

import (
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgconn"
)

// RefusedValue returns the SQLSTATE of an error of the server about a value, if that value
// is the text: the server quotes it, in whatever language, and says in no other way which
// one it is. It returns "" for other errors.
func RefusedValue(err error, text string) string {
	var pg *pgconn.PgError
	if text == "" || !IsDataException(err) || !errors.As(err, &pg) {
		return ""
	}
	message := pg.Message
	for from := 0; ; from++ {
		i := strings.Index(message[from:], text)
		if i < 0 {
			return ""
		}
		from += i
		before, _ := utf8.DecodeLastRuneInString(message[:from])
		after, _ := utf8.DecodeRuneInString(message[from+len(text):])
		if unicode.IsPunct(before) && unicode.IsPunct(after) {
			return pg.Code
		}
	}
}
