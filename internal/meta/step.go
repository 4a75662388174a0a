package meta

import (
	"time"
	"unsafe"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
)

// op is how a step reads its value. The wire's type decides as well as the
// field's: an int64 field may be read from an int4.
type op uint8

const (
	opScan op = iota // pgx's codecs
	opBool
	opInt16
	opInt32
	opInt64
	opFloat32
	opFloat64
	opText
	opDocument
	opJSONB
	opBytes
	opTimestamp
	opDate
	opUUID
	opTSVector
	opFloat32Of8 // a double precision, which must be the same as a real
	opUUIDOther  // the text of a uuid, or its bytes
	opByteaText  // either form of bytea_output
	opByteArray  // a bytea of a fixed length
	opRefused    // the field's type is no type for the column's
)

// step reads one column of a row. It is chosen once for a result, by resolve,
// and not again for each row.
type step struct {
	offset uintptr
	column *Column
	op     op
	wire   uint8 // bytes on the wire of a number
	text   bool  // the value came in text format
	plan   pgtype.ScanPlan
	loc    *time.Location
	fits   fits // of what pgx reads; nil: it refuses by itself what does not fit
}

// resolve chooses how the values of a field are read. Whatever is not certain
// is left to pgx: opScan is the zero value.
func (s *step) resolve(types *pgtype.Map, f *pgconn.FieldDescription) {
	s.text = f.Format == pgtype.TextFormatCode
	if s.resolveOther(types, f) || s.text {
		return
	}
	switch s.column.Kind {
	case KindBool:
		if f.DataTypeOID == pgtype.BoolOID {
			s.op = opBool
		}
	case KindInt16, KindInt32, KindInt64:
		s.resolveInt(f.DataTypeOID)
	case KindFloat32:
		switch f.DataTypeOID {
		case pgtype.Float4OID:
			s.op = opFloat32
		case pgtype.Float8OID:
			s.op = opFloat32Of8
		}
	case KindFloat64:
		switch f.DataTypeOID {
		case pgtype.Float4OID:
			s.op, s.wire = opFloat64, 4
		case pgtype.Float8OID:
			s.op, s.wire = opFloat64, 8
		}
	case KindString:
		switch f.DataTypeOID {
		case pgtype.TextOID, pgtype.VarcharOID, pgtype.BPCharOID, pgtype.NameOID:
			s.op = opText
		}
	case KindJSON:
		s.resolveJSON(f.DataTypeOID)
	case KindBytes:
		if f.DataTypeOID == pgtype.ByteaOID {
			s.op = opBytes
		} else {
			s.resolveJSON(f.DataTypeOID)
		}
	case KindTime:
		s.resolveTime(types, f.DataTypeOID)
	case KindUUID:
		if f.DataTypeOID == pgtype.UUIDOID {
			s.op = opUUID
		}
	case KindTSVector:
		if f.DataTypeOID == pgtype.TSVectorOID {
			s.op = opTSVector
		}
	}
}

// moneyOID is that of money, which pgx has no codec for.
const moneyOID = 790

// resolveOther chooses for values in text format, and where pgx would read a
// value that the field does not hold exactly, so that another one would be
// written back. It reports whether it has chosen.
func (s *step) resolveOther(types *pgtype.Map, f *pgconn.FieldDescription) bool {
	oid := f.DataTypeOID
	switch s.column.Kind {
	case KindString:
		switch {
		case oid == pgtype.TSVectorOID, oid == moneyOID:
			s.op = opRefused // a document by its words; an amount as the session's locale shows it
		case s.text:
			s.op = opText // any other type in text format
		}
		return s.op != opScan
	case KindUUID:
		switch oid {
		case pgtype.TextOID, pgtype.VarcharOID, pgtype.BPCharOID, pgtype.ByteaOID:
			if s.op = opUUIDOther; oid == pgtype.ByteaOID && s.text {
				s.op = opScan
			}
			return true
		}
	case KindJSON, KindBytes:
		switch {
		case s.text && oid == pgtype.ByteaOID && s.column.Kind == KindBytes:
			s.op = opByteaText
			return true
		case s.text: // as pgx asks for documents, to parse them twice before it copies them
			if s.resolveJSON(oid); s.op != opScan {
				return true
			}
		}
	case KindOther:
		if t := s.column.value(); oid == pgtype.ByteaOID && isByteArray(t) && !implementsScan(t) {
			s.op = opByteArray
			return true
		}
	case KindFloat32:
		if s.text && oid == pgtype.Float8OID {
			s.op = opFloat32Of8
			return true
		}
	}
	s.fits = fitsOf(types, s.column, oid)
	return false
}

func (s *step) resolveInt(oid uint32) {
	var field uint8
	var o op
	switch s.column.Kind {
	case KindInt16:
		field, o = 2, opInt16
	case KindInt32:
		field, o = 4, opInt32
	default:
		field, o = 8, opInt64
	}
	switch oid {
	case pgtype.Int2OID:
		s.wire = 2
	case pgtype.Int4OID:
		s.wire = 4
	case pgtype.Int8OID:
		s.wire = 8
	default:
		return
	}
	if s.wire <= field { // a narrower field is pgx's to check
		s.op = o
	}
}

// resolveJSON reads a document as the text it is. The binary form of a jsonb has a
// version in front of that.
func (s *step) resolveJSON(oid uint32) {
	switch {
	case oid == pgtype.JSONOID, oid == pgtype.JSONBOID && s.text:
		s.op = opDocument
	case oid == pgtype.JSONBOID:
		s.op = opJSONB
	}
}

// resolveTime honours the location that a program may have set on the codecs
// of its connections.
func (s *step) resolveTime(types *pgtype.Map, oid uint32) {
	switch oid {
	case pgtype.DateOID:
		s.op = opDate
	case pgtype.TimestampOID:
		t, _ := types.TypeForOID(oid)
		if c, ok := t.Codec.(*pgtype.TimestampCodec); ok && c.ScanLocation == nil {
			s.op, s.loc = opTimestamp, time.UTC
		}
	case pgtype.TimestamptzOID:
		t, _ := types.TypeForOID(oid)
		if c, ok := t.Codec.(*pgtype.TimestamptzCodec); ok {
			s.op, s.loc = opTimestamp, c.ScanLocation
			if s.loc == nil {
				s.loc = time.Local
			}
		}
	}
}

// setNull clears the field at dst, which is a pointer or a slice of bytes. It
// may hold an older value: writes read columns back into their entity.
func (s *step) setNull(dst unsafe.Pointer) {
	switch {
	case s.column.Ptr:
		*(*unsafe.Pointer)(dst) = nil
	case s.op == opTSVector:
		*(*pgtype.TSVector)(dst) = pgtype.TSVector{}
	default:
		*(*[]byte)(dst) = nil
	}
}
