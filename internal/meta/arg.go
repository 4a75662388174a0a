package meta

import (
	"bytes"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
	"unsafe"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/smrt-go/smrt"
)

// The types below are fields seen as arguments. An argument is the address of
// the field under one of these types, so that passing it allocates nothing,
// where boxing the value would allocate for each but the smallest. pgx's
// codecs take them through the interfaces they implement: the typed one in
// binary format, TextValue in text format and for types pgx does not know.
// String makes them print as the value when a tracer logs them.
type (
	boolArg    bool
	int16Arg   int16
	int32Arg   int32
	int64Arg   int64
	float32Arg float32
	float64Arg float64
	stringArg  string
	timeArg    time.Time
	uuidArg    [16]byte
	jsonArg    json.RawMessage
)

func text(s string) (pgtype.Text, error) { return pgtype.Text{String: s, Valid: true}, nil }

func (a *boolArg) BoolValue() (pgtype.Bool, error) {
	return pgtype.Bool{Bool: bool(*a), Valid: true}, nil
}
func (a *boolArg) TextValue() (pgtype.Text, error) { return text(a.String()) }
func (a *boolArg) String() string                  { return strconv.FormatBool(bool(*a)) }

func (a *int16Arg) Int64Value() (pgtype.Int8, error) {
	return pgtype.Int8{Int64: int64(*a), Valid: true}, nil
}
func (a *int16Arg) TextValue() (pgtype.Text, error) { return text(a.String()) }
func (a *int16Arg) String() string                  { return strconv.FormatInt(int64(*a), 10) }

func (a *int32Arg) Int64Value() (pgtype.Int8, error) {
	return pgtype.Int8{Int64: int64(*a), Valid: true}, nil
}
func (a *int32Arg) TextValue() (pgtype.Text, error) { return text(a.String()) }
func (a *int32Arg) String() string                  { return strconv.FormatInt(int64(*a), 10) }

func (a *int64Arg) Int64Value() (pgtype.Int8, error) {
	return pgtype.Int8{Int64: int64(*a), Valid: true}, nil
}
func (a *int64Arg) TextValue() (pgtype.Text, error) { return text(a.String()) }
func (a *int64Arg) String() string                  { return strconv.FormatInt(int64(*a), 10) }

func (a *float32Arg) Float64Value() (pgtype.Float8, error) {
	return pgtype.Float8{Float64: float64(*a), Valid: true}, nil
}
func (a *float32Arg) TextValue() (pgtype.Text, error) { return text(a.String()) }
func (a *float32Arg) String() string                  { return formatFloat(float64(*a), 32) }

func (a *float64Arg) Float64Value() (pgtype.Float8, error) {
	return pgtype.Float8{Float64: float64(*a), Valid: true}, nil
}
func (a *float64Arg) TextValue() (pgtype.Text, error) { return text(a.String()) }
func (a *float64Arg) String() string                  { return formatFloat(float64(*a), 64) }

// formatFloat writes a number as PostgreSQL reads it, with the fewest digits that
// mean the same number. What Go writes as +Inf is called Infinity there.
func formatFloat(f float64, bits int) string {
	switch {
	case math.IsInf(f, 1):
		return "Infinity"
	case math.IsInf(f, -1):
		return "-Infinity"
	}
	return strconv.FormatFloat(f, 'g', -1, bits)
}

func (a *stringArg) TextValue() (pgtype.Text, error) { return text(string(*a)) }
func (a *stringArg) String() string                  { return string(*a) }

func (a *timeArg) TimestamptzValue() (pgtype.Timestamptz, error) {
	return pgtype.Timestamptz{Time: time.Time(*a), Valid: true}, nil
}

func (a *timeArg) TimestampValue() (pgtype.Timestamp, error) {
	return pgtype.Timestamp{Time: time.Time(*a), Valid: true}, nil
}

func (a *timeArg) DateValue() (pgtype.Date, error) {
	return pgtype.Date{Time: time.Time(*a), Valid: true}, nil
}
func (a *timeArg) TextValue() (pgtype.Text, error) { return text(a.String()) }

// String truncates to microseconds, as the binary encoding does; the server
// would round.
func (a *timeArg) String() string {
	return time.Time(*a).Truncate(time.Microsecond).Format("2006-01-02 15:04:05.999999Z07:00:00")
}

func (a *uuidArg) UUIDValue() (pgtype.UUID, error) {
	return pgtype.UUID{Bytes: *a, Valid: true}, nil
}
func (a *uuidArg) TextValue() (pgtype.Text, error) { return text(a.String()) }
func (a *uuidArg) String() string                  { return hex.EncodeToString(a[:]) }

func (a *jsonArg) TextValue() (pgtype.Text, error) { return text(string(*a)) }
func (a *jsonArg) String() string                  { return string(*a) }

// MarshalJSON keeps encoding/json from seeing a slice of bytes.
func (a *jsonArg) MarshalJSON() ([]byte, error) { return *a, nil }

// dimensions returns those of an array with n elements. For PostgreSQL an empty
// array has no dimensions at all.
func dimensions(n int) []pgtype.ArrayDimension {
	if n == 0 {
		return []pgtype.ArrayDimension{}
	}
	return []pgtype.ArrayDimension{{Length: int32(n), LowerBound: 1}}
}

