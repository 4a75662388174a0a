package lint_test

import "github.com/smrt-go/smrt/cmd/smrt/internal/lint"

// gated are migrations whose long part calls a function, gate or gated, that the test
// can stop, and the same in safe steps.
var gated = []struct {
	what, rule    string
	setup         string // released before
	fill          string // behind 100 rows of users
	table, writer string // whose statement waits; default: that deletes from users
	bad, safe     []string
}{
	{
		what: "volatile default", rule: lint.Rewrite,
		bad:  []string{tx("ALTER TABLE users ADD n integer DEFAULT gated();")},
		safe: []string{tx("ALTER TABLE users ADD n integer;\nALTER TABLE users ALTER n SET DEFAULT gated();")},
	},
	{
		what: "generated column", rule: lint.Rewrite,
		bad:  []string{tx("ALTER TABLE users ADD n integer GENERATED ALWAYS AS (gate(age)) STORED;")},
		safe: []string{tx("ALTER TABLE users ADD n integer;"), up + "UPDATE users SET n = gate(age) WHERE id < 50;"},
	},
	{
		what: "type", rule: lint.Rewrite,
		bad:  []string{tx("ALTER TABLE users ALTER age TYPE bigint USING gate(age);")},
		safe: []string{tx("ALTER TABLE users ADD age_8 bigint;"), up + "UPDATE users SET age_8 = gate(age) WHERE id < 50;"},
	},
	{
		what: "identity", rule: lint.Rewrite, setup: slow,
		bad:  []string{tx("ALTER TABLE users ADD number bigint GENERATED ALWAYS AS IDENTITY;")},
		safe: []string{tx("ALTER TABLE users ADD number bigint;")},
	},
	{
		what: "narrower varchar", rule: lint.Rewrite, setup: slow,
		bad:  []string{tx("ALTER TABLE users ALTER nick TYPE varchar(10);")},
		safe: []string{tx("ALTER TABLE users ALTER nick TYPE varchar(30);")},
	},
	{
		what: "VACUUM FULL", rule: lint.Rewrite, setup: slow,
		bad:  []string{noTx + patient + "VACUUM FULL users;"},
		safe: []string{noTx + "VACUUM users;"},
	},
	{
		what: "CLUSTER", rule: lint.Rewrite, setup: slow,
		bad:  []string{tx("CLUSTER users USING users_pkey;")},
		safe: []string{tx("ALTER TABLE users CLUSTER ON users_pkey;")},
	},
	{
		what: "REFRESH", rule: lint.Rewrite, table: "seen", writer: "SELECT FROM seen",
		setup: "CREATE MATERIALIZED VIEW seen AS SELECT gate(age) AS n FROM users;\nCREATE UNIQUE INDEX ON seen (n);", fill: "REFRESH MATERIALIZED VIEW seen",
		bad:  []string{tx("REFRESH MATERIALIZED VIEW seen;")},
		safe: []string{noTx + "REFRESH MATERIALIZED VIEW CONCURRENTLY seen;"},
	},
	{
		what: "check", rule: lint.Scan,
		bad:  []string{tx("ALTER TABLE users ADD CHECK (gate(age) > 0);")},
		safe: []string{tx("ALTER TABLE users ADD CONSTRAINT aged CHECK (gate(age) > 0) NOT VALID;"), up + "ALTER TABLE users VALIDATE CONSTRAINT aged;"},
	},
	{
		what: "check that is validated at once", rule: lint.Scan,
		bad:  []string{tx("ALTER TABLE users ADD CONSTRAINT aged CHECK (gate(age) > 0) NOT VALID;\nALTER TABLE users VALIDATE CONSTRAINT aged;")},
		safe: []string{tx("ALTER TABLE users ADD CONSTRAINT aged CHECK (gate(age) > 0) NOT VALID;"), up + "ALTER TABLE users VALIDATE CONSTRAINT aged;"},
	},
	{
		what: "rule of a domain", rule: lint.Scan, setup: "CREATE DOMAIN years AS integer;\nALTER TABLE users ADD years years;", fill: "UPDATE users SET years = age",
		bad:  []string{tx("ALTER DOMAIN years ADD CHECK (gate(VALUE) > 0);")},
		safe: []string{tx("ALTER DOMAIN years ADD CONSTRAINT c CHECK (gate(VALUE) > 0) NOT VALID;")},
	},
	{
		what: "foreign key", rule: lint.Scan,
		setup: boxed + "CREATE TABLE boxes (box boxed PRIMARY KEY);\nALTER TABLE users ADD box boxed;\nCREATE INDEX ON users (box);",
		fill:  "INSERT INTO boxes SELECT ROW(n)::boxed FROM generate_series(1, 100) n; UPDATE users SET box = ROW(age)::boxed",
		bad:   []string{tx("ALTER TABLE users ADD FOREIGN KEY (box) REFERENCES boxes;")},
		safe:  []string{tx("ALTER TABLE users ADD CONSTRAINT boxed FOREIGN KEY (box) REFERENCES boxes NOT VALID;"), up + "ALTER TABLE users VALIDATE CONSTRAINT boxed;"},
	},
	{
		what: "ATTACH PARTITION", rule: lint.Scan, table: "low", writer: "DELETE FROM low WHERE n = 100",
		setup: "CREATE TABLE spans (n integer) PARTITION BY RANGE (gate(n));\nCREATE TABLE low (n integer);", fill: "INSERT INTO low SELECT generate_series(1, 100)",
		bad: []string{tx("ALTER TABLE spans ATTACH PARTITION low FOR VALUES FROM (0) TO (1000);")},
		safe: []string{
			tx("ALTER TABLE low ADD CONSTRAINT bounds CHECK (gate(n) IS NOT NULL AND gate(n) >= 0 AND gate(n) < 1000) NOT VALID;"),
			up + "ALTER TABLE low VALIDATE CONSTRAINT bounds;", tx("ALTER TABLE spans ATTACH PARTITION low FOR VALUES FROM (0) TO (1000);"),
		},
	},
	{
		what: "index", rule: lint.Build,
		bad:  []string{tx("CREATE INDEX ON users (gate(age));")},
		safe: []string{noTx + "CREATE INDEX CONCURRENTLY IF NOT EXISTS aged ON users (gate(age));"},
	},
	{
		what: "index without a transaction", rule: lint.Build,
		bad:  []string{noTx + patient + "CREATE UNIQUE INDEX IF NOT EXISTS aged ON users (gate(age));"},
		safe: []string{noTx + "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS aged ON users (gate(age));"},
	},
	{
		what: "UNIQUE", rule: lint.Build, setup: boxed + "ALTER TABLE users ADD box boxed;", fill: "UPDATE users SET box = ROW(age)::boxed",
		bad:  []string{tx("ALTER TABLE users ADD UNIQUE (box);")},
		safe: []string{noTx + "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS users_box ON users (box);", tx("ALTER TABLE users ADD UNIQUE USING INDEX users_box;")},
	},
	{
		what: "REINDEX", rule: lint.Build, setup: slow,
		bad:  []string{tx("REINDEX TABLE users;")},
		safe: []string{noTx + "REINDEX TABLE CONCURRENTLY users;"},
	},
	{
		what: "rows", rule: lint.Rows,
		bad:  []string{tx("ALTER TABLE users ADD n integer;\nUPDATE users SET n = gate(age) WHERE id < 50;")},
		safe: []string{tx("ALTER TABLE users ADD n integer;"), up + "UPDATE users SET n = gate(age) WHERE id < 50;"},
	},
	{
		what: "rows that are read", rule: lint.Rows,
		bad: []string{tx("ALTER TABLE users ADD n integer;\nCREATE TABLE copies (id bigint PRIMARY KEY, age bigint);\nINSERT INTO copies SELECT id, gate(age) FROM users WHERE id < 50;")},
		safe: []string{
			tx("ALTER TABLE users ADD n integer;\nCREATE TABLE copies (id bigint PRIMARY KEY, age bigint);"), up + "INSERT INTO copies SELECT id, gate(age) FROM users WHERE id < 50;",
		},
	},
	{
		what: "rows in a block", rule: lint.Rows,
		bad:  []string{tx("ALTER TABLE users ADD n integer;\n-- +goose StatementBegin\nDO $$ BEGIN UPDATE users SET n = gate(age) WHERE id < 50; END $$;\n-- +goose StatementEnd")},
		safe: []string{tx("ALTER TABLE users ADD n integer;"), up + "-- +goose StatementBegin\nDO $$ BEGIN UPDATE users SET n = gate(age) WHERE id < 50; END $$;\n-- +goose StatementEnd"},
	},
}

