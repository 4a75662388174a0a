package guard_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/guard"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
	"github.com/smrt-go/smrt/txn"
)

// TestTimeOfBegin: the time of BEGIN is that of a call, and not that of its transaction.
func TestTimeOfBegin(t *testing.T) {
	pool, _ := newShop(t)
	db := guard.On(pool, guard.Limits{Timeout: testTime, Logger: quiet})
	check.NoError(t, pgx.BeginFunc(t.Context(), db, func(tx pgx.Tx) error {
		return pgx.BeginFunc(t.Context(), tx, func(tx pgx.Tx) error {
			time.Sleep(testTime + 50*time.Millisecond)
			_, err := tx.Exec(t.Context(), "SELECT 1")
			return err
		})
	}))
	short := guard.On(pool, guard.Limits{Timeout: 20 * time.Millisecond, Logger: quiet})
	for what, begin := range map[string]func(context.Context) error{
		"Begin": func(ctx context.Context) error { return of2(short.Begin(ctx)) },
		"Run": func(ctx context.Context) error {
			return txn.Run(ctx, short, func(context.Context, pgx.Tx) error { return nil })
		},
	} {
		give := lendAll(t, pool)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		check.Error(t, what, begin(ctx), smrt.ErrTimeLimit)
		check.NoError(t, ctx.Err())
		cancel()
		give()
	}
}

// lendAll takes the connections of a pool.
func lendAll(t *testing.T, pool *pgxpool.Pool) (give func()) {
	t.Helper()
	var lent []*pgxpool.Conn
	for range pool.Config().MaxConns {
		lent = append(lent, check.Value(pool.Acquire(t.Context()))(t))
	}
	return func() {
		for _, c := range lent {
			c.Release()
		}
	}
}

// TestTimeOfReportedStreams: the time of the program between rows is not that of the
// stream, whatever becomes of a call beyond the limit.
func TestTimeOfReportedStreams(t *testing.T) {
	pool, _ := newShop(t)
	for what, m := range map[string]guard.Mode{"reported": guard.Report, "allowed": guard.Enforce} {
		var events log
		ctx := t.Context()
		if m == guard.Enforce {
			ctx = guard.Allow(ctx, guard.Time(time.Hour), "a test")
		}
		db := guard.On(pool, guard.Limits{Mode: m, Timeout: testTime, Logger: quiet, OnEvent: events.add})
		n := 0
		for _, err := range repo.New(db, shop.Customers).Stream(ctx, everyCustomer.Limit(3)) {
			check.NoError(t, err)
			if n++; n == 1 {
				time.Sleep(testTime + 50*time.Millisecond)
			}
		}
		check.Same(t, what+": events", len(events), 0)
	}
}

// TestReportCutsNothing: where nothing is refused, or more is allowed, a declared size
// of pages is that of pages only.
func TestReportCutsNothing(t *testing.T) {
	pool, _ := newShop(t)
	for what, c := range map[string]struct {
		mode guard.Mode
		ctx  context.Context
	}{
		"reported": {guard.Report, t.Context()},
		"allowed":  {guard.Enforce, guard.Allow(t.Context(), guard.Rows(50_000), "a test")},
	} {
		customers := repo.New(guard.On(pool, guard.Limits{Mode: c.mode, PageSize: 7, Logger: quiet}), shop.Customers)
		check.Same(t, what, len(check.Value(customers.Find(c.ctx, everyCustomer))(t)), 40)
		page := check.Value(customers.Page(c.ctx, everyCustomer, query.Page{}))(t)
		check.Same(t, what+": a page", len(page.Items), 7)
	}
}

// TestWritesByHandMayHaveWritten: rows of a statement by hand are counted when it has
// run, and the error says so, also of what hides that it writes. A transaction undoes it.
func TestWritesByHandMayHaveWritten(t *testing.T) {
	pool, _ := newShop(t)
	db := guard.On(pool, guard.Limits{MaxLimit: 5, Logger: quiet})
	for _, sql := range []string{
		"UPDATE customers SET name = 'changed' RETURNING id",
		"WITH w AS (UPDATE customers SET name = 'changed' RETURNING id) SELECT id FROM w",
	} {
		run := func(on smrt.DB) error {
			rows, _ := on.Query(t.Context(), sql)
			return of2(pgx.CollectRows(rows, pgx.RowTo[int64]))
		}
		err := pgx.BeginFunc(t.Context(), db, func(tx pgx.Tx) error { return run(tx) })
		check.Error(t, "in a transaction", err, smrt.ErrRowLimit)
		var n int
		check.NoError(t, pool.QueryRow(t.Context(), "SELECT count(*) FROM customers WHERE name = 'changed'").Scan(&n))
		check.Same(t, "changed", n, 0)
		err = run(db)
		var e *smrt.LimitError
		if !errors.As(err, &e) || !strings.Contains(err.Error(), "may have written") {
			t.Errorf("the error does not say that it may have written: %v", err)
		}
		_, err = pool.Exec(t.Context(), "UPDATE customers SET name = 'x'")
		check.NoError(t, err)
	}
	_, err := repo.New(db, shop.Customers).Find(t.Context(), everyCustomer)
	check.Same(t, "a read says so", strings.Contains(err.Error(), "may have written"), false)
}
