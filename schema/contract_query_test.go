package schema_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/schema"
)

// noteQueries has queries as sqlc compiles them, of the tables of noteSchema.
var noteQueries = fstest.MapFS{"notes.sql.go": {Data: []byte("package db\n" +
	"const Find = `-- name: Find :many\nSELECT n.id, n.\"Text\", n.score, upper(n.label) AS label, word(n.\"Text\")\nFROM notes AS n -- 'é'\nWHERE n.mood = ANY($1) AND n.score < $2`\n" +
	"const Add = `-- name: Add :exec\nINSERT INTO notes (\"Text\", mood) VALUES ($1, $2)`\n" +
	"const Joined = `-- name: Joined :one\nSELECT n.id, l.note_id FROM notes n LEFT JOIN lines l ON l.note_id = n.id`\n" +
	"const Clean = `-- name: Clean :exec\nDELETE FROM lines`\n")}}

var noteSchema = testdb.SQL("contract_query", `CREATE SCHEMA "odd, one"; CREATE TYPE "odd, one"."mood ( " AS ENUM ('good', 'bad');
CREATE DOMAIN given AS text NOT NULL; CREATE DOMAIN title AS given;
CREATE FUNCTION word(t text) RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT t';
CREATE TABLE notes (id bigserial PRIMARY KEY, "Text" title, score real, label text, mood "odd, one"."mood ( " NOT NULL, spare int);
CREATE TABLE lines (note_id bigint NOT NULL)`)

const noteContract = `query Add (text, "odd, one"."mood ( ") -> () "INSERT INTO notes (\"Text\", mood) VALUES ($1, $2)"
query Clean () -> () "DELETE FROM lines"
query Find ("odd, one"."mood ( "[], real) -> (bigint not null, text not null, real, text, text) "SELECT n.id, n.\"Text\", n.score, upper(n.label) AS label, word(n.\"Text\")\nFROM notes AS n -- '\u00e9'\nWHERE n.mood = ANY($1) AND n.score < $2"
query Joined () -> (bigint not null, bigint not null) "SELECT n.id, l.note_id FROM notes n LEFT JOIN lines l ON l.note_id = n.id"
`

