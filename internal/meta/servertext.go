package meta

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
)

// ServerText returns a value of a result, which is not NULL, as a text that the
// server reads the same value from, whatever the settings of the session that
// reads it: DateStyle, IntervalStyle, TimeZone, extra_float_digits. A text is
// what any mode of pgx can send for a parameter of any type.
//
// A value that came in text format is kept as it came. Only a date can then
// depend on the session, and one that does is refused.
func ServerText(types *pgtype.Map, field *pgconn.FieldDescription, src []byte) (string, error) {
	if field.Format == pgtype.TextFormatCode {
		switch field.DataTypeOID {
		case pgtype.DateOID, pgtype.TimestampOID, pgtype.TimestamptzOID:
			if !isISO(src) {
				return "", errors.New("its text depends on DateStyle, which must be ISO in this mode of pgx")
			}
		}
		return string(src), nil
	}
	switch field.DataTypeOID {
	case pgtype.Int2OID, pgtype.Int4OID, pgtype.Int8OID:
		return strconv.FormatInt(readInt(src, uint8(len(src))), 10), nil
	case pgtype.Float4OID:
		return formatFloat(float64(math.Float32frombits(binary.BigEndian.Uint32(src))), 32), nil
	case pgtype.Float8OID:
		return formatFloat(math.Float64frombits(binary.BigEndian.Uint64(src)), 64), nil
	case pgtype.TextOID, pgtype.VarcharOID, pgtype.BPCharOID, pgtype.NameOID, pgtype.JSONOID:
		return string(src), nil
	case pgtype.ByteaOID:
		return `\x` + hex.EncodeToString(src), nil
	case pgtype.TimestampOID, pgtype.TimestamptzOID:
		return timestampText(int64(binary.BigEndian.Uint64(src))), nil
	case pgtype.DateOID:
		return dateText(int32(binary.BigEndian.Uint32(src))), nil
	case pgtype.IntervalOID:
		return intervalText(src), nil
	}
	return codecText(types, field, src)
}

// isISO reports whether a date begins with its year, as in the ISO style only.
func isISO(src []byte) bool {
	digits := 0
	for digits < len(src) && src[digits] >= '0' && src[digits] <= '9' {
		digits++
	}
	return digits >= 4 || string(src) == "infinity" || string(src) == "-infinity"
}

// timestampText writes microseconds since 2000. The zone is ignored where the
// type has none.
func timestampText(us int64) string {
	switch us {
	case math.MaxInt64:
		return "infinity"
	case math.MinInt64:
		return "-infinity"
	}
	t := time.Unix(epochSeconds+us/microsPerSecond, us%microsPerSecond*1000).UTC()
	clock := fmt.Sprintf(" %02d:%02d:%02d.%06d+00", t.Hour(), t.Minute(), t.Second(), t.Nanosecond()/1000)
	return dayText(t, clock)
}

// dateText writes days since 2000.
func dateText(days int32) string {
	switch days {
	case math.MaxInt32:
		return "infinity"
	case math.MinInt32:
		return "-infinity"
	}
	return dayText(time.Date(2000, 1, 1+int(days), 0, 0, 0, 0, time.UTC), "")
}

// dayText writes a day and the clock after it. The year before 1 is 0 for Go and
// 1 BC for PostgreSQL.
func dayText(t time.Time, clock string) string {
	year, era := t.Year(), ""
	if year < 1 {
		year, era = 1-year, " BC"
	}
	return fmt.Sprintf("%04d-%02d-%02d%s%s", year, t.Month(), t.Day(), clock, era)
}

// intervalText writes each part of an interval with its sign, so that none is
// taken for that of another.
func intervalText(src []byte) string {
	us := int64(binary.BigEndian.Uint64(src))
	days, months := int32(binary.BigEndian.Uint32(src[8:])), int32(binary.BigEndian.Uint32(src[12:]))
	if us == math.MaxInt64 && days == math.MaxInt32 && months == math.MaxInt32 {
		return "infinity"
	}
	if us == math.MinInt64 && days == math.MinInt32 && months == math.MinInt32 {
		return "-infinity"
	}
	sign, abs := "+", uint64(us)
	if us < 0 {
		sign, abs = "-", -abs
	}
	seconds := abs / microsPerSecond
	return fmt.Sprintf("%+d mons %+d days %s%02d:%02d:%02d.%06d", months, days, sign, seconds/3600, seconds/60%60, seconds%60, abs%microsPerSecond)
}

