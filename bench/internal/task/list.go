package task

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/smrt-go/smrt/bench/internal/model"
)

// conns is the size of pools where only one call is under way: some contestants use several connections for one.
const conns = 4

// customersState and ordersState are what tables hold, the first without keys, which upserts use up.
const (
	customersState = `SELECT count(*) || md5(string_agg(concat_ws('|', email, name, phone, country, tier, born_on,
		marketing_opt_in, created_at, updated_at), ',' ORDER BY email)) FROM customers`
	ordersState = `SELECT (SELECT count(*) || md5(string_agg(o::text, ',' ORDER BY id)) FROM orders AS o)
		|| (SELECT count(*) || md5(string_agg(i::text, ',' ORDER BY order_id, line_no)) FROM order_items AS i)`
)

// All returns the tasks, the simple ones first. The position is that of a page in the depth of Deep orders.
func All(s Size, deep model.Position) []Task {
	all := slicesOf(reads(s), writes(s), graphs(s), distant(graphs(s)), lists(s, deep), crowds(s))
	for i := range all {
		if all[i].Conns == 0 {
			all[i].Conns = conns
		}
	}
	return all
}

func slicesOf(parts ...[]Task) (all []Task) {
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

// kept is how many rows are asked for again and again where a cache keeps them. Each was asked for when measuring begins.
const kept = 8

func reads(s Size) []Task {
	return []Task{
		{
			Name: "get", Title: "get by key", Time: Target{1.05, 1.00}, CPU: Target{1.00, 0.80}, Allocs: Target{1.00, 0.50},
			Op: func(o *Ops) Op { return op(o.Get, func(n int) int64 { return key(n, s.Customers) }) },
		},
		{
			Name: "cached-get", Title: "get by key, from memory", Time: Target{0.05, 0.02}, Lacks: "it comes without a cache of rows",
			Op: func(o *Ops) Op { return op(o.GetCached, func(n int) int64 { return key(n, kept) }) },
		},
		{
			Name: "find", Title: "find 20, filter chosen at run time", Time: Target{1.05, 1.00},
			Op: func(o *Ops) Op { return op(o.Find, model.Filters) },
		},
		{
			Name: "read", Title: "read 1,000", Holds: true, Time: Target{1.00, 0.80}, CPU: Target{0.80, 0.50}, Allocs: Target{0.50, 0.01},
			Op: func(o *Ops) Op { return op(o.Read, func(int) int { return s.Rows }) },
		},
	}
}

func writes(s Size) []Task {
	// Bulk writes have the same target for the client's processor.
	bulk := Target{0.80, 0.40}
	tasks := []Task{
		{
			Name: "create", Title: "create", Time: Target{1.05, 1.00},
			Op: func(o *Ops) Op {
				return op(o.Create, func(n int) model.Customer { return model.NewCustomers(n, 1)[0] })
			},
		},
		{
			Name: "create-many", Title: "create 1,000, keys back", Time: Target{1.10, 1.00}, CPU: bulk,
			Op: func(o *Ops) Op {
				return op(o.CreateMany, func(n int) []model.Customer { return model.NewCustomers(n, s.Rows) })
			},
		},
		{
			Name: "upsert-many", Title: "upsert 1,000, keys back", Time: Target{1.10, 1.00}, CPU: bulk, Setup: known(s.Rows),
			Op: func(o *Ops) Op {
				return op(o.UpsertMany, func(n int) []model.Customer { return model.KnownCustomers(n, s.Rows) })
			},
		},
		{
			Name: "patch", Title: "patch one column", Time: Target{1.05, 1.00},
			Op: func(o *Ops) Op {
				return effect(o.Patch != nil, func(ctx context.Context, n int) error {
					return o.Patch(ctx, key(n, s.Customers), "Name "+strconv.Itoa(n))
				})
			},
		},
		{
			Name: "update-many", Title: "update 1,000, all different", Time: Target{1.10, 1.00}, CPU: bulk,
			Op: func(o *Ops) Op {
				return op(errorOnly(o.UpdateMany), func(n int) []model.Customer { return model.ChangedCustomers(n, s.Rows) })
			},
		},
		{
			Name: "delete-many", Title: "delete 1,000", Time: Target{1.10, 1.00}, CPU: bulk, Reset: doomed(s.Rows),
			Op: func(o *Ops) Op {
				return op(errorOnly(o.DeleteMany), func(int) []int64 { return doomedKeys(s.Rows) })
			},
		},
	}
	for i := range tasks {
		tasks[i].State = customersState
	}
	return tasks
}

func graphs(s Size) []Task {
	return []Task{
		{
			Name: "with-customer", Title: "100 orders with customer",
			Op: func(o *Ops) Op { return op(o.WithCustomer, func(int) int { return min(100, s.Rows) }) },
		},
		{
			Name: "graph", Title: "100 orders, their items and products", Time: Target{1.20, 0.85},
			Op: func(o *Ops) Op { return op(o.Graph, func(int) int { return min(100, s.Rows) }) },
		},
		{
			Name: "place", Title: "order with 10 items in a transaction", State: ordersState,
			Op: func(o *Ops) Op {
				return op(o.Place, func(n int) model.Order { return model.NewOrder(key(n, s.Customers)) })
			},
		},
	}
}

// distant makes tasks whose server is 1 ms away.
func distant(tasks []Task) []Task {
	for i := range tasks {
		t := &tasks[i]
		t.Name, t.Title, t.Delay, t.Time = far+t.Name, t.Title+", 1 ms away", time.Millisecond, Target{}
	}
	return tasks
}

func lists(s Size, deep model.Position) []Task {
	return []Task{
		{
			Name: "page-keyset", Title: "page of 20 behind " + strconv.Itoa(s.Deep()) + " rows, keyset",
			Op: func(o *Ops) Op { return op(o.Page, func(int) model.Position { return deep }) },
		},
		{
			Name: "page-offset", Title: "page of 20 behind " + strconv.Itoa(s.Deep()) + " rows, offset",
			Op: func(o *Ops) Op { return op(o.Offset, func(int) int { return s.Deep() }) },
		},
		{
			Name: "stream", Title: "stream " + strconv.Itoa(4*s.Orders) + " rows",
			Op: func(o *Ops) Op { return without(o.Stream) },
		},
		{
			Name: "report", Title: "report: groups of all customers",
			Op: func(o *Ops) Op { return without(o.Report) },
		},
	}
}

// crowds are gets of many goroutines at a time, on a pool that is smaller than the crowd.
func crowds(s Size) (tasks []Task) {
	for _, c := range []struct {
		goroutines int
		time       Target
	}{{16, Target{0.77, 0.33}}, {64, Target{}}, {256, Target{0.25, 0.10}}} {
		each := max(1, s.Rows/c.goroutines)
		title := strconv.Itoa(each*c.goroutines) + " gets of " + strconv.Itoa(c.goroutines) + " goroutines"
		tasks = append(tasks, Task{
			Name: "concurrent-" + strconv.Itoa(c.goroutines), Title: title, Time: c.time, Conns: max(conns, min(16, s.Rows/10)),
			Op: func(o *Ops) Op { return crowd(o, c.goroutines, each, s.Customers) },
		})
	}
	return tasks
}

// crowd returns the answer to the last get of each goroutine, in the order of goroutines.
func crowd(o *Ops, goroutines, each, customers int) Op {
	if o.Get == nil {
		return nil
	}
	return func(n int) Call {
		return func(ctx context.Context) (any, error) {
			answers, errs := make([]any, goroutines), make([]error, goroutines)
			var all sync.WaitGroup
			for g := range goroutines {
				all.Go(func() {
					for i := range each {
						if answers[g], errs[g] = o.Get(ctx, key(n*goroutines*each+g*each+i, customers)); errs[g] != nil {
							return
						}
					}
				})
			}
			all.Wait()
			for _, err := range errs {
				if err != nil {
					return nil, err
				}
			}
			return answers, nil
		}
	}
}
