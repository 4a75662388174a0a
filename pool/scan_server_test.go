package pool_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/sqltext"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/pool"
)

// sessionSchema has tables and functions whose names are nearly those that matter.
var sessionSchema = testdb.SQL("sessions", `
CREATE SCHEMA own;
CREATE TABLE own.pg_settings (name text, setting text);
CREATE TABLE pg_settings_copy (name text, setting text);
CREATE TABLE advisory_lock_audit (listen text, "set" text);
CREATE TABLE temp (id int);
CREATE FUNCTION own.pg_advisory_lock(bigint) RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION own.set_config(text, text, boolean) RETURNS int LANGUAGE sql AS 'SELECT 1';`)

// leaving are statements that leave something in a session, and what that is
// called.
var leaving = map[string]string{
	"SET app.a = 1":              "SET",
	"SET SESSION app.a TO 'x'":   "SET",
	"SET local.a = 'x'":          "SET",
	"SET TIME ZONE 'Asia/Tokyo'": "SET",

	"SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY": "SET",

	"SET ROLE pg_monitor":                  "SET",
	"SET SESSION AUTHORIZATION pg_monitor": "SET",
	"SELECT ';'; SET app.a = 1":            "SET",
	"BEGIN; SET app.a = 1; COMMIT":         "SET",
	"RESET app.z":                          "RESET",
	"RESET ALL":                            "RESET",
	"DISCARD ALL":                          "DISCARD",
	"UPDATE pg_settings SET setting = '5MB' WHERE name = 'work_mem'":                                          "an update of pg_settings",
	"UPDATE ONLY (pg_settings) SET setting = '5MB' WHERE name = 'work_mem'":                                   "an update of pg_settings",
	"WITH a AS (SELECT 1) UPDATE pg_catalog.pg_settings s SET setting = '5MB' FROM a WHERE name = 'work_mem'": "an update of pg_settings",
	"SELECT set_config('app.a', 'x', false)":                                                                  "set_config that is not local",
	"SELECT set_config('app.a', 'x', 1 = 2)":                                                                  "set_config that is not local",
	"VALUES (pg_catalog.set_config('app.a', 'true', false))":                                                  "set_config that is not local",
	"SELECT * FROM temp RIGHT JOIN set_config('app.a', 'x', false) ON true":                                   "set_config that is not local",
	"INSERT INTO temp SELECT length(set_config('app.a', 'x', false))":                                         "set_config that is not local",
	"EXPLAIN (ANALYZE) (SELECT set_config('app.a', 'x', false))":                                              "set_config that is not local",
	"SELECT pg_advisory_lock(1)":                                                                              "a session's advisory lock",
	"SELECT pg_advisory_lock_shared(1, 2)":                                                                    "a session's advisory lock",
	"SELECT pg_catalog.pg_try_advisory_lock(1)":                                                               "a session's advisory lock",
	"WITH l AS (SELECT pg_try_advisory_lock_shared(1)) SELECT * FROM l":                                       "a session's advisory lock",
	"EXPLAIN ANALYZE (SELECT pg_advisory_lock(1))":                                                            "a session's advisory lock",
	"EXPLAIN (COSTS OFF, ANALYZE) SELECT pg_advisory_lock(1)":                                                 "a session's advisory lock",
	"LISTEN orders":                           "LISTEN",
	"PREPARE mine AS SELECT 1":                "PREPARE",
	"DECLARE c CURSOR WITH HOLD FOR SELECT 1": "a cursor WITH HOLD",
	"DECLARE c BINARY INSENSITIVE NO SCROLL CURSOR WITH HOLD FOR SELECT 1": "a cursor WITH HOLD",
	"CREATE TEMP TABLE x (id int)":                                         "a temporary table",
	"CREATE LOCAL TEMPORARY TABLE x (id int) ON COMMIT DELETE ROWS":        "a temporary table",
	"CREATE GLOBAL TEMP TABLE IF NOT EXISTS x AS SELECT 1":                 "a temporary table",
	"CREATE OR REPLACE TEMP VIEW x AS SELECT 1":                            "a temporary table",
	"CREATE TEMP RECURSIVE VIEW x (a) AS SELECT 1":                         "a temporary table",
	"CREATE TEMPORARY SEQUENCE x":                                          "a temporary table",
	"CREATE TABLE pg_temp.x (id int)":                                      "a temporary table",
	"CREATE TABLE IF NOT EXISTS pg_temp.x AS SELECT 1":                     "a temporary table",
	"CREATE VIEW pg_temp.x AS SELECT 1":                                    "a temporary table",
	"CREATE TYPE pg_temp.x AS ENUM ('a')":                                  "a temporary table",
	"CREATE FUNCTION pg_temp.x() RETURNS int LANGUAGE sql AS 'SELECT 1'":   "a temporary table",
	"SELECT 1 AS a INTO TEMP x":                                            "a temporary table",
	"SELECT 1 AS a INTO TEMPORARY TABLE x FROM temp":                       "a temporary table",
	"SELECT 1 AS a INTO pg_temp.x":                                         "a temporary table",
	"WITH a AS (SELECT 1 AS a) SELECT * INTO LOCAL TEMP x FROM a":          "a temporary table",
	"EXPLAIN ANALYZE CREATE TEMP TABLE x AS SELECT 1":                      "a temporary table",
	"EXPLAIN ANALYZE VERBOSE SELECT 1 AS a INTO TEMP x":                    "a temporary table",
	"EXPLAIN (ANALYZE 1) CREATE TABLE pg_temp.x AS SELECT 1":               "a temporary table",
}

