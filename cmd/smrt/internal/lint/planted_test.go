package lint_test

import (
	"strings"
	"testing"

	"github.com/smrt-go/smrt/cmd/smrt/internal/lint"
	"github.com/smrt-go/smrt/cmd/smrt/internal/migrate"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/schema"
)

// contract is what the release that runs needs.
const contract = `column users.id bigint
column users.name text
column users.nick character varying
column teams.name text
insert users
`

// planted are migrations that are not safe, what breaks which rule on which table in
// which line, and the same in safe steps.
var planted = []struct {
	what, rule, table string
	line              int
	says              string // of the problem, or the safe way
	bad               []string
	safe              []string
}{
	{
		"column with a volatile default", lint.Rewrite, "users", 3, "constant one",
		[]string{tx("ALTER TABLE users ADD token uuid DEFAULT gen_random_uuid();")},
		[]string{tx("ALTER TABLE users ADD token uuid, ADD since timestamptz DEFAULT now();\nALTER TABLE users ALTER token SET DEFAULT gen_random_uuid();")},
	},
	{
		"rule of a domain", lint.Scan, "users", 3, "NOT VALID",
		[]string{tx("CREATE DOMAIN mail AS text;\nALTER TABLE users ADD mail mail;"), tx("ALTER DOMAIN mail ADD CHECK (VALUE <> '');")},
		[]string{tx("CREATE DOMAIN mail AS text;\nALTER TABLE users ADD mail mail;"), tx("ALTER DOMAIN mail ADD CONSTRAINT c CHECK (VALUE <> '') NOT VALID;")},
	},
	{
		"rows in a block, of a table that is locked", lint.Rows, "users", 5, "written",
		[]string{tx("ALTER TABLE users ADD note text;\n-- +goose StatementBegin\nDO $$ BEGIN UPDATE users SET note = ''; END $$;\n-- +goose StatementEnd")},
		[]string{tx("ALTER TABLE users ADD note text;"), tx("-- +goose StatementBegin\nDO $$ BEGIN UPDATE users SET note = ''; END $$;\n-- +goose StatementEnd")},
	},
	{
		"column with an identity", lint.Rewrite, "users", 3, "ACCESS",
		[]string{tx("ALTER TABLE users ADD number bigint GENERATED ALWAYS AS IDENTITY;")},
		[]string{tx("ALTER TABLE users ADD number bigint;")},
	},
	{
		"column that is generated and stored", lint.Rewrite, "users", 3, "trigger",
		[]string{tx("ALTER TABLE users ADD shout text GENERATED ALWAYS AS (upper(name)) STORED;")},
		[]string{tx("ALTER TABLE users ADD shout text;")},
	},
	{
		"integer to bigint", lint.Rewrite, "users", 3, "column of the new type",
		[]string{tx("ALTER TABLE users ALTER age TYPE bigint;")},
		[]string{tx("ALTER TABLE users ADD age_8 bigint;")},
	},
	{
		"narrower varchar, in a table that was renamed", lint.Rewrite, "users", 4, "reads and writes",
		[]string{tx("ALTER TABLE users RENAME TO people;\nALTER TABLE people ALTER nick TYPE varchar(10);")},
		[]string{tx("ALTER TABLE users ALTER nick TYPE varchar(30);"), tx("ALTER TABLE users ALTER nick TYPE text;")},
	},
	{
		"VACUUM FULL", lint.Rewrite, "users", 4, "without FULL",
		[]string{noTx + patient + "VACUUM FULL users;"},
		[]string{noTx + "VACUUM users;"},
	},
	{
		"CLUSTER", lint.Rewrite, "teams", 3, "VACUUM",
		[]string{tx("CLUSTER teams USING teams_pkey;")},
		[]string{tx("ALTER TABLE teams CLUSTER ON teams_pkey;")},
	},
	{
		"REFRESH of a view", lint.Rewrite, "teams_seen", 3, "CONCURRENTLY",
		[]string{tx("REFRESH MATERIALIZED VIEW teams_seen;")},
		[]string{noTx + "REFRESH MATERIALIZED VIEW CONCURRENTLY teams_seen;"},
	},
	{
		"SET NOT NULL", lint.Scan, "users", 3, "IS NOT NULL) NOT VALID",
		[]string{tx("ALTER TABLE users ALTER name SET NOT NULL;")},
		[]string{
			tx("ALTER TABLE users ADD CONSTRAINT named CHECK (name IS NOT NULL) NOT VALID;"), up + "ALTER TABLE users VALIDATE CONSTRAINT named;",
			tx("ALTER TABLE users ALTER name SET NOT NULL;\nALTER TABLE users DROP CONSTRAINT named;"),
		},
	},
	{
		"CHECK", lint.Scan, "users", 3, "NOT VALID, and in another migration VALIDATE",
		[]string{tx("ALTER TABLE users ADD CHECK (age > 0);")},
		[]string{tx("ALTER TABLE users ADD CONSTRAINT aged CHECK (age > 0) NOT VALID;"), up + "ALTER TABLE users VALIDATE CONSTRAINT aged;"},
	},
	{
		"foreign key", lint.Scan, "users", 3, "FOREIGN KEY ... NOT VALID",
		[]string{tx("ALTER TABLE users ADD FOREIGN KEY (team_id) REFERENCES teams;")},
		[]string{tx("ALTER TABLE users ADD CONSTRAINT team FOREIGN KEY (team_id) REFERENCES teams NOT VALID;"), up + "ALTER TABLE users VALIDATE CONSTRAINT team;"},
	},
	{
		"VALIDATE under the lock", lint.Scan, "users", 4, "of its own",
		[]string{tx("ALTER TABLE users ADD CONSTRAINT aged CHECK (age > 0) NOT VALID;\nALTER TABLE users VALIDATE CONSTRAINT aged;")},
		[]string{tx("ALTER TABLE users ADD CONSTRAINT aged CHECK (age > 0) NOT VALID;"), up + "ALTER TABLE users VALIDATE CONSTRAINT aged;"},
	},
	{
		"ATTACH PARTITION", lint.Scan, "january", 3, "bounds of the partition",
		[]string{tx("ALTER TABLE days ATTACH PARTITION january FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');")},
		[]string{
			tx("ALTER TABLE january ADD CONSTRAINT bounds CHECK (day >= '2026-01-01' AND day < '2026-02-01') NOT VALID;"),
			up + "ALTER TABLE january VALIDATE CONSTRAINT bounds;",
			tx("ALTER TABLE days ATTACH PARTITION january FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');"),
		},
	},
	{
		"index", lint.Build, "users", 3, "CREATE INDEX CONCURRENTLY",
		[]string{tx("CREATE INDEX ON users (email);")},
		[]string{noTx + "CREATE INDEX CONCURRENTLY IF NOT EXISTS users_email ON users (email);"},
	},
	{
		"index without a transaction", lint.Build, "users", 4, "blocks writes",
		[]string{noTx + patient + "CREATE INDEX IF NOT EXISTS users_email ON users (email);"},
		[]string{noTx + "DROP INDEX CONCURRENTLY IF EXISTS users_email;\nCREATE INDEX CONCURRENTLY users_email ON users (email);"},
	},
	{
		"UNIQUE", lint.Build, "users", 3, "USING INDEX",
		[]string{tx("ALTER TABLE users ADD UNIQUE (email);")},
		[]string{noTx + "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS users_email ON users (email);", tx("ALTER TABLE users ADD UNIQUE USING INDEX users_email;")},
	},
	{
		"REINDEX", lint.Build, "teams", 3, "CONCURRENTLY",
		[]string{tx("REINDEX TABLE teams;")},
		[]string{noTx + "REINDEX TABLE CONCURRENTLY teams;"},
	},
	{
		"no lock_timeout", lint.Timeout, "users", 2, "lock_timeout is 0",
		[]string{up + "ALTER TABLE users ADD note text;\nALTER TABLE users ADD more text;"},
		[]string{tx("ALTER TABLE users ADD note text;")},
	},
	{
		"long lock_timeout", lint.Timeout, "teams", 4, "up to 1m0s",
		[]string{up + "SET LOCAL lock_timeout = '1min';\n\nDROP TABLE teams;"},
		[]string{up + "SELECT set_config('lock_timeout', '5s', true);\nDROP TABLE visits CASCADE;"},
	},
	{
		"two tables", lint.Tables, "users", 4, "since line 3",
		[]string{tx("ALTER TABLE teams ADD note text;\nALTER TABLE users ADD note text;")},
		[]string{tx("ALTER TABLE teams ADD note text;"), tx("ALTER TABLE users ADD note text;\nCREATE TABLE notes (id bigint PRIMARY KEY, user_id bigint REFERENCES users);\nCREATE INDEX ON notes (user_id);")},
	},
	{
		"rows written under a lock", lint.Rows, "users", 4, "are written",
		[]string{tx("ALTER TABLE users ADD loud text;\nUPDATE users SET loud = upper(name);")},
		[]string{tx("ALTER TABLE users ADD loud text;"), backfill + up + "UPDATE users SET loud = upper(name) WHERE true /* smrt:batch */;"},
	},
	{
		"rows read under a lock", lint.Rows, "teams", 5, "are read",
		[]string{tx("ALTER TABLE teams ADD loud text;\nCREATE TABLE copies (id bigint PRIMARY KEY, name text);\nINSERT INTO copies SELECT id, name FROM teams;")},
		[]string{tx("ALTER TABLE teams ADD loud text;\nCREATE TABLE copies (id bigint PRIMARY KEY, name text);\nINSERT INTO copies VALUES (1, 'a');"), up + "INSERT INTO copies SELECT id + 10, name FROM teams;"},
	},
	{
		"table made of rows under a lock", lint.Rows, "teams", 4, "are read",
		[]string{tx("ALTER TABLE teams ADD loud text;\nCREATE TABLE copies AS SELECT id, name FROM teams;")},
		[]string{tx("ALTER TABLE teams ADD loud text;"), up + "CREATE TABLE copies AS SELECT id, name FROM teams;"},
	},
	{
		"column renamed", lint.Contract, "users", 3, "smrt.contract fails",
		[]string{tx("ALTER TABLE users RENAME name TO full_name;")},
		[]string{tx("ALTER TABLE users ADD full_name text;"), "-- smrt:phase contract\n" + tx("ALTER TABLE users DROP name;")},
	},
	{
		"table renamed", lint.Contract, "teams", 3, "until no release needs it",
		[]string{tx("ALTER TABLE teams RENAME TO groups;")},
		[]string{tx("ALTER TABLE teams RENAME TO groups;\nCREATE VIEW teams AS SELECT * FROM groups;")},
	},
	{
		"column dropped", lint.Contract, "users", 3, "contract",
		[]string{tx("ALTER TABLE users DROP nick;")},
		[]string{tx("ALTER TABLE users DROP email;")},
	},
	{
		"NOT NULL column", lint.Scan, "users", 3, "constant DEFAULT",
		[]string{tx("ALTER TABLE users ADD rank integer NOT NULL;")},
		[]string{tx("ALTER TABLE users ADD rank integer NOT NULL DEFAULT 0;")},
	},
	{
		"column that the release does not fill", lint.Contract, "users", 4, "insert users",
		[]string{tx("ALTER TABLE users ADD rank integer NOT NULL DEFAULT 0;\nALTER TABLE users ALTER rank DROP DEFAULT;")},
		[]string{tx("ALTER TABLE users ADD rank integer NOT NULL DEFAULT 0;")},
	},
	{
		"several statements without a transaction", lint.Repeat, "", 4, "for each statement",
		[]string{noTx + "CREATE INDEX CONCURRENTLY IF NOT EXISTS a ON users (email);\nCREATE INDEX CONCURRENTLY IF NOT EXISTS b ON users (name);"},
		[]string{noTx + "CREATE INDEX CONCURRENTLY IF NOT EXISTS a ON users (email);", noTx + "CREATE INDEX CONCURRENTLY IF NOT EXISTS b ON users (name);"},
	},
	{
		"statement that fails the second time", lint.Repeat, "", 3, "IF NOT EXISTS",
		[]string{noTx + "ALTER TYPE mood ADD VALUE 'fine';"},
		[]string{noTx + "ALTER TYPE mood ADD VALUE IF NOT EXISTS 'fine';"},
	},
	{
		"index that is made twice", lint.Repeat, "", 3, "another name",
		[]string{noTx + "CREATE INDEX CONCURRENTLY ON users (email);"},
		[]string{noTx + "CREATE INDEX CONCURRENTLY IF NOT EXISTS users_email ON users (email);"},
	},
	{
		"key of four bytes", lint.Catalog, "notes", 3, "notes.id is integer",
		[]string{tx("CREATE TABLE notes (id serial PRIMARY KEY);")},
		[]string{tx("CREATE TABLE notes (id bigserial PRIMARY KEY, n integer);")},
	},
	{
		"json", lint.Catalog, "users", 3, "jsonb",
		[]string{tx("ALTER TABLE users ADD extra json;")},
		[]string{tx("ALTER TABLE users ADD extra jsonb;")},
	},
	{
		"char(n)", lint.Catalog, "users", 3, "padded",
		[]string{tx("ALTER TABLE users ADD code char(3);")},
		[]string{tx("ALTER TABLE users ADD code varchar(3);")},
	},
	{
		"timestamp without zone, in an array", lint.Catalog, "users", 3, "timestamptz",
		[]string{tx("ALTER TABLE users ADD seen timestamp[];")},
		[]string{tx("ALTER TABLE users ADD seen timestamptz[];")},
	},
	{
		"money", lint.Catalog, "users", 3, "currency",
		[]string{tx("ALTER TABLE users ADD price money;")},
		[]string{tx("ALTER TABLE users ADD price numeric(20,2);")},
	},
	{
		"time with a zone", lint.Catalog, "users", 3, "without a date",
		[]string{tx("ALTER TABLE users ADD opens timetz;")},
		[]string{tx("ALTER TABLE users ADD opens time, ADD seen timestamptz;")},
	},
	{
		"foreign key without an index", lint.Catalog, "users", 3, "(boss_id)",
		[]string{tx("ALTER TABLE users ADD boss_id bigint REFERENCES users;")},
		[]string{
			tx("ALTER TABLE users ADD boss_id bigint REFERENCES users;"),
			noTx + "CREATE INDEX CONCURRENTLY IF NOT EXISTS users_boss_id ON users (boss_id, name) WHERE boss_id IS NOT NULL;",
		},
	},
	{
		"REINDEX of a partitioned table", lint.Build, "march", 4, "REINDEX ... CONCURRENTLY",
		[]string{tx("CREATE TABLE march PARTITION OF days FOR VALUES FROM ('2026-03-01') TO ('2026-04-01');\nCREATE INDEX ON days (day);"), noTx + patient + "REINDEX TABLE days;"},
		[]string{noTx + patient + "REINDEX TABLE CONCURRENTLY days;"},
	},
	{
		"label renamed", lint.Catalog, "mood", 2, "'bad' of mood is called 'awful'",
		[]string{up + "ALTER TYPE mood RENAME VALUE 'bad' TO 'awful';"},
		[]string{up + "ALTER TYPE mood ADD VALUE IF NOT EXISTS 'awful';"},
	},
	{
		oneUpdate, lint.Whole, "users", 2, "all rows of users are changed",
		[]string{up + "UPDATE users SET nick = name;"},
		[]string{backfill + up + "UPDATE users SET nick = name WHERE true /* smrt:batch */;"},
	},
	{
		"rows that no index finds", lint.Whole, "users", 2, "however many",
		[]string{up + "UPDATE users SET nick = '' WHERE nick IS NULL;"},
		[]string{up + "UPDATE users SET nick = '' WHERE nick IS NULL AND team_id = ANY('{1,2}');\nUPDATE users SET nick = '' WHERE team_id > 1000000;"},
	},
	{
		"all rows in one DELETE, which keeps them elsewhere", lint.Whole, "visits", 3, "all rows of visits are deleted",
		[]string{up + "CREATE TABLE old (team_id bigint);\nWITH gone AS (DELETE FROM visits RETURNING team_id) INSERT INTO old SELECT team_id FROM gone;"},
		[]string{up + "CREATE TABLE old (team_id bigint);\nINSERT INTO old SELECT team_id FROM visits;"},
	},
	{
		"rows of another table", lint.Whole, "visits", 2, "however many",
		[]string{up + "UPDATE visits SET team_id = t.id FROM teams t WHERE t.id = visits.team_id;"},
		[]string{up + "UPDATE users SET name = v.name FROM (VALUES (1, 'a'), (2, 'b')) AS v (id, name) WHERE users.id = v.id;"},
	},
	{
		"rows of partitions", lint.Whole, "days", 2, "all rows of days",
		[]string{tx("CREATE TABLE march PARTITION OF days FOR VALUES FROM ('2026-03-01') TO ('2026-04-01');"), up + "UPDATE days SET n = 1;"},
		[]string{tx("CREATE TABLE march PARTITION OF days FOR VALUES FROM ('2026-03-01') TO ('2026-04-01');"), up + "UPDATE days SET n = 1 WHERE day = '2026-05-01';"},
	},
	{
		"table that is copied and swapped", lint.Replaced, "visits", 5, "lacks what was written",
		[]string{up + timeout + "CREATE TABLE copies AS SELECT team_id, now() AS at FROM visits;\nALTER TABLE visits RENAME TO old;\nALTER TABLE copies RENAME TO visits;"},
		[]string{tx("ALTER TABLE visits ADD at timestamptz;")},
	},
	{
		"table that is made anew", lint.Replaced, "visits", 4, "is gone",
		[]string{tx("DROP TABLE visits CASCADE;\nCREATE TABLE visits (team_id bigint);")},
		[]string{tx("DROP TABLE visits CASCADE;"), tx("CREATE TABLE visits (team_id bigint);")},
	},
	{
		"column that is dropped and added", lint.Replaced, "users", 3, "users.nick is a new column",
		[]string{tx("ALTER TABLE users DROP nick, ADD nick text;")},
		[]string{tx("ALTER TABLE users ALTER nick TYPE text;")},
	},
	{
		"columns that change their names", lint.Replaced, "users", 5, "users.nick is another column",
		[]string{tx("ALTER TABLE users ADD nick_2 text;\nALTER TABLE users RENAME nick TO nick_1;\nALTER TABLE users RENAME nick_2 TO nick;")},
		[]string{tx("ALTER TABLE users ADD nick_2 text;\nALTER TABLE users RENAME nick TO nick_1;\nALTER TABLE users RENAME nick_1 TO nick;")},
	},
	{
		"block that reads rows to decide", lint.Unseen, "users", 4, "depends on rows of users",
		[]string{tx("-- +goose StatementBegin\nDO $$ BEGIN IF EXISTS (SELECT FROM users) THEN DROP TABLE teams; END IF; END $$;\n-- +goose StatementEnd")},
		[]string{tx("-- +goose StatementBegin\nDO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_catalog.pg_type WHERE typname = 'level') THEN CREATE TYPE level AS ENUM ('a'); END IF; END $$;\n-- +goose StatementEnd")},
	},
	{
		"block that hides what the server does", lint.Unseen, "", 4, "is set among other statements",
		[]string{tx("-- +goose StatementBegin\nDO $$ BEGIN SET LOCAL client_min_messages = error; ALTER TABLE users ALTER name SET NOT NULL; END $$;\n-- +goose StatementEnd")},
		[]string{tx("SET LOCAL client_min_messages = error;\n-- +goose StatementBegin\nDO $$ BEGIN ALTER TABLE users ADD CONSTRAINT named CHECK (name <> '') NOT VALID; END $$;\n-- +goose StatementEnd")},
	},
	{
		"CONCURRENTLY in a transaction", lint.Together, "", 3, "NO TRANSACTION",
		[]string{tx("CREATE INDEX CONCURRENTLY users_email ON users (email);"), tx("DROP INDEX users_email;")},
		[]string{noTx + "CREATE INDEX CONCURRENTLY IF NOT EXISTS users_email ON users (email);", tx("DROP INDEX users_email;")},
	},
	{
		"VACUUM in a transaction, behind what is judged too", lint.Together, "", 4, "NO TRANSACTION",
		[]string{tx("ALTER TABLE users ADD note text;\nVACUUM users;")},
		[]string{tx("ALTER TABLE users ADD note text;"), noTx + "VACUUM users;"},
	},
	{
		"function that hides what the server does", lint.Unseen, "", 3, "is set among other statements",
		[]string{up + "-- +goose StatementBegin\nCREATE FUNCTION f() RETURNS void LANGUAGE sql SET client_min_messages = error AS 'SELECT';\n-- +goose StatementEnd"},
		[]string{up + "-- +goose StatementBegin\nCREATE FUNCTION f() RETURNS void LANGUAGE sql AS 'SELECT';\n-- +goose StatementEnd"},
	},
}

