package smrt_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/repo"
)

// A value that PostgreSQL cannot store is refused before anything is sent, and
// the error says which row of the call has it.
func ExampleValueError() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, dsn())
	if err != nil {
		panic(err)
	}
	defer pool.Close()

	err = repo.New(pool, Customers).CreateMany(ctx, []Customer{
		{Email: "ann@example.com", Name: "Ann", Country: "NL"},
		{Email: "bob@example.com", Name: "Bob\x00", Country: "NL"},
	})
	var refused *smrt.ValueError
	if errors.Is(err, smrt.ErrInvalidText) && errors.As(err, &refused) {
		fmt.Println(refused.Column, "of row", refused.Row)
	}
	// Output: name of row 1
}

// Updating several rows at once writes those that it finds. Which ones it did not
// find is in the error, so that the caller can go on or undo all.
func ExampleIncompleteError() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, dsn())
	if err != nil {
		panic(err)
	}
	defer pool.Close()
	customers := repo.New(pool, Customers)
	ann := Customer{Email: "ann@example.com", Name: "Ann", Country: "NL"}
	if err := customers.Create(ctx, &ann); err != nil {
		panic(err)
	}

	ann.Name = "Anna"
	_, err = customers.UpdateMany(ctx, []Customer{{ID: 404, Email: "x@example.com", Name: "X", Country: "NL"}, ann})
	var incomplete *smrt.IncompleteError
	if errors.As(err, &incomplete) {
		fmt.Println(incomplete.Rows, errors.Is(err, smrt.ErrNotFound))
	}
	again, err := customers.Get(ctx, ann.ID)
	fmt.Println(again.Name, err)
	// Output:
	// [0] true
	// Anna <nil>
}