// quoteElement writes s as an element of an array literal.
func quoteElement(b *strings.Builder, s string) {
	b.WriteByte('"')
	for i := range len(s) {
		if s[i] == '"' || s[i] == '\\' {
			b.WriteByte('\\')
		}
		b.WriteByte(s[i])
	}
	b.WriteByte('"')
}

// Arg returns the column of the entity at p as an argument. It refuses what
// the server would refuse for any column of the kind. The argument refers to
// the entity's memory and is to be used before the entity changes.
func (c *Column) Arg(p unsafe.Pointer) (any, error) {
	field := unsafe.Add(p, c.Offset)
	if c.Ptr {
		// NULL is an untyped nil here, because the types below read through
		// their pointer. Of a type that writes itself the pointer is kept: its
		// methods may be those of the pointer.
		if *(*unsafe.Pointer)(field) == nil {
			return nil, nil
		}
		if c.Encode != KindOther {
			field = *(*unsafe.Pointer)(field)
		}
	}
	switch c.Encode {
	case KindBool:
		return (*boolArg)(field), nil
	case KindInt16:
		return (*int16Arg)(field), nil
	case KindInt32:
		return (*int32Arg)(field), nil
	case KindInt64:
		return (*int64Arg)(field), nil
	case KindFloat32:
		return (*float32Arg)(field), nil
	case KindFloat64:
		return (*float64Arg)(field), nil
	case KindString:
		s := (*stringArg)(field)
		return s, c.checkText(string(*s))
	case KindTime:
		t := (*timeArg)(field)
		return t, c.checkTime(time.Time(*t))
	case KindUUID:
		return (*uuidArg)(field), nil
	case KindBytes:
		b := *(*[]byte)(field)
		if b == nil {
			return nil, nil
		}
		return b, nil
	case KindJSON:
		j := (*jsonArg)(field)
		if *j == nil {
			return nil, nil
		}
		return j, c.checkJSON(*j)
	case KindStrings:
		ss := (*[]string)(field)
		if *ss == nil {
			return nil, nil
		}
		for _, s := range *ss {
			if err := c.checkText(s); err != nil {
				return nil, err
			}
		}
		return ss, nil
	}
	return reflect.NewAt(c.Type, field).Elem().Interface(), nil
}

// CheckValue is the check of Arg for a value that lies outside an entity, such
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
// and before are BC, which Go and PostgreSQL count differently.
const minYear, maxYear = 1, 294276

func (c *Column) checkTime(t time.Time) error {
	if y := t.Year(); y >= minYear && y <= maxYear {
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

// Zero reports whether the column of the entity at p has its zero value.
func (c *Column) Zero(p unsafe.Pointer) bool {
	field := unsafe.Add(p, c.Offset)
	switch {
	case c.Ptr:
		return *(*unsafe.Pointer)(field) == nil
	case c.Encode == KindInt64:
		return *(*int64)(field) == 0
	case c.Encode == KindTime:
		return (*time.Time)(field).IsZero()
	}
	return reflect.NewAt(c.Type, field).Elem().IsZero()
}

// Int returns the column of the entity at p, which must be of an integer kind.
func (c *Column) Int(p unsafe.Pointer) int64 {
	field := unsafe.Add(p, c.Offset)
	switch c.Encode {
	case KindInt16:
		return int64(*(*int16)(field))
	case KindInt32:
		return int64(*(*int32)(field))
	}
	return *(*int64)(field)
}

// WiderThan reports whether the column is an integer, not behind a pointer, that
// can be greater than limit.
func (c *Column) WiderThan(limit int64) bool {
	switch {
	case c.Ptr:
		return false
	case c.Encode == KindInt64:
		return limit < math.MaxInt64
	case c.Encode == KindInt32:
		return limit < math.MaxInt32
	}
	return false
}

// Value returns the column of the entity at p, copied.
func (c *Column) Value(p unsafe.Pointer) any {
	return reflect.NewAt(c.Type, unsafe.Add(p, c.Offset)).Elem().Interface()
}

// NotFinite reports whether the column holds a NaN or an infinity, which some
// column types take and others must not.
func (c *Column) NotFinite(p unsafe.Pointer) bool {
	field := unsafe.Add(p, c.Offset)
	if c.Ptr {
		if field = *(*unsafe.Pointer)(field); field == nil {
			return false
		}
	}
	var f float64
	switch c.Encode {
	case KindFloat32:
		f = float64(*(*float32)(field))
	case KindFloat64:
		f = *(*float64)(field)
	default:
		return false
	}
	return math.IsNaN(f) || math.IsInf(f, 0)
}

// NotFinite reports whether an operand is a NaN or an infinity.
func NotFinite(v any) bool {
	var f float64
	switch v := v.(type) {
	case float64:
		f = v
	case float32:
		f = float64(v)
	case *float64:
		if v == nil {
			return false
		}
		f = *v
	}
	return math.IsNaN(f) || math.IsInf(f, 0)
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

// Moment returns the column of the entity at p, which must be a time, as the
// server keeps it: microseconds of UTC.
func (c *Column) Moment(p unsafe.Pointer) time.Time {
	field := unsafe.Add(p, c.Offset)
	if c.Ptr {
		field = *(*unsafe.Pointer)(field)
	}
	return (*time.Time)(field).Truncate(time.Microsecond).UTC()
}
