package repo_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
	"github.com/smrt-go/smrt/txn"
	"github.com/smrt-go/smrt/unit"
)

// A observation has columns whose types the server casts to others by itself.
type observation struct {
	ID    int64
	At    time.Time
	Ratio float64
}

var (
	observations     = query.NewTable("observations", func(s *observation) *int64 { return &s.ID })
	observationID    = query.Col(func(s *observation) *int64 { return &s.ID })
	observationAt    = query.Col(func(s *observation) *time.Time { return &s.At })
	observationRatio = query.Col(func(s *observation) *float64 { return &s.Ratio })
)

// observationWrites write observations 1 and 2, which are there, or 3 and 4, which are not.
var observationWrites = map[string]func(ctx context.Context, db *pgxpool.Pool, at time.Time, ratio float64) error{
	"Create": func(ctx context.Context, db *pgxpool.Pool, at time.Time, ratio float64) error {
		return repo.New(db, observations).Create(ctx, &observation{3, at, ratio})
	},
	"CreateMany": func(ctx context.Context, db *pgxpool.Pool, at time.Time, ratio float64) error {
		return repo.New(db, observations).CreateMany(ctx, []observation{{3, at, ratio}, {4, at, ratio}})
	},
	"Upsert": func(ctx context.Context, db *pgxpool.Pool, at time.Time, ratio float64) error {
		_, err := repo.New(db, observations).Upsert(ctx, &observation{1, at, ratio}, query.OnConflict(observationID))
		return err
	},
	"UpsertMany": func(ctx context.Context, db *pgxpool.Pool, at time.Time, ratio float64) error {
		_, err := repo.New(db, observations).UpsertMany(ctx, []observation{{1, at, ratio}, {3, at, ratio}}, query.OnConflict(observationID))
		return err
	},
	"Update": func(ctx context.Context, db *pgxpool.Pool, at time.Time, ratio float64) error {
		return repo.New(db, observations).Update(ctx, &observation{1, at, ratio})
	},
	"UpdateMany": func(ctx context.Context, db *pgxpool.Pool, at time.Time, ratio float64) error {
		_, err := repo.New(db, observations).UpdateMany(ctx, []observation{{1, at, ratio}, {2, at, ratio}})
		return err
	},
	"Patch": func(ctx context.Context, db *pgxpool.Pool, at time.Time, ratio float64) error {
		return repo.New(db, observations).Patch(ctx, 1, observationAt.Set(at), observationRatio.Set(ratio))
	},
	"UpdateWhere": func(ctx context.Context, db *pgxpool.Pool, at time.Time, ratio float64) error {
		_, err := repo.New(db, observations).UpdateWhere(ctx, query.Where(observationID.Gt(0)), observationAt.Set(at), observationRatio.Set(ratio))
		return err
	},
	"unit": func(ctx context.Context, db *pgxpool.Pool, at time.Time, ratio float64) error {
		u := unit.New()
		unit.Create(u, observations, &observation{3, at, ratio})
		unit.Update(u, observations, &observation{1, at, ratio})
		unit.Patch(u, observations, 2, observationAt.Set(at), observationRatio.Set(ratio))
		_, err := u.Flush(ctx, db)
		return err
	},
	"unit of many": func(ctx context.Context, db *pgxpool.Pool, at time.Time, ratio float64) error {
		u := unit.New()
		unit.CreateMany(u, observations, []observation{{3, at, ratio}, {4, at, ratio}})
		unit.Update(u, observations, &observation{1, at, ratio})
		unit.Update(u, observations, &observation{2, at, ratio})
		_, err := u.Flush(ctx, db)
		return err
	},
	"txn.Run": func(ctx context.Context, db *pgxpool.Pool, at time.Time, ratio float64) error {
		return txn.Run(ctx, db, func(ctx context.Context, tx pgx.Tx) error {
			return repo.New(tx, observations).Update(ctx, &observation{1, at, ratio})
		})
	},
}

// observationReads find the observations of a time, and return how many.
var observationReads = map[string]func(ctx context.Context, db *pgxpool.Pool, at time.Time) (int64, error){
	"Count": func(ctx context.Context, db *pgxpool.Pool, at time.Time) (int64, error) {
		return repo.New(db, observations).Count(ctx, query.Where(observationAt.Eq(at)))
	},
	"Count in": func(ctx context.Context, db *pgxpool.Pool, at time.Time) (int64, error) {
		return repo.New(db, observations).Count(ctx, query.Where(observationAt.In(at, at)))
	},
	"Count between": func(ctx context.Context, db *pgxpool.Pool, at time.Time) (int64, error) {
		return repo.New(db, observations).Count(ctx, query.Where(observationAt.Between(at, at)))
	},
	"Find": func(ctx context.Context, db *pgxpool.Pool, at time.Time) (int64, error) {
		found, err := repo.New(db, observations).Find(ctx, query.Where(observationAt.Ge(at), observationAt.Le(at)))
		return int64(len(found)), err
	},
	"UpdateWhere": func(ctx context.Context, db *pgxpool.Pool, at time.Time) (int64, error) {
		return repo.New(db, observations).UpdateWhere(ctx, query.Where(observationAt.Eq(at)), observationRatio.Set(1))
	},
	"DeleteWhere": func(ctx context.Context, db *pgxpool.Pool, at time.Time) (int64, error) {
		return repo.New(db, observations).DeleteWhere(ctx, query.Where(observationAt.Eq(at)))
	},
}

