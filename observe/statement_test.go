package observe_test

import (
	"strings"
	"testing"

	"github.com/smrt-go/smrt/internal/relation"
	"github.com/smrt-go/smrt/observe"
)

// declareAll declares relations under names that no other test uses.
func declareAll() {
	for _, r := range []relation.Relation{
		{Kind: "belongs-to", Parent: "rel.Item", Child: "rel.Group", Table: `"rel_groups"`, Columns: []string{`"id"`}, Site: "tables.go:1"},
		{Kind: "has-many", Parent: "rel.Group", Child: "rel.Item", Table: `"rel_items"`, Columns: []string{`"group_id"`}, Site: "tables.go:2"},
		{Kind: "has-many", Parent: "rel.Box", Child: "rel.Item", Table: `"rel_items"`, Columns: []string{`"box_x"`, `"box_y"`}, Site: "tables.go:3"},
		{Kind: "belongs-to", Parent: "rel.Item", Child: "rel.Odd", Table: `"Sales"."Odd ""Name"""`, Columns: []string{`"Key"`}, Site: "tables.go:4"},
		{Kind: "has-one", Parent: "rel.Item", Child: "rel.Group", Table: `"rel_groups"`, Columns: []string{`"id"`}, Site: "tables.go:5"},
	} {
		relation.Declare(&declaration, r)
	}
}

func TestRelationsFor(t *testing.T) {
	t.Parallel()
	declareAll()
	for sql, want := range map[string]string{
		// What smrt sends.
		`SELECT "id", "name" FROM "rel_groups" WHERE "id" = $1`:                                        "1 5",
		`SELECT "id", "name" FROM "rel_groups" WHERE "id" = $1 AND "deleted_at" IS NULL`:               "1 5",
		`SELECT "id" FROM "rel_groups" WHERE "id" = ANY($1)`:                                           "1 5",
		`SELECT "id" FROM "rel_items" WHERE ("group_id" = $1 AND "price" < $2) ORDER BY "id" LIMIT 20`: "2",
		`SELECT "id" FROM "rel_items" WHERE "box_x" = $1 AND "box_y" = $2`:                             "3",
		`SELECT "id" FROM "rel_items" WHERE "box_x" = $1`:                                              "",
		`SELECT "Key" FROM "Sales"."Odd ""Name""" WHERE "Key" = $1`:                                    "4",
		`SELECT "Key" FROM "Other"."Odd ""Name""" WHERE "Key" = $1`:                                    "",
		`SELECT "id" FROM "Rel_Groups" WHERE "id" = $1`:                                                "",
		`SELECT "id" FROM "rel_groups" WHERE "name" = $1`:                                              "",
		`SELECT "id" FROM "rel_groups" ORDER BY "id"`:                                                  "",
		`INSERT INTO "rel_groups" ("id") VALUES ($1)`:                                                  "",
		`UPDATE "rel_groups" SET "name" = $2 WHERE "id" = $1`:                                          "",
		`DELETE FROM "rel_groups" WHERE "id" = $1`:                                                     "",
		// What people write.
		"select * from rel_groups where id = $1":                                               "1 5",
		"SELECT name FROM Rel_Groups WHERE ID=$1":                                              "1 5",
		"-- name: GetGroup :one\nSELECT g.id\nFROM public.rel_groups AS g\nWHERE g.id = $1":    "1 5",
		"SELECT 1 FROM rel_groups g WHERE $1 = g.id":                                           "1 5",
		"SELECT 1 FROM rel_groups WHERE id IN ($1, $2)":                                        "1 5",
		"SELECT 1 FROM rel_groups WHERE id = ANY ($1::bigint[])":                               "1 5",
		"SELECT 1 FROM ONLY rel_groups WHERE id = $1":                                          "1 5",
		"SELECT i.* FROM orders o JOIN rel_items i ON i.order_id = o.id WHERE i.group_id = $1": "2",
		"WITH x AS (SELECT 1) SELECT * FROM x, y JOIN rel_items ON true WHERE group_id = $1":   "2",
		"SELECT 1 /* FROM rel_groups */ FROM other WHERE id = $1 -- FROM rel_groups":           "",
		"SELECT ' FROM rel_groups ' FROM other WHERE id = $1":                                  "",
		"SELECT $a$ FROM rel_groups $a$, $$ FROM rel_groups $$ FROM other WHERE id = $1":       "",
		"SELECT 1 FROM rel_groups WHERE id = 5":                                                "",
		"SELECT 1 FROM rel_groups WHERE id > $1":                                               "",
		"SELECT 1 FROM rel_groups WHERE id = 'unfinished":                                      "",
		`SELECT 1 FROM "unfinished`:                                                            "",
		"SELECT 1 FROM":                                                                        "",
		"SELECT 1 FROM rel_groups WHERE id =":                                                  "",
		"SELECT 1 FROM rel_groups WHERE id IN (":                                               "",
		"":                                                                                     "",
	} {
		var got []string
		for _, r := range observe.RelationsFor(sql) {
			if strings.HasPrefix(r.Parent, "rel.") {
				got = append(got, strings.TrimPrefix(r.Site, "tables.go:"))
			}
		}
		if text := strings.Join(got, " "); text != want {
			t.Errorf("%s\n got %q, want %q", sql, text, want)
		}
	}
}

