package guard_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/guard"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// opaque is a handle of a program, which does not say what is inside of it.
type opaque struct{ db smrt.DB }

func (w opaque) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	return w.db.Exec(ctx, sql, args...)
}

func (w opaque) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	return w.db.Query(ctx, sql, args...)
}

func (w opaque) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	return w.db.QueryRow(ctx, sql, args...)
}

func (w opaque) SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults {
	return w.db.SendBatch(ctx, b)
}

func (w opaque) CopyFrom(ctx context.Context, table pgx.Identifier, columns []string, src pgx.CopyFromSource) (int64, error) {
	return w.db.CopyFrom(ctx, table, columns, src)
}

// TestLimitsInsideOfHandles: limits of a handle hold inside of a handle of the program,
// whatever holds outside of that, and each is counted once.
func TestLimitsInsideOfHandles(t *testing.T) {
	pool, _ := newShop(t)
	rate := guard.NewRate(guard.RateConfig{Points: 1, Burst: 10_000, Per: time.Hour, Name: "inside"})
	left := func() int64 { return rate.Available(t.Context()) }
	var events log
	strict := guard.Limits{
		MaxLimit: 10, MaxBytes: 200, MaxStatements: 3, Timeout: time.Minute, Rate: rate, Logger: quiet, OnEvent: events.add,
	}
	inside := opaque{guard.On(pool, strict)}
	ten, forty := everyCustomer.Limit(10), everyCustomer.Limit(40)
	wide := query.Where(shop.CustomerID.Le(9))
	for what, c := range map[string]struct{ with, own, around guard.Limits }{
		"nothing":           {},
		"a context":         {with: guard.Limits{MaxText: 1_000, Logger: quiet}},
		"a repository":      {own: guard.Limits{Timeout: time.Hour, Logger: quiet}},
		"a handle":          {around: guard.Limits{Timeout: time.Hour, Logger: quiet}},
		"less strict":       {around: guard.Limits{MaxLimit: 50, MaxBytes: 100_000, MaxStatements: 5, Logger: quiet}},
		"the same":          {around: strict},
		"the same two ways": {with: guard.Limits{MaxText: 1_000, Logger: quiet}, around: strict},
	} {
		customers := repo.New(guard.On(inside, c.around), shop.Customers, repo.Options{Limits: c.own})
		ids := repo.Select[struct{ ID int64 }](customers)
		ctx := guard.With(t.Context(), c.with)
		events = nil
		_, err := ids.Find(ctx, forty)
		check.Error(t, what+": rows", err, smrt.ErrRowLimit)
		check.Same(t, what+": events of rows", len(events), 1)
		_, err = customers.Find(ctx, wide)
		check.Error(t, what+": bytes", err, smrt.ErrByteLimit)
		check.Same(t, what+": events of bytes", len(events), 2)

		ctx = guard.With(t.Context(), c.with)
		for range 3 {
			before := left()
			check.Value(ids.Find(ctx, ten))(t)
			check.Same(t, what+": points", before-left(), int64(1))
		}
		_, err = ids.Find(ctx, ten)
		check.Error(t, what+": statements", err, smrt.ErrStatementLimit)
	}
}
