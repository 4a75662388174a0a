package query_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// A list that turned out empty does not empty the table.
func ExampleQuery_Unbounded() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, dsn())
	if err != nil {
		panic(err)
	}
	defer pool.Close()
	tags := repo.New(pool, Tags)
	name := query.TextCol(func(t *Tag) *string { return &t.Name })
	if err := tags.CreateMany(ctx, []Tag{{Name: "new"}, {Name: "sale"}}); err != nil {
		panic(err)
	}

	var keep []string // nothing to keep, by mistake
	_, err = tags.DeleteWhere(ctx, query.Where(name.NotIn(keep...)))
	fmt.Println(errors.Is(err, smrt.ErrUnboundedWrite))

	n, err := tags.DeleteWhere(ctx, query.All[Tag]().Unbounded())
	fmt.Println(n, err)
	// Output:
	// true
	// 2 <nil>
}
