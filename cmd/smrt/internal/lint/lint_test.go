package lint_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/smrt-go/smrt/cmd/smrt/internal/lint"
	"github.com/smrt-go/smrt/cmd/smrt/internal/migrate"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/schema"
)

func TestAllow(t *testing.T) {
	for _, c := range []struct {
		what, file string
		rules      []string // that are left
		allowed    int
		says       string
	}{
		{"with a reason", up + timeout + "-- smrt:allow L3 20 rows\n\n-- About the index.\nCREATE INDEX ON users (email);", nil, 1, "allowed: 20 rows"},
		{"in the statement", up + timeout + "CREATE INDEX ON users\n-- smrt:allow L3 20 rows\n(email);", nil, 1, "allowed: 20 rows"},
		{"two rules", up + "-- smrt:allow L3 20 rows\n-- smrt:allow L4 at night\nCREATE INDEX ON users (email);", nil, 2, "allowed: at night"},
		{"without a reason", up + timeout + "-- smrt:allow L3\nCREATE INDEX ON users (email);", []string{"L3", "allow"}, 0, "gives no reason"},
		{"of another rule", up + timeout + "-- smrt:allow L2 20 rows\nCREATE INDEX ON users (email);", []string{"L3", "allow"}, 0, "does not break L2"},
		{"of another statement", up + timeout + "CREATE INDEX ON users (email);\n-- smrt:allow L3 20 rows\nSELECT 1;", []string{"L3", "allow"}, 0, "the next statement does not break L3"},
		{"of no statement", up + timeout + "SELECT 1;\n-- smrt:allow L3 20 rows", []string{"allow"}, 0, "00002_step.sql:4: allow"},
		{"of no rule", up + timeout + "-- smrt:allow L30 20 rows\nSELECT 1;", []string{"allow"}, 0, "L1 to L14"},
		{"of the allowance", up + timeout + "-- smrt:allow allow 20 rows\nSELECT 1;", []string{"allow"}, 0, "L1 to L14"},
		{"misspelled", up + timeout + "-- smrt:alow L3 20 rows\nCREATE INDEX ON users (email);", []string{"L3", "allow"}, 0, "no annotation smrt:alow"},
		{"of no phase", up + timeout + "-- smrt:phase contrct\nSELECT 1;", []string{"allow"}, 0, "the phases are expand and contract"},
		{"of a backfill without a key", "-- smrt:backfill table=users\n" + tx("UPDATE users SET name = '' WHERE true /* smrt:batch */;"), []string{"allow"}, 0, "00002_step.sql:1: allow allowance: smrt:backfill: it needs"},
		{"of a contract, with none", up + timeout + "-- smrt:allow L7 it is read by nobody\nALTER TABLE users DROP nick;", nil, 0, ""},
	} {
		t.Run(c.what, func(t *testing.T) {
			t.Parallel()
			result := run(t, lint.Options{}, c.file)
			check.Equal(t, "rules", rules(result.Findings), c.rules)
			check.Equal(t, "allowed", len(result.Allowed), c.allowed)
			if all := text(result.Findings) + text(result.Allowed); !strings.Contains(all, c.says) {
				t.Errorf("the report says no %q:\n%s", c.says, all)
			}
		})
	}
}

// TestWhatIsJudged judges neither what was released nor tables that are new.
func TestWhatIsJudged(t *testing.T) {
	bad, annotated := up+"ALTER TABLE users ALTER age TYPE bigint;", up+"-- smrt:allow L1 20 rows\nSELECT 1;"
	dir := write(t, bad, annotated, tx("CREATE TABLE notes (id bigint PRIMARY KEY, text text);\nALTER TABLE notes ALTER text SET NOT NULL;\nALTER TABLE notes ADD UNIQUE (text);\nINSERT INTO notes VALUES (1, '');"))
	for from, want := range map[int64][]string{0: {"L1", "L4", "allow"}, 1: {"L1", "L4", "allow"}, 2: {"allow"}, 3: nil, 4: nil} {
		result := check.Value(lint.Run(t.Context(), lint.Options{Dir: dir, From: from, DSN: testdb.Pool(t, testdb.Empty).Config().ConnString()}))(t)
		check.Equal(t, "rules", rules(result.Findings), want)
		check.Equal(t, "migrations", []int{result.Migrations, result.Judged}, []int{4, 4 - int(from)})
	}
}

