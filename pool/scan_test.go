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
		"UPDATE t SET a = 1":                                           "",
		"SELECT * FROM t ORDER BY temp":                                "",
		"INSERT INTO settings (set) VALUES ($1)":                       "",
		"SET LOCAL work_mem = '1MB'":                                   "",
		"set transaction isolation level serializable":                 "",
		"SET CONSTRAINTS ALL DEFERRED":                                 "",
		"SELECT set_config('a.b', $1, true)":                           "",
		"SELECT set_config('a.b', 'it''s (', true), 1":                 "",
		"SELECT pg_advisory_xact_lock(1)":                              "",
		"SELECT pg_try_advisory_xact_lock_shared(1)":                   "",
		"DECLARE c CURSOR FOR SELECT 1":                                "",
		"CREATE TABLE t (id int)":                                      "",
		"CREATE TEMP TABLE t (id int) ON COMMIT DROP":                  "",
		"PREPARE TRANSACTION 'x'":                                      "",
		"UNLISTEN *":                                                   "",
		"-- SET a\nSELECT 1":                                           "",
		"/* SET /* nested */ a */ SELECT 1":                            "",
		"/* never closed":                                              "",
		"SET work_mem = '1MB'":                                         "SET",
		"set session characteristics as transaction read only":         "SET",
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
	for sql, want := range map[string]bool{
		"SELECT 1;": false, "SELECT 1; -- done": false, "CALL p()": true, "DO $$ $$": true, "SELECT 1; SELECT 2": true, "SELECT 1": false,
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