// TestContractOfQueries changes the database, and expects the queries that this breaks.
func TestContractOfQueries(t *testing.T) {
	t.Parallel()
	ctx, pool := t.Context(), testdb.Pool(t, noteSchema)
	c := check.Value(schema.Contract{}.WithQueries(ctx, pool, noteQueries))(t)
	check.Same(t, "contract", c.String(), noteContract)
	parsed := check.Value(schema.ParseContract("# queries\n" + noteContract + noteContract))(t)
	check.Same(t, "parsed", parsed.String(), noteContract)
	check.Equal(t, "found", check.Value(parsed.Check(ctx, pool))(t), nil)
	for _, m := range []struct {
		migration string
		broken    string // queries
		problem   string // of the first
	}{
		{"ALTER TABLE notes ADD more int; ALTER TABLE lines ADD more text; CREATE TABLE more (id int); CREATE INDEX ON notes (score); ALTER TABLE notes ALTER score SET NOT NULL", "", ""},
		{"ALTER TABLE notes DROP spare", "", ""},
		{"ALTER TABLE notes ALTER label TYPE varchar(5)", "", ""}, // upper returns text of both
		{"DROP FUNCTION word", "Find", "function word(title) does not exist (42883), at line 1 of the query"},
		{"DROP FUNCTION word; CREATE FUNCTION word(t text) RETURNS int LANGUAGE sql AS 'SELECT 1'", "Find", "returns integer as column 5, where the contract has text"},
		{"ALTER TABLE notes ALTER score TYPE float8", "Find", `takes ("odd, one"."mood ( "[], double precision), where the contract has ("odd, one"."mood ( "[], real)`},
		{"ALTER TABLE notes ALTER id TYPE int", "Find Joined", "returns integer not null as column 1, where the contract has bigint not null"},
		{`ALTER TABLE notes RENAME "Text" TO text`, "Add Find", `column "Text" of relation "notes" does not exist (42703), at line 1 of the query`},
		{"ALTER TABLE notes RENAME score TO points", "Find", "(42703), at line 1 of the query"},
		{"ALTER TABLE notes RENAME score TO points; ALTER TABLE notes ADD score real", "", ""},
		{"DROP TABLE lines", "Clean Joined", `relation "lines" does not exist (42P01)`},
		{"ALTER TABLE lines ALTER note_id DROP NOT NULL", "Joined", "returns bigint as column 2, where the contract has bigint not null"},
		{"ALTER DOMAIN given DROP NOT NULL", "Find", "returns text as column 2, where the contract has text not null"},
		{`ALTER TYPE "odd, one"."mood ( " RENAME TO mood`, "Add Find", `where the contract has (text, "odd, one"."mood ( ")`},
		{"ALTER SEQUENCE notes_id_seq RENAME TO numbers", "", ""},
	} {
		tx := check.Value(pool.Begin(ctx))(t)
		_, err := tx.Exec(ctx, m.migration)
		check.NoError(t, err)
		var names []string
		found := check.Value(parsed.Check(ctx, tx))(t)
		for _, f := range found {
			names = append(names, f.Table)
			if f.Check != schema.CheckContract || f.Level != schema.Fault {
				t.Errorf("%s: %+v", m.migration, f)
			}
		}
		if got := strings.Join(names, " "); got != m.broken || got != "" && !strings.Contains(found[0].Problem, m.problem) {
			t.Errorf("%s: found %v, want %s: %s", m.migration, found, m.broken, m.problem)
		}
		check.NoError(t, tx.Rollback(ctx))
	}
	check.Value(pool.Exec(ctx, "DROP FUNCTION word"))(t)
	_, err := c.WithQueries(ctx, pool, noteQueries)
	check.Error(t, "a contract of queries that are refused", err, schema.ErrMismatch)
}

// TestContractOfQueriesIsPlanned takes away what only the planner misses. A privilege that
// the role lacks is none of it.
func TestContractOfQueriesIsPlanned(t *testing.T) {
	t.Parallel()
	ctx, pool := t.Context(), testdb.Pool(t, noteSchema)
	c := check.Value(schema.ParseContract(`query Put (text, "odd, one"."mood ( ") -> () "INSERT INTO notes (\"Text\", mood) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING"
query Score (real) -> () "UPDATE notes SET score = $1"
`))(t)
	check.Equal(t, "found", check.Value(c.Check(ctx, pool))(t), nil)
	role := "reader_" + strings.ReplaceAll(strings.ToLower(pool.Config().ConnConfig.Database), "-", "_")
	check.Value(pool.Exec(ctx, `CREATE ROLE "`+role+`"; GRANT SELECT ON notes TO "`+role+`"; GRANT USAGE ON SCHEMA "odd, one" TO "`+role+`"`))(t)
	t.Cleanup(func() {
		_, _ = pool.Exec(context.WithoutCancel(ctx), `DROP OWNED BY "`+role+`"; DROP ROLE "`+role+`"`)
	})
	for migration, want := range map[string][]string{
		"ALTER TABLE notes DROP CONSTRAINT notes_pkey":                                                            {"Put: there is no unique or exclusion constraint"},
		"ALTER TABLE notes RENAME TO others; CREATE VIEW notes AS SELECT DISTINCT * FROM others":                  {"Put: cannot insert into view", "Score: cannot update view"},
		"ALTER TABLE notes RENAME TO others; CREATE MATERIALIZED VIEW notes AS SELECT * FROM others WITH NO DATA": {"Put: no unique or exclusion constraint", "Score: cannot change materialized view"},
		`SET LOCAL ROLE "` + role + `"`:                                                                           nil,
	} {
		tx := check.Value(pool.Begin(ctx))(t)
		check.Value(tx.Exec(ctx, migration))(t)
		found := check.Value(c.Check(ctx, tx))(t)
		check.Equal(t, "findings after "+migration, len(found), len(want))
		for i := range min(len(found), len(want)) {
			name, problem, _ := strings.Cut(want[i], ": ")
			if found[i].Table != name || !strings.Contains(found[i].Problem, problem) {
				t.Errorf("after %s: found %v, want %s", migration, found[i], want[i])
			}
		}
		check.NoError(t, tx.Rollback(ctx))
	}
}

