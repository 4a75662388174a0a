package repo_test

import (
	"context"
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
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
		noError(t, r.Create(ctx, &d))
		wantSame(t, "slug", value1(r.Get(ctx, d.ID))(t).Slug, "a")
		_, err := r.Get(ctx, -1)
		wantError(t, "missing", err, smrt.ErrNotFound)
	}},
	{"bulk", func(t *testing.T, ctx context.Context, r *repo.Repository[document, int64]) {
		ds := []document{{Slug: "b"}, {Slug: "c", Title: "other shape"}}
		noError(t, r.CreateMany(ctx, ds))
		wantSame(t, "updated", value1(r.UpdateMany(ctx, ds))(t), 2)
		outcomes := value1(r.UpsertMany(ctx, append(ds, document{Slug: "d"}), query.OnConflict(docSlug).Where("deleted_at IS NULL")))(t)
		wantSame(t, "last outcome", outcomes[2], repo.Inserted)
		wantSame(t, "aligned", value1(r.GetMany(ctx, []int64{ds[1].ID, ds[0].ID}))(t)[0].Slug, "c")
	}},
	{"queries", func(t *testing.T, ctx context.Context, r *repo.Repository[document, int64]) {
		q := query.Where(docSlug.In("a", "b", "c", "d")).OrderBy(docSlug.Asc())
		wantSame(t, "find", slugs(value1(r.Find(ctx, q))(t)), "abcd")
		wantSame(t, "count", value1(r.Count(ctx, q))(t), 4)
		page := value1(r.Page(ctx, q, query.Page{Size: 3}))(t)
		wantSame(t, "second page", slugs(value1(r.Page(ctx, q, query.Page{Size: 3, After: page.Next}))(t).Items), "d")
		wantSame(t, "greatest", value1(repo.Max(ctx, r, docSlug.Column, query.Where(docRank.Ge(0))))(t).V, "d")
	}},
	{"stream, left early and used again", func(t *testing.T, ctx context.Context, r *repo.Repository[document, int64]) {
		for d, err := range r.Stream(ctx, query.All[document]().OrderBy(docSlug.Asc())) {
			noError(t, err)
			wantSame(t, "slug", d.Slug, "a")
			break
		}
		wantSame(t, "count", value1(r.Count(ctx, query.All[document]()))(t), 4)
	}},
	{"lock", func(t *testing.T, ctx context.Context, r *repo.Repository[document, int64]) {
		wantSame(t, "slug", value1(r.First(ctx, query.Where(docSlug.Eq("a")).Lock(query.ForUpdate, query.SkipLocked)))(t).Slug, "a")
	}},
	{"change and delete", func(t *testing.T, ctx context.Context, r *repo.Repository[document, int64]) {
		d := value1(r.First(ctx, query.Where(docSlug.Eq("a"))))(t)
		noError(t, r.Update(ctx, d))
		noError(t, r.Patch(ctx, d.ID, docRank.Add(2)))
		noError(t, r.Delete(ctx, d.ID))
		noError(t, r.Restore(ctx, d.ID))
		wantSame(t, "deleted", value1(r.DeleteWhere(ctx, query.Where(docRank.Eq(2))))(t), 1)
		wantSame(t, "purged", value1(r.HardDeleteWhere(ctx, query.All[document]().WithDeleted().Unbounded()))(t), 4)
	}},
}

// TestConformance runs the exercises on every sort of handle. The handle's work
// is done when it is closed, and no connection is left in use, which the test
// database checks.
func TestConformance(t *testing.T) {
	for name, open := range handles {
		t.Run(name, func(t *testing.T) {
			a, ctx := newArchive(t), t.Context()
			noError(t, open(ctx, a.pool, func(db smrt.DB) error {
				for _, e := range exercises {
					t.Run(e.name, func(t *testing.T) { e.do(t, ctx, a.documents.With(db)) })
				}
				return a.documents.With(db).Create(ctx, &document{Slug: "kept"})
			}))
			wantSame(t, "rows kept", value1(a.documents.Count(ctx, query.All[document]()))(t), 1)
		})
	}
}

// TestWithTransaction proves that a repository bound to a transaction shares
// its fate, and the one it came from does not.
func TestWithTransaction(t *testing.T) {
	a, ctx := newArchive(t), t.Context()
	mine := errors.New("changed my mind")
	err := pgx.BeginFunc(ctx, a.pool, func(tx pgx.Tx) error {
		noError(t, a.documents.With(tx).Create(ctx, &document{Slug: "undone"}))
		wantSame(t, "seen inside", value1(a.documents.With(tx).Count(ctx, query.All[document]()))(t), 1)
		return mine
	})
	wantError(t, "rollback", err, mine)
	wantSame(t, "after a rollback", value1(a.documents.Count(ctx, query.All[document]()))(t), 0)
	noError(t, pgx.BeginFunc(ctx, a.pool, func(tx pgx.Tx) error {
		return a.documents.With(tx).Create(ctx, &document{Slug: "kept"})
	}))
	wantSame(t, "after a commit", slugs(value1(a.documents.Find(ctx, query.All[document]()))(t)), "kept")
}

// TestSavepointRollback proves that a failed write inside a savepoint leaves
// the transaction around it usable.
func TestSavepointRollback(t *testing.T) {
	a, ctx := newArchive(t), t.Context()
	noError(t, pgx.BeginFunc(ctx, a.pool, func(tx pgx.Tx) error {
		noError(t, a.documents.With(tx).Create(ctx, &document{Slug: "a"}))
		err := pgx.BeginFunc(ctx, tx, func(nested pgx.Tx) error {
			return a.documents.With(nested).Create(ctx, &document{Slug: "a"})
		})
		wantError(t, "inside", err, smrt.ErrConflict)
		return a.documents.With(tx).Create(ctx, &document{Slug: "b"})
	}))
	wantSame(t, "committed", slugs(value1(a.documents.Find(ctx, query.All[document]().OrderBy(docSlug.Asc())))(t)), "ab")
}
