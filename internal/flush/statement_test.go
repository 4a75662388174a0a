package flush_test

import (
	"regexp"
	"strconv"
	"testing"
	"unsafe"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/flush"
	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/plan"
	"github.com/smrt-go/smrt/internal/table"
	"github.com/smrt-go/smrt/query"
)

type line struct {
	ID      int64
	Order   int64
	Pages   int64
	Version int64
}

var (
	lineOrder = query.Col(func(l *line) *int64 { return &l.Order })
	linePages = query.Col(func(l *line) *int64 { return &l.Pages })
	lines     = table.Of(query.NewTable("lines", func(l *line) *int64 { return &l.ID },
		query.Version(func(l *line) *int64 { return &l.Version })).Plan())
	plainLines = table.Of(query.NewTable("plain", func(l *line) *int64 { return &l.ID }).Plan())
)

// catalog is that of the tables.
var catalog = func() *table.Catalog {
	int8 := table.ColumnType{Base: pgtype.Int8OID, Name: "pg_catalog.int8"}
	return &table.Catalog{Columns: map[string]table.ColumnType{"id": int8, "order": int8, "pages": int8, "version": int8}}
}()

// sets assigns a page.
var sets = []plan.Set{linePages.Set(9).Plan()}

// step completes a step with rows.
func step(s flush.Step, ls ...line) flush.Step {
	if s.Table == nil {
		s.Table = lines
	}
	s.Catalog = catalog
	s.Rows = s.Table.Copies(len(ls))
	for i := range ls {
		s.Table.CopyEntity(s.Rows.At(i), unsafe.Pointer(&ls[i]))
	}
	for i := range s.Refs {
		s.Refs[i].Type = "pg_catalog.int8"
		for range ls {
			s.Refs[i].At = append(s.Refs[i].At, 1)
		}
	}
	return s
}

// insert is a step that inserts lines whose orders may have their keys in a
// setting.
func insert(t *testing.T, setting string, refs []flush.Ref, ls ...line) flush.Step {
	t.Helper()
	var columns []*meta.Column
	for _, r := range refs {
		columns = append(columns, r.Column)
	}
	shape, err := flush.AppendShape(nil, plainLines, unsafe.Pointer(&ls[0]), columns, nil)
	check.NoError(t, err)
	return step(flush.Step{Kind: flush.Insert, Table: plainLines, Shape: shape, Setting: setting, Refs: refs}, ls...)
}

// TestStatements pins the text of each kind of statement, and proves that the
// arguments are as many as the text names: the text and the arguments are made by
// two methods, which must agree on the order.
func TestStatements(t *testing.T) {
	ref := func() []flush.Ref { return []flush.Ref{{Column: lineOrder.Plan(), Setting: "smrt.k1"}} }
	one, two := line{ID: 1, Order: 2, Pages: 3, Version: 4}, line{ID: 5, Order: 6, Pages: 7, Version: 8}
	for _, c := range []struct {
		what string
		step flush.Step
		args int
		sql  string
	}{
		{"insert one", insert(t, "", nil, one), 4, `INSERT INTO "plain" ("id", "order", "pages", "version") VALUES ($1, $2, $3, $4)`},
		{
			"insert one with a reference", insert(t, "", ref(), one), 5,
			`INSERT INTO "plain" ("id", "order", "pages", "version") VALUES ($1, ((SELECT current_setting($5)::pg_catalog.int8[]))[$4::integer], $2, $3)`,
		},
		{
			"insert many with references", insert(t, "", ref(), one, two), 5,
			`INSERT INTO "plain" ("id", "order", "pages", "version") SELECT u.c0, ((SELECT current_setting($5)::pg_catalog.int8[]))[u.c3], u.c1, u.c2 ` +
				`FROM unnest($1::pg_catalog.int8[], $2::pg_catalog.int8[], $3::pg_catalog.int8[], $4::integer[]) AS u(c0, c1, c2, c3)`,
		},
		{
			"insert one, leaving its key", insert(t, "smrt.k2", nil, line{Order: 2}), 4,
			`INSERT INTO "plain" ("order", "pages", "version") VALUES ($1, $2, $3) RETURNING "id", set_config($4, ARRAY["id"]::text, true)`,
		},
		{
			"insert many, leaving their keys", insert(t, "smrt.k2", nil, line{Order: 2}, line{Order: 3}), 4,
			`WITH smrt_i(r0, k) AS (INSERT INTO "plain" ("order", "pages", "version") SELECT u.c0, u.c1, u.c2 ` +
				`FROM unnest($1::pg_catalog.int8[], $2::pg_catalog.int8[], $3::pg_catalog.int8[]) AS u(c0, c1, c2) RETURNING "id", "id"), ` +
				`smrt_k AS MATERIALIZED (SELECT set_config($4, array_agg(smrt_i.k)::text, true) FROM smrt_i) SELECT r0 FROM smrt_k, smrt_i`,
		},
		{
			"patch", step(flush.Step{Kind: flush.Patch, Table: plainLines, Sets: sets}, one, two), 2,
			`WITH smrt_w(smrt_ord) AS (UPDATE "plain" AS t SET "pages" = u.c1 FROM unnest($1::pg_catalog.int8[], $2::pg_catalog.int8[]) WITH ORDINALITY AS u(c0, c1, ord) ` +
				`WHERE t."id" = u.c0 RETURNING u.ord) SELECT * FROM smrt_w UNION ALL SELECT 0::bigint WHERE CASE WHEN (SELECT count(*) FROM smrt_w) <> cardinality($1::pg_catalog.int8[]) ` +
				`THEN set_config('smrt.missed', 'yes', true) = 'yes' END`,
		},
		{
			"delete", step(flush.Step{Kind: flush.Delete, Table: plainLines}, one), 1,
			`WITH smrt_w(smrt_ord) AS (DELETE FROM "plain" AS t USING unnest($1::pg_catalog.int8[]) WITH ORDINALITY AS u(c0, ord) ` +
				`WHERE t."id" = u.c0 RETURNING u.ord) SELECT * FROM smrt_w UNION ALL SELECT 0::bigint WHERE CASE WHEN (SELECT count(*) FROM smrt_w) <> cardinality($1::pg_catalog.int8[]) ` +
				`THEN set_config('smrt.missed', 'yes', true) = 'yes' END`,
		},
		{
			"backfill", step(flush.Step{Kind: flush.Backfill, Table: plainLines, Columns: []*meta.Column{lineOrder.Plan()}, Refs: ref()}, one), 3,
			`WITH smrt_w(smrt_ord) AS (UPDATE "plain" AS t SET "order" = ((SELECT current_setting($3)::pg_catalog.int8[]))[u.c1] ` +
				`FROM unnest($1::pg_catalog.int8[], $2::integer[]) WITH ORDINALITY AS u(c0, c1, ord) WHERE t."id" = u.c0 RETURNING u.ord) SELECT * FROM smrt_w ` +
				`UNION ALL SELECT 0::bigint WHERE CASE WHEN (SELECT count(*) FROM smrt_w) <> cardinality($1::pg_catalog.int8[]) THEN set_config('smrt.missed', 'yes', true) = 'yes' END`,
		},
		{
			"nullify", step(flush.Step{Kind: flush.Nullify, Table: plainLines, Columns: []*meta.Column{lineOrder.Plan()}}, one), 1,
			`UPDATE "plain" AS t SET "order" = NULL FROM unnest($1::pg_catalog.int8[]) WITH ORDINALITY AS u(c0, ord) WHERE t."id" = u.c0`,
		},
		{
			"reserve", step(flush.Step{Kind: flush.ReserveKeys, Count: 3, Setting: "smrt.k1"}), 4,
			`SELECT set_config($1, array_agg(k)::text, true) FROM (SELECT nextval(pg_get_serial_sequence($3, $4)) AS k FROM generate_series(1, $2::integer)) AS drawn`,
		},
		{"constraints", flush.Step{Kind: flush.SetConstraints, Constraints: []string{`s."a"`, `s."b"`}}, 0, `SET CONSTRAINTS s."a", s."b" DEFERRED`},
		{"check", flush.Step{Kind: flush.CheckConstraints, Constraints: []string{`s."a"`}}, 0, `SET CONSTRAINTS s."a" IMMEDIATE`},
	} {
		for range 2 { // the second time inserts find their text
			sts, err := flush.Statements([]flush.Step{c.step})
			check.NoError(t, err)
			check.Equal(t, c.what, sts[0].SQL, c.sql)
			check.Equal(t, c.what+": arguments", len(sts[0].Args), c.args)
			check.Equal(t, c.what+": arguments named", highest(sts[0].SQL), c.args)
		}
	}
}

