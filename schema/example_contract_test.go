package schema_test

import (
	"context"
	"errors"
	"fmt"
	"testing/fstest"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/schema"
)

// Tag is a row of tags.
type Tag struct {
	ID   int64
	Name string
}

// Tags is the table of tags.
var Tags = query.NewTable("tags", func(t *Tag) *int64 { return &t.ID })

// A contract is made once, committed, and compared in CI. Each release brings its own.
func ExampleNewContract() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, dsn())
	if err != nil {
		panic(err)
	}
	defer pool.Close()

	contract, err := schema.NewContract(ctx, pool, Tags)
	if err != nil {
		panic(err)
	}
	fmt.Print(contract)
	// Output:
	// column tags.id bigint
	// column tags.name text
	// default tags.id
	// insert tags
	// not null tags.id
	// not null tags.name
	// unique tags (id)
	// write tags.name
}

// After a migration the contracts of the releases that still run say whether they go
// on to work.
func ExampleContract_Check() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, dsn())
	if err != nil {
		panic(err)
	}
	defer pool.Close()
	running, err := schema.ParseContract("column tags.id bigint\ncolumn tags.name text\ninsert tags\nwrite tags.name\n")
	if err != nil {
		panic(err)
	}

	for _, migration := range []string{
		"ALTER TABLE tags ADD COLUMN color text",
		"ALTER TABLE tags ALTER COLUMN color SET NOT NULL",
		"ALTER TABLE tags RENAME COLUMN name TO word",
	} {
		if _, err := pool.Exec(ctx, migration); err != nil {
			panic(err)
		}
		found, err := running.Check(ctx, pool)
		if err != nil {
			panic(err)
		}
		fmt.Println(migration)
		for _, f := range found {
			fmt.Println("    breaks the running release:", f.Table, f.Problem)
		}
	}
	// Output:
	// ALTER TABLE tags ADD COLUMN color text
	// ALTER TABLE tags ALTER COLUMN color SET NOT NULL
	//     breaks the running release: tags is not as the contract needs it: insert tags
	// ALTER TABLE tags RENAME COLUMN name TO word
	//     breaks the running release: tags is not as the contract needs it: column tags.name text
	//     breaks the running release: tags is not as the contract needs it: insert tags
	//     breaks the running release: tags is not as the contract needs it: write tags.name
}

// A service does not start on a database that it was not made for.
func ExampleExpect() {
	ctx := context.Background()
	config, err := pgxpool.ParseConfig(dsn())
	if err != nil {
		panic(err)
	}
	contract, err := schema.ParseContract("column tags.id bigint\ncolumn tags.color text\n")
	if err != nil {
		panic(err)
	}
	expectation, err := schema.Expect(contract, schema.Options{})
	if err != nil {
		panic(err)
	}
	config.AfterConnect = expectation.AfterConnect
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		panic(err)
	}
	defer pool.Close()

	err = pool.Ping(ctx)
	fmt.Println(errors.Is(err, schema.ErrMismatch))
	// Output:
	// true
}

// Queries that sqlc compiled are checked by having the server describe their text.
func ExampleContract_WithQueries() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, dsn())
	if err != nil {
		panic(err)
	}
	defer pool.Close()
	// In a program: os.DirFS("internal/db"), the folder that sqlc wrote.
	folder := fstest.MapFS{"tags.sql.go": {Data: []byte("package db\nconst Names = `-- name: Names :many\nSELECT name FROM tags WHERE id = ANY($1)`")}}

	contract, err := schema.Contract{}.WithQueries(ctx, pool, folder)
	if err != nil {
		panic(err)
	}
	fmt.Print(contract)
	if _, err := pool.Exec(ctx, "ALTER TABLE tags RENAME COLUMN name TO word"); err != nil {
		panic(err)
	}
	found, err := contract.Check(ctx, pool)
	if err != nil {
		panic(err)
	}
	for _, f := range found {
		fmt.Println(f.Table, f.Problem)
	}
	// Output:
	// query Names (bigint[]) -> (text not null) "SELECT name FROM tags WHERE id = ANY($1)"
	// Names is refused by the server: column "name" does not exist (42703), at line 1 of the query
}
