package meta

import (
	"bytes"
	"encoding/binary"
	"errors"

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
// call. After the last record it returns nil.
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
	// The first record says what the fields of all are. The count is checked
	// before anything is allocated for it: each field takes 8 bytes or more.
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

// fault returns the error for bytes that are cut off or of another form.
func (r *Records) fault() error { return errors.New("not an array of records in binary form") }

// tsvector reads the binary form of a tsvector: the number of lexemes, and for
// each its word, a zero byte, the number of positions and the positions, of
// which the upper two bits are the weight. A table that can be searched has one
// in each of its rows, and pgx's codec allocates for each word and each list of
// positions: 10 allocations for a product of the shop, where this makes 2. It
// reports false for bytes that are not of this form.
func (d *Decoder) tsvector(src []byte, dst *pgtype.TSVector) bool {
	lexemes, positions, ok := measureTSVector(src)
	if !ok {
		return false
	}
	v := pgtype.TSVector{Valid: true}
	if lexemes > 0 {
		v.Lexemes = make([]pgtype.TSVectorLexeme, lexemes)
	}
	all := make([]pgtype.TSVectorPosition, positions)
	src = src[4:]
	for i := range v.Lexemes {
		end := bytes.IndexByte(src, 0)
		v.Lexemes[i].Word = d.arena.string(src[:end])
		n := int(binary.BigEndian.Uint16(src[end+1:]))
		src = src[end+3:]
		if n == 0 {
			continue
		}
		for k := range n {
			packed := binary.BigEndian.Uint16(src[2*k:])
			all[k] = pgtype.TSVectorPosition{Position: packed & 0x3fff, Weight: pgtype.TSVectorWeight("DCBA"[packed>>14])}
		}
		v.Lexemes[i].Positions, all = all[:n:n], all[n:]
		src = src[2*n:]
	}
	*dst = v
	return true
}

// measureTSVector counts what a tsvector holds, and checks that it is whole.
func measureTSVector(src []byte) (lexemes, positions int, ok bool) {
	if len(src) < 4 {
		return 0, 0, false
	}
	lexemes = int(binary.BigEndian.Uint32(src))
	src = src[4:]
	for range lexemes {
		end := bytes.IndexByte(src, 0)
		if end < 0 || len(src) < end+3 {
			return 0, 0, false
		}
		n := int(binary.BigEndian.Uint16(src[end+1:]))
		src = src[end+3:]
		if len(src) < 2*n {
			return 0, 0, false
		}
		positions += n
		src = src[2*n:]
	}
	return lexemes, positions, len(src) == 0
}