// codecText leaves a value to the codec of its type, but for arrays and ranges,
// whose elements may be of any type.
func codecText(types *pgtype.Map, field *pgconn.FieldDescription, src []byte) (string, error) {
	t, ok := types.TypeForOID(field.DataTypeOID)
	if !ok {
		return "", fmt.Errorf("a value of type %d has no text that is known", field.DataTypeOID)
	}
	switch codec := t.Codec.(type) {
	case *pgtype.ArrayCodec:
		return serverArray(types, codec.ElementType.OID, src)
	case *pgtype.RangeCodec:
		return serverRange(types, codec.ElementType.OID, src)
	}
	v, err := t.Codec.DecodeDatabaseSQLValue(types, field.DataTypeOID, field.Format, src)
	if err != nil {
		return "", err
	}
	switch v := v.(type) {
	case string:
		return v, nil
	case bool:
		return strconv.FormatBool(v), nil
	case int64:
		return strconv.FormatInt(v, 10), nil
	}
	return "", fmt.Errorf("a value of type %s has no text that is known", t.Name)
}

// words reads an array or a range in binary format. Both are numbers of four
// bytes and, behind the length of each, elements in the format of their type:
//
//	array  dimensions, whether there are NULLs, type, size and lower bound of each, elements
//	range  one byte of flags, then the bounds that it has
//
// A length of -1 is a NULL. The server wrote all of it, so lengths are not
// checked.
type words struct {
	types   *pgtype.Map
	element pgconn.FieldDescription
	src     []byte
}

func elementsOf(types *pgtype.Map, oid uint32, src []byte) words {
	return words{types, pgconn.FieldDescription{DataTypeOID: oid, Format: pgtype.BinaryFormatCode}, src}
}

func (w *words) int32() int32 {
	n := int32(binary.BigEndian.Uint32(w.src))
	w.src = w.src[4:]
	return n
}

// write appends the next element, quoted, or what stands for NULL.
func (w *words) write(b *strings.Builder, null string) error {
	n := w.int32()
	if n < 0 {
		b.WriteString(null)
		return nil
	}
	text, err := ServerText(w.types, &w.element, w.src[:n])
	w.src = w.src[n:]
	quoteElement(b, text)
	return err
}

// serverArray writes an array with the bounds of its dimensions, which are part of
// its value.
func serverArray(types *pgtype.Map, oid uint32, src []byte) (string, error) {
	w := elementsOf(types, oid, src)
	sizes := make([]int, w.int32())
	if len(sizes) == 0 {
		return "{}", nil
	}
	w.src = w.src[8:] // whether there are NULLs, and the type of the elements
	var b strings.Builder
	for i := range sizes {
		sizes[i] = int(w.int32())
		low := int(w.int32())
		fmt.Fprintf(&b, "[%d:%d]", low, low+sizes[i]-1)
	}
	b.WriteByte('=')
	err := w.dimension(&b, sizes)
	return b.String(), err
}

func (w *words) dimension(b *strings.Builder, sizes []int) error {
	if len(sizes) == 0 {
		return w.write(b, "NULL")
	}
	b.WriteByte('{')
	for i := range sizes[0] {
		if i > 0 {
			b.WriteByte(',')
		}
		if err := w.dimension(b, sizes[1:]); err != nil {
			return err
		}
	}
	b.WriteByte('}')
	return nil
}

// What the first byte of a range says.
const (
	rangeEmpty         = 1
	rangeLowerIncluded = 2
	rangeUpperIncluded = 4
	rangeNoLower       = 8
	rangeNoUpper       = 16
)

// serverRange writes a range.
func serverRange(types *pgtype.Map, oid uint32, src []byte) (string, error) {
	flags := src[0]
	if flags&rangeEmpty != 0 {
		return "empty", nil
	}
	w := elementsOf(types, oid, src[1:])
	var b strings.Builder
	b.WriteByte("(["[flags&rangeLowerIncluded/rangeLowerIncluded])
	if flags&rangeNoLower == 0 {
		if err := w.write(&b, ""); err != nil {
			return "", err
		}
	}
	b.WriteByte(',')
	if flags&rangeNoUpper == 0 {
		if err := w.write(&b, ""); err != nil {
			return "", err
		}
	}
	b.WriteByte(")]"[flags&rangeUpperIncluded/rangeUpperIncluded])
	return b.String(), nil
}
