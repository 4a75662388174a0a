package explain

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
)

// Plan is a plan as a tree.
type Plan struct {
	Root    *Node   `json:"Plan"`
	QueryID int64   `json:"Query Identifier"` // by which the server counts the statement; 0 if it does not
	Took    float64 `json:"Execution Time"`   // in milliseconds, if it was run
	JIT     struct {
		Timing struct {
			Total float64
		}
	}
}

// Node is a step of a plan. Names are as SQL has them, without quotes; expressions are SQL,
// with the alias before each column.
type Node struct {
	Type         string  `json:"Node Type"`
	Relationship string  `json:"Parent Relationship"` // Outer, Inner, SubPlan, InitPlan, Member, Subquery
	Join         string  `json:"Join Type"`
	Aware        bool    `json:"Parallel Aware"` // each worker does a part of it
	Schema       string  `json:"Schema"`
	Relation     string  `json:"Relation Name"`
	Alias        string  `json:"Alias"`
	Index        string  `json:"Index Name"`
	Operation    string  `json:"Operation"` // of a ModifyTable
	Cost         float64 `json:"Total Cost"`
	Rows         float64 `json:"Plan Rows"` // for each worker and loop

	Filter     string   `json:"Filter"`
	IndexCond  string   `json:"Index Cond"`
	Recheck    string   `json:"Recheck Cond"`
	HashCond   string   `json:"Hash Cond"`
	MergeCond  string   `json:"Merge Cond"`
	JoinFilter string   `json:"Join Filter"`
	SortKey    []string `json:"Sort Key"`
	Workers    int      `json:"Workers Planned"`
	Removed    int      `json:"Subplans Removed"` // when the plan was begun, because no row can be in them

	// Of a statement that was run.
	ActualRows  float64 `json:"Actual Rows"` // for each loop
	ActualLoops float64 `json:"Actual Loops"`
	SortSpace   string  `json:"Sort Space Type"`
	SortKB      int64   `json:"Sort Space Used"`
	Batches     int     `json:"Hash Batches"`
	AggBatches  int     `json:"HashAgg Batches"`
	TempWritten int64   `json:"Temp Written Blocks"`

	Children []*Node `json:"Plans"`
}

// Walk calls f for a node and all below it, each with the nodes above it, the nearest last.
func (n *Node) Walk(f func(n *Node, above []*Node)) { n.walk(nil, f) }

func (n *Node) walk(above []*Node, f func(*Node, []*Node)) {
	f(n, above)
	for _, child := range n.Children {
		child.walk(append(above[:len(above):len(above)], n), f)
	}
}

// Conditions returns the expressions that the rows of the node meet.
func (n *Node) Conditions() (all []string) {
	for _, c := range []string{n.IndexCond, n.Recheck, n.Filter, n.HashCond, n.MergeCond, n.JoinFilter} {
		if c != "" {
			all = append(all, c)
		}
	}
	return all
}

// Cost returns what the server estimates a statement to cost whatever its arguments are, in
// the unit of its settings: 1 is a page that is read in sequence. It is asked in tx, which
// must be rolled back then, and fails if that takes longer than most.
func Cost(ctx context.Context, tx pgx.Tx, sql string, most time.Duration) (float64, error) {
	p, err := Start(ctx, tx)
	if err != nil {
		return 0, err
	}
	if _, err := tx.Exec(ctx, "SET LOCAL statement_timeout = "+strconv.FormatInt(most.Milliseconds(), 10)); err != nil {
		return 0, err
	}
	described, err := tx.Prepare(ctx, "", sql) // which says that it is a single one
	if err != nil {
		return 0, err
	}
	plan, err := p.Generic(ctx, sql, described.ParamOIDs)
	if err != nil {
		return 0, err
	}
	return plan.Root.Cost, nil
}

const verbose = "VERBOSE, FORMAT JSON"

// Generic returns the plan that [Planner.Plan] returns, as a tree.
func (p Planner) Generic(ctx context.Context, sql string, parameters []uint32) (*Plan, error) {
	return tree(p.generically(ctx, sql, parameters, verbose))
}

// Custom returns the plan for parameters with these values, which are SQL. A NULL that is
// compared makes a plan that reads nothing.
func (p Planner) Custom(ctx context.Context, sql string, parameters []uint32, values []string) (*Plan, error) {
	return tree(p.execute(ctx, sql, parameters, asked{verbose, "force_custom_plan", values}))
}

// Run runs a statement with these values and returns the plan with what was measured. What
// it wrote is rolled back with the transaction, but for what no rollback undoes, such as
// numbers of sequences. The planner is one of [ForRuns], or the statement cannot write.
func (p Planner) Run(ctx context.Context, sql string, parameters []uint32, values []string) (*Plan, error) {
	return tree(p.execute(ctx, sql, parameters, asked{"ANALYZE, BUFFERS, " + verbose, "force_custom_plan", values}))
}

func tree(text string, err error) (*Plan, error) {
	if err != nil {
		return nil, err
	}
	var plans []*Plan
	if err := json.Unmarshal([]byte(text), &plans); err != nil {
		return nil, fmt.Errorf("the server's plan: %w", err)
	}
	if len(plans) != 1 || plans[0].Root == nil {
		return nil, ErrNoPlan // a statement such as NOTIFY in a rule
	}
	return plans[0], nil
}
