package gen_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
)

// TestRandomSchemas makes declarations of schemas of all sorts: what is written
// compiles, or two names clash and the lines that are proposed end that.
func TestRandomSchemas(t *testing.T) {
	rnd, pool, c := check.Random(t), testdb.Pool(t, testdb.Empty), newCompiler(t)
	n := 60
	if check.Long() {
		n = 500
	}
	clashes, relations, configured := 0, 0, 0
	for i := range n {
		schema := fmt.Sprintf("s%d", i)
		ddl := randomSchema(rnd, schema)
		if _, err := pool.Exec(t.Context(), ddl); err != nil {
			t.Fatalf("%v\n%s", err, ddl)
		}
		rels := relationsOf(t, pool, schema)
		result, err := c.try(rels, schema, "")
		if err != nil {
			t.Fatalf("%v\n%s", err, ddl)
		}
		if result.Failed() {
			clashes++
			for _, f := range result.Findings {
				if !f.Note && f.Rule != "clash" {
					t.Errorf("a finding is no clash: %+v\n%s", f, ddl)
				}
			}
			result, _ = c.pasted(t, rels, schema, "")
			configured++
		}
		if tables := strings.Count(ddl, "CREATE TABLE"); result.Tables != tables {
			t.Errorf("%d tables are declared of %d:\n%s", result.Tables, tables, ddl)
		}
		relations += result.Relations
	}
	t.Logf("%d schemas, %d relations, %d with clashes, which the proposed lines ended", n, relations, clashes)
	if clashes == 0 || relations < n {
		t.Errorf("%d clashes and %d relations: the schemas are too simple", clashes, relations)
	}
}

// random makes a schema.
type random struct {
	*rand.Rand
	schema string
	tables []*randomTable
	ddl    strings.Builder
}

type randomTable struct {
	name  string
	key   []string // columns
	types []string // of the key
	taken map[string]bool
	lines []string
	last  string // column
}

// randomChecks are conditions of columns.
var randomChecks = map[string][]string{
	"text":          {"%s <> ''", "length(%s) BETWEEN 2 AND 9", "%s IN ('a', 'it''s')", "%[1]s LIKE 'a%%' AND %[1]s <> ''"},
	"varchar(10)":   {"length(%s) = 3", "length(%s) <= 50", "%s IN ('a', 'longer than ten')"},
	"integer":       {"%s > 0", "%[1]s >= -5 AND %[1]s < 5", "%s IN (1, 2)", "%s <= 3000000000", "%[1]s %% 2 = 0"},
	"bigint":        {"%s > 5000000000", "%[1]s > 7 AND %[1]s < 3", "%s < 5.5"},
	"smallint":      {"%s >= 0"},
	"numeric(10,2)": {"%s >= 0.5", "%s <= 1000000000000", "%s > 0", "%s BETWEEN -1.25 AND 99.9"},
	"float8":        {"%s >= -1.5", "%s < 2"},
	"real":          {"%s >= 0.1"},
	"char(3)":       {"%s <> ''"},
}

var randomNames = []string{
	"orders", "order", "users", "type", "func", "range", "select", "table", "string", "categories", "category", "people", "größen", "名前", "naïve",
	"two words", "Mixed Case", "a-b", "a_b", "2fast", "price_history", "api_keys", "query", "preload", "interface", "news", "statuses", "error", "nil",
	strings.Repeat("x", 60) + "_id", strings.Repeat("é", 31), "it's", `quo"ted`, "back`tick",
}

var randomTypes = []string{
	"text", "varchar(10)", "char(3)", "integer", "bigint", "smallint", "numeric(10,2)", "boolean", "timestamptz", "timestamp", "date", "time", "interval",
	"uuid", "jsonb", "json", "bytea", "text[]", "integer[]", "inet", "cidr", "macaddr", "tstzrange", "int4range", "tsvector", "point", "float8", "real",
	"bit(3)", "money", "int4multirange", "uuid[]", "mood", "mood[]", "xml", `"char"`, "oid", "numrange", "timetz", "short",
}

