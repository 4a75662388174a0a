package meta

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/smrt-go/smrt"
)

// CheckValue does the check of Arg for a value that lies outside an entity, such
// as the operand of a predicate.
func (c *Column) CheckValue(v any) error {
	switch v := v.(type) {
	case *Array:
		return nil // NewArray checked it
	case sql.NullString:
		return c.checkText(v.String)
	case pgtype.Text:
		return c.checkText(v.String)
	case string:
		return c.checkText(v)
	case time.Time:
		return c.checkTime(v)
	case json.RawMessage:
		if v == nil {
			return nil
		}
		return c.checkJSON(v)
	case []string:
		for _, s := range v {
			if err := c.checkText(s); err != nil {
				return err
			}
		}
		return nil
	case bool, int, int16, int32, int64, float32, float64:
		return nil
	}
	rv := reflect.ValueOf(v)
	switch rv.Kind() {
	case reflect.String:
		return c.checkText(rv.String())
	case reflect.Slice:
		if rv.Type().Elem().Kind() == reflect.String {
			for i := range rv.Len() {
				if err := c.checkText(rv.Index(i).String()); err != nil {
					return err
				}
			}
		}
	case reflect.Pointer:
		if !rv.IsNil() {
			return c.CheckValue(rv.Elem().Interface())
		}
	}
	return nil
}

// fault returns the error of a value that is not in a row yet: AtRow and
// InColumn fill in where it was once the caller knows.
func (c *Column) fault(sentinel error) *smrt.ValueError {
	return &smrt.ValueError{Column: c.Name, Row: -1, Offset: -1, Err: sentinel}
}

func (c *Column) checkText(s string) error {
	if i := strings.IndexByte(s, 0); i >= 0 {
		err := c.fault(smrt.ErrInvalidText)
		err.Offset, err.Reason = i, "a text cannot contain a NUL byte"
		return err
	}
	if utf8.ValidString(s) {
		return nil
	}
	err := c.fault(smrt.ErrInvalidText)
	err.Offset, err.Reason = invalidUTF8(s), "a text must be valid UTF-8"
	return err
}

func invalidUTF8(s string) int {
	for i, r := range s {
		if r == utf8.RuneError {
			if _, size := utf8.DecodeRuneInString(s[i:]); size == 1 {
				return i
			}
		}
	}
	return -1
}

// The years a timestamp column can hold and a time.Time is meant to: year 0
// and before are BC, which Go and PostgreSQL count differently. They are those
// of UTC: the zero time is of year 1 wherever the clock is that shows it.
const minYear, maxYear = 1, 294276

// The seconds of those years: they are compared, because to compute a year
// takes longer than to send it.
var (
	minSecond = time.Date(minYear, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
	endSecond = time.Date(maxYear+1, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
)

func (c *Column) checkTime(t time.Time) error {
	if s := t.Unix(); s >= minSecond && s < endSecond {
		return nil
	}
	err := c.fault(smrt.ErrOutOfRange)
	err.Min, err.Max = "year 1", "year 294276"
	return err
}

func (c *Column) checkJSON(j []byte) error {
	if !json.Valid(j) {
		err := c.fault(smrt.ErrInvalidJSON)
		var syntax *json.SyntaxError
		var v any
		if errors.As(json.Unmarshal(j, &v), &syntax) {
			err.Offset = int(syntax.Offset)
		}
		err.Reason = "not a JSON document"
		return err
	}
	if i := nulEscape(j); i >= 0 {
		err := c.fault(smrt.ErrInvalidJSON)
		err.Offset, err.Reason = i, `jsonb cannot hold \u0000`
		return err
	}
	return nil
}

// nulEscape finds the escape \u0000 in valid JSON; a backslash that is itself
// escaped does not begin one.
func nulEscape(j []byte) int {
	nul := []byte(`\u0000`)
	for i := bytes.IndexByte(j, '\\'); i >= 0 && i < len(j); {
		if bytes.HasPrefix(j[i:], nul) {
			return i
		}
		next := bytes.IndexByte(j[i+2:], '\\')
		if next < 0 {
			return -1
		}
		i += 2 + next
	}
	return -1
}

// AtRow notes in a ValueError which row of a bulk call it is about.
func AtRow(err error, row int) error {
	var e *smrt.ValueError
	if errors.As(err, &e) {
		at := *e
		at.Row = row
		return &at
	}
	return err
}

// InColumn notes in a ValueError which column it is about.
func InColumn(err error, column string) error {
	var e *smrt.ValueError
	if errors.As(err, &e) {
		in := *e
		in.Column, in.Row = column, -1
		return &in
	}
	return err
}