func TestRelationWithoutColumnsIsNeverFound(t *testing.T) {
	t.Parallel()
	relation.Declare(&declaration, relation.Relation{Kind: "has-one", Table: `"declared"`, Site: "x.go:99"})
	if n := len(observe.RelationsFor(`SELECT 1 FROM "declared"`)); n != 0 {
		t.Errorf("a relation without columns was found %d times", n)
	}
}

// The texts by which statements are recognised, without the comments that
// programs put around them.
func TestTrim(t *testing.T) {
	t.Parallel()
	for sql, want := range map[string]string{
		" SELECT 1 ":                            "SELECT 1",
		"/* a */ SELECT 1":                      "SELECT 1",
		"SELECT 1 /* trace='1' */":              "SELECT 1",
		"/* a /* b */ c */ SELECT 1 /* /**/ */": "SELECT 1",
		"/* a */ /* b */ SELECT 1":              "/* b */ SELECT 1",
		"SELECT '/* a */":                       "SELECT '/* a */",
		"SELECT 1 -- /* a */":                   "SELECT 1",
		"SELECT '/*' || '*/'":                   "SELECT '/*' || '*/'",
		"/* a":                                  "/* a",
		"/**/":                                  "",
		"":                                      "",
	} {
		if got := observe.Trim(sql); got != want {
			t.Errorf("%q: got %q, want %q", sql, got, want)
		}
	}
}

func TestCounted(t *testing.T) {
	t.Parallel()
	for sql, want := range map[string]bool{
		"SELECT 1":                               true,
		"-- name: GetOne :one\nselect 1":         true,
		"((/* a */ Select 1))":                   true,
		"TABLE t":                                true,
		"SELECT 'FROM pg_catalog.pg_class'":      true,
		"SELECT 1 FROM pg_catalog.pg_class":      false,
		`SELECT 1 from "pg_catalog"."pg_class"`:  false,
		"FETCH 10 FROM c":                        false,
		"BEGIN":                                  false,
		`"select" 1`:                             false,
		"/* unfinished":                          false,
		"":                                       false,
		"SELECT '" + strings.Repeat("x", 32<<10): false,
	} {
		if got := observe.Counted(sql); got != want {
			t.Errorf("%.40q: counted %v, want %v", sql, got, want)
		}
	}
}

func FuzzRelationsFor(f *testing.F) {
	declareAll()
	for _, sql := range []string{
		`SELECT "id" FROM "rel_groups" WHERE "id" = $1`, "select 'a", `select "a""`, "$a$", "select from only", "in (", "--", "/*",
	} {
		f.Add(sql)
	}
	f.Fuzz(func(_ *testing.T, sql string) { observe.RelationsFor(sql) })
}