// TestVersions proves that an update and a delete that is checked look for the
// version, and say which rows have another one.
func TestVersions(t *testing.T) {
	for _, c := range []struct {
		what    string
		step    flush.Step
		version bool
	}{
		{"update", flush.Step{Kind: flush.Update}, true},
		{"delete", flush.Step{Kind: flush.Delete}, false},
		{"delete, checked", flush.Step{Kind: flush.Delete, Checked: true}, true},
		{"patch", flush.Step{Kind: flush.Patch, Sets: sets}, false},
	} {
		s := step(c.step, line{ID: 1, Version: 4}, line{ID: 2, Version: 5})
		st, err := s.Statement()
		check.NoError(t, err)
		check.Equal(t, c.what, regexp.MustCompile(`WHERE t."id" = u.c0 AND t."version" = u.c1 `).MatchString(st.SQL), c.version)
		check.Equal(t, c.what+": stale rows", regexp.MustCompile(`SELECT -u.ord`).MatchString(st.SQL), c.version)
		check.Equal(t, c.what+": arguments", len(st.Args), highest(st.SQL))
	}
}

// TestMaxRows proves that rows go one by one where arrays cannot carry a column.
func TestMaxRows(t *testing.T) {
	s := step(flush.Step{Kind: flush.Delete, Table: plainLines}, line{ID: 1})
	check.Equal(t, "keys", s.MaxRows(), table.MaxChunk)
	s.Kind, s.InSets, s.Sets = flush.Patch, true, []plan.Set{{Op: plan.SetRaw}}
	check.Equal(t, "SQL", s.MaxRows(), 1)
}

// TestPart proves that a part of a step has the references of its own rows, and
// leaves no keys behind.
func TestPart(t *testing.T) {
	s := insert(t, "smrt.k2", []flush.Ref{{Column: lineOrder.Plan(), Setting: "smrt.k1"}}, line{Pages: 1}, line{Pages: 2}, line{Pages: 3})
	s.Refs[0].At = []int32{7, 8, 9}
	part := s.Part(1, 3, plainLines.Copies(2))
	check.Equal(t, "positions", part.Refs[0].At, []int32{8, 9})
	check.Equal(t, "setting", part.Setting, "")
	check.Equal(t, "the step's own", s.Refs[0].At, []int32{7, 8, 9})
}

// highest is the number of the last argument that a text names.
func highest(sql string) (n int) {
	for _, m := range regexp.MustCompile(`\$(\d+)`).FindAllStringSubmatch(sql, -1) {
		if i, _ := strconv.Atoi(m[1]); i > n {
			n = i
		}
	}
	return n
}
