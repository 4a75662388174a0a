package meta

import (
	"fmt"
	"reflect"
	"unsafe"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
)

// Fits reports whether the values of a type can be read into the field of c, and
// values of the field be sent as that type, in either format of the wire. A domain is
// given with the type below it, an enum with text, another type twice. Of a type that
// pgx does not know everything is said to be read that pgx might read. Which values of the type fit is
// another question: an int64 fits an integer.
//
// It plans as the decoder and pgx do, and writes to what types remembers, so the
// connection that types belongs to must not be in use elsewhere.
func (c *Column) Fits(types *pgtype.Map, declared, base uint32) (reads, writes bool) {
	reads = true
	for _, format := range []int16{types.FormatCodeForOID(base), pgtype.TextFormatCode} {
		reads = reads && c.reads(types, base, format)
	}
	return reads, c.writes(types, declared, base)
}

// The plans of pgx are of types that it does not export. TestFits fails if they have
// other names.
const (
	planFails   = "*pgtype.scanPlanFail"
	planScanner = "*pgtype.scanPlanCodecSQLScanner" // the field has the method of sql.Scanner
)

func (c *Column) reads(types *pgtype.Map, oid uint32, format int16) bool {
	if c.Kind == KindJSON && !isJSONText[oid] {
		return false
	}
	s := step{column: c}
	s.resolve(types, &pgconn.FieldDescription{DataTypeOID: oid, Format: format})
	switch s.op {
	case opRefused:
		return false
	case opScan:
		field := reflect.New(c.Type)
		switch plan := types.PlanScan(oid, format, field.Interface()); fmt.Sprintf("%T", plan) {
		case planFails:
			return false
		case planScanner:
			return c.scansSample(types, oid, format)
		}
	}
	return true
}

// samples are values of types in text format. Numbers, times and uuids are not read
// from the text.
var samples = map[uint32]string{
	pgtype.BoolOID: "t", pgtype.Int2OID: "5", pgtype.Int4OID: "5", pgtype.Int8OID: "5", pgtype.Float4OID: "5", pgtype.Float8OID: "5", pgtype.NumericOID: "5",
	pgtype.TextOID: "a", pgtype.VarcharOID: "a", pgtype.BPCharOID: "a", pgtype.ByteaOID: `\x61`, pgtype.UUIDOID: "00000000-0000-0000-0000-000000000005",
	pgtype.DateOID: "2026-01-05", pgtype.TimeOID: "05:00:00", pgtype.TimestampOID: "2026-01-05 00:00:00", pgtype.TimestamptzOID: "2026-01-05 00:00:00+00",
	pgtype.IntervalOID: "00:00:05", pgtype.JSONOID: `{"a": 5}`, pgtype.JSONBOID: `{"a": 5}`, pgtype.InetOID: "10.0.0.5", pgtype.CIDROID: "10.0.0.0/8",
	pgtype.PointOID: "(5,5)", pgtype.BitOID: "101", pgtype.Int4rangeOID: "[5,6)", pgtype.TSVectorOID: "'five':5", pgtype.XMLOID: "<a/>",
	pgtype.TextArrayOID: "{a}", pgtype.Int8ArrayOID: "{5}", pgtype.BoolArrayOID: "{t}", pgtype.TimestamptzArrayOID: `{"2026-01-05 00:00:00+00"}`,
}

// isJSONText has the types whose values are JSON in text format, all or some of them.
var isJSONText = map[uint32]bool{
	pgtype.JSONOID: true, pgtype.JSONBOID: true, pgtype.TextOID: true, pgtype.VarcharOID: true, pgtype.BPCharOID: true, pgtype.ByteaOID: true,
	pgtype.Int2OID: true, pgtype.Int4OID: true, pgtype.Int8OID: true, pgtype.Float4OID: true, pgtype.Float8OID: true, pgtype.NumericOID: true,
}

// scansSample reports whether a type with a Scan method of its own reads a value. Only
// those of pgx and database/sql are asked, which take any value of a type or none:
// another one may take a few.
func (c *Column) scansSample(types *pgtype.Map, oid uint32, format int16) bool {
	sample, ok := samples[oid]
	known, isKnown := types.TypeForOID(oid)
	if isKnown && format == pgtype.BinaryFormatCode {
		switch known.Codec.(type) {
		case *pgtype.ArrayCodec, *pgtype.RangeCodec, *pgtype.MultirangeCodec:
			return false // it is given the bytes
		}
	}
	if pkg := c.value().PkgPath(); !ok || pkg != "github.com/jackc/pgx/v5/pgtype" && pkg != "database/sql" {
		return true
	}
	src := []byte(sample)
	if format == pgtype.BinaryFormatCode {
		v, err := known.Codec.DecodeValue(types, oid, pgtype.TextFormatCode, src)
		if err == nil {
			src, err = types.Encode(oid, format, v, nil)
		}
		if err != nil {
			return true
		}
	}
	return types.Scan(oid, format, src, reflect.New(c.Type).Interface()) == nil
}

// writes reports whether pgx sends the field's values. It sends those of most kinds
// as a text where it knows no other way, and the server refuses many of those.
func (c *Column) writes(types *pgtype.Map, oid, base uint32) bool {
	if _, known := types.TypeForOID(oid); !known && (c.Encode == KindBytes && base != pgtype.ByteaOID || c.value() == durationType && base != pgtype.IntervalOID) {
		return false // as the text of a bytea or of an interval
	}
	if c.value() == intervalType && base == pgtype.TimeOID {
		return false // as the text of an interval
	}
	value := NewColumn(c.Name, c.value(), 0)
	field := reflect.New(value.Type)
	if value.Type.Kind() == reflect.Slice {
		field.Elem().Set(reflect.MakeSlice(value.Type, 1, 1)) // nil would be NULL, which every type takes
	}
	arg, err := value.arg(unsafe.Pointer(field.Pointer()))
	if err != nil || arg == nil {
		return true // of a type that decides by the value
	}
	if number := value.number(); number != nil {
		arg = number
	}
	for _, format := range []int16{types.FormatCodeForOID(oid), pgtype.TextFormatCode} {
		if types.PlanEncode(oid, format, arg) != nil {
			return true
		}
	}
	return false
}

// number returns a value of a kind that is no text, as pgx sends it if not as a
// text; nil for other kinds.
func (c *Column) number() any {
	switch c.Encode {
	case KindBool:
		return false
	case KindInt16, KindInt32, KindInt64:
		return int64(0)
	case KindFloat32, KindFloat64:
		return float64(0)
	}
	return nil
}
