package meta_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"testing"
	"unsafe"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/meta"
)

// documented has documents, as text and as bytes.
type documented struct {
	Raw   json.RawMessage `db:"raw"`
	Bytes []byte          `db:"bytes"`
}

// documents are values of both columns, in each of the forms in which a server sends them.
func documents(n int) map[string]struct {
	fields []pgconn.FieldDescription
	rows   [][][]byte
} {
	type forms = struct {
		fields []pgconn.FieldDescription
		rows   [][][]byte
	}
	all := map[string]forms{}
	for name, f := range map[string]pgconn.FieldDescription{
		"text of jsonb":   {DataTypeOID: pgtype.JSONBOID, Format: pgtype.TextFormatCode},
		"text of json":    {DataTypeOID: pgtype.JSONOID, Format: pgtype.TextFormatCode},
		"binary of jsonb": {DataTypeOID: pgtype.JSONBOID, Format: pgtype.BinaryFormatCode},
		"binary of json":  {DataTypeOID: pgtype.JSONOID, Format: pgtype.BinaryFormatCode},
	} {
		form := forms{fields: []pgconn.FieldDescription{f, f}}
		for i := range n {
			value := fmt.Appendf(nil, `{"city": "Berlin", "number": %d}`, i)
			if name == "binary of jsonb" {
				value = append([]byte{1}, value...)
			}
			form.rows = append(form.rows, [][]byte{value, value})
		}
		all[name] = form
	}
	return all
}

// Documents are copied in few chunks, and none is written over by what is appended to another.
func TestDocumentsShareChunks(t *testing.T) {
	const rows, most = 100, 12
	columns := check.Value(meta.Of(reflect.TypeFor[documented]()))(t).Columns
	for name, form := range documents(rows) {
		types, got := pgtype.NewMap(), make([]documented, rows)
		read := func() {
			var d meta.Decoder
			d.InitFields("t", meta.TargetsOf(columns, 0), types, form.fields)
			for i, values := range form.rows {
				check.NoError(t, d.Values(values, unsafe.Pointer(&got[i])))
			}
		}
		read()
		if n := testing.AllocsPerRun(5, read); n > most && !check.Race { // which allocates by itself
			t.Errorf("%s: %v allocations for %d rows, more than %d", name, n, rows, most)
		}
		for i := range got {
			got[i].Raw, got[i].Bytes = append(got[i].Raw, '!'), append(got[i].Bytes, '?')
		}
		for i := range got {
			want := fmt.Sprintf(`{"city": "Berlin", "number": %d}`, i)
			check.Same(t, fmt.Sprintf("%s: row %d", name, i), [2]string{string(got[i].Raw), string(got[i].Bytes)}, [2]string{want + "!", want + "?"})
		}
	}
}
