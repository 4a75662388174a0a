package meta

import (
	"encoding/binary"
	"math"
	"reflect"
	"time"
	"unsafe"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/traced"
)

// Target is where one column of a result goes: a column and how far the struct
// that it belongs to lies inside the row.
type Target struct {
	Column *Column
	Base   uintptr
}

// Decoder reads the rows of one result into structs. It is used for one result
// and then dropped; what it learns of the result's types costs a comparison
// for each column.
type Decoder struct {
	table  string
	skip   int // leading columns that are not this decoder's
	n      int // number of steps
	types  *pgtype.Map
	fields []pgconn.FieldDescription
	buffer [maxInline]step
	more   []step // in place of buffer, for wider rows
	arena  arena
	single bool
	values slab
	took   traced.Decoding
}

// maxInline is how many steps a decoder has room for in itself. Most tables
// have fewer columns, so most results need no allocation for their steps.
const maxInline = 16

// Init readies d for rows, whose columns go to targets in order. With single
// the strings of the first row share one allocation of exactly their size.
func (d *Decoder) Init(table string, targets []Target, rows pgx.Rows, single bool) {
	d.single = single
	d.InitFrom(table, targets, rows, 0)
}

// InitFrom does what Init does for rows whose first skip columns go elsewhere.
func (d *Decoder) InitFrom(table string, targets []Target, rows pgx.Rows, skip int) {
	d.skip = skip
	d.took = traced.Decode(rows)
	d.InitFields(table, targets, rows.TypeMap(), rows.FieldDescriptions()[skip:])
}

// InitFields readies d for values with the given types and formats.
func (d *Decoder) InitFields(table string, targets []Target, types *pgtype.Map, fields []pgconn.FieldDescription) {
	d.table, d.types, d.fields = table, types, fields
	d.n = len(targets)
	if d.n > maxInline {
		d.more = make([]step, d.n)
	}
	steps := d.steps()
	for i := range targets {
		t := &targets[i]
		steps[i] = step{offset: t.Base + t.Column.Offset, column: t.Column}
		steps[i].resolve(types, &fields[i])
	}
}

// Apart makes the next row share no memory with the rows before it. Rows of one
// result share chunks, which is cheap as long as they are kept or dropped
// together; rows that go to different callers are not.
func (d *Decoder) Apart() {
	d.single = true
	d.arena, d.values = arena{}, slab{}
}

// Scans reports whether a value goes to a type that scans itself, and may keep what it
// is given.
func (d *Decoder) Scans() bool {
	for i := range d.steps() {
		if d.steps()[i].op == opScan {
			return true
		}
	}
	return false
}

// steps returns the steps. They are no field of their own: a decoder that
// pointed into itself would live on the heap, 1 KB for each result.
func (d *Decoder) steps() []step {
	if d.more != nil {
		return d.more
	}
	return d.buffer[:d.n]
}

// Row decodes the current row of rows into the struct at p.
func (d *Decoder) Row(rows pgx.Rows, p unsafe.Pointer) error {
	d.took.Row()
	values := rows.RawValues()[d.skip:]
	err := d.Values(values, p)
	d.took.Done(d.fields, values)
	return err
}

// Values decodes one value for each target into the struct at p.
func (d *Decoder) Values(values [][]byte, p unsafe.Pointer) error {
	if d.single {
		d.reserve(values)
	}
	steps := d.steps()
	for i := range steps {
		s := &steps[i]
		src := values[i]
		if src == nil {
			// A NULL in a field that cannot hold one is an error and not the
			// zero value: the program would take it for a value of the row.
			// A type that scans itself is given the NULL further down.
			if !s.column.Nullable {
				return d.fault(s, smrt.ErrNullValue)
			}
			if s.op != opScan {
				s.setNull(unsafe.Add(p, s.offset))
				continue
			}
		}
		dst := unsafe.Add(p, s.offset)
		if s.op == opScan {
			if err := d.scan(i, s, src, dst); err != nil {
				return err
			}
			continue
		}
		// A pointer field gets a new pointee each time. Storing into the old one
		// would change a value that the program may have taken from an earlier
		// read of the same entity.
		if s.column.Ptr {
			dst = d.values.pointee(s, dst)
		}
		if !d.decode(s, src, dst) {
			return d.slow(i, s, src, p)
		}
	}
	return nil
}

// reserve sizes the arena for one row.
func (d *Decoder) reserve(values [][]byte) {
	n := 0
	for i, s := range d.steps() {
		if s.op == opText || s.op == opDocument {
			n += len(values[i])
		}
	}
	d.arena.reserve(n)
	d.single = false
}