// TestContractOfQueriesOfTheShop is the same however often it is made.
func TestContractOfQueriesOfTheShop(t *testing.T) {
	t.Parallel()
	ctx, folder := t.Context(), os.DirFS("../internal/shop/shopdb")
	pool := testdb.Pool(t, shop.Schema)
	c := check.Value(schema.NewContract(ctx, pool, shopTables()...))(t)
	tables := strings.Count(c.String(), "\n")
	c = check.Value(c.WithQueries(ctx, pool, folder))(t)
	queries := strings.Count(c.String(), "\nquery ")
	check.Same(t, "lines", strings.Count(c.String(), "\n"), tables+queries)
	if queries < 15 || !strings.Contains(c.String(), "\nquery SearchProducts (text, bigint) -> (bigint not null, bigint not null, text not null, text not null, bigint not null, integer not null, real) \"") {
		t.Errorf("%d queries in\n%s", queries, c)
	}
	again := check.Value(c.WithQueries(ctx, testdb.Pool(t, shop.Schema), folder))(t)
	check.Same(t, "again", again.String(), c.String())
	parsed := check.Value(schema.ParseContract(c.String()))(t)
	check.Same(t, "parsed", parsed.String(), c.String())
	check.Equal(t, "found", check.Value(parsed.Check(ctx, pool))(t), nil)
	e := check.Value(schema.Expect(parsed, schema.Options{}))(t)
	check.NoError(t, e.Check(ctx, pool))
	check.Value(pool.Exec(ctx, "DROP INDEX products_search_idx; ALTER TABLE products DROP search"))(t)
	check.Error(t, "Expect", check.Value(schema.Expect(parsed, schema.Options{}))(t).Check(ctx, pool), schema.ErrMismatch)
}

func TestContractOfQueriesErrors(t *testing.T) {
	t.Parallel()
	for _, line := range []string{
		`query`, `query X`, `query X () -> () SELECT`, `query X () -> () "`, `query X () -> () "\q"`, `query X () -> () "\x00"`, `query X () -> () "\xff"`, `query X (a,) -> () ""`,
		`query X () -> () "" ""`, `query X (a, (b)) -> () ""`, `query X () ""`, `query  () -> () ""`, `query X ( a) -> () ""`, "query X () -> () \"\x00\"",
	} {
		_, err := schema.ParseContract(line)
		var bad *smrt.QueryError
		if !errors.As(err, &bad) || !strings.Contains(err.Error(), "line 1 ") {
			t.Errorf("%s: %v", line, err)
		}
	}
	c := check.Value(schema.ParseContract(noteContract))(t)
	var bad *smrt.QueryError
	if _, err := c.Check(t.Context(), struct{ smrt.DB }{testdb.Pool(t, testdb.Empty)}); !errors.As(err, &bad) {
		t.Errorf("a handle without transactions: %v", err)
	}
	for _, folder := range []fstest.MapFS{nil, {}} {
		if _, err := c.WithQueries(t.Context(), nil, folder); !errors.As(err, &bad) {
			t.Errorf("no folder: %v", err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if found, err := c.Check(ctx, testdb.Pool(t, testdb.Empty)); err == nil {
		t.Errorf("found %v although nobody was asked", found)
	}
}
