package analyze_test

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/analyze"
)

// Plans are committed as text, and compared with those of a later day.
func ExamplePlans() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, dsn())
	if err != nil {
		panic(err)
	}
	defer pool.Close()
	options := analyze.Options{Source: "ci", Workload: analyze.Workload{
		{Name: "tags.named", SQL: "SELECT id FROM tags WHERE name = $1"},
	}}
	before, err := analyze.Run(ctx, pool, options)
	if err != nil {
		panic(err)
	}
	text := before.Plans.String() // smrt.plans

	if _, err := pool.Exec(ctx, "ALTER TABLE tags DROP CONSTRAINT tags_name_key"); err != nil {
		panic(err)
	}
	recorded, err := analyze.ParsePlans(text)
	if err != nil {
		panic(err)
	}
	after, err := analyze.Run(ctx, pool, options)
	if err != nil {
		panic(err)
	}
	worse, _, err := recorded.Compare(after.Plans)
	if err != nil {
		panic(err)
	}
	fmt.Println(worse[0].Name(), worse[0].Evidence)
	fmt.Println(worse[0].Before)
	fmt.Println(worse[0].Plan)
	// Output:
	// index not used any more tags_name_key is not used any more
	// Index Scan by tags_name_key on public.tags
	// Seq Scan on public.tags
}
