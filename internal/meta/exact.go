package meta

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"math"
	"reflect"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgtype"
)

// A value that a field cannot hold exactly is refused when it is read. It would
// be another one when the row is written back, and nothing would say so.

// fits returns why a value does not fit its field, "" if it does.
type fits func(types *pgtype.Map, format int16, src []byte) string

// fitsOf returns the check of values of type oid that pgx reads into a field
// though it may not hold them.
func fitsOf(types *pgtype.Map, c *Column, oid uint32) fits {
	t := c.value()
	switch {
	case t == durationType && oid == pgtype.IntervalOID:
		return fitsDuration
	case t.Kind() != reflect.Slice && t.Kind() != reflect.Array:
		return nil
	case implementsScan(t) && !strings.HasPrefix(t.String(), "pgtype.FlatArray["):
		return nil
	}
	known, ok := types.TypeForOID(oid)
	if ok {
		if _, ok = known.Codec.(*pgtype.ArrayCodec); !ok {
			return nil
		}
	}
	depth, element := 0, t
	for (element.Kind() == reflect.Slice || element.Kind() == reflect.Array) && element.Elem().Kind() != reflect.Uint8 {
		depth, element = depth+1, element.Elem()
	}
	if depth == 0 {
		return nil // bytes
	}
	durations := element == durationType || element == reflect.PointerTo(durationType)
	return func(types *pgtype.Map, format int16, src []byte) string {
		if n, ok := dimensionsOf(src, format); !ok || n > depth {
			return "an array with so many dimensions, or one that does not begin at 1, does not fit a field of type " + t.String() + ": use pgtype.Array"
		}
		if durations && ok {
			return fitDurations(types, oid, format, src)
		}
		return ""
	}
}

// dimensionsOf returns how many dimensions an array has, and reports whether
// each begins at 1.
func dimensionsOf(src []byte, format int16) (n int, ok bool) {
	if format == pgtype.TextFormatCode {
		for n < len(src) && src[n] == '{' {
			n++
		}
		return n, len(src) == 0 || src[0] != '['
	}
	if len(src) < 12 {
		return 0, true // pgx refuses it
	}
	n = int(int32(binary.BigEndian.Uint32(src)))
	for i := range n {
		if at := 12 + 8*i + 4; len(src) < at+4 || binary.BigEndian.Uint32(src[at:]) != 1 {
			return n, false
		}
	}
	return n, true
}

const noDuration = "an interval with months or days, whose length depends on where it is added, does not fit time.Duration, nor does one of more than 292 years: use pgtype.Interval"

func isDuration(v pgtype.Interval) bool {
	const most = math.MaxInt64 / 1000
	return v.Months == 0 && v.Days == 0 && v.Microseconds <= most && v.Microseconds >= -most
}

func fitsDuration(types *pgtype.Map, format int16, src []byte) string {
	var v pgtype.Interval
	if err := types.Scan(pgtype.IntervalOID, format, src, &v); err == nil && !isDuration(v) {
		return noDuration
	}
	return ""
}

func fitDurations(types *pgtype.Map, oid uint32, format int16, src []byte) string {
	var vs pgtype.FlatArray[pgtype.Interval]
	if err := types.Scan(oid, format, src, &vs); err != nil {
		return ""
	}
	for _, v := range vs {
		if v.Valid && !isDuration(v) {
			return noDuration
		}
	}
	return ""
}

// readReal reads a double precision. It reports false if no real is the same.
func readReal(src []byte, text bool, dst *float32) bool {
	var f float64
	if text {
		var err error
		if f, err = strconv.ParseFloat(string(src), 64); err != nil {
			return false
		}
	} else {
		f = math.Float64frombits(binary.BigEndian.Uint64(src))
	}
	*dst = float32(f)
	return float64(*dst) == f || f != f
}

// readUUID reads a uuid as text, with or without dashes, or its 16 bytes.
func readUUID(src []byte, dst *[16]byte) bool {
	if len(src) == 16 {
		copy(dst[:], src)
		return true
	}
	digits := bytes.ReplaceAll(bytes.TrimRight(src, " "), []byte("-"), nil)
	if len(digits) != 32 {
		return false
	}
	_, err := hex.Decode(dst[:], digits)
	return err == nil
}

// readBytea reads a bytea in text format: hexadecimal after \x, or with octal
// escapes, which does not begin so because a backslash is doubled there.
func readBytea(src []byte, dst *[]byte) bool {
	if bytes.HasPrefix(src, []byte(`\x`)) {
		b := make([]byte, hex.DecodedLen(len(src)-2))
		_, err := hex.Decode(b, src[2:])
		*dst = b
		return err == nil
	}
	b := make([]byte, 0, len(src))
	for i := 0; i < len(src); i++ {
		switch {
		case src[i] != '\\':
			b = append(b, src[i])
		case i+1 < len(src) && src[i+1] == '\\':
			b = append(b, '\\')
			i++
		case i+3 < len(src):
			n, err := strconv.ParseUint(string(src[i+1:i+4]), 8, 8)
			if err != nil {
				return false
			}
			b = append(b, byte(n))
			i += 3
		default:
			return false
		}
	}
	*dst = b
	return true
}

// readByteArray reads a bytea that has the length of dst.
func readByteArray(src []byte, text bool, dst []byte) bool {
	if text && !readBytea(src, &src) {
		return false
	}
	return copy(dst, src) == len(dst) && len(src) == len(dst)
}

// readable returns a value as pgx reads it: a bytea in text format, alone or in
// an array, with hexadecimal digits.
func (d *Decoder) readable(i int, src []byte) []byte {
	f := &d.fields[i]
	if src == nil || f.Format != pgtype.TextFormatCode {
		return src
	}
	switch f.DataTypeOID {
	case pgtype.ByteaOID:
		var b []byte
		if readBytea(src, &b) {
			return hexBytea(b)
		}
	case pgtype.ByteaArrayOID:
		var elements pgtype.Array[*string]
		if err := d.types.Scan(pgtype.TextArrayOID, f.Format, src, &elements); err != nil || len(elements.Dims) > 1 {
			return src
		}
		s, err := arrayText(len(elements.Elements), false, func(i int) (string, bool, error) {
			e := elements.Elements[i]
			var b []byte
			if e == nil || !readBytea([]byte(*e), &b) {
				return "", true, nil
			}
			return string(hexBytea(b)), false, nil
		})
		if err == nil {
			return []byte(s)
		}
	}
	return src
}

func hexBytea(b []byte) []byte { return hex.AppendEncode([]byte(`\x`), b) }

// hasStyle reports whether the text of a type depends on DateStyle or
// IntervalStyle.
func hasStyle(oid uint32) bool {
	switch oid {
	case pgtype.DateOID, pgtype.TimestampOID, pgtype.TimestamptzOID, pgtype.IntervalOID,
		pgtype.DateArrayOID, pgtype.TimestampArrayOID, pgtype.TimestamptzArrayOID, pgtype.IntervalArrayOID,
		pgtype.DaterangeOID, pgtype.TsrangeOID, pgtype.TstzrangeOID:
		return true
	}
	return false
}
