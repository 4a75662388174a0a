// Package task says what is done and measured. A contestant fills [Ops] with how it does each; [All] are the tasks that
// are made of them.
package task

import (
	"context"

	"github.com/smrt-go/smrt/bench/internal/model"
)

// Ops is how a contestant does what the tasks ask for, on its own database. A field is nil if it cannot; Cannot says
// why, by the name of the task. Answers are compared with [model.Canonical], so their fields have to be called as those
// of package model.
type Ops struct {
	// Get returns a customer by key.
	Get func(ctx context.Context, id int64) (any, error)

	// Find returns the [model.FindLimit] newest customers that match, in the order of created_at and id.
	Find func(ctx context.Context, f model.Filter) (any, error)

	// Read returns the n customers with the smallest keys, in their order.
	Read func(ctx context.Context, n int) (any, error)

	// Create inserts a customer and returns it, or its key.
	Create func(ctx context.Context, c model.Customer) (int64, error)

	// CreateMany inserts customers and returns what has their keys in a field ID, in the order of cs, which it may
	// write to.
	CreateMany func(ctx context.Context, cs []model.Customer) (any, error)

	// Close gives back what was opened.
	Close func()

	Cannot map[string]string
}

// Size says how large the tasks are. Rows is what "1,000" in their names stands for.
type Size struct {
	Customers, Products, Orders int
	Rows                        int
}

// Op makes a call of a task. Calls are numbered, so that each may ask for something else; what it asks with is made
// before it is measured.
type Op func(n int) Call

// Call does a task once and returns the answer.
type Call func(ctx context.Context) (any, error)

// Task is something that is measured.
type Task struct {
	Name  string
	Title string

	// Writes is set if the database is another one afterwards.
	Writes bool

	// Conns is the size of the pool.
	Conns int

	// Op returns how a contestant does it, nil if it cannot.
	Op func(o *Ops) Op

	// Reset are statements that make what a call needs. They are not measured, and each call is measured by itself.
	Reset string

	// State is a statement that returns one text. It has to be the same in all databases afterwards.
	State string

	// Target is the largest ratio to pgx that is met, and Goal the one that is aimed at; zero says that there is none.
	Target, Goal float64
}
