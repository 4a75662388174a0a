package meta_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/smrt-go/smrt/internal/meta"
)

// declareAll declares relations under names that no other test uses.
func declareAll() {
	for _, r := range []meta.Relation{
		{Kind: "belongs-to", Parent: "rel.Item", Child: "rel.Group", Table: `"rel_groups"`, Columns: []string{`"id"`}, Site: "tables.go:1"},
		{Kind: "has-many", Parent: "rel.Group", Child: "rel.Item", Table: `"rel_items"`, Columns: []string{`"group_id"`}, Site: "tables.go:2"},
		{Kind: "has-many", Parent: "rel.Box", Child: "rel.Item", Table: `"rel_items"`, Columns: []string{`"box_x"`, `"box_y"`}, Site: "tables.go:3"},
		{Kind: "belongs-to", Parent: "rel.Item", Child: "rel.Odd", Table: `"Sales"."Odd ""Name"""`, Columns: []string{`"Key"`}, Site: "tables.go:4"},
		{Kind: "has-one", Parent: "rel.Item", Child: "rel.Group", Table: `"rel_groups"`, Columns: []string{`"id"`}, Site: "tables.go:5"},
	} {
		meta.DeclareRelation(r)
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
		for _, r := range meta.RelationsFor(sql) {
			if strings.HasPrefix(r.Parent, "rel.") {
				got = append(got, strings.TrimPrefix(r.Site, "tables.go:"))
			}
		}
		if text := strings.Join(got, " "); text != want {
			t.Errorf("%s\n got %q, want %q", sql, text, want)
		}
	}
}

func TestRelationSaysWhereItIs(t *testing.T) {
	t.Parallel()
	r := meta.Relation{Kind: "belongs-to", Parent: "shop.Product", Child: "shop.Category", Site: "tables.go:120"}
	if got, want := r.String(), "belongs-to shop.Product -> shop.Category (declared at tables.go:120)"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestDeclareRelation(t *testing.T) {
	t.Parallel()
	columns := []string{`"a"`}
	r := meta.Relation{Kind: "has-one", Parent: "p", Child: "c", Table: `"declared"`, Columns: columns, Site: "x.go:1"}
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			for range 100 { // for every request, say
				meta.DeclareRelation(r)
			}
			other := r
			other.Site = fmt.Sprint("x.go:", i+2)
			meta.DeclareRelation(other)
			meta.RelationsFor(`SELECT 1 FROM "declared" WHERE "a" = $1`)
		})
	}
	group.Wait()
	columns[0] = `"changed"`
	found := meta.RelationsFor(`SELECT 1 FROM "declared" WHERE "a" = $1`)
	if len(found) != 9 {
		t.Fatalf("%d relations, want 9", len(found))
	}
	found[0].Columns[0] = `"changed"`
	if n := len(meta.RelationsFor(`SELECT 1 FROM "declared" WHERE "a" = $1`)); n != 9 {
		t.Errorf("a caller changed what is known: %d relations", n)
	}
	meta.DeclareRelation(meta.Relation{Kind: "has-one", Table: `"declared"`, Site: "x.go:99"})
	if n := len(meta.RelationsFor(`SELECT 1 FROM "declared"`)); n != 0 {
		t.Errorf("a relation without columns was found %d times", n)
	}
}

func FuzzRelationsFor(f *testing.F) {
	declareAll()
	for _, sql := range []string{
		`SELECT "id" FROM "rel_groups" WHERE "id" = $1`, "select 'a", `select "a""`, "$a$", "select from only", "in (", "--", "/*",
	} {
		f.Add(sql)
	}
	f.Fuzz(func(_ *testing.T, sql string) { meta.RelationsFor(sql) })
}