func TestLintRewrites(t *testing.T)  { plant(t, lint.Rewrite) }
func TestLintScans(t *testing.T)     { plant(t, lint.Scan) }
func TestLintIndexes(t *testing.T)   { plant(t, lint.Build) }
func TestLintTimeouts(t *testing.T)  { plant(t, lint.Timeout) }
func TestLintTables(t *testing.T)    { plant(t, lint.Tables) }
func TestLintRows(t *testing.T)      { plant(t, lint.Rows) }
func TestLintContracts(t *testing.T) { plant(t, lint.Contract) }
func TestLintRepeats(t *testing.T)   { plant(t, lint.Repeat) }
func TestLintCatalog(t *testing.T)   { plant(t, lint.Catalog) }
func TestLintWhole(t *testing.T)     { plant(t, lint.Whole) }
func TestLintReplaced(t *testing.T)  { plant(t, lint.Replaced) }
func TestLintUnseen(t *testing.T)    { plant(t, lint.Unseen) }
func TestLintTogether(t *testing.T)  { plant(t, lint.Together) }

// plant runs what is planted for a rule, and the safe way.
func plant(t *testing.T, rule string) {
	o := lint.Options{Releases: []migrate.Contract{{Name: "smrt.contract", Contract: check.Value(schema.ParseContract(contract))(t)}}}
	for _, p := range planted {
		if p.rule != rule {
			continue
		}
		t.Run(p.what, func(t *testing.T) {
			t.Parallel()
			o := o
			if p.rule != lint.Contract {
				o.Releases = nil
			}
			found := run(t, o, p.bad...).Findings
			check.Equal(t, "rules", rules(found), []string{p.rule})
			if len(found) != 1 || found[0].Table != p.table || found[0].Line != p.line || !strings.Contains(text(found), p.says) {
				t.Errorf("want one finding in line %d, of table %q, that says %q:\n%s", p.line, p.table, p.says, text(found))
			}
			if strong := len(p.rule) == 2 && p.rule <= lint.Rows; strong != (found[0].Lock != "") || strong != (found[0].Blocks != "") || strong != (found[0].Waits != "") {
				t.Errorf("the lock is %q, which blocks %q", found[0].Lock, found[0].Blocks)
			}
			if found = run(t, o, p.safe...).Findings; len(found) > 0 {
				t.Errorf("the safe way:\n%s", text(found))
			}
		})
	}
}

