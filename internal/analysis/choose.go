package analysis

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/smrt-go/smrt/internal/catalog"
	"github.com/smrt-go/smrt/internal/explain"
	"github.com/smrt-go/smrt/internal/pgerr"
)

// An index that helps one statement costs all writes of its table, and may help other
// statements too, or be one that they do not need beside another. So which indexes are
// advised is decided over all statements:
//
//	candidates   what findings want, and of two with the same columns one that begins with
//	             those of the other
//	costs        of each statement that reads the table, with each candidate by itself
//	chosen       the candidate that saves the most of all calls, less what writes cost; then
//	             the next one, as long as it pays for some statement beside those before
//	dropped      one without which no statement is slower
//
// A finding then has the index that serves it, which may be that of another.

// Served is a statement that an index helps.
type Served struct {
	Statement     string
	Before, After float64 // the planner's costs
}

// Advised is an index to create.
type Advised struct {
	SQL      string
	Table    string
	Bytes    int64 // about
	Serves   []Served
	Writes   int64    // rows that the statements write there, as they were counted
	Replaces []string // indexes that nobody needs beside it
}

// asked is a statement that was planned, and what it is worth.
type asked struct {
	Statement
	parameters []uint32
	cost       float64
	calls      float64
	reads      []uint32 // tables
	writes     uint32   // the table whose rows it makes anew, 0 for none
}

// rowWrite is what it costs to keep one row in one more index: a page at random is read,
// and written some time.
const rowWrite = 4

// maxTries is how often statements are planned with candidates.
const maxTries = 3000

// asked notes a statement for when all are known.
func (s *statement) asked() *asked {
	q := &asked{Statement: s.Statement, parameters: s.parameters, cost: s.Root.Cost, calls: float64(max(s.Calls, 1))}
	s.Root.Walk(func(n *explain.Node, _ []*explain.Node) {
		t := s.store(n)
		switch {
		case t == nil:
		case n.Type == "ModifyTable" && n.Operation != "Delete":
			q.writes = t.OID
		case n.Type != "ModifyTable" && !slices.Contains(q.reads, t.OID):
			q.reads = append(q.reads, t.OID)
		}
	})
	return q
}

// choose decides which indexes are advised, and gives them to the findings.
func (a *Analysis) choose(ctx context.Context, db Beginner) error {
	var tables []*catalog.Store
	for i := range a.Found {
		if t := a.Found[i].index.table; t != nil && !slices.Contains(tables, t) {
			tables = append(tables, t)
		}
	}
	slices.SortFunc(tables, func(x, y *catalog.Store) int { return cmp.Compare(x.Name, y.Name) })
	for _, t := range tables {
		c := &choice{Analysis: a, table: t}
		c.candidates()
		if a.Hypothetical != "" {
			err := c.try(ctx, db)
			var pg *pgconn.PgError
			if errors.As(err, &pg) && pgerr.FaultOf(err) != pgerr.Lost { // such as a lock that is not given
				a.unseen("what the indexes that are advised for " + t.Name + " do for all statements: " + pgerr.OfText(pg))
				continue
			}
			if err != nil {
				return err
			}
			c.choose()
		}
		c.give()
	}
	a.serveKeys()
	return nil
}

// choice is that of the indexes of one table.
type choice struct {
	*Analysis
	table  *catalog.Store
	all    []trialOfAll
	asks   []*asked // that read the table
	writes float64  // rows
	chosen []int    // of all
}

// trialOfAll is a candidate.
type trialOfAll struct {
	index
	size  int64
	costs []float64 // of each statement that asks
}

// candidates collects what findings want.
func (c *choice) candidates() {
	add := func(x index) {
		if !slices.ContainsFunc(c.all, func(t trialOfAll) bool { return t.String() == x.String() }) {
			c.all = append(c.all, trialOfAll{index: x})
		}
	}
	for i := range c.Found {
		if x := c.Found[i].index; x.table == c.table {
			add(x)
		}
	}
	for _, x := range slices.Clone(c.all) {
		for _, y := range slices.Clone(c.all) {
			if both, ok := both(x.index, y.index); ok {
				add(both)
			}
		}
	}
	slices.SortFunc(c.all, func(x, y trialOfAll) int {
		return cmp.Or(cmp.Compare(len(x.keys), len(y.keys)), cmp.Compare(x.String(), y.String()))
	})
	for _, q := range c.Asked {
		if slices.Contains(q.reads, c.table.OID) {
			c.asks = append(c.asks, q)
		}
		if q.writes == c.table.OID {
			c.writes += float64(q.Rows)
		}
	}
}

