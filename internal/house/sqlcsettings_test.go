package house_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
)

// sqlcChange is a change of the example module's sqlc.yaml or of its queries, and
// what sqlc then says or writes and did not before.
type sqlcChange struct {
	from, to string // in sqlc.yaml; to may name the server: $DSN
	query    string // one more
	want     string // a regular expression
	gone     string // what is there without the change, and not with it
}

// sqlcChanges are what docs/guides/sqlc.md says of settings and queries.
var sqlcChanges = map[string]sqlcChange{
	"no tags":              {from: "emit_db_tags: true", to: "emit_db_tags: false", want: `Address2 +\*string\n`},
	"no pointers":          {from: "types: true", to: "types: false", want: `Phone +pgtype\.Text.*(?s:.*)VoidFrom +NullInvoiceStatus`},
	"nil slices":           {from: "slices: true", to: "slices: false", want: `var items \[\]OverdueRow`},
	"no interface":         {from: "        emit_interface: true\n", gone: `type Querier interface`},
	"no Valid":             {from: "valid_method: true", to: "valid_method: false", gone: `func (e InvoiceStatus) Valid() bool`},
	"default initialisms":  {from: "initialisms: [id, sku]", want: `Sku +string`},
	"without id":           {from: "[id, sku]", to: "[sku]", want: `\bId +int64`},
	"plural of initialism": {from: "          tax_ids: TaxIDs\n", want: `TaxIds +\[\]string`},
	"singular of data":     {from: "          usage_datum: Usage\n", want: `type UsageDatum struct`},
	"rename by the plural": {from: "usage_datum: Usage", to: "usage_data: Usage", want: `type UsageDatum struct`},
	"no times":             {from: "          - {db_type: timestamptz, go_type: time.Time}\n", want: `CreatedAt +pgtype\.Timestamptz`},
	"no times or NULL": {
		from: "          - {db_type: timestamptz, nullable: true, go_type: {import: time, type: Time, pointer: true}}\n",
		want: `DeletedAt +pgtype\.Timestamptz`,
	},
	"no days":         {from: "          - {db_type: date, go_type: time.Time}\n", want: `Today +pgtype\.Date`},
	"no days or NULL": {from: "          - {db_type: date, nullable: true, go_type: {import: time, type: Time, pointer: true}}\n", want: `DueOn +pgtype\.Date`},
	"no documents":    {from: "          - {db_type: jsonb, nullable: true, go_type: encoding/json.RawMessage}\n", want: `Notes +\[\]byte`},
	"no type of a document": {
		from: "          - {column: products.attributes, go_type: example.com/billing/internal/values.Attributes}\n",
		want: `Attributes +json\.RawMessage`,
	},
	"no column left out": {
		from: "          - {column: products.legacy_code, go_struct_tag: 'db:\"-\"'}\n", want: `LegacyCode +\*string +.db:"legacy_code"`,
	},
	"exact names": {from: "        emit_db", to: "        emit_exact_table_names: true\n        emit_db", want: `type Invoices struct`},
	"handles as arguments": {
		from: "        emit_db", to: "        emit_methods_with_db_argument: true\n        emit_db",
		want: `CloseInvoice\(ctx context\.Context, db DBTX, `,
	},
	"only what queries use": {
		from: "        emit_db", to: "        omit_unused_structs: true\n        emit_db", gone: "type Product struct",
	},
	"an operator called @": {
		query: "-- name: Soon :many\nSELECT i.id FROM invoices AS i WHERE i.due_on < @today + 3;\n", want: `found '\+'`,
	},
	"sqlc.arg in place of it": {
		query: "-- name: Soon :many\nSELECT i.id FROM invoices AS i WHERE i.due_on < sqlc.arg(today)::date + 3;\n", want: `func \(q \*Queries\) Soon\(`,
	},
	"no type of an aggregate": {
		query: "-- name: Sum :one\nSELECT coalesce(sum(total), 0) AS total FROM invoices;\n", want: `Sum\(ctx context.Context\) \(interface\{\}, error\)`,
	},
	"unnest of two arrays": {query: setPrices, want: `function unnest\(unknown, unknown\) does not exist`},
	"and with a server":    {from: "    gen:\n", to: "    database: {uri: \"$DSN\"}\n    gen:\n", query: setPrices, want: `type SetPricesParams struct`},
	"types of a server":    {from: "    gen:\n", to: "    database: {uri: \"$DSN\"}\n    gen:\n", want: `since pgtype\.Timestamptz`},
}

const setPrices = `-- name: SetPrices :exec
UPDATE products AS p SET unit_price = u.price
FROM unnest(@ids::bigint[], @prices::numeric[]) AS u (id, price) WHERE p.id = u.id;
`

