package pool_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/pool"
)

// Reports have one connection of two, however many of them there are.
func ExampleWithClass() {
	ctx := context.Background()
	p, err := pool.Open(ctx, pool.Config{
		URL: dsn(), MaxConns: 2, AcquireTimeout: time.Second,
		Classes: map[string]int{"report": 1},
	})
	if err != nil {
		panic(err)
	}
	defer p.Close()

	first, err := p.Begin(pool.WithClass(ctx, "report"))
	if err != nil {
		panic(err)
	}
	defer first.Rollback(ctx)

	_, err = p.Begin(pool.WithClass(ctx, "report"))
	var full *smrt.PoolExhaustedError
	if errors.As(err, &full) {
		fmt.Printf("a second %s: %d of %d connections in use\n", full.Class, full.InUse, full.Max)
	}
	_, err = p.Exec(ctx, "SELECT 1")
	fmt.Println("a request:", err)
	// Output:
	// a second report: 1 of 1 connections in use
	// a request: <nil>
}