// harmless are statements that leave nothing, though they look as if.
var harmless = []string{
	"SELECT 1", "SELECT * FROM advisory_lock_audit", "SELECT listen, \"set\" FROM advisory_lock_audit WHERE listen = 'a; SET app.a = 1'",
	"SELECT 'set_config(''app.a'', ''x'', false)', $$; LISTEN a$$, $a$ pg_advisory_lock(1) $$ $a$", `SELECT E'\'; SET app.a = 1; --'`,
	"SET LOCAL app.a = 1", "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", "BEGIN; SET LOCAL app.a = 1; SET CONSTRAINTS ALL DEFERRED; COMMIT",
	"SELECT set_config('app.a', 'x', true)", "SELECT set_config('app.a', 'x', 't')",
	"SELECT pg_advisory_xact_lock(1)", "SELECT own.pg_advisory_lock(1), own.set_config('app.a', 'x', false)",
	"UPDATE own.pg_settings SET setting = '5MB'", "UPDATE pg_settings_copy SET setting = '5MB'", "SELECT name FROM pg_settings", "UNLISTEN *",
	"DECLARE c CURSOR FOR WITH hold AS (SELECT 1) SELECT * FROM hold; COMMIT", "BEGIN; DECLARE c CURSOR WITHOUT HOLD FOR SELECT 1; COMMIT",
	"EXPLAIN SELECT pg_advisory_lock(1)", "EXPLAIN (ANALYZE, ANALYZE false) SELECT pg_advisory_lock(1)", "EXPLAIN CREATE TEMP TABLE x AS SELECT 1",
	"EXPLAIN ANALYZE DECLARE c CURSOR WITH HOLD FOR SELECT 1", "CREATE TEMP TABLE x (id int) ON COMMIT DROP", "INSERT INTO temp SELECT 1",
	"BEGIN; CREATE VIEW x AS SELECT pg_try_advisory_lock(1); ROLLBACK", "BEGIN; SELECT 1 AS a INTO temp.x; ROLLBACK", "SELECT id FROM temp ORDER BY id",
	"BEGIN; CREATE FUNCTION x() RETURNS text BEGIN ATOMIC SELECT set_config('app.a', 'x', false); END; ROLLBACK",
	"BEGIN; CREATE RULE x AS ON INSERT TO temp DO (SELECT pg_try_advisory_lock(1); SELECT 1); ROLLBACK",
}

