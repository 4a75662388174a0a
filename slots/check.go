package slots

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/keyset"
	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/plan"
	"github.com/smrt-go/smrt/internal/slot"
	"github.com/smrt-go/smrt/internal/sqlc"
	"github.com/smrt-go/smrt/txn"
)

// Table is a declared table, a *query.Table of any entity, or a declared [Result].
type Table interface{ Plan() *plan.Table }

// Check has the server prepare each query of sqlc's that has slots with all of them filled:
// with conditions on every column of their tables, an order, and a limit; and with a page,
// forward and backwards, where it has pages. Nothing is run. It finds, in a test and not in
// production, a marker with a typing error, a table that is none of these, an alias that
// the statement does not have, and a place that the server does not take a condition or
// an order at:
//
//	err := slots.Check(ctx, pool, os.DirFS("internal/shopdb"), Orders, Customers, Listed)
//
// A [Result] whose rows are of a type XRow is tried around the query X, which may have no
// slot: with a condition on each of its columns, of which the query must have as many.
//
// The error has all that was found, each with file, line and the query's name. What the
// server says of one is in it as a *pgconn.PgError.
func Check(ctx context.Context, db txn.Beginner, folder fs.FS, tables ...Table) error {
	queries, err := sqlc.Read(folder)
	if err != nil {
		return fmt.Errorf("smrt: slots: %w", err)
	}
	var problems []error
	slotted := 0
	for _, q := range queries {
		text := slot.Parse(q.SQL)
		results := resultsOf(tables, q.Name)
		if text.Err == nil && len(text.Places) == 0 && len(results) == 0 {
			continue
		}
		slotted++
		err := checkText(ctx, db, text, tables)
		for _, r := range results {
			err = cmp.Or(err, checkResult(ctx, db, text, r))
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: query %s: %w", q.Site, q.Name, err))
		}
	}
	if slotted == 0 {
		return &smrt.QueryError{Reason: fmt.Sprintf("slots: none of the %d queries in the folder has a slot", len(queries))}
	}
	return errors.Join(problems...)
}

// checkText prepares a statement with its slots filled.
func checkText(ctx context.Context, db txn.Beginner, text *slot.Text, tables []Table) error {
	if text.Err != nil {
		return &smrt.QueryError{Reason: text.Err.Error()}
	}
	fills, err := everything(text, tables)
	if err != nil {
		return err
	}
	st, err := plans.Build(plan.Anybody(ctx), text.Template, fills, nil)
	if err == nil {
		_, err = prepare(ctx, db, st.SQL)
	}
	for i := range fills {
		if err == nil && len(fills[i].Spec.Order) > 0 {
			err = checkPages(ctx, db, text, fills, i)
		}
	}
	return err
}

// prepare returns what the server says of a statement.
func prepare(ctx context.Context, db txn.Beginner, sql string) (*pgconn.StatementDescription, error) {
	tx, err := db.Begin(ctx)
	if err != nil {
		return nil, err
	}
	description, err := tx.Prepare(ctx, "", sql)
	if rollback := tx.Rollback(context.WithoutCancel(ctx)); err == nil {
		err = rollback
	}
	return description, err
}

// checkPages prepares pages of the statement by a table, if it has any.
func checkPages(ctx context.Context, db txn.Beginner, text *slot.Text, fills []plan.Fill, paged int) error {
	t := fills[paged].Table
	if len(t.Key) == 0 {
		return nil
	}
	order := keyset.TotalOrder(t.Table, fills[paged].Spec)
	for _, backwards := range []bool{false, true} {
		with := slices.Clone(fills)
		for i := range with {
			s := with[i].Spec.Clone()
			s.Order, s.Limit, s.HasLimit = nil, 0, false
			with[i].Spec = s
		}
		with[paged].Spec.Order, with[paged].Spec.Limit, with[paged].Spec.HasLimit = order, 1, true
		with[paged].Page = &plan.Keyset{Order: order, After: &plan.Node{Op: plan.NotNull, Column: t.Key[0].Column}, Backwards: backwards}
		st, err := plans.Build(plan.Anybody(ctx), text.Template, with, nil)
		if errors.Is(err, smrt.ErrBadQuery) {
			return nil // it has none
		}
		if err == nil {
			_, err = prepare(ctx, db, st.SQL)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// resultsOf returns the results that are named after a query.
func resultsOf(tables []Table, query string) (out []*plan.Table) {
	for _, t := range tables {
		if r := t.Plan(); r.IsResult() && r.Struct.Type.Name() == query+"Row" {
			out = append(out, r)
		}
	}
	return out
}

// checkResult prepares a query on the rows of a statement.
func checkResult(ctx context.Context, db txn.Beginner, text *slot.Text, r *plan.Table) error {
	own, err := prepare(ctx, db, text.SQL)
	if err != nil {
		return err
	}
	if n := len(r.Struct.Columns); n != len(own.Fields) {
		return &smrt.QueryError{Reason: fmt.Sprintf("%s has fields for %d columns, and the query returns %d", r.Name, n, len(own.Fields))}
	}
	spec := &plan.Spec{Order: []meta.Order{{Column: r.Struct.Columns[0]}}}
	for _, c := range r.Struct.Columns {
		spec.Where = append(spec.Where, plan.Node{Op: plan.NotNull, Column: c})
	}
	st, err := plans.Build(plan.Anybody(ctx), text.Template, []plan.Fill{{Table: r, Spec: spec, Outer: true}}, nil)
	if err == nil {
		_, err = prepare(ctx, db, st.SQL)
	}
	return err
}

// everything returns what fills all slots of a statement.
func everything(text *slot.Text, tables []Table) (fills []plan.Fill, err error) {
	at := map[[2]string]*plan.Spec{}
	for i := range text.Places {
		p := &text.Places[i]
		if p.Kind == plan.LimitPlace {
			continue
		}
		key := [2]string{p.Table, p.Alias}
		t := tableOf(tables, p.Table)
		if t == nil {
			return nil, &smrt.QueryError{Reason: fmt.Sprintf("a slot is of table %s, which is none of those that were given", p.Table)}
		}
		if at[key] == nil {
			at[key] = &plan.Spec{}
			fills = append(fills, plan.Fill{Table: t, Alias: p.Alias, Spec: at[key]})
		}
		if p.Kind == plan.OrderPlace {
			at[key].Order = []meta.Order{{Column: t.Struct.Columns[0]}}
			continue
		}
		at[key].Where = nil // a slot that is there twice is filled once
		for _, c := range t.Struct.Columns {
			at[key].Where = append(at[key].Where, plan.Node{Op: plan.NotNull, Column: c})
		}
	}
	for i := range text.Places {
		if p := &text.Places[i]; p.Kind == plan.LimitPlace && len(fills) > 0 && !fills[0].Spec.HasLimit {
			fills[0].Spec.Limit, fills[0].Spec.HasLimit = p.Most, true
		}
	}
	return fills, nil
}

func tableOf(tables []Table, quoted string) *plan.Table {
	for _, t := range tables {
		if plan := t.Plan(); plan.Quoted == quoted {
			return plan
		}
	}
	return nil
}