// TestBlocks judges statements that goose sends as one by all of them, not by the last.
func TestBlocks(t *testing.T) {
	c := check.Value(schema.ParseContract("column users.nick character varying\n"))(t)
	o := lint.Options{Releases: []migrate.Contract{{Name: "old.contract", Contract: c}}}
	for text, want := range map[string][]string{
		"ALTER TABLE users ALTER name SET NOT NULL; TRUNCATE visits;":  {lint.Rewrite, lint.Scan}, // TRUNCATE among others is taken for one of those
		"ALTER TABLE users DROP nick; UPDATE visits SET team_id = 1;":  {lint.Rows, lint.Contract},
		"CREATE TABLE notes (id int PRIMARY KEY); DELETE FROM visits;": {lint.Catalog},
		"TRUNCATE visits;;": nil,
		"DO $$ BEGIN UPDATE users SET name = ''; DROP VIEW IF EXISTS v; END $$": nil,
	} {
		found := run(t, o, tx("-- +goose StatementBegin\n"+text+"\n-- +goose StatementEnd")).Findings
		check.Equal(t, "rules of "+text, rules(found), want)
	}
}

// TestPlaces finds statements in their files, however they are written.
func TestPlaces(t *testing.T) {
	t.Setenv("SMRT_LINT_COLUMN", "email")
	found := run(t, lint.Options{}, `-- +goose Up

-- A comment; with a semicolon.
SELECT 1;
SELECT 1;

/* Another. */ ALTER TABLE users
	-- within
	ADD note text; -- behind
-- +goose StatementBegin
DO $$
BEGIN
	ALTER TABLE teams ADD note text;

END $$;
-- +goose StatementEnd

-- +goose ENVSUB ON
CREATE INDEX ON users (${SMRT_LINT_COLUMN});
-- +goose ENVSUB OFF
UPDATE teams
SET name = '';

-- +goose Down
SELECT 1;
`).Findings
	var places []string
	for _, f := range found {
		places = append(places, f.Rule+" "+string(rune('a'-1+f.Line)))
	}
	check.Equal(t, "places", places, []string{"L4 g", "L4 k", "L5 k", "L3 s", "L6 u"})
}

// TestSettings judges what a migration does to its own session.
func TestSettings(t *testing.T) {
	t.Run("messages that were switched off", func(t *testing.T) {
		found := run(t, lint.Options{}, tx("SET client_min_messages = warning;\nALTER TABLE users ALTER name SET NOT NULL;"), tx("ALTER TABLE teams ADD CHECK (name <> '');")).Findings
		check.Equal(t, "rules", len(found), 2)
	})
	t.Run("a lock_timeout of the one who runs them", func(t *testing.T) {
		file := up + "ALTER TABLE users ADD note text;"
		check.Equal(t, "rules", rules(run(t, lint.Options{Timeout: time.Second}, file).Findings), nil)
		check.Equal(t, "rules", rules(run(t, lint.Options{Timeout: time.Minute}, file).Findings), []string{lint.Timeout})
	})
	t.Run("isolation", func(t *testing.T) {
		check.Equal(t, "rules", rules(run(t, lint.Options{}, tx("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE;\nALTER TABLE users ADD note text;\nDISCARD PLANS;")).Findings), nil)
	})
	t.Run("a transaction of its own", func(t *testing.T) {
		found := run(t, lint.Options{}, noTx+"BEGIN;\nSET LOCAL lock_timeout = '1s';\nCREATE INDEX IF NOT EXISTS mails ON users (email);\nUPDATE users SET name = '';\nCOMMIT;").Findings
		check.Equal(t, "rules", rules(found), []string{lint.Build, lint.Rows})
	})
	t.Run("a procedure that commits", func(t *testing.T) {
		found := run(t, lint.Options{}, noTx+"-- +goose StatementBegin\nDO $$ BEGIN CREATE INDEX IF NOT EXISTS mails ON users (email); COMMIT; END $$;\n-- +goose StatementEnd").Findings
		check.Equal(t, "rules", rules(found), []string{lint.Build, lint.Timeout})
	})
}

