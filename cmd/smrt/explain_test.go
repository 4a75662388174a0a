package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/internal/testdb"
)

// TestExplain explains queries by name, from a file and from the standard input.
func TestExplain(t *testing.T) {
	root, dir := check.Value(filepath.Abs(filepath.Join("..", "..")))(t), t.TempDir()
	queries := filepath.Join(root, "internal", "shop", "shopdb")
	t.Setenv("DATABASE_URL", testdb.Pool(t, shop.Schema).Config().ConnString())
	expect := func(status int, stdin string, says []string, dir string, args ...string) string {
		t.Helper()
		got, stdout, stderr := smrtWith(t, stdin, dir, append([]string{"explain"}, args...)...)
		check.Same(t, "status of "+strings.Join(args, " "), got, status)
		for _, text := range says {
			if !strings.Contains(stdout+stderr, text) {
				t.Errorf("%q does not say %q but\n%s%s", args, text, stdout, stderr)
			}
		}
		return stdout
	}
	// The repository's own smrt.yaml says where the queries are.
	expect(0, "", []string{"catalog.sql.go:", "-- name: SearchProducts :many", "argument $1: text", "column rank: real", "Limit  (cost="}, root, "SearchProducts")
	expect(2, "", []string{"has no query Nonsense, but", "CategoryTree, "}, root, "Nonsense")
	expect(2, "", []string{"query CategoryTree is at "}, root, "CategoryTree", "--queries", queries, "--queries", queries)
	expect(2, "", []string{"name their directory with --queries DIR, or models in smrt.yaml"}, dir, "CategoryTree")
	expect(0, "", []string{"Recursive Union"}, dir, "CategoryTree", "--queries", queries)

	insert := "INSERT INTO tags (name) VALUES ($1)"
	check.NoError(t, os.WriteFile(filepath.Join(dir, "tag.sql"), []byte(insert+";\n"), 0o600))
	expect(0, "", []string{"tag.sql:", "argument $1: text", "Insert on tags"}, dir, "--file", "tag.sql")
	expect(1, "SELECT id,\n\tnonsense FROM tags", []string{`standard input: the statement is refused by the server: column "nonsense" does not exist (42703), at line 2 of the query`}, dir, "--file", "-")
	expect(1, "DROP TABLE tags", []string{"has no plan: it is no SELECT"}, dir, "--file", "-")
	expect(3, insert, []string{"127.0.0.1"}, dir, "--file", "-", "--dsn", "postgres://nobody@127.0.0.1:1/nothing")

	var report struct {
		SQL, Site, Refused string
		Arguments          []string
		Columns            []struct{ Name, Type string }
		Plan               []struct{ Plan map[string]any }
	}
	check.NoError(t, json.Unmarshal([]byte(expect(0, insert+" RETURNING id", nil, dir, "--json", "--file", "-")), &report))
	if report.SQL != insert+" RETURNING id" || len(report.Columns) != 1 || report.Columns[0].Type != "bigint" || report.Arguments[0] != "text" ||
		report.Plan[0].Plan["Node Type"] != "ModifyTable" {
		t.Errorf("%+v", report)
	}
	check.NoError(t, json.Unmarshal([]byte(expect(1, "SELECT", nil, dir, "--json", "--file", "tag.sql", "--dsn", testdb.Pool(t, testdb.Empty).Config().ConnString())), &report))
	if !strings.Contains(report.Refused, "42P01") {
		t.Errorf("%+v", report)
	}
}
