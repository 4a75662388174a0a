package sqltext_test

import (
	"strings"
	"testing"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/sqltext"
)

// TestDeclaredWrites reads comments that say which tables a statement writes.
func TestDeclaredWrites(t *testing.T) {
	t.Parallel()
	for sql, want := range map[string]string{
		"SELECT 1": "",
		"-- smrt:writes products\nUPDATE products SET a = 1":   "products",
		"/* smrt:writes Products, public.\"Odd, one\" */ CALL": "products|Odd, one",
		"CALL f() /*smrt:writes a,b*/ -- smrt:writes b, c":     "a|b|c",
		"SELECT '-- smrt:writes a'":                            "",
		"SELECT 1 -- see smrt:writes a":                        "",
		"SELECT 1 -- smrt:writesome a":                         "",
		"CALL f() -- smrt:writes":                              "error",
		"CALL f() -- smrt:writes: a":                           "error",
		"CALL f() -- smrt:writes a b":                          "error",
		"CALL f() -- smrt:writes a,":                           "error",
		"CALL f() /* smrt:writes 'a' */":                       "error",
	} {
		names, err := sqltext.Declared(sql)
		got := strings.Join(names, "|")
		if err != nil {
			got = "error"
		}
		check.Same(t, sql, got, want)
	}
}

// TestWrittenTables finds the tables that words say a statement writes.
func TestWrittenTables(t *testing.T) {
	t.Parallel()
	for sql, want := range map[string]string{
		"SELECT * FROM a FOR UPDATE":                                            "",
		"SELECT * FROM a FOR NO KEY UPDATE OF b":                                "",
		"SELECT 'update a' FROM \"update\" -- delete from a":                    "",
		"INSERT INTO s.a (x) VALUES (1)":                                        "a",
		"insert into \"A b\" as c select 1 on conflict (x) do update set x = 1": "A b",
		"UPDATE ONLY a SET x = (SELECT 1 FROM b)":                               "a",
		"delete from only a using b":                                            "a",
		"MERGE INTO a USING b ON x WHEN MATCHED THEN UPDATE SET y = 1 WHEN NOT MATCHED THEN INSERT VALUES (1)": "a",
		"TRUNCATE TABLE ONLY a, s.b *, c RESTART IDENTITY":                                                     "a|b|c",
		"COPY a (x) FROM STDIN": "a",
		"WITH d AS (DELETE FROM a RETURNING *) INSERT INTO b SELECT * FROM d":                "a|b",
		"WITH x AS (SELECT 1) UPDATE a SET y = 1":                                            "a",
		"BEGIN; UPDATE a SET x = 1; COMMIT":                                                  "a",
		"SELECT a.update, b.delete FROM c":                                                   "",
		"ALTER TABLE a ADD FOREIGN KEY (b) REFERENCES c ON UPDATE CASCADE ON DELETE CASCADE": "",
	} {
		check.Same(t, sql, strings.Join(sqltext.Written(sql), "|"), want)
	}
}