func ident(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// cut shortens a name to what PostgreSQL keeps.
func cut(name string) string {
	for len(name) > 63 {
		_, size := utf8.DecodeLastRuneInString(name)
		name = name[:len(name)-size]
	}
	return name
}

func randomSchema(rnd *rand.Rand, schema string) string {
	r := &random{Rand: rnd, schema: schema}
	fmt.Fprintf(&r.ddl, "CREATE SCHEMA %s; SET search_path = %s;\nCREATE TYPE mood AS ENUM ('a', 'b c', 'it''s');\nCREATE DOMAIN short AS varchar(5);\n", schema, schema)
	for range 3 + r.IntN(5) {
		r.table()
	}
	for range r.IntN(4) {
		r.join()
	}
	r.ddl.WriteString("RESET search_path;\n")
	return r.ddl.String()
}

// name returns a name that no table has yet.
func (r *random) name(wanted string) string {
	for slices.ContainsFunc(r.tables, func(t *randomTable) bool { return t.name == wanted }) {
		wanted = cut(string(rune('a'+r.IntN(26))) + wanted)
	}
	return wanted
}

func (t *randomTable) column(name, rest string) string {
	for t.taken[name] {
		name = cut("o" + name)
	}
	t.taken[name] = true
	t.lines, t.last = append(t.lines, ident(name)+" "+rest), name
	return name
}

func (r *random) begin(name string) *randomTable {
	return &randomTable{name: r.name(name), taken: map[string]bool{}}
}

func (r *random) end(t *randomTable, constraints ...string) {
	r.tables = append(r.tables, t)
	fmt.Fprintf(&r.ddl, "CREATE TABLE %s (\n\t%s\n);\n", ident(t.name), strings.Join(append(t.lines, constraints...), ",\n\t"))
}

func list(columns []string) string {
	quoted := make([]string, len(columns))
	for i, c := range columns {
		quoted[i] = ident(c)
	}
	return strings.Join(quoted, ", ")
}

func (r *random) table() {
	t := r.begin(randomNames[r.IntN(len(randomNames))])
	switch r.IntN(7) {
	case 0:
		t.key, t.types = []string{"id"}, []string{"integer"}
		t.column("id", "integer")
	case 1:
		t.key, t.types = []string{"id"}, []string{"uuid"}
		t.column("id", "uuid DEFAULT gen_random_uuid()")
	case 2:
		t.key, t.types = []string{"code"}, []string{"text"}
		t.column("code", "text")
	case 3, 4:
		t.key, t.types = []string{"tenant_id", "id"}, []string{"integer", "bigint"}
		t.column("tenant_id", "integer")
		t.column("id", "bigint GENERATED ALWAYS AS IDENTITY")
	case 5:
		if r.IntN(2) == 0 {
			break
		}
		fallthrough
	default:
		t.key, t.types = []string{"id"}, []string{"bigint"}
		t.column("id", "bigint GENERATED BY DEFAULT AS IDENTITY")
	}
	for range 1 + r.IntN(6) {
		name := randomNames[r.IntN(len(randomNames))]
		if r.IntN(4) == 0 {
			name = []string{"deleted_at", "created_at", "updated_at", "version", "search", "user_ids", "oauth2_token", "line_2"}[r.IntN(8)]
		}
		kind := randomTypes[r.IntN(len(randomTypes))]
		for kind == "money" && len(t.lines) == 0 { // which is left out: then nothing of the table could be declared
			kind = randomTypes[r.IntN(len(randomTypes))]
		}
		if kind != "money" { // with which nothing could be created
			kind += []string{"", " NOT NULL"}[r.IntN(2)]
		}
		t.column(name, kind)
		if checked := randomChecks[strings.TrimSuffix(kind, " NOT NULL")]; checked != nil && r.IntN(2) == 0 {
			t.lines[len(t.lines)-1] += fmt.Sprintf(" CHECK ("+checked[r.IntN(len(checked))]+")", ident(t.last))
		}
	}
	constraints := r.references(t, r.IntN(3))
	if t.key != nil {
		constraints = append(constraints, "PRIMARY KEY ("+list(t.key)+")")
	}
	r.end(t, constraints...)
}

// references adds foreign keys to tables that are there, and to the table itself.
func (r *random) references(t *randomTable, n int) (constraints []string) {
	for range n {
		targets := append(slices.Clone(r.tables), t)
		to := targets[r.IntN(len(targets))]
		if to.key == nil {
			continue
		}
		columns := r.referring(t, to, []string{"", " NOT NULL", " UNIQUE"}[r.IntN(3)])
		constraints = append(constraints, fmt.Sprintf("FOREIGN KEY (%s) REFERENCES %s (%s)", list(columns), ident(to.name), list(to.key)))
	}
	return constraints
}

// referring adds the columns of a foreign key.
func (r *random) referring(t, to *randomTable, rest string) (columns []string) {
	for i, part := range to.key {
		if part == "tenant_id" && t.taken["tenant_id"] {
			columns = append(columns, "tenant_id")
			continue
		}
		name := []string{cut(to.name + "_id"), "parent_id", "owner", to.name, part}[r.IntN(5)]
		if part == "tenant_id" {
			name = part
		}
		columns = append(columns, t.column(name, to.types[i]+rest))
	}
	return columns
}

// join makes a join table of two tables, which may be the same.
func (r *random) join() {
	a, b := r.tables[r.IntN(len(r.tables))], r.tables[r.IntN(len(r.tables))]
	if a.key == nil || b.key == nil {
		return
	}
	t := r.begin(cut([]string{a.name + "_" + b.name, "joins"}[r.IntN(2)]))
	left := r.referring(t, a, " NOT NULL")
	right := r.referring(t, b, " NOT NULL")
	columns := slices.Concat(left, right)
	slices.Sort(columns)
	columns = slices.Compact(columns)
	r.end(t, fmt.Sprintf("FOREIGN KEY (%s) REFERENCES %s (%s)", list(left), ident(a.name), list(a.key)),
		fmt.Sprintf("FOREIGN KEY (%s) REFERENCES %s (%s)", list(right), ident(b.name), list(b.key)),
		[]string{"PRIMARY KEY", "UNIQUE"}[r.IntN(2)]+" ("+list(columns)+")")
}
