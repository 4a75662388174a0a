package repo_test

import (
	"context"
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// handles are all that claims to be a smrt.DB. Each gives a handle on the pool
// to use and closes it afterwards.
var handles = map[string]func(ctx context.Context, pool *pgxpool.Pool, use func(smrt.DB) error) error{
	"pool": func(_ context.Context, pool *pgxpool.Pool, use func(smrt.DB) error) error { return use(pool) },
	"pool's connection": func(ctx context.Context, pool *pgxpool.Pool, use func(smrt.DB) error) error {
		return pool.AcquireFunc(ctx, func(conn *pgxpool.Conn) error { return use(conn) })
	},
	"connection": func(ctx context.Context, pool *pgxpool.Pool, use func(smrt.DB) error) error {
		conn, err := pgx.ConnectConfig(ctx, pool.Config().ConnConfig)
		if err != nil {
			return err
		}
		return errors.Join(use(conn), conn.Close(ctx))
	},
	"transaction": func(ctx context.Context, pool *pgxpool.Pool, use func(smrt.DB) error) error {
		return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error { return use(tx) })
	},
	"savepoint": func(ctx context.Context, pool *pgxpool.Pool, use func(smrt.DB) error) error {
		return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
			return pgx.BeginFunc(ctx, tx, func(nested pgx.Tx) error { return use(nested) })
		})
	},
}

// exercises are what every handle must be able to do, in this order, on an
// empty archive.
var exercises = []struct {
	name string
	do   func(t *testing.T, ctx context.Context, r *repo.Repository[document, int64])
}{
	{"create and get", func(t *testing.T, ctx context.Context, r *repo.Repository[document, int64]) {
		d := document{Slug: "a"}
		check.NoError(t, r.Create(ctx, &d))
		check.Same(t, "slug", check.Value(r.Get(ctx, d.ID))(t).Slug, "a")
		_, err := r.Get(ctx, -1)
		check.Error(t, "missing", err, smrt.ErrNotFound)
	}},
	{"bulk", func(t *testing.T, ctx context.Context, r *repo.Repository[document, int64]) {
		ds := []document{{Slug: "b"}, {Slug: "c", Title: "other shape"}}
		check.NoError(t, r.CreateMany(ctx, ds))
		check.Same(t, "updated", check.Value(r.UpdateMany(ctx, ds))(t), 2)
		outcomes := check.Value(r.UpsertMany(ctx, append(ds, document{Slug: "d"}), query.OnConflict(docSlug).Where("deleted_at IS NULL")))(t)
		check.Same(t, "last outcome", outcomes[2], repo.Inserted)
		check.Same(t, "aligned", check.Value(r.GetMany(ctx, []int64{ds[1].ID, ds[0].ID}))(t)[0].Slug, "c")
	}},
	{"queries", func(t *testing.T, ctx context.Context, r *repo.Repository[document, int64]) {
		q := query.Where(docSlug.In("a", "b", "c", "d")).OrderBy(docSlug.Asc())
		check.Same(t, "find", slugs(check.Value(r.Find(ctx, q))(t)), "abcd")
		check.Same(t, "count", check.Value(r.Count(ctx, q))(t), 4)
		page := check.Value(r.Page(ctx, q, query.Page{Size: 3}))(t)
		check.Same(t, "second page", slugs(check.Value(r.Page(ctx, q, query.Page{Size: 3, After: page.Next}))(t).Items), "d")
		check.Same(t, "greatest", check.Value(repo.Aggregate(ctx, r, query.Max(docSlug), query.Where(docRank.Ge(0))))(t).V, "d")
	}},
	{"stream, left early and used again", func(t *testing.T, ctx context.Context, r *repo.Repository[document, int64]) {
		for d, err := range r.Stream(ctx, query.All[document]().OrderBy(docSlug.Asc())) {
			check.NoError(t, err)
			check.Same(t, "slug", d.Slug, "a")
			break
		}
		check.Same(t, "count", check.Value(r.Count(ctx, query.All[document]()))(t), 4)
	}},
	{"lock", func(t *testing.T, ctx context.Context, r *repo.Repository[document, int64]) {
		check.Same(t, "slug", check.Value(r.First(ctx, query.Where(docSlug.Eq("a")).Lock(query.ForUpdate, query.SkipLocked)))(t).Slug, "a")
	}},
	{"change and delete", func(t *testing.T, ctx context.Context, r *repo.Repository[document, int64]) {
		d := check.Value(r.First(ctx, query.Where(docSlug.Eq("a"))))(t)
		check.NoError(t, r.Update(ctx, d))
		check.NoError(t, r.Patch(ctx, d.ID, query.Add(docRank, 2)))
		check.NoError(t, r.Delete(ctx, d.ID))
		check.NoError(t, r.Restore(ctx, d.ID))
		check.Same(t, "deleted", check.Value(r.DeleteWhere(ctx, query.Where(docRank.Eq(2))))(t), 1)
		check.Same(t, "purged", check.Value(r.HardDeleteWhere(ctx, query.All[document]().WithDeleted().Unbounded()))(t), 4)
	}},
}

