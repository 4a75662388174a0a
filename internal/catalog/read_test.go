package catalog_test

import (
	"encoding/json"
	"testing"

	"github.com/smrt-go/smrt/internal/catalog"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
)

const ddl = `
CREATE SCHEMA "Odd s";
CREATE TYPE "Odd s".mood AS ENUM ('b', 'a', 'it''s');
CREATE DOMAIN short AS varchar(5) NOT NULL;
CREATE DOMAIN shorter AS short CHECK (length(VALUE) < 4);
CREATE COLLATION folded (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TABLE parents (a int, b bigint, PRIMARY KEY (a, b));
CREATE TABLE "Odd s"."T 1" (
	id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	serial  serial,
	gone    int,
	"A b"   numeric(10, 2) NOT NULL DEFAULT 1.5 CHECK ("A b" > 0),
	twice   numeric GENERATED ALWAYS AS ("A b" * 2) STORED,
	mood    "Odd s".mood DEFAULT 'a',
	moods   "Odd s".mood[],
	word    shorter,
	folded  text COLLATE folded,
	pa      int, pb bigint,
	at      timestamptz(3),
	FOREIGN KEY (pb, pa) REFERENCES parents (b, a) ON DELETE CASCADE DEFERRABLE
);
ALTER TABLE "Odd s"."T 1" DROP COLUMN gone, ADD CONSTRAINT later UNIQUE (serial) DEFERRABLE;
CREATE UNIQUE INDEX partial ON "Odd s"."T 1" (mood) INCLUDE (at) WHERE folded IS NULL AND pa > 3;
CREATE INDEX sorted ON "Odd s"."T 1" (at DESC, pa NULLS FIRST, lower(folded), word varchar_pattern_ops);
COMMENT ON COLUMN "Odd s"."T 1".at IS 'when';
CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER "Trig" BEFORE INSERT OR UPDATE ON "Odd s"."T 1" FOR EACH ROW EXECUTE FUNCTION nothing();
CREATE TRIGGER off AFTER DELETE ON "Odd s"."T 1" EXECUTE FUNCTION nothing();
ALTER TABLE "Odd s"."T 1" DISABLE TRIGGER off;
CREATE TABLE parts (id int, at date) PARTITION BY RANGE (at);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE TRIGGER on_one BEFORE DELETE ON parts_1 FOR EACH ROW EXECUTE FUNCTION nothing();
CREATE VIEW simple AS SELECT a FROM parents;
CREATE VIEW counted AS SELECT count(*) FROM parents;
CREATE RULE quiet AS ON DELETE TO parents DO INSTEAD NOTHING;
CREATE ROLE reader_of_catalog;
GRANT SELECT ON parents TO reader_of_catalog;
GRANT UPDATE (at) ON parts TO reader_of_catalog;
ALTER TABLE parents ENABLE ROW LEVEL SECURITY;`