// TestValuesAreOfTheTypesOfColumns alters columns to types that the old ones cast
// to by themselves, between two calls: the server takes no value as of the old
// type, for which a timestamp is hours off, and 0.1 another number.
func TestValuesAreOfTheTypesOfColumns(t *testing.T) {
	const alter = "ALTER TABLE observations ALTER at TYPE timestamptz USING at AT TIME ZONE 'UTC', ALTER ratio TYPE double precision"
	before, after := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2024, 6, 1, 0, 0, 0, 0, time.UTC)
	testdb.InEachMode(t, func(t *testing.T, mode testdb.Option) {
		ctx := t.Context()
		db := testdb.Pool(t, testdb.Empty, mode, testdb.MaxConns(1), testdb.Configure(func(c *pgxpool.Config) {
			c.ConnConfig.RuntimeParams["timezone"] = "Asia/Tokyo"
		}))
		renew := func() {
			check.Value(db.Exec(ctx, "DROP TABLE IF EXISTS observations; CREATE TABLE observations (id bigint PRIMARY KEY, at timestamp NOT NULL, ratio real NOT NULL)"))(t)
			check.Value(db.Exec(ctx, "INSERT INTO observations VALUES (1, $1, 1), (2, $1, 1)", before))(t)
		}
		for name, write := range observationWrites {
			renew()
			check.NoError(t, write(ctx, db, before, 1))
			check.Value(db.Exec(ctx, alter+"; DELETE FROM observations WHERE id > 2"))(t)
			check.NoError(t, write(ctx, db, after, 0.1))
			wrong := ""
			check.NoError(t, db.QueryRow(ctx, "SELECT coalesce(string_agg(s::text, ' '), '') FROM observations s WHERE (at, ratio) NOT IN (('2024-01-01Z', 1), ('2024-06-01Z', 0.1))").Scan(&wrong))
			check.Same(t, name+" wrote", wrong, "")
		}
		for name, read := range observationReads {
			renew()
			for i, table := range []string{"as it was", "altered"} {
				check.Value(db.Exec(ctx, []string{"", alter}[i]))(t)
				n, err := read(ctx, db, before)
				check.NoError(t, err)
				check.Same(t, fmt.Sprintf("rows of %s, %s", name, table), n, map[bool]int64{true: 0, false: 2}[name == "DeleteWhere" && i == 1])
			}
		}
	})
}

// TestTextKeysFollowTheirColumn makes a key of text one that knows no case,
// between two calls.
func TestTextKeysFollowTheirColumn(t *testing.T) {
	type nickname struct {
		Name string
		Note string
	}
	table := query.NewTable("nicknames", func(n *nickname) *string { return &n.Name })
	for name, call := range map[string]func(ctx context.Context, r *repo.Repository[nickname, string], key string) (int64, error){
		"GetMany": func(ctx context.Context, r *repo.Repository[nickname, string], key string) (int64, error) {
			found, err := r.GetMany(ctx, []string{key})
			return map[bool]int64{true: 1}[err == nil && found[0] != nil], err
		},
		"Update": func(ctx context.Context, r *repo.Repository[nickname, string], key string) (int64, error) {
			return 1, r.Update(ctx, &nickname{key, "b"})
		},
		"UpdateMany": func(ctx context.Context, r *repo.Repository[nickname, string], key string) (int64, error) {
			return r.UpdateMany(ctx, []nickname{{key, "b"}})
		},
		"Delete": func(ctx context.Context, r *repo.Repository[nickname, string], key string) (int64, error) {
			return 1, r.Delete(ctx, key)
		},
		"DeleteMany": func(ctx context.Context, r *repo.Repository[nickname, string], key string) (int64, error) {
			return r.DeleteMany(ctx, []string{key})
		},
	} {
		t.Run(name, func(t *testing.T) {
			db, ctx := testdb.Pool(t, testdb.Empty, testdb.MaxConns(1)), t.Context()
			if _, err := db.Exec(ctx, "CREATE EXTENSION citext"); err != nil {
				t.Skip("this PostgreSQL comes without citext: ", err)
			}
			check.Value(db.Exec(ctx, "CREATE TABLE nicknames (name text PRIMARY KEY, note text NOT NULL); INSERT INTO nicknames VALUES ('ann', ''), ('bob', '')"))(t)
			r := repo.New(db, table)
			check.Same(t, "rows before", check.Value(call(ctx, r, "ann"))(t), 1)
			check.Value(db.Exec(ctx, "ALTER TABLE nicknames ALTER name TYPE citext"))(t)
			check.Same(t, "rows after", check.Value(call(ctx, r, "BOB"))(t), 1)
		})
	}
}
