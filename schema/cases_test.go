package schema_test

import (
	"context"
	"log/slog"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/preload"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/schema"
)

// thing is an entity of the tables below, which have its columns and others.
type thing struct {
	ID   int64
	Name string
}

func things(name string, options ...query.TableOption[thing]) *query.Table[thing, int64] {
	return query.NewTable(name, func(x *thing) *int64 { return &x.ID }, options...)
}

// kept is a thing that is deleted softly.
type kept struct {
	ID        int64
	Name      string
	DeletedAt *time.Time
}

func softly(name string) *query.Table[kept, int64] {
	return query.NewTable(name, func(x *kept) *int64 { return &x.ID }, query.SoftDelete(func(x *kept) **time.Time { return &x.DeletedAt }))
}

// valued is an entity with one value.
type valued[V any] struct {
	ID int64
	V  V `db:"v"`
}

func values[V any](name string) *query.Table[valued[V], int64] {
	return query.NewTable(name, func(x *valued[V]) *int64 { return &x.ID })
}

var (
	thingName = query.TextCol(func(x *thing) *string { return &x.Name })
	thingID   = query.Col(func(x *thing) *int64 { return &x.ID })
)

// TestCases has databases with one declaration each, and what is found: level, check,
// column, and "sql" if there is a statement.
func TestCases(t *testing.T) {
	t.Parallel()
	const plain = "CREATE TABLE a (id bigserial PRIMARY KEY, name text NOT NULL)"
	for _, c := range []struct {
		what, sql string
		declare   []schema.Declaration
		want      []string
	}{
		{
			"an index on an expression is not replaced", "CREATE TABLE a (id bigserial PRIMARY KEY, name text NOT NULL, deleted_at timestamptz); CREATE UNIQUE INDEX ON a (lower(name))",
			[]schema.Declaration{softly("a")},
			[]string{"warning soft-delete "},
		},
		{
			"nor is one with further columns", "CREATE TABLE a (id bigserial PRIMARY KEY, name text NOT NULL, deleted_at timestamptz); CREATE UNIQUE INDEX ON a (name) INCLUDE (id)",
			[]schema.Declaration{softly("a")},
			[]string{"warning soft-delete name"},
		},
		{
			"nor one that a foreign key refers to", "CREATE TABLE a (id bigserial PRIMARY KEY, name text NOT NULL UNIQUE, deleted_at timestamptz); CREATE TABLE b (name text REFERENCES a (name))",
			[]schema.Declaration{softly("a")},
			[]string{"warning soft-delete name"},
		},
		{
			"the key is unique in any case", "CREATE TABLE a (id bigserial NOT NULL UNIQUE, name text NOT NULL, deleted_at timestamptz)",
			[]schema.Declaration{softly("a")},
			nil,
		},
		{
			"rules may be what makes a view one that is written", plain + `; CREATE VIEW v AS SELECT * FROM a; CREATE RULE i AS ON INSERT TO v DO INSTEAD INSERT INTO a VALUES (NEW.*) RETURNING *;
			CREATE RULE u AS ON UPDATE TO v DO INSTEAD UPDATE a SET name = NEW.name WHERE id = OLD.id RETURNING *; CREATE RULE d AS ON DELETE TO v DO INSTEAD DELETE FROM a WHERE id = OLD.id RETURNING *`,
			[]schema.Declaration{things("v")},
			nil,
		},
		{
			"a domain has a default", "CREATE DOMAIN word AS text NOT NULL DEFAULT 'x'; CREATE TABLE a (id bigserial PRIMARY KEY, name word, other word)",
			[]schema.Declaration{things("a", query.Default(thingName))},
			nil,
		},
		{"a fraction is rounded away", "CREATE TABLE a (id bigserial PRIMARY KEY, v bigint NOT NULL)", []schema.Declaration{values[float64]("a")}, []string{"fault type v"}},
		{"a fraction is not read", "CREATE TABLE a (id bigserial PRIMARY KEY, v numeric(6, 2) NOT NULL)", []schema.Declaration{values[int64]("a")}, []string{"warning type v"}},
		{"a moment loses its zone", "CREATE TABLE a (id bigserial PRIMARY KEY, v timestamp)", []schema.Declaration{values[pgtype.Timestamptz]("a")}, []string{"warning type v"}},
		{"a clock gets a zone", "CREATE TABLE a (id bigserial PRIMARY KEY, v timestamptz)", []schema.Declaration{values[pgtype.Timestamp]("a")}, []string{"warning type v"}},
		{"int8 is smaller than bigint", "CREATE TABLE a (id bigserial PRIMARY KEY, v bigint NOT NULL)", []schema.Declaration{values[int8]("a")}, []string{"fault type v"}},
		{"so is pgtype.Int4", "CREATE TABLE a (id bigserial PRIMARY KEY, v bigint)", []schema.Declaration{values[pgtype.Int4]("a")}, []string{"fault type v"}},
		{"uint32 has no sign", "CREATE TABLE a (id bigserial PRIMARY KEY, v integer NOT NULL)", []schema.Declaration{values[uint32]("a")}, []string{"warning type v"}},
		{"pgtype.Int8 is larger than integer", "CREATE TABLE a (id bigserial PRIMARY KEY, v integer)", []schema.Declaration{values[pgtype.Int8]("a")}, []string{"warning type v sql"}},
		{"a duration is no number", "CREATE TABLE a (id bigserial PRIMARY KEY, v interval NOT NULL)", []schema.Declaration{values[time.Duration]("a")}, nil},
		{
			"upserts need what is not deferred", "CREATE TABLE a (id bigserial PRIMARY KEY, name text NOT NULL UNIQUE DEFERRABLE)",
			[]schema.Declaration{schema.Upserts(things("a"), query.OnConflict(thingName))},
			[]string{"fault conflict name"},
		},
		{
			"upserts by key set it", "CREATE TABLE a (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL)",
			[]schema.Declaration{schema.Upserts(things("a"), query.OnConflict(thingID))},
			[]string{"fault key id sql"},
		},
		{"keys that are always generated", "CREATE TABLE a (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL)", []schema.Declaration{things("a")}, []string{"note key id"}},
		{"a parent has the rows of its children", plain + "; CREATE TABLE b () INHERITS (a)", []schema.Declaration{things("a")}, []string{"warning server "}},
		{"the key of a partitioned table", "CREATE TABLE a (id bigserial, name text NOT NULL, PRIMARY KEY (id, name)) PARTITION BY HASH (name)", []schema.Declaration{things("a")}, []string{"fault key id"}},
		{"an index in the first column of an order", plain + "; CREATE INDEX ON a (name)", []schema.Declaration{schema.Pages(things("a"), thingName.Asc())}, []string{"note index name, id sql"}},
		{"which is unique", plain + "; CREATE UNIQUE INDEX ON a (name)", []schema.Declaration{schema.Pages(things("a"), thingName.Asc())}, nil},
	} {
		t.Run(c.what, func(t *testing.T) {
			t.Parallel()
			ctx, pool := t.Context(), testdb.Pool(t, testdb.Empty)
			check.Value(pool.Exec(ctx, c.sql))(t)
			var got []string
			for _, f := range check.Value(schema.Verify(ctx, pool, c.declare...))(t) {
				text := f.Level.String() + " " + string(f.Check) + " " + f.Column
				if f.SQL != "" {
					text += " sql"
				}
				got = append(got, text)
			}
			check.Equal(t, c.what, got, c.want)
		})
	}
}

