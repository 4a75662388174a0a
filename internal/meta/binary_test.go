package meta_test

import (
	"reflect"
	"testing"
	"unsafe"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/smrt-go/smrt/internal/meta"
)

// searchable has a column that a table with full-text search has.
type searchable struct {
	Search pgtype.TSVector `db:"search"`
}

// decodeTSVector reads binary bytes into a searchable.
func decodeTSVector(t *testing.T, src []byte) (searchable, error) {
	t.Helper()
	s, err := meta.Of(reflect.TypeFor[searchable]())
	if err != nil {
		t.Fatal(err)
	}
	var d meta.Decoder
	d.InitFields("t", meta.TargetsOf(s.Columns, 0), pgtype.NewMap(),
		[]pgconn.FieldDescription{{DataTypeOID: pgtype.TSVectorOID, Format: pgtype.BinaryFormatCode}})
	var v searchable
	return v, d.Values([][]byte{src}, unsafe.Pointer(&v))
}

// TestTSVectorAsPgxReadsIt compares the decoder with pgx's codec.
func TestTSVectorAsPgxReadsIt(t *testing.T) {
	types := pgtype.NewMap()
	for _, want := range []pgtype.TSVector{
		{Valid: true},
		{Valid: true, Lexemes: []pgtype.TSVectorLexeme{{Word: "alone"}}},
		{Valid: true, Lexemes: []pgtype.TSVectorLexeme{
			{Word: "a", Positions: []pgtype.TSVectorPosition{{Position: 1, Weight: 'A'}, {Position: 2, Weight: 'B'}}},
			{Word: "none"},
			{Word: "\u00e9", Positions: []pgtype.TSVectorPosition{{Position: 3, Weight: 'C'}, {Position: 16383, Weight: 'D'}}},
		}},
	} {
		src, err := types.Encode(pgtype.TSVectorOID, pgtype.BinaryFormatCode, want, nil)
		if err != nil {
			t.Fatal(err)
		}
		var plain pgtype.TSVector
		if err := types.Scan(pgtype.TSVectorOID, pgtype.BinaryFormatCode, src, &plain); err != nil {
			t.Fatal(err)
		}
		got, err := decodeTSVector(t, src)
		if err != nil || !reflect.DeepEqual(got.Search, plain) {
			t.Errorf("got %+v (%v), pgx reads %+v", got.Search, err, plain)
		}
		for n := range src {
			if _, err := decodeTSVector(t, src[:n]); err == nil && n > 0 {
				t.Errorf("%d of %d bytes were accepted", n, len(src))
			}
		}
	}
	if got, err := decodeTSVector(t, nil); err != nil || got.Search.Valid {
		t.Errorf("NULL is %+v (%v)", got.Search, err)
	}
}

// TestRecordsThatAreCutOff reads every beginning of an array of two records.
func TestRecordsThatAreCutOff(t *testing.T) {
	record := []byte{0, 0, 0, 24, 0, 0, 0, 2, 0, 0, 0, 23, 0, 0, 0, 4, 0, 0, 0, 7, 0, 0, 0, 25, 0xff, 0xff, 0xff, 0xff}
	src := append([]byte{0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 8, 0xc9, 0, 0, 0, 2, 0, 0, 0, 1}, append(record, record...)...)
	read := func(src []byte) (n int, err error) {
		var r meta.Records
		if _, err := r.Open(src); err != nil {
			return 0, err
		}
		for {
			values, err := r.Next()
			if values == nil || err != nil {
				return n, err
			}
			if len(values) != 2 || string(values[0]) != "\x00\x00\x00\x07" || values[1] != nil {
				t.Fatalf("record %d is %v", n, values)
			}
			n++
		}
	}
	if n, err := read(src); n != 2 || err != nil {
		t.Errorf("%d records, %v", n, err)
	}
	for n := range src {
		if _, err := read(src[:n]); err == nil {
			t.Errorf("%d of %d bytes were accepted", n, len(src))
		}
	}
}
