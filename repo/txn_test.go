package repo_test

import (
	"context"
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
	"github.com/smrt-go/smrt/txn"
)

// TestRepositoryBesideItsTransaction calls every method of a repository that is
// not bound to the transaction that its pool is in. A pool of one would
// otherwise wait for ever.
func TestRepositoryBesideItsTransaction(t *testing.T) {
	a := newArchive(t, testdb.MaxConns(1))
	d := a.add(t, "a")[0]
	all := query.All[document]()
	calls := map[string]func(context.Context, *repo.Repository[document, int64]) error{
		"get": func(ctx context.Context, r *repo.Repository[document, int64]) error {
			_, err := r.Get(ctx, d.ID)
			return err
		},
		"get many": func(ctx context.Context, r *repo.Repository[document, int64]) error {
			_, err := r.GetMany(ctx, []int64{d.ID})
			return err
		},
		"find": func(ctx context.Context, r *repo.Repository[document, int64]) error {
			_, err := r.Find(ctx, all)
			return err
		},
		"first": func(ctx context.Context, r *repo.Repository[document, int64]) error {
			_, err := r.First(ctx, all)
			return err
		},
		"count": func(ctx context.Context, r *repo.Repository[document, int64]) error {
			_, err := r.Count(ctx, all)
			return err
		},
		"exists": func(ctx context.Context, r *repo.Repository[document, int64]) error {
			_, err := r.Exists(ctx, all)
			return err
		},
		"page": func(ctx context.Context, r *repo.Repository[document, int64]) error {
			_, err := r.Page(ctx, all, query.Page{Size: 1})
			return err
		},
		"stream": func(ctx context.Context, r *repo.Repository[document, int64]) error {
			for _, err := range r.Stream(ctx, all) {
				return err
			}
			return nil
		},
		"create": func(ctx context.Context, r *repo.Repository[document, int64]) error {
			return r.Create(ctx, &document{Slug: "x"})
		},
		"create many": func(ctx context.Context, r *repo.Repository[document, int64]) error {
			return r.CreateMany(ctx, []document{{Slug: "y"}})
		},
		"update": func(ctx context.Context, r *repo.Repository[document, int64]) error { c := d; return r.Update(ctx, &c) },
		"patch": func(ctx context.Context, r *repo.Repository[document, int64]) error {
			return r.Patch(ctx, d.ID, docRank.Set(1))
		},
		"delete": func(ctx context.Context, r *repo.Repository[document, int64]) error { return r.Delete(ctx, d.ID) },
		"update where": func(ctx context.Context, r *repo.Repository[document, int64]) error {
			_, err := r.UpdateWhere(ctx, query.Where(docID.Eq(d.ID)), docRank.Set(1))
			return err
		},
		"delete many": func(ctx context.Context, r *repo.Repository[document, int64]) error {
			_, err := r.DeleteMany(ctx, []int64{d.ID})
			return err
		},
	}
	for name, call := range calls {
		t.Run(name, func(t *testing.T) {
			undo := errors.New("undo")
			err := txn.Run(t.Context(), a.pool, func(ctx context.Context, tx pgx.Tx) error {
				check.Error(t, "on the pool", call(ctx, a.documents), smrt.ErrTxBypass)
				check.NoError(t, call(ctx, a.documents.With(tx)))
				return undo
			})
			check.Error(t, "transaction", err, undo)
		})
	}
}

// TestDetached shows the way to use the pool in spite of the transaction.
func TestDetached(t *testing.T) {
	a := newArchive(t, testdb.MaxConns(2))
	check.NoError(t, txn.Run(t.Context(), a.pool, func(ctx context.Context, tx pgx.Tx) error {
		check.NoError(t, a.documents.With(tx).Create(ctx, &document{Slug: "inside"}))
		n := check.Value(a.documents.Count(txn.WithoutTx(ctx), query.All[document]()))(t)
		check.Same(t, "documents that others see", n, 0)
		return nil
	}))
}