// TestSystemColumns has a column that every table has.
func TestSystemColumns(t *testing.T) {
	type row struct {
		ID   int64
		Xmin uint32 `db:"xmin"`
	}
	ctx, pool := t.Context(), testdb.Pool(t, testdb.Empty)
	check.Value(pool.Exec(ctx, "CREATE TABLE a (id bigserial PRIMARY KEY)"))(t)
	xmin := query.Col(func(r *row) *uint32 { return &r.Xmin })
	check.Equal(t, "found", check.Value(schema.Verify(ctx, pool, query.NewTable("a", func(r *row) *int64 { return &r.ID }, query.Computed(xmin))))(t), schema.Findings{})
}

// TestRelationsToOthers has relations to tables that are not verified themselves.
func TestRelationsToOthers(t *testing.T) {
	type child struct{ ID, ThingID int64 }
	ctx, pool := t.Context(), testdb.Pool(t, testdb.Empty)
	check.Value(pool.Exec(ctx, "CREATE TABLE parents (id bigserial PRIMARY KEY, name text NOT NULL)"))(t)
	parents, children := things("parents"), query.NewTable("children", func(c *child) *int64 { return &c.ID })
	relation := preload.HasMany(parents, children, func(c *child) *int64 { return &c.ThingID })
	for _, c := range []struct{ sql, want string }{
		{"SELECT", "fault table thing_id"},
		{"CREATE TABLE children (id bigserial PRIMARY KEY)", "fault column thing_id"},
		{"ALTER TABLE children ADD thing_id numeric NOT NULL", "warning foreign-key thing_id, note foreign-key thing_id, warning index thing_id"},
		{"ALTER TABLE children DROP thing_id, ADD thing_id bigint REFERENCES parents; CREATE INDEX ON children (thing_id) WHERE thing_id IS NOT NULL", ""},
	} {
		check.Value(pool.Exec(ctx, c.sql))(t)
		var got []string
		for _, f := range check.Value(schema.Verify(ctx, pool, parents))(t) {
			got = append(got, f.Level.String()+" "+string(f.Check)+" "+f.Column)
		}
		check.Same(t, c.sql, strings.Join(got, ", "), c.want)
	}
	if _, err := schema.NewContract(ctx, pool, parents); err == nil || !strings.Contains(err.Error(), "cases_test.go") {
		t.Errorf("a contract without the children: %v", err)
	}
	runtime.KeepAlive(&relation)
}

