package smrttest_test

import (
	"fmt"

	"github.com/smrt-go/smrt/smrttest"
)

// In a test, t is its *testing.T, and nothing has to be ended.
func ExamplePool() {
	t, end := newT()
	defer end()

	schema := smrttest.SQL(
		`CREATE TABLE orders (id bigint GENERATED ALWAYS AS IDENTITY, customer text NOT NULL)`,
		`INSERT INTO orders (customer) VALUES ('Ada'), ('Grace')`,
	)
	pool := smrttest.Pool(t, schema)

	var n int
	if err := pool.QueryRow(t.Context(), "SELECT count(*) FROM orders").Scan(&n); err != nil {
		t.Fatalf("%v", err)
	}
	fmt.Println(n, "orders")
	// Output: 2 orders
}

// The round trips of what is tested, without those that prepare it.
func ExampleCount() {
	t, end := newT()
	defer end()

	var sent smrttest.Counter
	pool := smrttest.Pool(t, smrttest.SQL("CREATE TABLE orders (id bigint)"), smrttest.Count(&sent))
	if _, err := pool.Exec(t.Context(), "INSERT INTO orders SELECT generate_series(1, 3)"); err != nil {
		t.Fatalf("%v", err)
	}
	sent.Reset()

	if _, err := pool.Exec(t.Context(), "DELETE FROM orders"); err != nil {
		t.Fatalf("%v", err)
	}
	fmt.Println(sent.RoundTrips(), sent.Statements())
	// Output: 1 [DELETE FROM orders]
}

// Runnable examples have no testing.T: the connection string stands where the
// program has os.Getenv("DATABASE_URL").
func ExampleExampleDSN() {
	dsn := smrttest.ExampleDSN(smrttest.SQL("CREATE TABLE orders (id bigint)"))
	fmt.Println(dsn != "")
	// Output: true
}
