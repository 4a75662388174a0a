package main

import (
	"os"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/slots"

	"example.com/billing/billing"
)

// TestSlots has the server prepare each query with its slots filled.
func TestSlots(t *testing.T) {
	pool, err := pgxpool.New(t.Context(), os.Getenv("DATABASE_URL"))
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	if err := slots.Check(t.Context(), pool, os.DirFS("internal/billingdb"), billing.Invoices, billing.Customers); err != nil {
		t.Error(err)
	}
}

// It needs an empty database, as the program does.
func Example() {
	main()
	// Output:
	// red: 1 LAMP
	// refused: RUG: out of stock
	// invoices: 2 first: open 219.80 version 2
	// found: Ada Lovelace 2026-03-21 "{\"po\": 4711}" 219.80
	//    1 Lamp 2 99.80
	//    2 Rug 1 120.00
	// found: Bob Byte 2026-04-20 "" 49.90
	//    1 Lamp 1 49.90
	// found: Ada Lovelace 2026-03-21 "{\"po\": 4711}" 219.80
	//    1 Lamp 2 99.80
	//    2 Rug 1 120.00
	// overdue: ada@example.com 10 days 2 lines
	// list: Ada Lovelace 219.80 2 lines, the first of Lamp of 2
	// noted: 1
	// usage: 3 rows 2 sums, the first 12 busy customers: 1
	// customers: 1 overdue: 0
}
