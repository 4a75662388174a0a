package task

import (
	"context"

	"github.com/smrt-go/smrt/bench/internal/model"
)

// conns is the size of pools where only one call is under way: some contestants use several connections for one.
const conns = 4

// customersState is what customers hold, without their keys.
const customersState = `SELECT count(*) || md5(string_agg(concat_ws('|', email, name, phone, country, tier,
	marketing_opt_in, created_at, updated_at), ',' ORDER BY email)) FROM customers`

// All returns the tasks, the simple ones first.
func All(s Size) []Task {
	return []Task{
		{Name: "get", Title: "get by key", Conns: conns, Target: 1.05, Goal: 1.00, Op: func(o *Ops) Op {
			return op(o.Get, func(n int) int64 { return key(n, s.Customers) })
		}},
		{Name: "find", Title: "find 20, filter chosen at run time", Conns: conns, Target: 1.05, Goal: 1.00, Op: func(o *Ops) Op {
			return op(o.Find, model.Filters)
		}},
		{Name: "read", Title: "read 1,000", Conns: conns, Target: 1.00, Goal: 0.80, Op: func(o *Ops) Op {
			return op(o.Read, func(int) int { return s.Rows })
		}},
		{
			Name: "create", Title: "create", Conns: conns, Target: 1.05, Goal: 1.00, Writes: true, State: customersState,
			Op: func(o *Ops) Op {
				return op(o.Create, func(n int) model.Customer { return model.NewCustomers(n, 1)[0] })
			},
		},
		{
			Name: "create-many", Title: "create 1,000, keys back", Conns: conns, Target: 1.10, Goal: 1.00, Writes: true,
			State: customersState, Op: func(o *Ops) Op {
				return op(o.CreateMany, func(n int) []model.Customer { return model.NewCustomers(n, s.Rows) })
			},
		},
	}
}

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

// key returns one of the keys from 1 to most, far from the one before.
func key(n, most int) int64 { return int64(n)*7919%int64(most) + 1 }