// TestSettingsOfSqlc changes the configuration of the example module as the guide
// describes, and looks for what the guide says of the change.
func TestSettingsOfSqlc(t *testing.T) {
	sqlc := sqlcProgram(t)
	dsn := testdb.ExampleDSN(exampleSchema)
	before := generated(t, sqlc, copyOfExample(t))
	for name, c := range sqlcChanges {
		t.Run(name, func(t *testing.T) {
			dir := copyOfExample(t)
			file := filepath.Join(dir, "sqlc.yaml")
			config := string(check.Value(os.ReadFile(file))(t))
			changed := strings.Replace(config, c.from, strings.ReplaceAll(c.to, "$DSN", dsn), 1)
			if c.from != "" && changed == config {
				t.Fatalf("sqlc.yaml has no %q", c.from)
			}
			check.NoError(t, os.WriteFile(file, []byte(changed), 0o600))
			check.NoError(t, os.WriteFile(filepath.Join(dir, "queries", "more.sql"), []byte(c.query), 0o600))
			after, want := generated(t, sqlc, dir), regexp.MustCompile(c.want)
			said, _, _ := strings.Cut(after, "// Code generated")
			switch {
			case !want.MatchString(after):
				t.Errorf("%s is not in what sqlc writes; it says %q", want, said)
			case c.want != "" && want.MatchString(before):
				t.Errorf("%s is there without the change", want)
			case c.gone != "" && (said != "" || !strings.Contains(before, c.gone) || strings.Contains(after, c.gone)):
				t.Errorf("%s is still there, or was not; sqlc says %q", c.gone, said)
			}
		})
	}
	t.Run("prepared queries", func(t *testing.T) { // are for database/sql: with pgx the setting changes nothing
		dir := copyOfExample(t)
		file := filepath.Join(dir, "sqlc.yaml")
		config := string(check.Value(os.ReadFile(file))(t))
		check.NoError(t, os.WriteFile(file, []byte(config+"        emit_prepared_queries: true\n"), 0o600))
		check.Same(t, "what sqlc writes", generated(t, sqlc, dir), before)
	})
}

// TestTrapsOfSqlc runs queries that fail, or do not, as the guide says.
func TestTrapsOfSqlc(t *testing.T) {
	sqlc := sqlcProgram(t)
	dir := copyOfExample(t)
	for from, to := range map[string]string{"sqlctraps.sql.txt": "queries/traps.sql", "sqlctraps_test.go.txt": "traps_test.go"} {
		text := check.Value(os.ReadFile(filepath.Join("testdata", from)))(t)
		check.NoError(t, os.WriteFile(filepath.Join(dir, to), text, 0o600))
	}
	generated(t, sqlc, dir)
	cmd := exec.CommandContext(t.Context(), "go", "test", "-run", "TestTraps", ".")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off", "DATABASE_URL="+testdb.ExampleDSN(exampleSchema))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// sqlcProgram returns the path of sqlc, as the module that pins it builds it.
func sqlcProgram(t *testing.T) string {
	t.Helper()
	if os.Getenv("SMRT_TEST_SQLC") == "" {
		t.Skip("builds sqlc, which takes minutes once: make verify sets SMRT_TEST_SQLC")
	}
	cmd := exec.CommandContext(t.Context(), "go", "tool", "-n", "sqlc")
	cmd.Dir = filepath.Join(root, "tools", "sqlc")
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=readonly")
	return strings.TrimSpace(string(check.Value(cmd.Output())(t)))
}

// copyOfExample returns a copy of the example module, without what sqlc made.
func copyOfExample(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	check.NoError(t, os.CopyFS(dir, os.DirFS(filepath.Join(root, exampleModule))))
	gomod := string(check.Value(os.ReadFile(filepath.Join(dir, "go.mod")))(t))
	here := check.Value(filepath.Abs(root))(t)
	check.NoError(t, os.WriteFile(filepath.Join(dir, "go.mod"), []byte(strings.Replace(gomod, "=> ../..", "=> "+here, 1)), 0o600))
	check.NoError(t, os.RemoveAll(filepath.Join(dir, "internal", "billingdb")))
	return dir
}

// generated runs sqlc and returns what it said, and then what it wrote.
func generated(t *testing.T, sqlc, dir string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), sqlc, "generate")
	cmd.Dir = dir
	all, _ := cmd.CombinedOutput() // some configurations are refused, which is what is looked for
	files := check.Value(filepath.Glob(filepath.Join(dir, "internal", "billingdb", "*.go")))(t)
	for _, file := range files {
		all = append(all, check.Value(os.ReadFile(file))(t)...)
	}
	return string(all)
}
