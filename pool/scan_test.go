package pool_test

import (
	"testing"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/pool"
)

func TestScan(t *testing.T) {
	t.Parallel()
	for sql, want := range map[string]string{
		"SELECT 1": "",
		"":         "",
		"WITH a AS (SELECT 1) INSERT INTO temperatures SELECT 1": "",
		"WITH a AS (SELECT 1) INSERT INTO temp (id) SELECT 1":    "",
		"UPDATE t SET a = 1":                                                                   "",
		"SELECT * FROM t ORDER BY temp":                                                        "",
		"INSERT INTO settings (set) VALUES ($1)":                                               "",
		"SET LOCAL work_mem = '1MB'":                                                           "",
		"set transaction isolation level serializable":                                         "",
		"SET CONSTRAINTS ALL DEFERRED":                                                         "",
		"SELECT set_config('a.b', $1, true)":                                                   "",
		"SELECT set_config('a.b', 'it''s (', true), 1":                                         "",
		"SELECT pg_advisory_xact_lock(1)":                                                      "",
		"SELECT pg_try_advisory_xact_lock_shared(1)":                                           "",
		"DECLARE c CURSOR FOR SELECT 1":                                                        "",
		"CREATE TABLE t (id int)":                                                              "",
		"CREATE TEMP TABLE t (id int) ON COMMIT DROP":                                          "",
		"PREPARE TRANSACTION 'x'":                                                              "",
		"UNLISTEN *":                                                                           "",
		"SELECT * FROM advisory_lock_audit":                                                    "",
		"SELECT * FROM notes WHERE note = 'a; set b'":                                          "",
		"SELECT 'set_config(', 'pg_advisory_lock(1)', $$; LISTEN a$$":                          "",
		"SELECT set_config, pg_advisory_lock FROM t":                                           "",
		`SELECT "my_set_config"('a', 'b', false)`:                                              "",
		"SELECT nextval('s'), currval('s')":                                                    "",
		"SELECT 1 INTO temp FROM t":                                                            "",
		"SELECT 1 INTO t":                                                                      "",
		"MERGE INTO temp t USING u ON true WHEN MATCHED THEN DELETE":                           "",
		"SELECT set_config(is_local => true, setting_name => 'a.b', new_value => 'x')":         "",
		"SELECT pg_catalog.set_config('a.b', 'x', /* is it */ TRUE)":                           "",
		"SET\nLOCAL a.b = 1":                                                                   "",
		"CREATE TEMP TABLE t (id int)\nON\tCOMMIT /**/ DROP":                                   "",
		"CREATE FUNCTION f() RETURNS void LANGUAGE sql AS 'SET a.b = 1'":                       "",
		"CREATE FUNCTION f() RETURNS text BEGIN ATOMIC SELECT set_config('a', 'b', false);END": "",
		"EXPLAIN SELECT pg_advisory_lock(1)":                                                   "",
		"EXPLAIN (VERBOSE) CREATE TEMP TABLE t AS SELECT 1":                                    "",
		"UPDATE settings SET name = 'x'":                                                       "",
		"SELECT name FROM pg_settings FOR UPDATE":                                              "",
		`SELECT "temp" FROM "set"`:                                                             "",
		"EXPLAIN (ANALYZE, ANALYZE off) SELECT pg_advisory_lock(1)":                            "",
		"EXPLAIN (SELECT pg_advisory_lock(1))":                                                 "",
		"EXPLAIN ANALYZE DECLARE c CURSOR WITH HOLD FOR SELECT 1":                              "",
		"DECLARE c CURSOR FOR WITH hold AS (SELECT 1) SELECT * FROM hold":                      "",
		"SELECT own.pg_advisory_lock(1), own.set_config('a.b', 'x', false)":                    "",
		"SELECT set_config('a.b', 'x', 'true')":                                                "",
		"CREATE VIEW v AS SELECT pg_advisory_lock(1)":                                          "",
		"CREATE OR REPLACE RULE r AS ON INSERT TO t DO SELECT set_config('a.b', 'x', false)":   "",
		"UPDATE own.pg_settings SET setting = 'x'":                                             "",
		"UPDATE pg_settings_copy SET setting = 'x'":                                            "",
		`SELECT E'\'; SET a.b = 1; --', U&"set!_config" UESCAPE '!' FROM t`:                    "",
		"DECLARE c CURSOR WITHOUT HOLD FOR SELECT 1":                                           "",
		"-- SET a\nSELECT 1":                                                                   "",
		"/* SET /* nested */ a */ SELECT 1":                                                    "",
		"/* never closed":                                                                      "",
		"SET work_mem = '1MB'":                                                                 "SET",
		"SET\twork_mem TO '1MB'":                                                               "SET",
		"SET/**/SESSION work_mem = '1MB'":                                                      "SET",
		"SET SESSION AUTHORIZATION a":                                                          "SET",
		"SET local.a = 1":                                                                      "SET",
		"set TIME ZONE 'UTC'":                                                                  "SET",
		"SELECT ';' ; -- ;\nSET a.b = 1":                                                       "SET",
		"RESET ALL":                                                                            "RESET",
		"reset role":                                                                           "RESET",
		"DISCARD ALL":                                                                          "DISCARD",
		"UPDATE pg_settings SET setting = 'x' WHERE name = 'a.b'":                              "an update of pg_settings",
		`update only pg_catalog."pg_settings" s set setting = 'x'`:                             "an update of pg_settings",
		`SELECT "set_config" ('a.b', 'x', false)`:                                              "set_config that is not local",
		"SELECT pg_catalog . set_config\n('a.b', 'true', false)":                               "set_config that is not local",

		"SELECT set_config(is_local => false, setting_name => 'a.b', new_value => 'x')": "set_config that is not local",
		"UPDATE ONLY (pg_settings) SET setting = 'x'":                                   "an update of pg_settings",
		"UPDATE shop.pg_catalog.pg_settings SET setting = 'x'":                          "an update of pg_settings",
		"EXPLAIN ANALYZE (SELECT pg_advisory_lock(1))":                                  "a session's advisory lock",
		"EXPLAIN (ANALYZE) (SELECT pg_advisory_lock(1))":                                "a session's advisory lock",
		`CREATE TABLE U&"pg!005ftemp" UESCAPE '!'.t (id int)`:                           "a temporary table",
		"CREATE TABLE pg_temp_3.t (id int)":                                             "a temporary table",
		"CREATE VIEW v AS SELECT * FROM pg_temp.t":                                      "a temporary table",
		"SELECT pg_advisory_lock /**/ (1)":                                              "a session's advisory lock",
		`SELECT U&"pg\005fadvisory_lock"(1)`:                                            "a session's advisory lock",
		"EXPLAIN (ANALYZE, BUFFERS) SELECT pg_advisory_lock_shared(1)":                  "a session's advisory lock",
		"explain analyze verbose create temp table t as select 1":                       "a temporary table",
		"DECLARE c CURSOR WITH\nHOLD FOR SELECT 1":                                      "a cursor WITH HOLD",
		"DECLARE c CURSOR with/**/hold FOR SELECT 1":                                    "a cursor WITH HOLD",
		"CREATE\nTEMPORARY\nSEQUENCE s":                                                 "a temporary table",
		"CREATE /* a */ TEMP VIEW v AS SELECT 1":                                        "a temporary table",
		`CREATE TABLE IF NOT EXISTS "pg_temp" . t (id int)`:                             "a temporary table",
		"CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql AS ''":                    "a temporary table",
		"SELECT 1\nINTO\tTEMPORARY TABLE t":                                             "a temporary table",
		`SELECT 1 INTO TEMP "t"`:                                                        "a temporary table",
		"SELECT 1 INTO pg_temp.t":                                                       "a temporary table",
		"WITH a AS (SELECT 1) SELECT * INTO LOCAL TEMP t FROM a":                        "a temporary table",
		"set session characteristics as transaction read only":                          "SET",
		"SET ROLE admin":                                               "SET",
		"  -- a comment\n\tset a.b to 1":                               "SET",
		"SELECT 1; SET a.b = 1":                                        "SET",
		"SELECT set_config('a.b', $1, false)":                          "set_config that is not local",
		"SELECT set_config('a.b', $1, $2)":                             "set_config that is not local",
		"SELECT set_config('a', f(',', true), false)":                  "set_config that is not local",
		"SELECT set_config(a, b, true), set_config('a.b', 'x', false)": "set_config that is not local",
		"SELECT set_config(":                                           "set_config that is not local",
		"SELECT pg_advisory_lock(1)":                                   "a session's advisory lock",
		"WITH l AS (SELECT pg_try_advisory_lock_shared(1)) SELECT 1":   "a session's advisory lock",
		"LISTEN orders":                                                "LISTEN",
		"LOAD 'auto_explain'":                                          "LOAD",
		"PREPARE a AS SELECT 1":                                        "PREPARE",
		"DECLARE c CURSOR WITH HOLD FOR SELECT 1":                      "a cursor WITH HOLD",
		"CREATE TEMP TABLE t (id int)":                                 "a temporary table",
		"create local temporary table t as select 1":                   "a temporary table",
		"CREATE OR REPLACE TEMP VIEW v AS SELECT 1":                    "a temporary table",
		"CREATE TABLE pg_temp.t (id int)":                              "a temporary table",
		"SELECT 1 INTO TEMP t":                                         "a temporary table",
	} {
		leaves, _, _, binds, feature := pool.Scan(sql)
		check.Same(t, sql, feature, want)
		check.Same(t, sql+": leaves", leaves, want != "")
		check.Same(t, sql+": binds", binds, want != "")
	}
	leaves, _, _, binds, _ := pool.Scan("DEALLOCATE ALL")
	check.Same(t, "DEALLOCATE: leaves", leaves, true) // less than pgx believes to be there
	check.Same(t, "DEALLOCATE: binds", binds, false)
	for sql, want := range map[string]bool{
		"SELECT 1;": false, "SELECT 1; -- done": false, "CALL p()": true, "DO $$ $$": true, "SELECT 1; SELECT 2": true, "SELECT 1": false,
		";;SELECT 1": false, "SELECT ';' AS a": false,
	} {
		_, _, once, _, _ := pool.Scan(sql)
		check.Same(t, sql+": once", once, want)
	}
}

// Reading a text never fails.
func FuzzScan(f *testing.F) {
	for _, sql := range []string{"SET a = 1", "/*/**/", "SELECT set_config('a', 'b', true)", ";;--", "create temp"} {
		f.Add(sql)
	}
	f.Fuzz(func(t *testing.T, sql string) {
		leaves, hears, _, binds, feature := pool.Scan(sql)
		if hears && !leaves || binds != (feature != "") {
			t.Errorf("%q: %v %v %v %q", sql, leaves, hears, binds, feature)
		}
	})
}

// BenchmarkScan reads a statement of 200 bytes, of which nothing outlives its
// execution: 0 allocations.
func BenchmarkScan(b *testing.B) {
	b.ReportAllocs()
	for range b.N {
		pool.Scan(`SELECT "id", "name", "price_cents", "stock", "deleted_at" FROM "products" WHERE "deleted_at" IS NULL ` +
			`AND "price_cents" < $1 AND ("category_id" = ANY($2) OR "name" LIKE $3) ORDER BY "id" LIMIT 20`)
	}
}
