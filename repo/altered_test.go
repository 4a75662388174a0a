package repo_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
	"github.com/smrt-go/smrt/txn"
	"github.com/smrt-go/smrt/unit"
)

// gauge is a row of a table that is altered while the program runs.
type gauge struct {
	ID    int64
	Code  string
	Ticks int64
}

var (
	gaugeID    = query.Col(func(g *gauge) *int64 { return &g.ID })
	gaugeCode  = query.TextCol(func(g *gauge) *string { return &g.Code })
	gaugeTicks = query.Col(func(g *gauge) *int64 { return &g.Ticks })
)

// calls are one call of each method, whose rows have keys from n on, and codes
// and ticks that only fit after the alteration.
func gaugeCalls(db txn.Beginner, table *query.Table[gauge, int64], n int64, code func(int64) string, ticks int64) map[string]func(context.Context) error {
	r := repo.New(db.(smrt.DB), table)
	row := func(i int64) gauge { return gauge{ID: n + i, Code: code(n + i), Ticks: ticks} }
	read := func(_ any, err error) error { return err }
	found := func(g *gauge, err error) error {
		if errors.Is(err, smrt.ErrNotFound) {
			return nil
		}
		return err
	}
	return map[string]func(context.Context) error{
		"Create":     func(ctx context.Context) error { g := row(1); return r.Create(ctx, &g) },
		"CreateMany": func(ctx context.Context) error { return r.CreateMany(ctx, []gauge{row(2), row(3)}) },
		"Upsert": func(ctx context.Context) error {
			g := row(4)
			_, err := r.Upsert(ctx, &g, query.OnConflict(gaugeID))
			return err
		},
		"UpsertMany": func(ctx context.Context) error {
			return read(r.UpsertMany(ctx, []gauge{row(5), row(6)}, query.OnConflict(gaugeID)))
		},
		"Update": func(ctx context.Context) error { return r.Update(ctx, &gauge{ID: 1, Code: code(1), Ticks: ticks}) },
		"UpdateMany": func(ctx context.Context) error {
			return read(r.UpdateMany(ctx, []gauge{{1, code(1), ticks}, {2, code(2), ticks}}))
		},
		"Patch": func(ctx context.Context) error { return r.Patch(ctx, 1, gaugeCode.Set(code(1)), gaugeTicks.Set(ticks)) },
		"UpdateWhere": func(ctx context.Context) error {
			return read(r.UpdateWhere(ctx, query.Where(gaugeCode.Eq(code(2))), gaugeTicks.Set(ticks)))
		},
		"DeleteMany":  func(ctx context.Context) error { return read(r.DeleteMany(ctx, []int64{n + 90, n + 91})) },
		"DeleteWhere": func(ctx context.Context) error { return read(r.DeleteWhere(ctx, query.Where(gaugeTicks.Gt(ticks)))) },
		"Get":         func(ctx context.Context) error { return found(r.Get(ctx, n+80)) },
		"GetMany":     func(ctx context.Context) error { return read(r.GetMany(ctx, []int64{n + 80, 1})) },
		"Find":        func(ctx context.Context) error { return read(r.Find(ctx, query.Where(gaugeCode.In(code(1), code(2))))) },
		"First":       func(ctx context.Context) error { return found(r.First(ctx, query.Where(gaugeTicks.Eq(ticks)))) },
		"Count":       func(ctx context.Context) error { return read(r.Count(ctx, query.Where(gaugeTicks.Lt(ticks)))) },
		"Page": func(ctx context.Context) error {
			return read(r.Page(ctx, query.Where(gaugeTicks.Le(ticks)), query.Page{Size: 2}))
		},
		"Stream": func(ctx context.Context) error {
			for _, err := range r.Stream(ctx, query.Where(gaugeTicks.Le(ticks))) {
				if err != nil {
					return err
				}
			}
			return nil
		},
		"unit": func(ctx context.Context) error {
			u, g, h := unit.New(), row(7), row(8)
			unit.Create(u, table, &g)
			unit.Create(u, table, &h)
			unit.Patch(u, table, 1, gaugeTicks.Set(ticks))
			return read(u.Flush(ctx, db.(smrt.DB)))
		},
		"txn.Run": func(ctx context.Context) error {
			return txn.Run(ctx, db, func(ctx context.Context, tx pgx.Tx) error {
				g, on := row(9), r.With(tx)
				return errors.Join(on.Create(ctx, &g), on.Update(ctx, &gauge{ID: 2, Code: code(2), Ticks: ticks}))
			})
		},
	}
}

