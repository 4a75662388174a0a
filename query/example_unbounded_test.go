package query_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// A list that turned out empty does not empty the table.
func ExampleQuery_Unbounded() {
	ctx := context.Background()
	pool, done := testdb.ExamplePool(shop.Schema)
	defer done()
	tags := repo.New(pool, shop.TagWords)
	name := query.TextCol(func(t *shop.Tag) *string { return &t.Name })
	if err := tags.CreateMany(ctx, []shop.Tag{{Name: "new"}, {Name: "sale"}}); err != nil {
		panic(err)
	}

	var keep []string // nothing to keep, by mistake
	_, err := tags.DeleteWhere(ctx, query.Where(name.NotIn(keep...)))
	fmt.Println(errors.Is(err, smrt.ErrUnboundedWrite))

	n, err := tags.DeleteWhere(ctx, query.All[shop.Tag]().Unbounded())
	fmt.Println(n, err)
	// Output:
	// true
	// 2 <nil>
}
