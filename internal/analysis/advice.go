package analysis

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/smrt-go/smrt/internal/catalog"
	"github.com/smrt-go/smrt/internal/explain"
)

// What an index must save to be worth its writes.
const (
	savedPart = 0.5
	savedCost = 100 // in the planner's units, of which a page read is one
	nearlyAs  = 1.1 // a shorter index with a cost up to this is as good
)

// prove tries the indexes that findings of the statement advise, one by one, as hypothetical
// ones, which the planner takes for real and nobody else sees. Of the columns of an
// index it keeps as many as pay. One that does not is taken from the finding.
func (s *statement) prove(ctx context.Context, from int) error {
	for i := range s.Found[from:] {
		f := &s.Found[from+i]
		if !strings.HasPrefix(f.SQL, "CREATE INDEX") {
			continue
		}
		if s.Hypothetical == "" {
			s.unseen("whether the planner would use the indexes that are advised: CREATE EXTENSION hypopg in a copy of the database shows it")
			return nil
		}
		best, err := s.best(ctx, f.SQL)
		if err != nil {
			return err
		}
		if best.cost > s.Root.Cost*savedPart || s.Root.Cost-best.cost < savedCost {
			f.Follows += fmt.Sprintf("; the index %q would not help: the cost is %.0f, and would be %.0f", f.SQL, s.Root.Cost, best.cost)
			f.SQL = ""
			continue
		}
		f.SQL = best.sql
		f.Follows += fmt.Sprintf("; with the index, of about %s, the cost falls from %.0f to %.0f", bytes(best.size), s.Root.Cost, best.cost)
		if t := s.ofIndex(best.sql); t != nil && t.Written > 0 {
			f.Follows += fmt.Sprintf("; the table has %.2g rows written for each that is read", float64(t.Written)/float64(max(t.Read, 1)))
		}
	}
	return nil
}

// trial is an index that was tried.
type trial struct {
	sql  string
	cost float64 // of the statement with it
	size int64
}

// best tries an index, and then those with fewer columns.
func (s *statement) best(ctx context.Context, sql string) (trial, error) {
	head, keys, _ := strings.Cut(strings.TrimSuffix(sql, ")"), " (")
	columns, best := split(keys, ", "), trial{}
	for n := len(columns); n > 0; n-- {
		t, err := s.try(ctx, head+" ("+strings.Join(columns[:n], ", ")+")")
		if err != nil {
			return t, err
		}
		if best.sql == "" || t.cost <= best.cost*nearlyAs {
			best = t
		}
	}
	return best, nil
}

// try plans the statement with an index that there is not. The statement is prepared anew,
// because a plan that is kept does not notice it. The index outlives a transaction, so it
// is removed also where planning fails, outside of the savepoint that fails with it.
func (s *statement) try(ctx context.Context, sql string) (t trial, err error) {
	t.sql = sql
	tx, at := s.planner.Tx(), s.Hypothetical
	var oid int64
	if err := tx.QueryRow(ctx, "SELECT indexrelid::int8 FROM "+at+".hypopg_create_index($1)", strings.Replace(sql, " CONCURRENTLY", "", 1)).Scan(&oid); err != nil {
		return t, err
	}
	defer func() {
		_, dropped := tx.Exec(context.WithoutCancel(ctx), "SELECT "+at+".hypopg_drop_index($1::int8::oid)", oid)
		err = errors.Join(err, dropped)
	}()
	inner, err := tx.Begin(ctx)
	if err != nil {
		return t, err
	}
	defer func() { err = errors.Join(err, inner.Rollback(context.WithoutCancel(ctx))) }()
	planner, err := explain.Start(ctx, inner)
	if err != nil {
		return t, err
	}
	plan, err := planner.Generic(ctx, s.SQL, s.parameters)
	if err != nil {
		return t, err
	}
	t.cost = plan.Root.Cost
	err = inner.QueryRow(ctx, "SELECT "+at+".hypopg_relation_size($1::int8::oid)", oid).Scan(&t.size)
	return t, err
}

// ofIndex returns the table that a statement creates an index on.
func (s *statement) ofIndex(sql string) *catalog.Store {
	_, on, _ := strings.Cut(sql, " ON ")
	name, _, _ := strings.Cut(on, " (")
	return s.Named(name)
}
