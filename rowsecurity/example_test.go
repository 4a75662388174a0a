package rowsecurity_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/guard"
	"github.com/smrt-go/smrt/rowsecurity"
	"github.com/smrt-go/smrt/txn"
)

// Statements that name no tenant see the rows of one.
func ExampleBind() {
	ctx := context.Background()
	pool, drop := openHelpdesk(ctx)
	defer drop()
	db, err := rowsecurity.Bind(pool, rowsecurity.Options{Setting: "app.tenant"})
	if err != nil {
		panic(err)
	}

	var title string
	acme := smrt.WithTenant(ctx, int64(1))
	if err := db.QueryRow(acme, "SELECT title FROM tickets").Scan(&title); err != nil {
		panic(err)
	}
	fmt.Println(title)
	_, err = db.Exec(acme, "INSERT INTO tickets (tenant_id, title) VALUES ($1, 'mine')", 2)
	fmt.Println("of another:", errors.Is(err, smrt.ErrRowSecurity))
	_, err = db.Exec(ctx, "DELETE FROM tickets")
	fmt.Println("no tenant:", errors.Is(err, smrt.ErrNoTenant))

	// Output:
	// It is slow
	// of another: true
	// no tenant: true
}

// A service learns when it starts that policies would not hold its role.
func ExampleDB_Check() {
	ctx := context.Background()
	pool, drop := openHelpdesk(ctx)
	defer drop()
	db, err := rowsecurity.Bind(pool, rowsecurity.Options{Setting: "app.tenant"})
	if err != nil {
		panic(err)
	}
	fmt.Println(db.Check(ctx)) // of a superuser an error that says what to do

	// Output: <nil>
}

// A transaction belongs to the tenant that it was begun under. Limits go around the
// bound handle.
func ExampleDB_BeginTx() {
	ctx := context.Background()
	pool, drop := openHelpdesk(ctx)
	defer drop()
	bound, err := rowsecurity.Bind(pool, rowsecurity.Options{Setting: "app.tenant"})
	if err != nil {
		panic(err)
	}
	db := guard.On(bound, guard.Limits{MaxLimit: 1_000})

	err = txn.Run(smrt.WithTenant(ctx, int64(1)), db, func(ctx context.Context, tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, "UPDATE tickets SET title = 'It is fast'")
		if err != nil {
			return err
		}
		fmt.Println(tag.RowsAffected(), "ticket")
		_, err = tx.Exec(smrt.WithTenant(ctx, int64(2)), "DELETE FROM tickets")
		return err
	})
	fmt.Println(errors.Is(err, smrt.ErrTenantMismatch))

	// Output:
	// 1 ticket
	// true
}
