package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/smrt-go/smrt/cmd/smrt/internal/migrate"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
)

// TestMigrate goes through the phases of a release that stops to use a column.
func TestMigrate(t *testing.T) {
	dir := t.TempDir()
	pool := testdb.Pool(t, testdb.Empty, testdb.Direct())
	t.Setenv("DATABASE_URL", pool.Config().ConnString())
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(dir, name)
		check.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		check.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	}
	expect := func(want int, says, args string) {
		t.Helper()
		status, stdout, stderr := smrt(t, dir, append([]string{"migrate"}, strings.Fields(args)...)...)
		if status != want || !strings.Contains(stdout+stderr, says) {
			t.Fatalf("migrate %s: status %d, want %d, and %q in\n%s%s", args, status, want, says, stdout, stderr)
		}
	}
	expect(3, "migrations is no directory", "status")
	write("migrations/00001_notes.sql", "-- +goose Up\nCREATE TABLE notes (id bigint PRIMARY KEY, text text);\n")
	write("migrations/00002_drop.sql", "-- smrt:phase contract\n-- +goose Up\nALTER TABLE notes DROP text;\n")
	write("migrations/00003_body.sql", "-- +goose Up\nALTER TABLE notes ADD body text;\n")
	write("old.contract", "column notes.text text\n")
	write("new.contract", "column notes.body text\n")
	write("empty.contract", "# nothing\n")
	write("wrong.contract", "colum notes.text text\n")

	expect(0, "00001_notes.sql: to be run\n00002_drop.sql: waits for --phase contract\n", "status")
	expect(1, "00003_body.sql: to be run", "status --check")
	expect(0, "00001_notes.sql: run in ", "up --to 1")
	expect(0, "00002_drop.sql: waits for --phase contract\n1 migrations were run\n", "up")
	expect(0, "0 migrations were run", "up")
	expect(0, `"applied": true`, "status --json --check")
	expect(0, `"ran": [],`, "up --json")
	for _, name := range []string{"3-notes.sql", "3.sql", "0_notes.sql", "3_notes.SQL", "notes.sql", "v3_notes.sql", "README.md"} {
		write("migrations/"+name, "-- +goose Up\nCREATE TABLE never ();\n")
	}
	const passed = "0_notes.sql: passed over, as goose does: a migration is called like 00001_name.sql\n3-notes.sql: passed over"
	expect(0, passed, "status")
	expect(0, passed, "up")
	expect(0, "\"passed_over\": [\n    \"0_notes.sql\",\n    \"3-notes.sql\",\n    \"3.sql\",\n    \"3_notes.SQL\"\n  ]", "up --json")
	write("migrations/1_again.sql", "-- +goose Up\nCREATE TABLE again ();\n")
	expect(1, "00001_notes.sql and 1_again.sql both have version 1", "up")
	expect(1, `"waiting": [],`, "up --json")
	check.NoError(t, os.Remove(filepath.Join(dir, "migrations", "1_again.sql")))

	expect(2, "give --contract FILE for each", "up --phase contract")
	expect(2, "give one of them", "up --phase contract --no-contract --contract old.contract")
	expect(2, "give one of them", "up --no-contract --contract old.contract")
	expect(2, "missing.contract", "up --phase contract --contract missing.contract")
	expect(2, "empty.contract has no requirement", "up --phase contract --contract empty.contract")
	expect(2, "wrong.contract: ", "up --phase contract --contract wrong.contract")
	expect(2, "there is no migration of version 4", "up --to 4")
	const both = "up --phase contract --contract new.contract --contract old.contract"
	expect(1, "refused: old.contract: after 00002_drop.sql: fault: contract: notes.text is not as the contract needs it", both)
	expect(1, "nothing was run", both)
	_, out, _ := smrt(t, dir, strings.Fields("migrate --json "+both)...)
	var result migrated
	check.NoError(t, json.Unmarshal([]byte(out), &result))
	if len(result.Ran) != 0 || len(result.Broken) != 1 || result.Broken[0].File != "00002_drop.sql" {
		t.Errorf("the report is %s", out)
	}
	expect(0, "00002_drop.sql: waits", "up")
	expect(0, "1 migrations were run", "up --phase contract --contract new.contract --scratch "+pool.Config().ConnString())
	expect(0, "00002_drop.sql: run\n", "status")

	write("migrations/00004_fill.sql", "-- smrt:backfill table=notes key=id\n-- +goose Up\nUPDATE notes SET body = 'none' WHERE body IS NULL /* smrt:batch */;\n")
	check.Value(pool.Exec(t.Context(), "INSERT INTO notes SELECT generate_series(1, 1000)"))(t)
	expect(2, "--batch", "up --batch 0s")
	expect(0, "00004_fill.sql: 1000 rows seen, 1000 changed, ", "up")

	write("migrations/00005_wrong.sql", "-- +goose Up\nSELECT 1;\nALTER TABLE missing ADD x int;\n")
	expect(1, filepath.Join("migrations", "00005_wrong.sql")+":3: ", "up")
	expect(1, `"line": 3`, "up --json")
	write("migrations/00005_wrong.sql", "-- +goose Up\nCREATE TYPE mood AS ENUM ();\nCREATE INDEX CONCURRENTLY i ON notes (id);\n")
	expect(1, "cannot run inside a transaction block (SQLSTATE 25001); give it a file with -- +goose NO TRANSACTION", "up")
	check.Value(pool.Exec(t.Context(), "CREATE TYPE mood AS ENUM ()"))(t)
	write("migrations/00005_wrong.sql", "-- +goose Up\nALTER TYPE mood ADD VALUE 'good';\nSELECT 'good'::mood;\n")
	expect(1, "(SQLSTATE 55P04); give the ALTER TYPE ... ADD VALUE a file of its own", "up")
	expect(3, "smrt: failed to connect to", "up --dsn postgres://nobody@127.0.0.1:1/nothing")
	for _, c := range []struct{ text, says string }{
		{"\ufeff-- +goose Up\nSELECT 1;\n", "save it as UTF-8 without one"},
		{"", "below a line -- +goose Up"},
		{"SELECT 1;\n", "below a line -- +goose Up"},
		{"-- +goose Up\nSELECT 1\n", "missing semicolon?"},
		{"-- +goose Up\n-- +goose StatementBegin\nSELECT 1;\n", "missing '-- +goose StatementEnd'"},
	} {
		write("migrations/00005_wrong.sql", c.text)
		expect(1, c.says, "up")
		expect(1, filepath.Join("migrations", "00005_wrong.sql")+": failed to parse", "up")
		expect(1, `"file": "migrations`, "up --json")
	}
	write("migrations/00005_wrong.sql", "-- smrt:phase last\n")
	expect(1, "00005_wrong.sql:1: smrt:phase last", "up")
	t.Setenv("DATABASE_URL", "")
	expect(2, "set DATABASE_URL", "up")

	var left string
	check.NoError(t, pool.QueryRow(t.Context(), "SELECT count(*)::text FROM pg_database WHERE datname LIKE 'smrt_scratch_%'").Scan(&left))
	check.Same(t, "databases that are left", left, "0")
}