func TestErrors(t *testing.T) {
	empty := testdb.Pool(t, testdb.Empty)
	dsn := empty.Config().ConnString()
	dir := write(t, up+"SELECT 1;\n\nALTER TABLE users ADD\n id text;")
	_, err := lint.Run(t.Context(), lint.Options{Dir: dir, DSN: dsn})
	if err == nil || !strings.Contains(err.Error(), filepath.Join(dir, "00002_step.sql")+":4: ERROR: ") {
		t.Errorf("the error names no line: %v", err)
	}
	_, err = lint.Run(t.Context(), lint.Options{Dir: dir, DSN: dsn})
	check.Error(t, "a database with tables", err, lint.ErrNotEmpty)
	_, err = lint.Run(t.Context(), lint.Options{Dir: dir, From: 3, DSN: testdb.Pool(t, testdb.Empty).Config().ConnString()})
	if missing := (*lint.NoVersionError)(nil); !errors.As(err, &missing) {
		t.Errorf("the error of a version that is not there is %v", err)
	}
	for _, c := range []struct{ text, place, hint string }{
		{"SELECT 1;\nSELECT pg_catalog.set_config('search_path', '', false);\nSELECT 2;", ":3: ", migrate.HiddenHint},
		{"CREATE TABLE notes ();\nGRANT SELECT ON notes TO smrt_no_such_role;", ":3: ", migrate.NoRoleHint},
	} {
		for _, from := range []int64{0, 2} {
			dir := write(t, up+c.text)
			_, err := lint.Run(t.Context(), lint.Options{Dir: dir, From: from, DSN: testdb.Pool(t, testdb.Empty).Config().ConnString()})
			if err == nil || !strings.Contains(err.Error(), c.hint) || from == 0 && !strings.Contains(err.Error(), "00002_step.sql"+c.place) {
				t.Errorf("%s: %v", c.text, err)
			}
		}
	}
	if _, err := lint.Run(t.Context(), lint.Options{Dir: t.TempDir(), DSN: testdb.Pool(t, testdb.Empty).Config().ConnString()}); err == nil {
		t.Error("a directory without migrations is judged")
	}
}

// TestContractThatNeverFits says so, as nothing can be concluded from it.
func TestContractThatNeverFits(t *testing.T) {
	c := check.Value(schema.ParseContract("column nobody.name text\ncolumn users.name text\n"))(t)
	found := run(t, lint.Options{Releases: []migrate.Contract{{Name: "old.contract", Contract: c}}}, tx("ALTER TABLE users ADD note text;")).Findings
	check.Equal(t, "rules", rules(found), []string{lint.Contract})
	if says := text(found); !strings.Contains(says, "old.contract:1: ") || !strings.Contains(says, "nobody") {
		t.Errorf("the finding is %s", says)
	}
}

// TestContractOfLintedQueries has the server describe queries in the middle of migrations,
// which go on as if it had not.
func TestContractOfLintedQueries(t *testing.T) {
	c := check.Value(schema.ParseContract(`query Names () -> (text) "SELECT name FROM users"
query Nicks (bigint) -> (character varying) "SELECT nick FROM users WHERE id = $1"
`))(t)
	o := lint.Options{Releases: []migrate.Contract{{Name: "old.contract", Contract: c}}}
	files := []string{
		tx("ALTER TABLE users ADD note text;\nCREATE TABLE copies AS SELECT id FROM teams;\nALTER TABLE users RENAME nick TO other;\nALTER TABLE users ADD last text;"),
		noTx + "CREATE INDEX CONCURRENTLY IF NOT EXISTS users_last ON users (last, note);",
		tx("ALTER TABLE users ALTER name TYPE varchar;"),
	}
	found := run(t, o, files...).Findings
	var places []string
	for _, f := range found {
		places = append(places, fmt.Sprint(filepath.Base(f.File), ":", f.Line, " ", f.Rule, " ", f.Table))
	}
	check.Equal(t, "findings", places, []string{"00002_step.sql:4 L6 users", "00002_step.sql:5 L7 Nicks", "00004_step.sql:3 L7 Names"})
}
