package repo_test

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
	"github.com/smrt-go/smrt/txn"
)

type (
	Tag struct {
		ID   int64
		Name string
	}
	ProductTag struct{ ProductID, TagID int64 }
)

var (
	Tags        = query.NewTable("tags", func(t *Tag) *int64 { return &t.ID })
	ProductTags = query.NewCompositeTable("product_tags", query.Key[ProductTag, ProductTag]{
		query.Part(func(t *ProductTag) *int64 { return &t.ProductID }, func(k *ProductTag) *int64 { return &k.ProductID }),
		query.Part(func(t *ProductTag) *int64 { return &t.TagID }, func(k *ProductTag) *int64 { return &k.TagID }),
	})

	TaggedProduct = query.Col(func(t *ProductTag) *int64 { return &t.ProductID })
	TaggedWith    = query.Col(func(t *ProductTag) *int64 { return &t.TagID })
)

// Replace the tags of a product as a set: delete the links that are not among the
// new ones, and create those that are missing.
func ExampleRepository_DeleteWhere_links() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, dsn())
	if err != nil {
		panic(err)
	}
	defer pool.Close()
	product := newShelf(ctx, pool, 1)[0].ID
	tags := []Tag{{Name: "new"}, {Name: "cheap"}, {Name: "green"}}
	if err := repo.New(pool, Tags).CreateMany(ctx, tags); err != nil {
		panic(err)
	}

	setTags := func(ids ...int64) error {
		links := make([]ProductTag, len(ids))
		for i, id := range ids {
			links[i] = ProductTag{ProductID: product, TagID: id}
		}
		return txn.Run(ctx, pool, func(ctx context.Context, tx pgx.Tx) error {
			productTags := repo.New(tx, ProductTags)
			gone, err := productTags.DeleteWhere(ctx, query.Where(TaggedProduct.Eq(product), TaggedWith.NotIn(ids...)))
			if err != nil {
				return err
			}
			outcomes, err := productTags.UpsertMany(ctx, links, query.OnConflict(TaggedProduct, TaggedWith).DoNothing())
			fmt.Println(gone, "gone,", outcomes)
			return err
		})
	}
	for _, ids := range [][]int64{{tags[0].ID, tags[1].ID}, {tags[1].ID, tags[2].ID}, nil} {
		if err := setTags(ids...); err != nil {
			panic(err)
		}
	}
	// Output:
	// 0 gone, [inserted inserted]
	// 1 gone, [unchanged inserted]
	// 2 gone, []
}