// decode stores the value src at dst. It reports false for what it does not
// know, such as an infinite date.
func (d *Decoder) decode(s *step, src []byte, dst unsafe.Pointer) bool {
	switch s.op {
	case opBool:
		*(*bool)(dst) = src[0] != 0
	case opInt16:
		*(*int16)(dst) = int16(readInt(src, s.wire))
	case opInt32:
		*(*int32)(dst) = int32(readInt(src, s.wire))
	case opInt64:
		*(*int64)(dst) = readInt(src, s.wire)
	case opFloat32:
		*(*float32)(dst) = math.Float32frombits(binary.BigEndian.Uint32(src))
	case opFloat64:
		if s.wire == 4 {
			*(*float64)(dst) = float64(math.Float32frombits(binary.BigEndian.Uint32(src)))
		} else {
			*(*float64)(dst) = math.Float64frombits(binary.BigEndian.Uint64(src))
		}
	case opText:
		if field := (*string)(dst); *field != string(src) { // mostly equal where what was written comes back
			*field = d.arena.string(src)
		}
	case opBytes:
		*(*[]byte)(dst) = append(make([]byte, 0, len(src)), src...)
	case opDocument:
		*(*[]byte)(dst) = d.arena.bytes(src)
	case opJSONB:
		if src[0] != 1 {
			return false
		}
		*(*[]byte)(dst) = d.arena.bytes(src[1:])
	case opTimestamp:
		return readTime(src, s.loc, (*time.Time)(dst))
	case opDate:
		return readDate(src, (*time.Time)(dst))
	case opUUID:
		copy((*[16]byte)(dst)[:], src)
	case opTSVector:
		return d.tsvector(src, (*pgtype.TSVector)(dst))
	case opFloat32Of8:
		return readReal(src, s.text, (*float32)(dst))
	case opUUIDOther:
		return readUUID(src, (*[16]byte)(dst))
	case opByteaText:
		return readBytea(src, (*[]byte)(dst))
	case opByteArray:
		return readByteArray(src, s.text, unsafe.Slice((*byte)(dst), s.column.value().Len()))
	case opRefused:
		return false
	}
	return true
}

// readInt reads a number of as many bytes as the column's type has. The sign
// must be extended from that width, hence the two conversions.
func readInt(src []byte, wire uint8) int64 {
	switch wire {
	case 2:
		return int64(int16(binary.BigEndian.Uint16(src)))
	case 4:
		return int64(int32(binary.BigEndian.Uint32(src)))
	}
	return int64(binary.BigEndian.Uint64(src))
}

// PostgreSQL counts microseconds and days from 2000-01-01.
const (
	epochSeconds    = 946684800
	microsPerSecond = 1_000_000
)

// readTime reads a timestamp. It reports false for infinity, which is the
// largest or smallest count and would otherwise be a time like any other.
func readTime(src []byte, loc *time.Location, dst *time.Time) bool {
	us := int64(binary.BigEndian.Uint64(src))
	if us == math.MaxInt64 || us == math.MinInt64 {
		return false
	}
	sec, frac := us/microsPerSecond, us%microsPerSecond
	*dst = time.Unix(epochSeconds+sec, frac*1000).In(loc)
	return true
}

// readDate reads a date as midnight in UTC. It reports false for infinity.
func readDate(src []byte, dst *time.Time) bool {
	days := int32(binary.BigEndian.Uint32(src))
	if days == math.MaxInt32 || days == math.MinInt32 {
		return false
	}
	*dst = time.Date(2000, 1, 1+int(days), 0, 0, 0, 0, time.UTC)
	return true
}

// scan leaves a value to pgx's codecs.
func (d *Decoder) scan(i int, s *step, src []byte, dst unsafe.Pointer) error {
	field := reflect.NewAt(s.column.Type, dst).Interface()
	if s.fits != nil && src != nil {
		if reason := s.fits(d.types, d.fields[i].Format, src); reason != "" {
			e := d.fault(s, smrt.ErrOutOfRange)
			e.Reason = reason
			return e
		}
	}
	if s.plan == nil {
		f := &d.fields[i]
		s.plan = d.types.PlanScan(f.DataTypeOID, f.Format, field)
	}
	if err := s.plan.Scan(d.readable(i, src), field); err != nil {
		e := d.fault(s, s.misfit(d.fields[i].DataTypeOID))
		e.Reason = "the column's value does not fit a field of type " + s.column.Type.String()
		if s.text && hasStyle(d.fields[i].DataTypeOID) {
			e.Reason += ", or the session shows such values in a style of its own: in text form they are read in DateStyle ISO and IntervalStyle postgres"
		}
		e.Cause = err
		return e
	}
	return nil
}

// misfit is what it means that a value of a type does not fit the field: a number
// is too large for a field that is one, and everything else is of another type.
func (s *step) misfit(oid uint32) error {
	switch oid {
	case pgtype.Int2OID, pgtype.Int4OID, pgtype.Int8OID, pgtype.Float4OID, pgtype.Float8OID, pgtype.NumericOID,
		pgtype.DateOID, pgtype.TimestampOID, pgtype.TimestamptzOID:
		switch s.column.Kind {
		case KindInt16, KindInt32, KindInt64, KindFloat32, KindFloat64, KindTime, KindOther:
			return smrt.ErrOutOfRange
		}
	}
	return smrt.ErrWrongType
}

// slow reads a value that decode does not know. Such a value is rare, so pgx's
// codec is planned only when the first one occurs.
func (d *Decoder) slow(i int, s *step, src []byte, p unsafe.Pointer) error {
	dst := unsafe.Add(p, s.offset)
	switch s.op {
	case opTimestamp, opDate:
		e := d.fault(s, smrt.ErrOutOfRange)
		e.Reason = "an infinite date does not fit time.Time: use pgtype.Timestamptz or pgtype.Date"
		return e
	case opFloat32Of8, opRefused, opUUIDOther, opByteaText, opByteArray:
		e := d.fault(s, smrt.ErrWrongType)
		if s.op == opFloat32Of8 {
			e.Err = smrt.ErrOutOfRange
		}
		e.Reason = "a field of type " + s.column.Type.String() + " does not hold the column's value exactly"
		return e
	}
	return d.scan(i, s, src, dst)
}

// fault returns the error of a value. It has the column and never the value.
func (d *Decoder) fault(s *step, sentinel error) *smrt.ValueError {
	return &smrt.ValueError{Table: d.table, Column: s.column.Name, Row: -1, Offset: -1, Err: sentinel}
}
