package task

import (
	"context"
	"fmt"
)

// op makes an [Op] of how a contestant does something, and of what it is asked for.
func op[In, Out any](do func(context.Context, In) (Out, error), ask func(n int) In) Op {
	if do == nil {
		return nil
	}
	return func(n int) Call {
		in := ask(n)
		return func(ctx context.Context) (any, error) { return do(ctx, in) }
	}
}

// errorOnly makes something without an answer fit for [op].
func errorOnly[In any](do func(context.Context, In) error) func(context.Context, In) (any, error) {
	if do == nil {
		return nil
	}
	return func(ctx context.Context, in In) (any, error) { return nil, do(ctx, in) }
}

// without makes an Op of something that is asked for in one way only.
func without[Out any](do func(context.Context) (Out, error)) Op {
	if do == nil {
		return nil
	}
	return func(int) Call { return func(ctx context.Context) (any, error) { return do(ctx) } }
}

// effect makes an Op of something without an answer, nil if the contestant cannot do it.
func effect(can bool, do func(ctx context.Context, n int) error) Op {
	if !can {
		return nil
	}
	return func(n int) Call { return func(ctx context.Context) (any, error) { return nil, do(ctx, n) } }
}

// key returns one of the keys from 1 to most, far from the one before.
func key(n, most int) int64 { return int64(n)*7919%int64(most) + 1 }

// The smallest keys of what is made to be updated by its address, and of what is made to be deleted.
const (
	firstKnown  = 20_000_001
	firstDoomed = 10_000_001
)

// known are the customers of [model.KnownCustomers]. Each contestant finds the same keys there, in whatever order it
// inserts rows.
func known(n int) string { return made("new-0-", firstKnown, n) + " ON CONFLICT DO NOTHING" }

func doomed(n int) string { return made("doomed-", firstDoomed, n) }

func made(address string, first, n int) string {
	return fmt.Sprintf(`INSERT INTO customers (id, email, name, country, created_at, updated_at)
		SELECT %d + i, '%s' || i || '@example.com', 'Made', 'DE', '2026-01-01', '2026-01-01' FROM generate_series(0, %d) AS i`,
		first, address, n-1)
}

func doomedKeys(n int) []int64 {
	ids := make([]int64, n)
	for i := range ids {
		ids[i] = firstDoomed + int64(i)
	}
	return ids
}