// TestTablesAreAltered alters a table between two calls of each method, in ways
// that the first call has learnt otherwise: on a bare pool, whose connections have
// prepared everything, no call fails.
func TestTablesAreAltered(t *testing.T) {
	uuid := func(i int64) string { return fmt.Sprintf("6ba7b810-9dad-11d1-80b4-%012d", i) }
	for name, c := range map[string]struct {
		columns, alter string
		before, after  func(int64) string
		ticks          int64
	}{
		"integers are widened":  {"id int PRIMARY KEY, code text, ticks int", "ALTER TABLE gauges ALTER id TYPE bigint, ALTER ticks TYPE bigint", uuid, uuid, 3_000_000_000},
		"a text becomes a uuid": {"id bigint PRIMARY KEY, code text, ticks bigint", "ALTER TABLE gauges ALTER code TYPE uuid USING code::uuid", uuid, uuid, 7},
		"a text grows": {
			"id bigint PRIMARY KEY, code varchar(5), ticks bigint", "ALTER TABLE gauges ALTER code TYPE varchar(90)",
			func(i int64) string { return fmt.Sprint(i) }, uuid, 7,
		},
		"a table is partitioned": {
			"id bigint PRIMARY KEY, code text, ticks bigint", `ALTER TABLE gauges RENAME TO old; ALTER INDEX gauges_pkey RENAME TO old_pkey;
				CREATE TABLE gauges (id bigint PRIMARY KEY, code text, ticks bigint) PARTITION BY HASH (id);
				CREATE TABLE gauges_0 PARTITION OF gauges FOR VALUES WITH (MODULUS 1, REMAINDER 0); INSERT INTO gauges SELECT * FROM old`, uuid, uuid, 7,
		},
		"an enum is replaced": {
			"id bigint PRIMARY KEY, code mood, ticks bigint", `CREATE TYPE mood2 AS ENUM ('fine', 'sad', 'odd'); ALTER TABLE gauges ALTER code TYPE mood2 USING code::text::mood2;
				DROP TYPE mood; ALTER TYPE mood2 RENAME TO state`,
			func(int64) string { return "fine" }, func(int64) string { return "odd" }, 7,
		},
		"a column is added": {"id bigint PRIMARY KEY, code text, ticks bigint", "ALTER TABLE gauges ADD note text NOT NULL DEFAULT ''", uuid, uuid, 7},
	} {
		t.Run(name, func(t *testing.T) {
			db, ctx := testdb.Pool(t, testdb.Empty, testdb.MaxConns(2)), t.Context()
			check.Value(db.Exec(ctx, "CREATE TYPE mood AS ENUM ('fine', 'sad'); CREATE TABLE gauges ("+c.columns+")"))(t)
			check.Value(db.Exec(ctx, "INSERT INTO gauges VALUES (1, $1, 1), (2, $2, 1)", c.before(1), c.before(2)))(t)
			table := query.NewTable("gauges", func(g *gauge) *int64 { return &g.ID })
			n := int64(100)
			for range 2 { // on both connections
				warm(t, ctx, db, func(on *pgxpool.Pool) {
					for what, call := range gaugeCalls(on, table, n, c.before, 5) {
						if err := call(ctx); err != nil {
							t.Fatalf("before, %s: %v", what, err)
						}
					}
					n += 100
				})
			}
			check.Value(db.Exec(ctx, c.alter))(t)
			if c.ticks > 1<<31 {
				n = 3_000_000_000
			}
			for what, call := range gaugeCalls(db, table, n, c.after, c.ticks) {
				if err := call(ctx); err != nil {
					t.Errorf("%s: %v", what, err)
				}
			}
		})
	}
}

// warm holds one connection of a pool of two while run uses the other.
func warm(t *testing.T, ctx context.Context, db *pgxpool.Pool, run func(on *pgxpool.Pool)) {
	t.Helper()
	held := check.Value(db.Acquire(ctx))(t)
	defer held.Release()
	run(db)
}