// TestVerifyInATransaction has conflicts that the server refuses. The transaction goes
// on, and the next one is asked about.
func TestVerifyInATransaction(t *testing.T) {
	ctx, pool := t.Context(), testdb.Pool(t, testdb.Empty)
	check.Value(pool.Exec(ctx, "CREATE TABLE a (id bigserial PRIMARY KEY, name text NOT NULL)"))(t)
	tx := check.Value(pool.Begin(ctx))(t)
	defer func() { check.NoError(t, tx.Rollback(ctx)) }()
	table := things("a")
	found := check.Value(schema.Verify(ctx, tx, schema.Upserts(table, query.OnConflict(thingName)), schema.Upserts(table, query.OnConflict(thingID))))(t)
	if len(found) != 1 || found[0].Column != "name" {
		t.Errorf("found %v", found)
	}
	check.Value(tx.Exec(ctx, "SELECT 1"))(t)
}

// TestContractBreaks changes what a contract did not know of.
func TestContractBreaks(t *testing.T) {
	type row struct {
		ID    int64
		Name  string
		Twice int64
	}
	name, twice := query.TextCol(func(r *row) *string { return &r.Name }), query.Col(func(r *row) *int64 { return &r.Twice })
	for what, sql := range map[string]string{
		"a computed column loses its default":     "ALTER TABLE a ALTER twice DROP EXPRESSION",
		"a column is generated":                   "ALTER TABLE a DROP name, ADD name text NOT NULL GENERATED ALWAYS AS ('x') STORED",
		"a key is always generated, and one more": "ALTER TABLE a DROP name, ADD name bigint GENERATED ALWAYS AS IDENTITY",
		"a partial index is gone":                 "DROP INDEX partly",
	} {
		ctx, pool := t.Context(), testdb.Pool(t, testdb.Empty)
		check.Value(pool.Exec(ctx, "CREATE TABLE a (id bigserial PRIMARY KEY, name text NOT NULL, twice bigint NOT NULL GENERATED ALWAYS AS (id * 2) STORED); CREATE UNIQUE INDEX partly ON a (name) WHERE id > 5"))(t)
		table := query.NewTable("a", func(r *row) *int64 { return &r.ID }, query.Computed(twice))
		c := check.Value(schema.NewContract(ctx, pool, table, schema.Upserts(table, query.OnConflict(name).Where("id > 5"))))(t)
		check.Equal(t, what+", before", check.Value(c.Check(ctx, pool))(t), nil)
		check.Value(pool.Exec(ctx, sql))(t)
		if found := check.Value(c.Check(ctx, pool))(t); found.Err() == nil {
			t.Errorf("%s: nothing is found", what)
		}
	}
}

