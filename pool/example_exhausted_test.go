package pool_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/pool"
)

// A call that waits too long for a connection says so, and a server can answer
// 503 in place of being one more that waits.
func ExamplePool_Acquire() {
	ctx := context.Background()
	p, err := pool.Open(ctx, pool.Config{URL: dsn(), MaxConns: 1, AcquireTimeout: 100 * time.Millisecond})
	if err != nil {
		panic(err)
	}
	defer p.Close()

	conn, err := p.Acquire(ctx)
	if err != nil {
		panic(err)
	}
	defer conn.Release()

	_, err = p.Exec(ctx, "SELECT 1")
	var exhausted *smrt.PoolExhaustedError
	if errors.As(err, &exhausted) {
		fmt.Printf("503: %d of %d connections are in use\n", exhausted.InUse, exhausted.Max)
	}
	fmt.Println("calls that were turned away:", p.Stats().Exhausted)
	// Output:
	// 503: 1 of 1 connections are in use
	// calls that were turned away: 1
}
