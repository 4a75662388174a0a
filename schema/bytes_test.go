package schema_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
	"github.com/smrt-go/smrt/schema"
)

// TestBytes compares what Verify says of a []byte with what a server makes of one, on types that are texts and bytes by
// themselves and as domains.
func TestBytes(t *testing.T) {
	type row struct {
		ID   int64
		Data []byte
	}
	table := query.NewTable("held", func(r *row) *int64 { return &r.ID })
	for _, typ := range []string{"text", "note", "varchar(9)", "bytea", "blob", "blobs"} {
		t.Run(typ, func(t *testing.T) {
			testdb.InEachMode(t, func(t *testing.T, mode testdb.Option) {
				t.Parallel()
				ctx, pool := t.Context(), testdb.Pool(t, testdb.Empty, mode)
				check.Value(pool.Exec(ctx, "CREATE DOMAIN note AS text; CREATE DOMAIN blob AS bytea; CREATE DOMAIN blobs AS blob CHECK (length(value) < 9); CREATE TABLE held (id bigserial PRIMARY KEY, data "+typ+" NOT NULL)"))(t)
				found := check.Value(schema.Verify(ctx, pool, table))(t)
				accepted := true
				for _, f := range found {
					accepted = accepted && f.Level < schema.Warning
				}
				// A domain of texts takes no bytes in any mode, and texts take them in most.
				check.Same(t, "accepted", accepted, strings.HasPrefix(typ, "b"))
				check.Same(t, "a fault", slices.ContainsFunc(found, func(f schema.Finding) bool { return f.Level == schema.Fault }), typ == "note")
				for _, data := range [][]byte{[]byte("a"), {}, {0xff, 0x00}, []byte(`\x61`)} {
					r, written := repo.New(pool, table), row{Data: data}
					err := r.Create(ctx, &written)
					holds := err == nil
					if holds {
						read, err := r.Get(ctx, written.ID)
						holds = err == nil && bytes.Equal(read.Data, data)
					}
					if accepted && !holds {
						t.Errorf("%q is not what comes back, and Verify says %v", data, found)
					}
				}
			})
		})
	}
}
