package cache_test

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/cache"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// on returns a table on a pool of its own, whose reads a cache of its own serves.
func on[T any, K comparable](t *testing.T, f *fixture, table *query.Table[T, K], o cache.Options) *repo.Repository[T, K] {
	t.Helper()
	pool := check.Value(pgxpool.NewWithConfig(f.ctx, f.other.Config()))(t)
	t.Cleanup(pool.Close)
	c := check.Value(cache.New(cache.Config{}, cache.Of(table, o)))(t)
	t.Cleanup(c.Close)
	check.NoError(t, c.Attach(f.ctx, pool))
	return repo.New(pool, table)
}

// same compares what a cache serves with what the server has.
func same[T any, K comparable](t *testing.T, what string, f *fixture, of *repo.Repository[T, K], key K) {
	t.Helper()
	got, err := of.Get(f.ctx, key)
	want, wantErr := of.Get(cache.Bypass(f.ctx), key)
	check.Same(t, what+": whether it is there", err == nil, wantErr == nil)
	check.Equal(t, what, got, want)
}

// TestKeysThatAreComputed: a write of the columns that a key is computed of gives a row
// another key.
func TestKeysThatAreComputed(t *testing.T) {
	f := setup(t)
	f.exec("CREATE TABLE gens (code text NOT NULL, key text GENERATED ALWAYS AS (lower(code)) STORED PRIMARY KEY)")
	type gen struct{ Key, Code string }
	gens := query.NewTable("gens", func(g *gen) *string { return &g.Key }, query.KeyByClient[gen]())
	code := query.TextCol(func(g *gen) *string { return &g.Code })
	of := on(t, f, gens, cache.Options{})
	for what, write := range map[string]func() error{
		"UpdateWhere": func() error { _, err := of.UpdateWhere(f.ctx, query.Where(code.Eq("A")), code.Set("B")); return err },
		"UpdateReturning": func() error {
			_, err := of.UpdateReturning(f.ctx, query.Where(code.Eq("A")), code.Set("B"))
			return err
		},
		"Patch": func() error { return of.Patch(f.ctx, "a", code.Set("B")) },
	} {
		check.Value(of.DeleteWhere(f.ctx, query.All[gen]().Unbounded()))(t)
		f.exec("INSERT INTO gens VALUES ('A')")
		same(t, what+" before", f, of, "a")
		same(t, what+" before", f, of, "b")
		check.NoError(t, write())
		same(t, what+": the old key", f, of, "a")
		same(t, what+": the new key", f, of, "b")
	}
}

// TestTriggersOfNoRows: a trigger may have written though a statement has affected no row.
func TestTriggersOfNoRows(t *testing.T) {
	f := setup(t)
	f.exec(`CREATE TABLE softs (id bigint PRIMARY KEY, gone bool NOT NULL);
		CREATE FUNCTION soften() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN UPDATE softs SET gone = true WHERE id = OLD.id; RETURN NULL; END $$;
		CREATE TRIGGER soften BEFORE DELETE ON softs FOR EACH ROW EXECUTE FUNCTION soften();
		CREATE FUNCTION bump() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN UPDATE tallies SET n = n + 1; RETURN NULL; END $$;
		CREATE TRIGGER bump AFTER DELETE ON items FOR EACH STATEMENT EXECUTE FUNCTION bump();
		INSERT INTO tallies VALUES (77, 1); INSERT INTO softs VALUES (1, false), (2, false)`)
	type soft struct {
		ID   int64
		Gone bool
	}
	softs := query.NewTable("softs", func(s *soft) *int64 { return &s.ID }, query.KeyByClient[soft]())
	id := query.Col(func(s *soft) *int64 { return &s.ID })
	of := on(t, f, softs, cache.Options{WrittenBy: []cache.Named{softs}})
	same(t, "before", f, of, 1)
	same(t, "before", f, of, 2)
	check.Same(t, "deleted", check.Value(of.DeleteWhere(f.ctx, query.Where(id.Eq(1))))(t), 0)
	same(t, "DeleteWhere", f, of, 1)
	check.Same(t, "deleted", len(check.Value(of.DeleteReturning(f.ctx, query.Where(id.Eq(2))))(t)), 0)
	same(t, "DeleteReturning", f, of, 2)

	counted := repo.New(f.pool, tallies)
	itemID := query.Col(func(i *item) *int64 { return &i.ID })
	same(t, "before", f, counted, 77)
	check.Value(repo.New(f.other, items).DeleteWhere(f.ctx, query.Where(itemID.Eq(987654))))(t)
	same(t, "a trigger of a statement", f, counted, 77)
}

// closer closes a cache when a statement is sent.
type closer struct{ c atomic.Pointer[cache.Cache] }

func (c *closer) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	if c := c.c.Load(); c != nil {
		c.Close()
	}
	return ctx
}

func (c *closer) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// TestClosedWhileAttaching: a cache that nobody tells of writes any more serves nothing.
func TestClosedWhileAttaching(t *testing.T) {
	f, closes := setup(t), &closer{}
	cfg := f.other.Config()
	cfg.ConnConfig.Tracer = closes
	pool := check.Value(pgxpool.NewWithConfig(f.ctx, cfg))(t)
	t.Cleanup(pool.Close)
	check.NoError(t, pool.Ping(f.ctx))
	c := check.Value(cache.New(cache.Config{}, cache.Of(stalls)))(t)
	closes.c.Store(c)
	check.Error(t, "Attach", c.Attach(f.ctx, pool), smrt.ErrBadOptions)
	of := repo.New(pool, stalls)
	same(t, "before", f, of, 3)
	check.NoError(t, of.Patch(f.ctx, 3, stallN.Set(99)))
	same(t, "after", f, of, 3)
}

// TestScanErrorEndsAStatement: an error closes the rows of a statement, with which it is
// committed.
func TestScanErrorEndsAStatement(t *testing.T) {
	f := setup(t)
	for what, read := range map[string]func(pgx.Rows) error{
		"Scan":   func(rows pgx.Rows) error { return rows.Scan(new(bool)) },
		"Values": func(rows pgx.Rows) error { rows.Close(); _, err := rows.Values(); return err },
	} {
		same(t, what, f, f.stalls, 3)
		rows := check.Value(cache.On(f.other).Query(f.ctx, "UPDATE stalls /* smrt:writes stalls */ SET n = n + 1 WHERE id = 3 RETURNING name"))(t)
		check.Same(t, "rows", rows.Next(), true)
		if err := read(rows); err == nil && what == "Scan" {
			t.Error("a text was read into a bool")
		}
		same(t, what, f, f.stalls, 3)
	}
}

// TestCreateInDoubt: while a row may yet be created, rows that are there are kept, and that
// there is none is not.
func TestCreateInDoubt(t *testing.T) {
	f := setup(t)
	const created = 5000
	tx := cache.Tx(check.Value(f.other.Begin(f.ctx))(t))
	check.Value(tx.CopyFrom(f.ctx, pgx.Identifier{"stalls"}, []string{"id", "name"}, pgx.CopyFromRows([][]any{{int64(created), "new"}})))(t) // which tells no keys
	check.Value(f.stalls.Get(f.ctx, 1))(t)
	check.Same(t, "a row that is there is served", f.served(func() { check.Value(f.stalls.Get(f.ctx, 1))(t) }), true)
	for range 2 {
		same(t, "the row that may be created", f, f.stalls, created)
	}
	check.NoError(t, tx.Commit(f.ctx))
	same(t, "the row that was created", f, f.stalls, created)
}