// leftSQL is everything that can be seen of what a session was left with.
const leftSQL = `SELECT concat_ws('|', current_user, session_user, current_setting('app.a', true), current_setting('app.z', true), current_setting('local.a', true),
	(SELECT string_agg(name || '=' || setting, ',' ORDER BY name) FROM pg_settings WHERE source = 'session' AND name NOT LIKE 'transaction%'),
	(SELECT string_agg(relname, ',') FROM pg_class WHERE relnamespace = pg_my_temp_schema()),
	(SELECT string_agg(typname, ',') FROM pg_type WHERE typnamespace = pg_my_temp_schema()),
	(SELECT string_agg(proname, ',') FROM pg_proc WHERE pronamespace = pg_my_temp_schema()),
	(SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()),
	(SELECT string_agg(name, ',') FROM pg_cursors), (SELECT string_agg(name, ',') FROM pg_prepared_statements),
	(SELECT string_agg(c, ',') FROM pg_listening_channels() c))`

// session is a connection that is made as new again and again.
type session struct {
	*pgconn.PgConn
	t *testing.T
}

func (s session) run(sql string) ([]*pgconn.Result, error) {
	return s.Exec(context.Background(), sql).ReadAll()
}

func (s session) left() string {
	s.t.Helper()
	return string(check.Value(s.run(leftSQL))(s.t)[0].Rows[0][0])
}

// renew makes the session as it was, with a setting that can be reset.
func (s session) renew(setup ...string) {
	s.t.Helper()
	for _, sql := range append([]string{"DISCARD ALL", "SET app.z = 'set'; SET app.a = ''; SET local.a = ''"}, setup...) {
		check.Value(s.run(sql))(s.t)
	}
}

// TestScanAgainstTheServer runs statements, each in many spellings, in a session,
// and looks whether they left something there. The scan knows it of every one.
func TestScanAgainstTheServer(t *testing.T) {
	t.Parallel()
	db := testdb.Pool(t, sessionSchema, testdb.MaxConns(1))
	conn := check.Value(db.Acquire(t.Context()))(t)
	defer conn.Release()
	s := session{conn.Conn().PgConn(), t}
	s.renew()
	before := s.left()
	spellings := 5
	if check.Long() {
		spellings = 200
	}
	random := check.Random(t)
	whole := map[string]string{"UPDATE " + pgx.Identifier{conn.Conn().Config().Database}.Sanitize() + ".pg_catalog.pg_settings SET setting = '5MB' WHERE name = 'work_mem'": "an update of pg_settings"}
	for sql, feature := range leaving {
		whole[sql] = feature
	}
	for _, sql := range harmless {
		whole[sql] = ""
	}
	for sql, feature := range whole {
		for i := range spellings {
			text := sql
			if i > 0 {
				text = respell(random, sql)
			}
			leaves, _, _, binds, got := pool.Scan(text)
			check.Same(t, text+": is", got, feature)
			check.Same(t, text+": leaves", leaves, feature != "")
			check.Same(t, text+": binds", binds, feature != "")
			if _, err := s.run(text); err != nil && !strings.Contains(sql, "temp.x;") && !strings.HasPrefix(sql, "DECLARE c CURSOR FOR") {
				t.Fatalf("%s: %v", text, err)
			}
			if s.TxStatus() != 'I' {
				check.Value(s.run("ROLLBACK"))(t)
			}
			after := s.left()
			if (before != after) != (feature != "") {
				t.Errorf("%q is %q to the scan, and the session was\n%s and is\n%s", text, feature, before, after)
			}
			if before != after {
				s.renew()
			}
		}
	}
	// What the scan cannot see, for which it says that it may be.
	for _, sql := range []string{"DO $$ BEGIN PERFORM set_config('app.a', 'x', false); END $$", "LOAD 'auto_explain'"} {
		leaves, _, _, _, _ := pool.Scan(sql)
		check.Same(t, sql+": leaves", leaves, true)
	}
}

