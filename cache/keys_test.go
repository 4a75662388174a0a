package cache_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/cache"
	"github.com/smrt-go/smrt/guard"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
	"github.com/smrt-go/smrt/txn"
)

// last returns the statement that was sent last.
func (f *fixture) last() string {
	sent := f.count.Statements()
	return sent[len(sent)-1]
}

// A write by query makes void the rows that it has changed, and no others.
func TestWritesByQueryLetGoOfTheirRows(t *testing.T) {
	f := setup(t)
	few := func(n int64) query.Query[stall] { return query.Where(stallID.Le(2), stallN.Ne(n)) }
	for name, write := range map[string]func(on *repo.Repository[stall, int64], ctx context.Context) (int64, error){
		"UpdateWhere": func(on *repo.Repository[stall, int64], ctx context.Context) (int64, error) {
			return on.UpdateWhere(ctx, few(7), stallN.Set(7))
		},
		"UpdateReturning": func(on *repo.Repository[stall, int64], ctx context.Context) (int64, error) {
			vs, err := on.UpdateReturning(ctx, few(8), stallN.Set(8))
			return int64(len(vs)), err
		},
		"DeleteWhere": func(on *repo.Repository[stall, int64], ctx context.Context) (int64, error) {
			return on.DeleteWhere(ctx, few(-1))
		},
		"HardDeleteWhere": func(on *repo.Repository[stall, int64], ctx context.Context) (int64, error) {
			return on.HardDeleteWhere(ctx, few(-1))
		},
		"DeleteReturning": func(on *repo.Repository[stall, int64], ctx context.Context) (int64, error) {
			vs, err := on.DeleteReturning(ctx, few(-1))
			return int64(len(vs)), err
		},
		"a restore": func(on *repo.Repository[stall, int64], ctx context.Context) (int64, error) {
			if _, err := f.other.Exec(ctx, "UPDATE stalls SET deleted_at = now() WHERE id <= 2"); err != nil {
				return 0, err
			}
			return on.UpdateWhere(ctx, few(-1).OnlyDeleted(), stallDeletedAt.SetNull())
		},
	} {
		t.Run(name, func(t *testing.T) {
			f.reset()
			others := func() { check.Value(f.stalls.GetMany(f.ctx, []int64{3, 4, 5}))(t) }
			others()
			n, err := write(f.stalls, f.ctx)
			check.NoError(t, err)
			check.Same(t, "rows that were written", n, 2)
			if name != "UpdateReturning" && name != "DeleteReturning" {
				check.Same(t, "keys come back", strings.HasSuffix(f.last(), ` RETURNING "id"`), true)
			}
			check.Same(t, "the others are served", f.served(others), true)
			check.Same(t, "the rows are served", f.served(func() { _, _ = f.stalls.Get(f.ctx, 1) }), false)
			f.compare(name)

			f.reset()
			others()
			check.NoError(t, txn.Run(f.ctx, f.other, func(ctx context.Context, tx pgx.Tx) error {
				_, err := write(repo.New(tx, stalls), ctx)
				return err
			}))
			check.Same(t, "the others are served after a transaction", f.served(others), true)
			f.compare(name + " in a transaction")
		})
	}
	n, err := f.stalls.UpdateWhere(f.ctx, query.Where(stallID.Eq(3)), stallN.Set(-1))
	check.Error(t, "a write that is refused", err, smrt.ErrCheck)
	check.Same(t, "rows", n, 0)
}

