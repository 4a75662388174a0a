package meta

import (
	"encoding/binary"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
)

// Records reads a column that is an array of records in binary form, as
// array_send and record_send of PostgreSQL write it.
type Records struct {
	src    []byte
	left   int
	values [][]byte
	Fields []pgconn.FieldDescription // of the records, once one has been read
}

// Open begins with the array src. It returns the number of records.
func (r *Records) Open(src []byte) (int, error) {
	r.src, r.left = src, 0
	if len(src) < 12 {
		return 0, r.fault()
	}
	dimensions := binary.BigEndian.Uint32(src)
	r.src = src[12:] // dimensions, whether there are NULLs, type of the elements
	switch dimensions {
	case 0:
		return 0, nil
	case 1:
		if len(r.src) < 8 {
			return 0, r.fault()
		}
		r.left = int(binary.BigEndian.Uint32(r.src))
		r.src = r.src[8:] // length, lower bound
		return r.left, nil
	}
	return 0, r.fault()
}

// Next returns the values of the next record, which are good until the next
// call. It returns nil behind the last.
func (r *Records) Next() ([][]byte, error) {
	if r.left == 0 {
		return nil, nil
	}
	r.left--
	if _, err := r.length(); err != nil { // of the record
		return nil, err
	}
	if len(r.src) < 4 {
		return nil, r.fault()
	}
	n := int(binary.BigEndian.Uint32(r.src))
	r.src = r.src[4:]
	first := r.Fields == nil
	if first {
		if n > len(r.src)/8 {
			return nil, r.fault()
		}
		r.Fields, r.values = make([]pgconn.FieldDescription, n), make([][]byte, n)
	}
	if n != len(r.Fields) {
		return nil, r.fault()
	}
	for i := range n {
		if len(r.src) < 4 {
			return nil, r.fault()
		}
		if first {
			r.Fields[i] = pgconn.FieldDescription{DataTypeOID: binary.BigEndian.Uint32(r.src), Format: pgtype.BinaryFormatCode}
		}
		r.src = r.src[4:]
		size, err := r.length()
		if err != nil {
			return nil, err
		}
		if size < 0 {
			r.values[i] = nil
			continue
		}
		r.values[i], r.src = r.src[:size:size], r.src[size:]
	}
	return r.values, nil
}

// length reads the length of what follows, -1 for NULL.
func (r *Records) length() (int, error) {
	if len(r.src) < 4 {
		return 0, r.fault()
	}
	n := int(int32(binary.BigEndian.Uint32(r.src)))
	r.src = r.src[4:]
	if n > len(r.src) {
		return 0, r.fault()
	}
	return n, nil
}

func (r *Records) fault() error { return fmt.Errorf("smrt: not an array of records in binary form") }