// TestScanWithoutStandardStrings does so where a backslash escapes a quote, which
// is another text.
func TestScanWithoutStandardStrings(t *testing.T) {
	t.Parallel()
	db := testdb.Pool(t, sessionSchema, testdb.MaxConns(1))
	conn := check.Value(db.Acquire(t.Context()))(t)
	defer conn.Release()
	s := session{conn.Conn().PgConn(), t}
	for sql, feature := range map[string]string{
		`SELECT 'it\'s', set_config('app.a', 'it''s', false)`:    "set_config that is not local",
		`SELECT 'a\\'; SET app.a = 1; --'`:                       "SET",
		`SELECT 'a\'; SET app.a = 1; --'`:                        "",
		`SELECT 'a\' || set_config(''app.a'', ''x'', false)'`:    "",
		`SELECT N'\'; SET app.a = 1; --'`:                        "",
		`SELECT "a\"; SET app.a = 1; --" FROM (VALUES (1)) x(a)`: "SET",
	} {
		leaves, _, _, _, got := pool.ScanEscaped(sql, true)
		check.Same(t, sql+": is", got, feature)
		check.Same(t, sql+": leaves", leaves, feature != "")
		s.renew("SET backslash_quote = on", "SET escape_string_warning = off", "SET standard_conforming_strings = off")
		before := s.left()
		_, _ = s.run(sql)
		if after := s.left(); before != after && feature == "" {
			t.Errorf("%q is nothing to the scan, and the session was\n%s and is\n%s", sql, before, after)
		}
	}
}

// respelled are names that may be written with quotes.
const respelled = " pg_temp pg_catalog pg_settings set_config pg_advisory_lock pg_advisory_lock_shared pg_try_advisory_lock pg_try_advisory_lock_shared "

// respell writes a text in other words for the same tokens.
func respell(random *rand.Rand, sql string) string {
	gaps := []string{" ", "\n", "\t", "\r\n", "\f", "/**/", " /* ; ' */ ", "/* a /* b */ \" */", "-- ' $$ ;\n", "--\r"}
	var b strings.Builder
	for l := sqltext.New(sql); ; {
		token := l.Next()
		text := token.Text
		switch {
		case token.Kind == sqltext.End:
			return b.String()
		case token.Kind == sqltext.Word && strings.Contains(respelled, " "+text+" ") && random.IntN(2) == 0:
			text = quoted(random, text)
		case token.Kind == sqltext.Word:
			text = changeCase(random, text)
		}
		for n := 1 + random.IntN(2); n > 0; n-- {
			b.WriteString(gaps[random.IntN(len(gaps))])
		}
		b.WriteString(text)
	}
}

func changeCase(random *rand.Rand, s string) string {
	letters := []byte(s)
	for i, c := range letters {
		if random.IntN(2) == 0 {
			letters[i] = []byte(strings.ToUpper(string(c)))[0]
		}
	}
	return string(letters)
}

// quoted writes a name in quotes, some with escapes.
func quoted(random *rand.Rand, name string) string {
	at := random.IntN(len(name))
	switch random.IntN(4) {
	case 0:
		return fmt.Sprintf(`U&"%s\%04x%s"`, name[:at], name[at], name[at+1:])
	case 1:
		return fmt.Sprintf(`u&"%s\+%06X%s"`, name[:at], name[at], name[at+1:])
	case 2:
		return fmt.Sprintf("U&\"%s!%04x%s\"\n/* a */UESCAPE/* b */'!'", name[:at], name[at], name[at+1:])
	}
	return `"` + name + `"`
}
