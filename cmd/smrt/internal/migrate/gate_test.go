package migrate_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/smrt-go/smrt/cmd/smrt/internal/migrate"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/schema"
)

// contract parses one.
func contract(t *testing.T, name string, lines ...string) migrate.Contract {
	t.Helper()
	return migrate.Contract{Name: name, Contract: check.Value(schema.ParseContract(strings.Join(lines, "\n")))(t)}
}

// gate checks contracts on what the planned files make, and returns what breaks.
func (f *fixture) gate(contracts ...migrate.Contract) (broken string, err error) {
	f.t.Helper()
	r := f.runner()
	files, _, err := r.Plan(f.t.Context(), migrate.Target{Contract: true})
	check.NoError(f.t, err)
	scratch := testdb.Pool(f.t, testdb.Empty, testdb.Direct())
	all, err := r.Gate(f.t.Context(), scratch.Config().ConnString(), files, contracts)
	for _, b := range all {
		_, line, _ := strings.Cut(b.Finding, "needs it: ")
		broken += fmt.Sprintf("%s after %q: %s %v\n", b.Contract, b.File, line, b.Warning)
	}
	return broken, err
}

func TestGate(t *testing.T) {
	f := newFixture(t, "1_notes CREATE TABLE users (id bigint PRIMARY KEY);\nCREATE TABLE notes (id bigint PRIMARY KEY, text text, user_id bigint REFERENCES users);",
		"3_more ALTER TABLE notes ADD body text;")
	check.Value(up(t.Context(), f.runner()))(t)
	f.write("2_drop "+contractPhase+"-- +goose Up\nALTER TABLE notes DROP text;", "4_more ALTER TABLE notes ADD at date;",
		"5_key "+contractPhase+"-- +goose Up\nALTER TABLE notes DROP CONSTRAINT notes_user_id_fkey;")
	older := contract(t, "older", "column notes.id bigint", "column notes.text text")
	newer := contract(t, "newer", "column notes.id bigint", "column notes.body text", "column notes.at date")
	tied := contract(t, "tied", "foreign key notes (user_id) references users (id)")
	wrong := contract(t, "wrong", "column notes.missing text")
	for _, c := range []struct {
		contracts []migrate.Contract
		want      string
	}{
		{[]migrate.Contract{newer}, ""},
		{[]migrate.Contract{newer, older}, "older after \"2_drop.sql\": column notes.text text false\n"},
		{[]migrate.Contract{tied}, "tied after \"5_key.sql\": foreign key notes (user_id) references users (id) true\n"},
		{[]migrate.Contract{wrong}, "wrong after \"\": column notes.missing text false\n"},
	} {
		broken := check.Value(f.gate(c.contracts...))(t)
		check.Same(t, "what breaks", broken, c.want)
	}
	check.Same(t, "versions", f.versions(), "1 3")

	// What is missing between two files is missing for the releases.
	f.write("6_again ALTER TABLE notes ADD text text;")
	broken := check.Value(f.gate(older))(t)
	check.Same(t, "what breaks", broken, "older after \"2_drop.sql\": column notes.text text false\n")
}

// TestGateOfReplacements refuses to empty what a release reads, under the same name.
func TestGateOfReplacements(t *testing.T) {
	f := newFixture(t, `1_notes CREATE TABLE notes (id bigint PRIMARY KEY, text text, "Old" int, spare int);`)
	check.Value(up(t.Context(), f.runner()))(t)
	older := contract(t, "older", "column notes.id bigint", "column notes.text text", `column notes."Old" integer`)
	for statements, want := range map[string]string{
		"ALTER TABLE notes DROP spare, ADD spare int;":                                                                                  "",
		"ALTER TABLE notes DROP text, ADD text text;":                                                                                   "notes.text is a new column: what was in the one that had the name before is gone false",
		`ALTER TABLE notes RENAME "Old" TO x; ALTER TABLE notes ADD "Old" int;`:                                                         `notes."Old" is another column than before: it lacks what was written to the former one after it was copied true`,
		"CREATE TABLE x (LIKE notes INCLUDING ALL); ALTER TABLE notes RENAME TO y; ALTER TABLE x RENAME TO notes;":                      "notes is another table than before: it lacks what was written to the former one after it was copied true",
		`DROP TABLE notes; CREATE TABLE notes (id bigint PRIMARY KEY, text text, "Old" int);`:                                           "notes is a new table: what was in the one that had the name before is gone false",
		"ALTER TABLE notes RENAME TO x; ALTER TABLE x RENAME text TO y; ALTER TABLE x RENAME y TO text; ALTER TABLE x RENAME TO notes;": "",
	} {
		f.write("2_next " + contractPhase + "-- +goose Up\n" + statements)
		r := f.runner()
		files, _, err := r.Plan(t.Context(), migrate.Target{Contract: true})
		check.NoError(t, err)
		got := ""
		for _, b := range check.Value(r.Gate(t.Context(), testdb.Pool(t, testdb.Empty, testdb.Direct()).Config().ConnString(), files, []migrate.Contract{older}))(t) {
			check.Same(t, "file", b.Contract+" "+b.File, "older 2_next.sql")
			got += fmt.Sprint(b.Finding, " ", b.Warning)
		}
		check.Same(t, "what breaks by "+statements, got, want)
	}
}

// TestGateOrder copies the schema in the order that the database has seen.
func TestGateOrder(t *testing.T) {
	f := newFixture(t, "1_a CREATE TABLE a (x int);", "3_c ALTER TABLE a RENAME x TO y;")
	check.Value(up(t.Context(), f.runner()))(t)
	f.write("2_b " + contractPhase + "-- +goose Up\nALTER TABLE a DROP y;")
	check.Same(t, "what breaks", check.Value(f.gate(contract(t, "c", "column a.y integer")))(t), "c after \"2_b.sql\": column a.y integer false\n")
	check.Value(up(t.Context(), f.runner()))(t)
	check.Same(t, "versions", f.versions(), "1 3 2")
	f.write("4_d ALTER TABLE a ADD z int;")
	check.Same(t, "what breaks", check.Value(f.gate(contract(t, "c", "column a.z integer")))(t), "")

	check.NoError(t, os.Remove(filepath.Join(f.opts.Dir, "3_c.sql")))
	if _, err := f.gate(contract(t, "c", "column a.z integer")); err == nil || !strings.Contains(err.Error(), "version 3, of which") {
		t.Errorf("the error is %v", err)
	}
}

// TestHintOfPhases says which file may be what a later one lacks.
func TestHintOfPhases(t *testing.T) {
	f := newFixture(t, "1_a CREATE TABLE a (x int);", "2_b "+contractPhase+"-- +goose Up\nALTER TABLE a DROP x;", "3_c ALTER TABLE a ADD x text;")
	r := f.runner()
	files, waiting, err := r.Plan(t.Context(), migrate.Target{})
	check.NoError(t, err)
	check.Same(t, "waiting", names(waiting), "[2_b.sql]")
	if _, err = r.Run(t.Context(), files); err == nil || !strings.Contains(err.Error(), "3_c.sql:2: ") || !strings.Contains(err.Error(), "if it needs 2_b.sql") {
		t.Errorf("the error is %v", err)
	}
	check.Value(up(t.Context(), f.runner()))(t)
	check.Same(t, "versions", f.versions(), "1 2 3")
}
