// Package task says what is done and measured. A contestant fills [Ops] with how it does each; [All] are the tasks that
// are made of them.
package task

import (
	"cmp"
	"context"
	"strings"
	"time"

	"github.com/smrt-go/smrt/bench/internal/model"
)

// Ops is how a contestant does what the tasks ask for, on its own database. A field is nil if it cannot; Cannot says
// why, by the name of the task. Answers are compared with [model.Canonical], so their fields have to be called as those
// of package model.
type Ops struct {
	// Get returns a customer by key.
	Get func(ctx context.Context, id int64) (any, error)

	// GetCached does what Get does, by a cache in the memory of the process. Hand-written pgx, with which it is
	// compared, has none and asks the server.
	GetCached func(ctx context.Context, id int64) (any, error)

	// Find returns the [model.PageSize] newest customers that match, in the order of created_at and id.
	Find func(ctx context.Context, f model.Filter) (any, error)

	// Read returns the n customers with the smallest keys, in their order.
	Read func(ctx context.Context, n int) (any, error)

	// Create inserts a customer and returns its key.
	Create func(ctx context.Context, c model.Customer) (int64, error)

	// CreateMany inserts customers and returns what has their keys in a field ID, in the order of cs, which it may
	// write to.
	CreateMany func(ctx context.Context, cs []model.Customer) (any, error)

	// UpsertMany inserts customers, or updates those with the same email. It returns what CreateMany does.
	UpsertMany func(ctx context.Context, cs []model.Customer) (any, error)

	// Patch sets the name of a customer.
	Patch func(ctx context.Context, id int64, name string) error

	// UpdateMany writes all columns of customers by their keys.
	UpdateMany func(ctx context.Context, cs []model.Customer) error

	// DeleteMany deletes customers.
	DeleteMany func(ctx context.Context, ids []int64) error

	// WithCustomer returns the n orders with the smallest keys, each with its customer.
	WithCustomer func(ctx context.Context, n int) (any, error)

	// Graph returns the n orders with the smallest keys, with their items in the order of lines, and with the items'
	// products.
	Graph func(ctx context.Context, n int) (any, error)

	// Place inserts an order with its items in one transaction and returns its key.
	Place func(ctx context.Context, o model.Order) (int64, error)

	// Page returns the [model.PageSize] orders after a position, in the order of placed_at and id, the latest first.
	Page func(ctx context.Context, after model.Position) (any, error)

	// Offset returns as many after leaving out n.
	Offset func(ctx context.Context, n int) (any, error)

	// Stream returns the sum of the quantities of all items. It reads all columns of a row into a struct, and has not
	// all rows in memory at a time.
	Stream func(ctx context.Context) (int64, error)

	// Report returns groups of customers in the order of country and tier.
	Report func(ctx context.Context) (any, error)

	// Close gives back what was opened.
	Close func()

	Cannot map[string]string
}

// Why says why a contestant cannot do a task, "" if it does not say so.
func (o *Ops) Why(t Task) string { return cmp.Or(o.Cannot[strings.TrimPrefix(t.Name, far)], t.Lacks) }

// far begins the names of tasks whose server is far away.
const far = "far-"

// Size says how large the tasks are. Rows is what "1,000" in their names stands for.
type Size struct {
	Customers, Products, Orders int
	Rows                        int
}

// Deep is how many orders are before a page that lies deep.
func (s Size) Deep() int { return s.Orders * 2 / 5 }

// Op makes a call of a task. Calls are numbered, so that each may ask for something else; what it asks with is made
// before it is measured.
type Op func(n int) Call

// Call does a task once and returns the answer.
type Call func(ctx context.Context) (any, error)

// Task is something that is measured.
type Task struct {
	Name  string
	Title string

	// Conns is the size of the pool.
	Conns int

	// Delay is added to each round trip, as a network does.
	Delay time.Duration

	// Holds says that the memory which answers hold is measured, too.
	Holds bool

	// Op returns how a contestant does it, nil if it cannot.
	Op func(o *Ops) Op

	// Lacks says why a contestant cannot that does not say it by itself.
	Lacks string

	// Setup are statements that make what all calls need, if it is not there.
	Setup string

	// Reset are statements that make what a call needs. They are not measured, and each call is measured by itself.
	Reset string

	// State is a statement that returns one text. It has to be the same in all databases afterwards.
	State string

	// Time, CPU and Allocs are what the ratios to pgx should be.
	Time, CPU, Allocs Target
}

// Target is a ratio to hand-written pgx. The zero Target says that there is none.
type Target struct{ Most, Goal float64 }
