package pool_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/pool"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
	"github.com/smrt-go/smrt/txn"
)

var _ txn.Beginner = (*pool.Pool)(nil)

// Repositories and transactions take the pool as they take pgx's.
func TestWithRepositories(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	p := open(t, pool.Config{
		URL: testdb.Pool(t, shop.Schema, testdb.Direct()).Config().ConnString(), MaxConns: 3, MinConns: -1,
	})
	categories := repo.New(p, shop.Categories)
	all := query.All[shop.Category]()
	check.NoError(t, txn.Run(ctx, p, func(ctx context.Context, tx pgx.Tx) error {
		check.NoError(t, categories.With(tx).Create(ctx, &shop.Category{Slug: "tea", Name: "Tea"}))
		_, err := categories.Count(ctx, all)
		check.Error(t, "beside the transaction", err, smrt.ErrTxBypass)
		return nil
	}))
	check.Same(t, "categories", check.Value(categories.Count(ctx, all))(t), 1)
	many := make([]shop.Category, 50)
	for i := range many {
		many[i].Slug = fmt.Sprint("category-", i)
		many[i].Name = many[i].Slug
	}
	check.NoError(t, categories.CreateMany(ctx, many))
	n := 0
	for _, err := range categories.Stream(ctx, all) {
		check.NoError(t, err)
		n++
	}
	check.Same(t, "categories in the stream", n, 51)
	check.Error(t, "a conflict", categories.Create(ctx, &shop.Category{Slug: "tea", Name: "Tea"}), smrt.ErrConflict)
	check.Same(t, "lent", p.Stats().InUse, 0)
}
