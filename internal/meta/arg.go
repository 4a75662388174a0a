package meta

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"github.com/jackc/pgx/v5/pgtype"
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

// formatFloat writes a number as PostgreSQL reads it, with the fewest digits
// that mean the same number. What Go writes as +Inf is called Infinity there.
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

// String writes the clock of the time's own location and its offset: a
// timestamptz reads both, a timestamp and a date read the clock only, which is
// what the binary encoding gives them. It truncates to microseconds, as that
// does; the server would round.
//
// The year before 1 is 1 BC to the server and 0 to Go. A moment of year 1 lies
// in it where the clock is behind UTC.
func (a *timeArg) String() string {
	t := time.Time(*a).Truncate(time.Microsecond)
	if t.Year() <= 0 {
		return fmt.Sprintf("%04d-", 1-t.Year()) + t.Format("01-02 15:04:05.999999Z07:00:00") + " BC"
	}
	return t.Format("2006-01-02 15:04:05.999999Z07:00:00")
}

func (a *uuidArg) UUIDValue() (pgtype.UUID, error) {
	return pgtype.UUID{Bytes: *a, Valid: true}, nil
}

// BytesValue is for columns of bytea.
func (a *uuidArg) BytesValue() ([]byte, error)     { return a[:], nil }
func (a *uuidArg) TextValue() (pgtype.Text, error) { return text(a.String()) }

// String writes a uuid as the server does, so that a column of text holds the
// same text as others write there.
func (a *uuidArg) String() string {
	var b [36]byte
	hex.Encode(b[:8], a[:4])
	hex.Encode(b[9:13], a[4:6])
	hex.Encode(b[14:18], a[6:8])
	hex.Encode(b[19:23], a[8:10])
	hex.Encode(b[24:], a[10:])
	b[8], b[13], b[18], b[23] = '-', '-', '-', '-'
	return string(b[:])
}

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
	v, err := c.arg(p)
	if err == nil {
		err = c.checkArg(v)
	}
	return v, err
}

// checkArg refuses what the server would refuse for any column of the kind.
func (c *Column) checkArg(arg any) error {
	switch v := arg.(type) {
	case *stringArg:
		return c.checkText(string(*v))
	case *timeArg:
		return c.checkTime(time.Time(*v))
	case *jsonArg:
		return c.checkJSON(*v)
	case *[]string:
		for _, s := range *v {
			if err := c.checkText(s); err != nil {
				return err
			}
		}
	}
	return nil
}

// arg is [Column.Arg] without the checks of texts, times and JSON.
func (c *Column) arg(p unsafe.Pointer) (any, error) {
	field := unsafe.Add(p, c.Offset)
	if c.Ptr {
		// NULL is an untyped nil here, because the types below read through
		// their pointer. Of a type that writes itself the pointer is kept: its
		// methods may be those of the pointer.
		if *(*unsafe.Pointer)(field) == nil {
			return nil, nil
		}
		if c.Encode != KindOther || c.other != nil {
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
		if f := *(*float64)(field); beyondReal(f) {
			return formatFloat(f, 64), nil
		}
		return (*float64Arg)(field), nil
	case KindString:
		return (*stringArg)(field), nil
	case KindTime:
		return (*timeArg)(field), nil
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
		return j, nil
	case KindStrings:
		ss := (*[]string)(field)
		if *ss == nil {
			return nil, nil
		}
		return ss, nil
	}
	if c.other != nil {
		return c.other(c, field)
	}
	return reflect.NewAt(c.Type, field).Elem().Interface(), nil
}

// beyondReal reports whether a number becomes infinite or zero as a real. pgx
// would send it as such, in silence, so it is sent as a text that the server
// refuses for a real and reads exactly for other types.
func beyondReal(f float64) bool {
	r := math.Abs(float64(float32(f)))
	return r == 0 && f != 0 || r > math.MaxFloat32 && !math.IsInf(f, 0)
}