// TestContractOfOthers has what is no plain table, and types of other schemas.
func TestContractOfOthers(t *testing.T) {
	ctx, pool := t.Context(), testdb.Pool(t, testdb.Empty)
	check.Value(pool.Exec(ctx, `CREATE SCHEMA app; CREATE TYPE app.mood AS ENUM ('a'); CREATE TABLE app.base (id bigserial PRIMARY KEY, name app.mood NOT NULL, moods app.mood[]); CREATE VIEW app.v AS SELECT * FROM app.base;
		CREATE FUNCTION app.fill() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.more = 1; RETURN NEW; END';
		CREATE TABLE app.filled (id bigserial PRIMARY KEY, name text NOT NULL, more int NOT NULL); CREATE TRIGGER fill BEFORE INSERT ON app.filled FOR EACH ROW EXECUTE FUNCTION app.fill()`))(t)
	c := check.Value(schema.NewContract(ctx, pool, things("app.base"), things("app.v"), query.NewView[thing]("app.base"), things("app.filled", query.ReadBack(thingName))))(t)
	if !strings.Contains(c.String(), "column app.base.name app.mood\n") {
		t.Error(c)
	}
	conn := check.Value(pool.Acquire(ctx))(t)
	defer conn.Release()
	check.Value(conn.Exec(ctx, "SET search_path = app, public"))(t)
	check.Equal(t, "under another search_path", check.Value(c.Check(ctx, conn))(t), nil)
	check.Value(conn.Exec(ctx, "RESET search_path"))(t)
}

// TestExpectThatCannotAsk is no mismatch, and not remembered.
func TestExpectThatCannotAsk(t *testing.T) {
	ctx, pool := t.Context(), testdb.Pool(t, testdb.Empty)
	c := check.Value(schema.ParseContract("column a.id bigint\n"))(t)
	var log strings.Builder
	e := check.Value(schema.Expect(c, schema.Options{Mode: schema.Warn, Logger: slog.New(slog.NewTextHandler(&log, nil))}))(t)
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	check.Error(t, "Check", e.Check(cancelled, pool), context.Canceled)
	check.Same(t, "log", log.String(), "")
	check.NoError(t, e.Check(ctx, pool))
	if !strings.Contains(log.String(), "column a.id bigint") {
		t.Errorf("logged %q", log.String())
	}
	check.NoError(t, new(schema.Expectation).Check(ctx, pool)) // it needs nothing
}

// TestBadUses cannot be looked for.
func TestBadUses(t *testing.T) {
	pool := testdb.Pool(t, testdb.Empty)
	for what, d := range map[string]schema.Declaration{
		"no order": schema.Pages(things("a")), "a zero order": schema.Pages(things("a"), query.Order[thing]{}), "no column": schema.UniqueWithDeleted(things("a")),
		"a nil column": schema.UniqueWithDeleted(things("a"), nil), "no key": schema.Upserts(query.NewKeylessTable[thing]("a"), query.Conflict[thing]{}),
	} {
		if _, err := schema.Verify(t.Context(), pool, d); err == nil || !strings.Contains(err.Error(), "cases_test.go") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := schema.Verify(t.Context(), nil, things("a")); err == nil {
		t.Error("without a handle")
	}
	if _, err := schema.VerifyQueries(t.Context(), nil, nil); err == nil {
		t.Error("without a folder")
	}
}
