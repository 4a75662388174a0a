package pool_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/pool"
)

// A pool with a QueueTarget does not let calls wait for AcquireTimeout while it
// cannot serve what it has.
func ExampleConfig_overload() {
	ctx := context.Background()
	p, err := pool.Open(ctx, pool.Config{
		URL: dsn(), MaxConns: 1, AcquireTimeout: time.Minute,
		QueueTarget: 5 * time.Millisecond, QueueInterval: 20 * time.Millisecond,
	})
	if err != nil {
		panic(err)
	}
	defer p.Close()

	report, err := p.Acquire(ctx) // which takes its time
	if err != nil {
		panic(err)
	}
	_, err = p.Exec(ctx, "SELECT 1")
	var refused *smrt.PoolExhaustedError
	if errors.As(err, &refused) {
		fmt.Println("503:", refused.Reason)
	}
	report.Release()

	_, err = p.Exec(ctx, "SELECT 1")
	fmt.Println("afterwards:", err)
	fmt.Println("calls that were refused:", p.Stats().Refused)
	// Output:
	// 503: overload
	// afterwards: <nil>
	// calls that were refused: 1
}