// TestNothingToFind has what looks like a finding and is none.
func TestNothingToFind(t *testing.T) {
	for what, files := range map[string][]string{
		"rows without a lock":         {up + "UPDATE users SET name = '' WHERE id < 9;\nDELETE FROM teams WHERE id = 1;\nINSERT INTO visits SELECT id FROM users;"},
		"rows before a lock":          {tx("UPDATE users SET name = '' WHERE id < 9;\nALTER TABLE users ADD note text;")},
		"TRUNCATE":                    {tx("TRUNCATE users;"), noTx + patient + "TRUNCATE users;"},
		"two tables in one statement": {tx("DROP TABLE users, teams;")},
		"view":                        {up + "CREATE VIEW names AS SELECT name FROM users;", up + "CREATE OR REPLACE VIEW names AS SELECT name FROM users WHERE id > 1;"},
		"table of the same name":      {tx("CREATE SCHEMA other;\nCREATE TABLE other.users (id bigint PRIMARY KEY, age integer);"), tx("CREATE SCHEMA third;\nCREATE TABLE third.users (age integer);\nALTER TABLE third.users ALTER age TYPE bigint;")},
		"partitioned table that takes a table over": {
			tx("ALTER TABLE january ADD CONSTRAINT c CHECK (day >= '2026-01-01' AND day < '2026-02-01') NOT VALID;"), up + "ALTER TABLE january VALIDATE CONSTRAINT c;",
			tx("ALTER TABLE january RENAME TO january_1;\nCREATE TABLE january (day date NOT NULL, n bigint) PARTITION BY RANGE (day);\n" +
				"ALTER TABLE january ATTACH PARTITION january_1 FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');"),
		},
		"block that reads rows, and defines nothing": {tx("-- +goose StatementBegin\nDO $$ BEGIN IF EXISTS (SELECT FROM users) THEN UPDATE users SET name = '' WHERE id = 1; END IF; END $$;\n-- +goose StatementEnd")},
		"temporary table": {tx("CREATE TEMPORARY TABLE t (id integer PRIMARY KEY, at timestamp);")},
		"partition":       {tx("CREATE TABLE february PARTITION OF days FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');")},
		"function":        {up + "-- +goose StatementBegin\nCREATE FUNCTION f() RETURNS text LANGUAGE sql AS $$ SELECT '-- smrt:allow'; $$;\n-- +goose StatementEnd"},
		"empty file":      {up},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			if found := run(t, lint.Options{}, files...).Findings; len(found) > 0 {
				t.Error(text(found))
			}
		})
	}
}

