package migrate_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/smrt-go/smrt/cmd/smrt/internal/migrate"
	"github.com/smrt-go/smrt/internal/check"
)

// TestSearchPath has files behind which goose's tables are not found, as dumps are.
func TestSearchPath(t *testing.T) {
	const leaves, resets = "SELECT 1;\nSELECT pg_catalog.set_config('search_path', '', false);\nCREATE TABLE public.a (x int);", "\nRESET search_path;"
	for _, first := range []string{"", "-- +goose NO TRANSACTION\n"} {
		f := newFixture(t, "1_a "+first+"-- +goose Up\n"+leaves)
		_, err := up(t.Context(), f.runner())
		want := "1_a.sql:" + string(rune('3'+strings.Count(first, "\n"))) + ": "
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), migrate.HiddenHint) {
			t.Errorf("the error is %v, without %q or the hint", err, want)
		}
		if first == "" {
			f.write("1_a " + leaves + resets)
			check.Value(up(t.Context(), f.runner()))(t)
		}
	}
	f := newFixture(t, "1_a ALTER TABLE missing ADD x int; SET search_path = public;")
	if _, err := up(t.Context(), f.runner()); err == nil || strings.Contains(err.Error(), migrate.HiddenHint) {
		t.Errorf("of a table of the file's the error is %v", err)
	}
}

// TestRolesOnACopy has a role that the database of the gate does not have.
func TestRolesOnACopy(t *testing.T) {
	for _, statement := range []string{"GRANT SELECT ON notes TO smrt_no_such_role", "ALTER TABLE notes OWNER TO smrt_no_such_role", "ALTER ROLE smrt_no_such_role RESET ALL"} {
		f := newFixture(t, "1_notes CREATE TABLE notes (id bigint, text text);", "2_grant "+statement+";")
		_, err := f.gate(contract(t, "c", "column notes.text text"))
		failed := (*migrate.Error)(nil)
		if !errors.As(err, &failed) || failed.Hint != migrate.NoRoleHint || failed.Line != 2 {
			t.Errorf("%s: the error is %v", statement, err)
		}
	}
	f := newFixture(t, "1_notes ALTER TABLE notes ADD x no_such_type;")
	if _, err := f.gate(contract(t, "c", "column notes.text text")); err == nil || strings.Contains(err.Error(), migrate.NoRoleHint) {
		t.Errorf("of a type the error is %v", err)
	}
}

// TestUnreadable tells a file that goose cannot read, by goose's words, from other errors.
func TestUnreadable(t *testing.T) {
	for text, says := range map[string]string{
		"-- +goose Up\nSELECT 1":                                 "missing semicolon?",
		"-- +goose Up\n-- +goose StatementBegin\nSELECT 1;":      "missing '-- +goose StatementEnd'",
		"\ufeff-- +goose Up\nSELECT 1;":                          "save it as UTF-8 without one",
		"SELECT 1;\n-- +goose Down\n-- below it is no +goose Up": "below a line -- +goose Up",
	} {
		f := newFixture(t, "1_a "+text)
		_, err := up(t.Context(), f.runner())
		if unread := (*migrate.ParseError)(nil); !errors.As(err, &unread) || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: the error is %v, without %q", text, err, says)
		}
	}
	f := newFixture(t, "1_a SELECT 1/0;")
	if _, err := up(t.Context(), f.runner()); err == nil || errors.As(err, new(*migrate.ParseError)) {
		t.Errorf("of a statement the error is %v", err)
	}
}