// Of many rows the whole table is void, and of none nothing. The keys of rows that get
// other keys say nothing.
func TestWritesOfManyRowsByQuery(t *testing.T) {
	f := setup(t)
	f.exec("INSERT INTO stalls (id, name) SELECT i, 'many ' || i FROM generate_series(2001, 3000) i")
	many := query.Where(stallID.Gt(2000))
	served := func(what string, want bool) {
		t.Helper()
		check.Same(t, "the others are served after "+what, f.served(func() { check.Value(f.stalls.Get(f.ctx, 3))(t) }), want)
	}
	f.look()
	check.Value(f.stalls.Get(f.ctx, 3))(t)
	check.Same(t, "rows", check.Value(f.stalls.UpdateWhere(f.ctx, many, stallN.Set(1)))(t), 1000)
	served("1,000 rows", true)
	check.Same(t, "rows", check.Value(f.stalls.UpdateWhere(f.ctx, query.Where(stallID.Gt(9000)), stallN.Set(1)))(t), 0)
	served("no rows", true)
	f.exec("INSERT INTO stalls (id, name) VALUES (3001, 'one more')")
	check.Same(t, "rows", check.Value(f.stalls.UpdateWhere(f.ctx, many, stallN.Set(2)))(t), 1001)
	served("1,001 rows", false)
	check.Same(t, "rows", check.Value(f.stalls.DeleteWhere(f.ctx, many))(t), 1001)
	served("1,001 rows that were deleted", false)

	for name, db := range map[string]smrt.DB{"": f.pool, "limited": guard.On(f.pool, guard.Limits{MaxAffected: 5})} {
		check.Value(f.stalls.Get(f.ctx, 3))(t)
		n := check.Value(repo.New(db, stalls).UpdateWhere(f.ctx, query.Where(stallID.Between(4, 8)), query.Add(stallN, 1)))(t)
		check.Same(t, "rows "+name, n, 5)
		served("a write that is "+name, true)
	}
	limited := guard.On(f.pool, guard.Limits{MaxAffected: 4})
	_, err := repo.New(limited, stalls).UpdateWhere(f.ctx, query.Where(stallID.Between(4, 8)), query.Add(stallN, 1))
	check.Error(t, "more rows than may be", err, smrt.ErrLimit)

	f.exec("INSERT INTO stalls (id, name) VALUES (4000, 'moves')")
	check.Value(f.stalls.Get(f.ctx, 4000))(t)
	check.Value(f.stalls.UpdateWhere(f.ctx, query.Where(stallID.Eq(4000)), stallID.Set(5000)))(t)
	_, err = f.stalls.Get(f.ctx, 4000)
	check.Error(t, "the row under its old key", err, smrt.ErrNotFound)
}

// The statements of tables that no cache keeps are those of a program without a cache, as
// are those of a user who may not read the keys, and of tables with policies.
func TestKeysAreAskedForWhereACacheKeepsThem(t *testing.T) {
	f := setup(t)
	texts := map[string]string{}
	loose := query.NewTable("stalls", func(s *stall) *int64 { return &s.ID })
	for name, of := range map[string]*query.Table[stall, int64]{"kept": stalls, "another declaration": loose} {
		check.Value(repo.New(f.pool, of).UpdateWhere(f.ctx, query.Where(stallID.Eq(1)), stallN.Set(1)))(t)
		texts[name] = f.last()
	}
	const update = `UPDATE "stalls" SET "n" = $1 WHERE "id" = $2`
	check.Same(t, "another declaration", texts["another declaration"], update)
	check.Same(t, "kept", texts["kept"], `UPDATE "stalls" SET "n" = $1 WHERE "deleted_at" IS NULL AND "id" = $2 RETURNING "id"`)

	role := "writer_" + strings.ReplaceAll(f.pool.Config().ConnConfig.Database, "-", "_")
	f.exec(fmt.Sprintf(`CREATE ROLE %q; GRANT UPDATE, SELECT (n, deleted_at) ON stalls TO %[1]q; GRANT USAGE ON SCHEMA public TO %[1]q`, role))
	t.Cleanup(func() { f.exec(fmt.Sprintf(`DROP OWNED BY %q; DROP ROLE %[1]q`, role)) })
	cfg := f.other.Config().Copy()
	cfg.ConnConfig.RuntimeParams["role"] = role
	pool := check.Value(pgxpool.NewWithConfig(f.ctx, cfg))(t)
	t.Cleanup(pool.Close)
	check.Value(f.stalls.Get(f.ctx, 3))(t)
	check.Same(t, "rows", check.Value(repo.New(pool, stalls).UpdateWhere(f.ctx, query.Where(stallN.Eq(0)), stallN.Set(5)))(t), 39)
	check.Same(t, "row", check.Value(f.stalls.Get(f.ctx, 3))(t).N, 5)
	pool.Close()

	f.exec("CREATE TABLE walls (id bigint PRIMARY KEY, n bigint NOT NULL); ALTER TABLE walls ENABLE ROW LEVEL SECURITY")
	walls := query.NewTable("walls", func(i *wall) *int64 { return &i.ID })
	kept := check.Value(cache.New(cache.Config{}, cache.Of(walls)))(t)
	defer kept.Close()
	check.NoError(t, kept.Attach(f.ctx, f.other))
	check.Value(repo.New(f.pool, walls).UpdateWhere(f.ctx, query.Where(query.Col(func(w *wall) *int64 { return &w.ID }).Eq(1)), query.Col(func(w *wall) *int64 { return &w.N }).Set(1)))(t)
	check.Same(t, "with policies", f.last(), `UPDATE "walls" SET "n" = $1 WHERE "id" = $2`)
}

type wall struct{ ID, N int64 }

type keyed[K comparable] struct {
	Key K
	N   int64
}

// keyCase is a type of a key. Two forms of the first key are of one row, or the second
// form is of none.
type keyCase struct {
	name string
	run  func(t *testing.T, f *fixture, name string)
}