// TestRenamed works on a table that the migration has renamed.
func TestRenamed(t *testing.T) {
	found := run(t, lint.Options{}, tx("ALTER TABLE users RENAME TO people;\nALTER TABLE people ALTER name SET NOT NULL;")).Findings
	check.Equal(t, "rules", rules(found), []string{lint.Scan})
}

// TestForeignKeyIndex asks for an index that finds all rows that refer.
func TestForeignKeyIndex(t *testing.T) {
	const table = "CREATE TABLE notes (id bigint PRIMARY KEY, user_id bigint REFERENCES users, kind text, team bigint, UNIQUE (team, id));\nCREATE TABLE marks (team bigint, note bigint, FOREIGN KEY (team, note) REFERENCES notes (team, id), rank bigint);\n"
	for index, want := range map[string]int{
		"ON notes (user_id);\nCREATE INDEX ON marks (note, team, rank);":                               0,
		"ON notes (user_id) WHERE user_id IS NOT NULL;\nCREATE INDEX ON marks (team, note);":           0,
		"ON notes (user_id) WHERE kind = 'a';\nCREATE INDEX ON marks (team, rank, note);":              2,
		"ON notes (kind, user_id);\nCREATE INDEX ON marks (note);":                                     2,
		"ON notes ((user_id + 1));\nCREATE INDEX ON marks (team, note);\nCREATE INDEX ON marks (team)": 1,
	} {
		found := run(t, lint.Options{}, tx(table+"CREATE INDEX "+index+";")).Findings
		if len(found) != want || want > 0 && found[0].Rule != lint.Catalog {
			t.Errorf("CREATE INDEX %s: want %d findings\n%s", index, want, text(found))
		}
	}
}