// slow stops whatever writes users anew or builds its indexes.
const slow = "CREATE INDEX ON users (gate(age));"

// boxed is a type whose comparisons the test can stop, for what calls no function.
const boxed = `CREATE TYPE boxed AS (n integer);
CREATE FUNCTION boxed_cmp(a boxed, b boxed) RETURNS integer IMMUTABLE LANGUAGE sql AS 'SELECT public.gate(sign((a).n - (b).n)::integer)';
CREATE FUNCTION boxed_lt(boxed, boxed) RETURNS boolean IMMUTABLE LANGUAGE sql AS 'SELECT public.boxed_cmp($1, $2) < 0';
CREATE FUNCTION boxed_le(boxed, boxed) RETURNS boolean IMMUTABLE LANGUAGE sql AS 'SELECT public.boxed_cmp($1, $2) <= 0';
CREATE FUNCTION boxed_eq(boxed, boxed) RETURNS boolean IMMUTABLE LANGUAGE sql AS 'SELECT public.boxed_cmp($1, $2) = 0';
CREATE FUNCTION boxed_ge(boxed, boxed) RETURNS boolean IMMUTABLE LANGUAGE sql AS 'SELECT public.boxed_cmp($1, $2) >= 0';
CREATE FUNCTION boxed_gt(boxed, boxed) RETURNS boolean IMMUTABLE LANGUAGE sql AS 'SELECT public.boxed_cmp($1, $2) > 0';
CREATE OPERATOR < (LEFTARG = boxed, RIGHTARG = boxed, FUNCTION = boxed_lt);
CREATE OPERATOR <= (LEFTARG = boxed, RIGHTARG = boxed, FUNCTION = boxed_le);
CREATE OPERATOR = (LEFTARG = boxed, RIGHTARG = boxed, FUNCTION = boxed_eq);
CREATE OPERATOR >= (LEFTARG = boxed, RIGHTARG = boxed, FUNCTION = boxed_ge);
CREATE OPERATOR > (LEFTARG = boxed, RIGHTARG = boxed, FUNCTION = boxed_gt);
CREATE OPERATOR CLASS boxed_ops DEFAULT FOR TYPE boxed USING btree AS OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >, FUNCTION 1 boxed_cmp(boxed, boxed);
`
