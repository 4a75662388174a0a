package slots

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/plan"
	"github.com/smrt-go/smrt/internal/slot"
	"github.com/smrt-go/smrt/internal/sqlc"
	"github.com/smrt-go/smrt/txn"
)

// Table is a declared table: a *query.Table of any entity.
type Table interface{ Plan() *plan.Table }

// Check has the server prepare each query of sqlc's that has slots with all of them filled:
// with conditions on every column of their tables, an order, and a limit. Nothing is run.
// It finds, in a test and not in production, a marker with a typing error, a table that is
// none of these, an alias that the statement does not have, and a place that the
// server does not take a condition or an order at:
//
//	err := slots.Check(ctx, pool, os.DirFS("internal/shopdb"), Orders, Customers)
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
		if text.Err == nil && len(text.Places) == 0 {
			continue
		}
		slotted++
		if err := checkText(ctx, db, text, tables); err != nil {
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
	st, err := plans.Build(text.Template, fills)
	if err != nil {
		return err
	}
	tx, err := db.Begin(ctx)
	if err != nil {
		return err
	}
	_, err = tx.Prepare(ctx, "", st.SQL)
	if rollback := tx.Rollback(context.WithoutCancel(ctx)); err == nil {
		err = rollback
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