// both returns an index with the columns of y that begins with those of x, which are among
// them. It can serve both where all are compared with something.
func both(x, y index) (index, bool) {
	if x.where != y.where || len(x.keys) >= len(y.keys) {
		return index{}, false
	}
	keys := slices.Clone(x.keys)
	for _, k := range y.keys {
		if !slices.Contains(keys, k) {
			keys = append(keys, k)
		}
	}
	x.keys = keys
	return x, len(keys) == len(y.keys)
}

// try plans each statement with each candidate, in one transaction that is rolled back. Where
// that would take too long, those are planned that findings are about.
func (c *choice) try(ctx context.Context, db Beginner) (err error) {
	if len(c.all)*len(c.asks) > maxTries {
		c.asks = slices.DeleteFunc(c.asks, func(q *asked) bool { return !c.isFound(q) })
		c.asks = c.asks[:min(len(c.asks), maxTries/len(c.all))]
		c.unseen("what the indexes that are advised for " + c.table.Name + " do for all statements: there are too many")
	}
	tx, err := db.Begin(ctx)
	if err != nil {
		return err
	}
	defer func() {
		if rollback := tx.Rollback(context.WithoutCancel(ctx)); !errors.Is(rollback, pgx.ErrTxClosed) {
			err = errors.Join(err, rollback)
		}
	}()
	planner, err := explain.Start(ctx, tx)
	if err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, limits, pgx.QueryExecModeExec); err != nil {
		return err
	}
	for i := range c.all {
		t := &c.all[i]
		t.size, err = c.with(ctx, planner, t.index, func(p explain.Planner) error {
			for _, q := range c.asks {
				plan, err := p.Generic(ctx, q.SQL, q.parameters)
				if err != nil {
					return fmt.Errorf("%s: %w", q.Title(), err)
				}
				t.costs = append(t.costs, plan.Root.Cost)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// isFound reports whether a finding wants an index of the table for a statement.
func (c *choice) isFound(q *asked) bool {
	return slices.ContainsFunc(c.Found, func(f Finding) bool { return f.index.table == c.table && f.asks == q })
}

// choose takes candidates as long as one pays.
func (c *choice) choose() {
	for {
		now, best, most := c.costs(c.chosen), -1, 0.0
		for i, t := range c.all {
			saved, worth := -c.writes*rowWrite, false
			for j, q := range c.asks {
				saved += q.calls * max(0, now[j]-t.costs[j])
				worth = worth || pays(now[j], t.costs[j])
			}
			if worth && saved > most {
				best, most = i, saved
			}
		}
		if best < 0 {
			break
		}
		c.chosen = append(c.chosen, best)
	}
	for _, i := range slices.Clone(c.chosen) {
		without := slices.DeleteFunc(slices.Clone(c.chosen), func(j int) bool { return i == j })
		with, less := c.costs(c.chosen), c.costs(without)
		needed := false
		for j := range c.asks {
			needed = needed || less[j] > with[j]*nearlyAs
		}
		if !needed {
			c.chosen = without
		}
	}
}

// costs returns those of the statements with some of the candidates: of each with the one
// that helps it the most.
func (c *choice) costs(with []int) []float64 {
	costs := make([]float64, len(c.asks))
	for j, q := range c.asks {
		costs[j] = q.cost
		for _, i := range with {
			costs[j] = min(costs[j], c.all[i].costs[j])
		}
	}
	return costs
}

// give gives the findings of the table the indexes that were chosen, and notes these.
func (c *choice) give() {
	if c.Hypothetical == "" {
		c.giveUnproved()
		return
	}
	advised := make([]Advised, len(c.chosen))
	for k, i := range c.chosen {
		advised[k] = Advised{SQL: c.all[i].String(), Table: c.table.Name, Bytes: c.all[i].size, Writes: int64(c.writes), Replaces: c.replaces(c.all[i].index)}
	}
	for j, q := range c.asks {
		if k := c.serves(j); k >= 0 {
			advised[k].Serves = append(advised[k].Serves, Served{q.Title(), q.cost, c.all[c.chosen[k]].costs[j]})
		}
	}
	c.Advised = append(c.Advised, advised...)
	for i := range c.Found {
		f := &c.Found[i]
		if f.index.table != c.table {
			continue
		}
		j := slices.Index(c.asks, f.asks)
		if j < 0 {
			continue // there are too many statements
		}
		k := c.serves(j)
		if k < 0 {
			f.Follows += fmt.Sprintf("; the index %q would cost more than it saves: %.0f rows were written to the table for %.0f calls of the statements that it serves", f.SQL, c.writes, c.callsOf(f.index))
			f.SQL, f.index = "", index{}
			continue
		}
		t := c.all[c.chosen[k]]
		f.index, f.SQL = t.index, t.String()
		f.Follows += fmt.Sprintf("; with the index, of about %s, the cost falls from %.0f to %.0f", bytes(t.size), f.asks.cost, t.costs[j])
		if n := len(advised[k].Serves); n > 1 {
			f.Follows += fmt.Sprintf(", and %d statements more are faster", n-1)
		}
		for _, name := range advised[k].Replaces {
			f.Follows += "; DROP INDEX CONCURRENTLY " + name + " when it is there, which it covers"
		}
		if c.table.Written > 0 {
			f.Follows += fmt.Sprintf("; the table has %.2g rows written for each that is read", float64(c.table.Written)/float64(max(c.table.Read, 1)))
		}
	}
}

// replaces returns the indexes that are covered once x is there. One that keeps values unique,
// or that a constraint or replication refers to, is needed all the same.
func (c *choice) replaces(x index) (names []string) {
	for i := range c.Searches {
		y := &c.Searches[i]
		if y.Table != c.table.OID || y.Method != "btree" || !y.Valid || y.Unique || y.Needed || y.Partition ||
			y.Predicate != "" || x.where != "" || len(y.Included) > 0 || len(y.Columns) > len(x.keys) {
			continue
		}
		covered := true
		for k, column := range y.Columns {
			covered = covered && column != "" && quoted(column) == x.keys[k] && strings.HasSuffix(y.Keys[k], " 0") // in ascending order
		}
		if covered {
			names = append(names, y.Name)
		}
	}
	return names
}

// serves returns which of the chosen indexes pays the most for a statement, -1 for none.
func (c *choice) serves(j int) (best int) {
	best = -1
	for k, i := range c.chosen {
		cost := c.all[i].costs[j]
		if pays(c.asks[j].cost, cost) && (best < 0 || cost < c.all[c.chosen[best]].costs[j]) {
			best = k
		}
	}
	return best
}

// callsOf returns how many calls an index would serve.
func (c *choice) callsOf(x index) (calls float64) {
	for _, t := range c.all {
		for j, q := range c.asks {
			if t.String() == x.String() && pays(q.cost, t.costs[j]) {
				calls += q.calls
			}
		}
	}
	return calls
}

// giveUnproved gives a finding the index of another that finds all that its own does.
func (c *choice) giveUnproved() {
	for i := range c.Found {
		f := &c.Found[i]
		if f.index.table != c.table {
			continue
		}
		for _, t := range c.all {
			if t.does(f.index) && isWanted(c.Found, t.index) {
				f.index = t.index
			}
		}
		f.SQL = f.index.String()
	}
}

// isWanted reports whether an index is that of a finding.
func isWanted(all []Finding, x index) bool {
	return slices.ContainsFunc(all, func(f Finding) bool { return f.index.table != nil && f.index.String() == x.String() })
}

// serveKeys gives a foreign key without index the index that is advised for a statement, if
// that begins with its columns: of two indexes one does.
func (a *Analysis) serveKeys() {
	for i := range a.Found {
		k := &a.Found[i]
		if k.ID != "C1" {
			continue
		}
		for j := range a.Found {
			x := a.Found[j].index
			if x.table == nil || x.table.OID != k.Table || x.where != "" || len(x.keys) < len(k.columns) {
				continue
			}
			if !slices.ContainsFunc(k.columns, func(column string) bool { return !slices.Contains(x.keys[:len(k.columns)], column) }) {
				k.SQL = x.String()
				break
			}
		}
	}
}