func TestRelations(t *testing.T) {
	ctx := t.Context()
	pool := testdb.Pool(t, testdb.Empty)
	check.Value(pool.Exec(ctx, ddl))(t)
	t.Cleanup(func() { _, _ = pool.Exec(ctx, "DROP OWNED BY reader_of_catalog; DROP ROLE reader_of_catalog") })
	all, types, err := catalog.Relations(ctx, pool, []string{`"Odd s"."T 1"`, "missing", "parts", "simple", "counted", "parents"})
	check.NoError(t, err)
	if _, ok := types.TypeForName("int8"); !ok {
		t.Error("the connection's types are not there")
	}
	check.Equal(t, "length", len(all), 6)
	odd, parts, simple, counted, parents := all[0], all[2], all[3], all[4], all[5]
	if all[1] != nil {
		t.Errorf("a name of nothing is %+v", all[1])
	}
	check.Equal(t, "name", odd.Asked+odd.Quoted, `"Odd s"."T 1""Odd s"."T 1"`)
	for name, want := range map[string]string{
		"id":    `{"name":"id","type":"bigint","type_name":"bigint","declared":20,"base":20,"element":0,"modifier":-1,"not_null":true,"default":"","identity":"a","generated":"","labels":null,"enum":"","exact":true,"sequence":"","may_ask":false,"comment":"","privileges":["SELECT","INSERT","UPDATE"]}`,
		"A b":   `{"name":"A b","type":"numeric(10,2)","type_name":"numeric","declared":1700,"base":1700,"element":0,"modifier":655366,"not_null":true,"default":"1.5","identity":"","generated":"","labels":null,"enum":"","exact":true,"sequence":"","may_ask":false,"comment":"","privileges":["SELECT","INSERT","UPDATE"]}`,
		"twice": `{"name":"twice","type":"numeric","type_name":"numeric","declared":1700,"base":1700,"element":0,"modifier":-1,"not_null":false,"default":"(\"A b\" * (2)::numeric)","identity":"","generated":"s","labels":null,"enum":"","exact":true,"sequence":"","may_ask":false,"comment":"","privileges":["SELECT","INSERT","UPDATE"]}`,
		"at":    `{"name":"at","type":"timestamp(3) with time zone","type_name":"timestamp with time zone","declared":1184,"base":1184,"element":0,"modifier":3,"not_null":false,"default":"","identity":"","generated":"","labels":null,"enum":"","exact":true,"sequence":"","may_ask":false,"comment":"when","privileges":["SELECT","INSERT","UPDATE"]}`,
	} {
		check.Same(t, name, string(check.Value(json.Marshal(odd.Column(name)))(t)), want)
	}
	check.Equal(t, "a dropped column", odd.Column("gone"), nil)
	serial := odd.Column("serial")
	check.Equal(t, "serial", serial.Sequence, `"Odd s"."T 1_serial_seq"`)
	check.Equal(t, "serial may be asked", serial.MayAsk, true)
	mood, moods, word := odd.Column("mood"), odd.Column("moods"), odd.Column("word")
	check.Equal(t, "labels", mood.Labels, []string{"b", "a", "it's"})
	check.Equal(t, "enums", mood.Enum+moods.Enum, `"Odd s".mood"Odd s".mood`)
	check.Equal(t, "elements", moods.Element, mood.Base)
	check.Equal(t, "domain", []any{word.Type, word.Base, word.Modifier, word.NotNull}, []any{"shorter", uint32(1043), int32(9), true})
	check.Equal(t, "collation", odd.Column("folded").Exact, false)

	indexes := map[string]catalog.Index{}
	for _, x := range odd.Indexes {
		indexes[x.Name] = x
	}
	check.Equal(t, "indexes", len(indexes), 4)
	later, partial, sorted := indexes[`"Odd s".later`], indexes[`"Odd s".partial`], indexes[`"Odd s".sorted`]
	check.Equal(t, "deferrable", []bool{later.Unique, later.Immediate, later.Valid}, []bool{true, false, true})
	check.Same(t, "constraints", later.Constraint+partial.Constraint, "later")
	check.Equal(t, "partial", []any{partial.On([]string{"mood"}), partial.Depends}, []any{true, []string{"at", "folded", "mood", "pa"}})
	check.Equal(t, "predicate", partial.Predicate, "((folded IS NULL) AND (pa > 3))")
	check.Equal(t, "keys", sorted.Keys, []catalog.IndexKey{
		{Column: "at", Desc: true, NullsFirst: true, Plain: true}, {Column: "pa", NullsFirst: true, Plain: true}, {Plain: true}, {Column: "word"},
	})
	check.Equal(t, "begins", []bool{sorted.BeginsWith([]string{"pa", "at"}), sorted.BeginsWith([]string{"pa"}), sorted.On([]string{"at", "pa"})}, []bool{true, false, false})

	check.Equal(t, "foreign key", odd.Foreign, []catalog.ForeignKey{{
		Name: "T 1_pb_pa_fkey", Columns: []string{"pb", "pa"}, Target: parents.OID, TargetName: "public.parents", References: []string{"b", "a"},
		Validated: true, Enforced: true, Deferrable: true, OnDelete: "c",
	}})
	check.Equal(t, "checks", odd.Checks, []catalog.Constraint{{Name: "T 1_A b_check", Columns: []string{"A b"}, SQL: `CHECK (("A b" > (0)::numeric))`}})
	check.Equal(t, "triggers", odd.Triggers, []catalog.Trigger{{Name: "Trig", Function: "nothing", Before: true, Row: true, Insert: true, Update: true}})
	check.Same(t, "a partition's triggers", len(parts.Triggers), 1)
	check.Equal(t, "kinds", []catalog.Kind{odd.Kind, parts.Kind, simple.Kind}, []catalog.Kind{catalog.Ordinary, catalog.Partitioned, catalog.View})
	check.Equal(t, "writable", [][]string{simple.Writable, counted.Writable}, [][]string{{"INSERT", "UPDATE", "DELETE"}, nil})
	check.Equal(t, "rules", parents.Rules, []string{"quiet"})
	check.Equal(t, "exempt", []bool{parents.Secured, parents.Exempt, parts.Exempt}, []bool{false, true, false})

	conn := check.Value(pool.Acquire(ctx))(t)
	defer conn.Release()
	check.Value(conn.Exec(ctx, "SET ROLE reader_of_catalog"))(t)
	all, _, err = catalog.Relations(ctx, conn, []string{"parents", "parts"})
	check.NoError(t, err)
	check.Value(conn.Exec(ctx, "RESET ROLE"))(t)
	check.Equal(t, "privileges", [][]string{all[0].Privileges, all[1].Privileges}, [][]string{{"SELECT"}, nil})
	check.Equal(t, "privileges of a column", [][]string{all[1].Column("at").Privileges, all[1].Column("id").Privileges}, [][]string{{"UPDATE"}, nil})
	check.Equal(t, "secured", all[0].Secured, true)
}

// TestSchemas expects each relation once, and no partitions.
func TestSchemas(t *testing.T) {
	ctx := t.Context()
	pool := testdb.Pool(t, testdb.Empty)
	check.Value(pool.Exec(ctx, `CREATE SCHEMA z; CREATE TABLE z.a (); CREATE TABLE b (id int) PARTITION BY HASH (id); CREATE TABLE c PARTITION OF b FOR VALUES WITH (MODULUS 1, REMAINDER 0);
		CREATE VIEW a AS SELECT 1; CREATE SEQUENCE s`))(t)
	for _, c := range []struct{ schemas, want []string }{
		{nil, []string{"public.a", "public.b", "z.a"}},
		{[]string{"z"}, []string{"z.a"}},
		{[]string{"missing"}, nil},
	} {
		var names []string
		for _, r := range check.Value(catalog.Schemas(ctx, pool, c.schemas))(t) {
			names = append(names, r.Quoted)
		}
		check.Equal(t, "relations", names, c.want)
	}
}