func keysOf[K comparable](sqlType string, first, alike, second K, byKey bool) keyCase {
	return keyCase{sqlType, func(t *testing.T, f *fixture, name string) {
		of := query.NewTable(name, func(k *keyed[K]) *K { return &k.Key }, query.KeyByClient[keyed[K]]())
		key, n := query.Col(func(k *keyed[K]) *K { return &k.Key }), query.Col(func(k *keyed[K]) *int64 { return &k.N })
		kept := check.Value(cache.New(cache.Config{}, cache.Of(of, cache.Options{TTL: time.Hour})))(t)
		defer kept.Close()
		cfg := f.other.Config().Copy()
		cfg.MaxConns = 2
		f.count.Attach(cfg)
		pool := check.Value(pgxpool.NewWithConfig(f.ctx, cfg))(t)
		defer pool.Close()
		check.NoError(t, kept.Attach(f.ctx, pool))
		on, other := repo.New(pool, of), repo.New(f.other, of)
		check.NoError(t, other.Create(f.ctx, &keyed[K]{Key: first}))
		check.NoError(t, other.Create(f.ctx, &keyed[K]{Key: second}))
		for what, write := range map[string]func() error{
			"UpdateWhere": func() error {
				_, err := other.UpdateWhere(f.ctx, query.Where(key.Eq(alike)), query.Add(n, 1))
				if err == nil && alike != first {
					_, err = other.UpdateWhere(f.ctx, query.Where(key.Eq(first)), query.Add(n, 1))
				}
				return err
			},
			"Patch": func() error { return other.Patch(f.ctx, first, query.Add(n, 1)) },
		} {
			check.Value(on.Get(f.ctx, second))(t)
			for _, k := range []K{first, alike} {
				_, _ = on.Get(f.ctx, k)
			}
			check.NoError(t, write())
			served := f.served(func() { check.Value(on.Get(f.ctx, second))(t) })
			check.Same(t, what+": the other row is served", served, byKey)
			for _, k := range []K{first, alike} {
				got, err := on.Get(f.ctx, k)
				want, wantErr := other.Get(f.ctx, k)
				check.Same(t, fmt.Sprintf("%s: whether %v is there (%v, %v)", what, k, err, wantErr), err == nil, wantErr == nil)
				if err == nil {
					check.Equal(t, fmt.Sprintf("%s: row %v", what, k), got, want)
				}
			}
		}
	}}
}

// A write lets go of its row alone where keys are equal to the server if, and only if,
// they are to Go. Elsewhere the whole table is void, so that no form of a key is old.
func TestKeysThatHaveForms(t *testing.T) {
	f := setup(t)
	uuid := "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"
	moment := time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)
	cases := []keyCase{
		keysOf[int64]("bigint", 1, 1, 2, true),
		keysOf[int32]("numeric(9)", 1, 1, 2, true),
		keysOf("text", "a", "A", "b", true),
		keysOf("varchar(5)", "a", "a ", "b", true),
		keysOf("char(5)", "a", "a ", "b", false),
		keysOf("citext", "a", "A", "b", false),
		keysOf(`text COLLATE loose`, "a", "A", "b", false),
		keysOf(`text COLLATE "C"`, "a", "A", "b", true),
		keysOf("letters", "a", "A", "b", true),
		keysOf("loose_letters", "a", "A", "b", false),
		keysOf("letter", "a", "a", "b", true),
		keysOf("uuid", uuid, strings.ToUpper(uuid), "b0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", false),
		keysOf("uuid", [16]byte{1}, [16]byte{1}, [16]byte{2}, true),
		keysOf("timestamptz", moment, moment.Add(time.Nanosecond), moment.Add(time.Hour), false),
	}
	planted := map[string]bool{}
	for _, sql := range []string{
		"CREATE EXTENSION citext", "CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false)",
		"CREATE DOMAIN letters AS text CHECK (length(VALUE) = 1)", "CREATE DOMAIN loose_letters AS citext", "CREATE TYPE letter AS ENUM ('a', 'b')",
	} {
		if _, err := f.other.Exec(f.ctx, sql); err != nil {
			t.Log("left out, because this PostgreSQL cannot: ", sql, err)
			planted[strings.Fields(sql)[2]] = true
		}
	}
	for i, c := range cases {
		if slices.ContainsFunc(strings.FieldsFunc(c.name, func(r rune) bool { return r == ' ' || r == '_' }), func(word string) bool { return planted[word] }) {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			name := fmt.Sprintf("keyed_%d", i)
			f.exec("CREATE TABLE " + name + " (key " + c.name + " PRIMARY KEY, n bigint NOT NULL)")
			c.run(t, f, name)
		})
	}
}
