package pool_test

import (
	"context"
	"fmt"

	"github.com/smrt-go/smrt/pool"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// One pool serves all repositories of a program.
func ExampleOpen() {
	ctx := context.Background()
	p, err := pool.Open(ctx, pool.Config{URL: dsn(), Profile: pool.Production, MaxConns: 20})
	if err != nil {
		panic(err)
	}
	defer p.Close()

	categories := repo.New(p, Categories)
	if err := categories.Create(ctx, &Category{Slug: "tea", Name: "Tea"}); err != nil {
		panic(err)
	}
	tea, err := categories.First(ctx, query.Where(Slug.Eq("tea")))
	if err != nil {
		panic(err)
	}
	fmt.Println(tea.Name)
	// Output: Tea
}
