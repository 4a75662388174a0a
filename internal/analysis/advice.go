package analysis

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/smrt-go/smrt/internal/explain"
)

// What an index must save to be worth its writes.
const (
	savedPart = 0.5
	savedCost = 100 // in the planner's units, of which a page read is one
	nearlyAs  = 1.1 // a shorter index with a cost up to this is as good
	smallPart = 0.5 // of the size of an index of all rows, from where on one of a part is better
)

// pays reports whether a cost is worth an index.
func pays(was, is float64) bool { return is <= was*savedPart && was-is >= savedCost }

// prove tries the indexes that findings of the statement want, one by one, as hypothetical
// ones, which the planner takes for real and nobody else sees. Of the columns of an
// index it keeps as many as pay. One that does not is taken from the finding. Which are
// advised in the end is decided when all statements are known.
func (s *statement) prove(ctx context.Context, from int) error {
	for i := range s.Found[from:] {
		f := &s.Found[from+i]
		if f.wanted.none() {
			continue
		}
		if s.Hypothetical == "" {
			s.unseen("whether the planner would use the indexes that are advised: CREATE EXTENSION hypopg in a copy of the database, with USAGE on its schema for the role, shows it")
			if f.index = f.wanted.all; len(f.index.keys) == 0 {
				f.index = f.wanted.part
			}
			f.SQL = f.index.String()
			continue
		}
		best, err := s.best(ctx, f.wanted)
		if err != nil {
			return err
		}
		if !pays(s.Root.Cost, best.cost) {
			f.Follows += fmt.Sprintf("; the index %q would not help: the cost is %.0f, and would be %.0f", best, s.Root.Cost, best.cost)
			continue
		}
		f.index, f.SQL = best.index, best.String()
	}
	return nil
}

// trial is an index that was tried.
type trial struct {
	index
	cost float64 // of the statement with it
	size int64
}

// best tries the indexes that are wanted. One of a part of the rows is better if it is much
// smaller: the other one serves more statements.
func (s *statement) best(ctx context.Context, w wanted) (trial, error) {
	all, err := s.shortest(ctx, w.all)
	if err != nil || len(w.part.keys) == 0 {
		return all, err
	}
	part, err := s.shortest(ctx, w.part)
	if err == nil && (len(all.keys) == 0 || part.cost <= all.cost*nearlyAs && float64(part.size) <= smallPart*float64(all.size)) {
		return part, nil
	}
	return all, err
}

// shortest tries an index, and then those with fewer keys.
func (s *statement) shortest(ctx context.Context, x index) (best trial, err error) {
	for n := len(x.keys); n > 0; n-- {
		t := trial{index: x.first(n)}
		if err := s.try(ctx, &t); err != nil {
			return t, err
		}
		if len(best.keys) == 0 || t.cost <= best.cost*nearlyAs {
			best = t
		}
	}
	return best, nil
}

// try plans the statement with an index that there is not.
func (s *statement) try(ctx context.Context, t *trial) error {
	size, err := s.with(ctx, s.planner, t.index, func(p explain.Planner) error {
		plan, err := p.Generic(ctx, s.SQL, s.parameters)
		if err == nil {
			t.cost = plan.Root.Cost
		}
		return err
	})
	t.size = size
	return err
}

// with calls f where there seems to be an index, and returns its size. Statements are prepared
// anew there, because a plan that is kept does not notice it. The index outlives a
// transaction, so it is removed also where planning fails, outside of the savepoint
// that fails with it.
func (a *Analysis) with(ctx context.Context, planner explain.Planner, x index, f func(explain.Planner) error) (size int64, err error) {
	tx, at := planner.Tx(), a.Hypothetical
	var oid int64
	if err := tx.QueryRow(ctx, "SELECT indexrelid::int8 FROM "+at+".hypopg_create_index($1)", strings.Replace(x.String(), " CONCURRENTLY", "", 1)).Scan(&oid); err != nil {
		return 0, err
	}
	defer func() {
		_, dropped := tx.Exec(context.WithoutCancel(ctx), "SELECT "+at+".hypopg_drop_index($1::int8::oid)", oid)
		err = errors.Join(err, dropped)
	}()
	inner, err := tx.Begin(ctx)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, inner.Rollback(context.WithoutCancel(ctx))) }()
	p, err := explain.Start(ctx, inner)
	if err == nil {
		err = f(p)
	}
	if err == nil {
		err = inner.QueryRow(ctx, "SELECT "+at+".hypopg_relation_size($1::int8::oid)", oid).Scan(&size)
	}
	return size, err
}
