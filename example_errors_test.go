package smrt_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/repo"
)

// Branch on what went wrong with errors.Is; the driver's own sentinel answers
// too.
func ExampleErrNotFound() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, dsn())
	if err != nil {
		panic(err)
	}
	defer pool.Close()
	products := repo.New(pool, Products)

	_, err = products.Get(ctx, 404)
	switch {
	case errors.Is(err, smrt.ErrNotFound):
		fmt.Println("no such product")
	case err != nil:
		panic(err)
	}
	fmt.Println(errors.Is(err, pgx.ErrNoRows))
	// Output:
	// no such product
	// true
}

// Learn the particulars with errors.As: here, which constraint was violated, to
// mark the field of a form.
func ExampleConstraintError() {
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
	err = customers.Create(ctx, &Customer{Email: "ann@example.com", Name: "Anna", Country: "BE"})
	var violated *smrt.ConstraintError
	if errors.Is(err, smrt.ErrConflict) && errors.As(err, &violated) {
		fmt.Println(violated.Kind, violated.Constraint, violated.Columns)
	}
	fmt.Println(err)
	// Output:
	// unique customers_email_key [email]
	// create customers: unique constraint "customers_email_key" of table "customers" violated (email)
}

// An update of a row that somebody else has changed is refused: read it again
// and repeat the change.
func ExampleErrStale() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, dsn())
	if err != nil {
		panic(err)
	}
	defer pool.Close()
	ann := Customer{Email: "ann@example.com", Name: "Ann", Country: "NL"}
	if err := repo.New(pool, Customers).Create(ctx, &ann); err != nil {
		panic(err)
	}
	orders := repo.New(pool, Orders)
	order := Order{CustomerID: ann.ID}
	if err := orders.Create(ctx, &order); err != nil {
		panic(err)
	}
	mine, theirs := order, order

	theirs.TotalCents = 10_00
	fmt.Println("theirs:", orders.Update(ctx, &theirs))
	note := "gift"
	mine.Note = &note
	err = orders.Update(ctx, &mine)
	fmt.Println("mine is stale:", errors.Is(err, smrt.ErrStale))

	again, err := orders.Get(ctx, order.ID)
	if err != nil {
		panic(err)
	}
	again.Note = &note
	fmt.Println("again:", orders.Update(ctx, again), again.Version)
	// Output:
	// theirs: <nil>
	// mine is stale: true
	// again: <nil> 3
}