// TestConformance runs the exercises on every sort of handle. The handle's work
// is done when it is closed, and no connection is left in use, which the test
// database checks.
func TestConformance(t *testing.T) {
	testdb.InEachMode(t, func(t *testing.T, mode testdb.Option) {
		for name, open := range handles {
			t.Run(name, func(t *testing.T) {
				a, ctx := newArchive(t, mode), t.Context()
				check.NoError(t, open(ctx, a.pool, func(db smrt.DB) error {
					for _, e := range exercises {
						t.Run(e.name, func(t *testing.T) { e.do(t, ctx, a.documents.With(db)) })
					}
					return a.documents.With(db).Create(ctx, &document{Slug: "kept"})
				}))
				check.Same(t, "rows kept", check.Value(a.documents.Count(ctx, query.All[document]()))(t), 1)
			})
		}
	})
}

// TestWithTransaction proves that a repository bound to a transaction shares
// its fate, and the one it came from does not.
func TestWithTransaction(t *testing.T) {
	a, ctx := newArchive(t), t.Context()
	mine := errors.New("changed my mind")
	err := pgx.BeginFunc(ctx, a.pool, func(tx pgx.Tx) error {
		check.NoError(t, a.documents.With(tx).Create(ctx, &document{Slug: "undone"}))
		check.Same(t, "seen inside", check.Value(a.documents.With(tx).Count(ctx, query.All[document]()))(t), 1)
		return mine
	})
	check.Error(t, "rollback", err, mine)
	check.Same(t, "after a rollback", check.Value(a.documents.Count(ctx, query.All[document]()))(t), 0)
	check.NoError(t, pgx.BeginFunc(ctx, a.pool, func(tx pgx.Tx) error {
		return a.documents.With(tx).Create(ctx, &document{Slug: "kept"})
	}))
	check.Same(t, "after a commit", slugs(check.Value(a.documents.Find(ctx, query.All[document]()))(t)), "kept")
}

// TestSavepointRollback proves that a failed write inside a savepoint leaves
// the transaction around it usable.
func TestSavepointRollback(t *testing.T) {
	a, ctx := newArchive(t), t.Context()
	check.NoError(t, pgx.BeginFunc(ctx, a.pool, func(tx pgx.Tx) error {
		check.NoError(t, a.documents.With(tx).Create(ctx, &document{Slug: "a"}))
		err := pgx.BeginFunc(ctx, tx, func(nested pgx.Tx) error {
			return a.documents.With(nested).Create(ctx, &document{Slug: "a"})
		})
		check.Error(t, "inside", err, smrt.ErrConflict)
		return a.documents.With(tx).Create(ctx, &document{Slug: "b"})
	}))
	check.Same(t, "committed", slugs(check.Value(a.documents.Find(ctx, query.All[document]().OrderBy(docSlug.Asc())))(t)), "ab")
}