// TestMigrationsOfOthers tells the migrations that another runner has run.
func TestMigrationsOfOthers(t *testing.T) {
	check.Same(t, "none", migrated{}.count(), "0 migrations were run")
	check.Same(t, "some", migrated{Ran: []migrate.Ran{{}, {Other: true}}}.count(), "2 migrations were run, 1 of them by another runner")
}

// TestInterrupted ends a run in its second file, as Ctrl-C does.
func TestInterrupted(t *testing.T) {
	dir := t.TempDir()
	pool := testdb.Pool(t, testdb.Empty, testdb.Direct())
	for name, text := range map[string]string{"1_notes.sql": "CREATE TABLE notes (id int);", "2_sleep.sql": "INSERT INTO notes VALUES (1);\nSELECT pg_sleep(600) FROM notes;"} {
		check.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("-- +goose Up\n"+text+"\n"), 0o600))
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		defer cancel()
		for sleeps := false; !sleeps && ctx.Err() == nil; {
			_ = pool.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)%' AND wait_event = 'PgSleep' AND datname = current_database())").Scan(&sleeps)
		}
	}()
	var out, errs bytes.Buffer
	status := run(ctx, []string{"migrate", "up", "--dsn", pool.Config().ConnString(), "--migrations", dir}, strings.NewReader(""), &out, &errs)
	if status != 3 || !strings.Contains(errs.String(), "2_sleep.sql:3: interrupted") {
		t.Errorf("status %d: %s%s", status, &out, &errs)
	}
	var left string
	check.NoError(t, pool.QueryRow(t.Context(), "SELECT (SELECT count(*) FROM notes) || ' ' || (SELECT max(version_id) FROM goose_db_version) || ' ' || (SELECT count(*) FROM goose_lock WHERE locked)").Scan(&left))
	check.Same(t, "rows, version and leases", left, "0 1 0")
}
