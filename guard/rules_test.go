package guard_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/guard"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/preload"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
	"github.com/smrt-go/smrt/txn"
	"github.com/smrt-go/smrt/unit"
)

var everyCustomer = query.All[shop.Customer]()

// TestStrictestWins declares a limit in three places.
func TestStrictestWins(t *testing.T) {
	pool, _ := newShop(t)
	for _, c := range [][4]int{{5, 7, 9, 5}, {7, 5, 9, 5}, {9, 7, 5, 5}, {0, 7, 0, 7}, {0, 0, 9, 9}} {
		ctx := guard.With(t.Context(), guard.Limits{MaxLimit: c[0], Logger: quiet})
		db := guard.On(guard.On(pool, guard.Limits{MaxLimit: c[1], Logger: quiet}), guard.Limits{MaxDepth: 1, Logger: quiet})
		customers := repo.New(db, shop.Customers, repo.Options{Limits: guard.Limits{MaxLimit: c[2], Logger: quiet}})
		_, err := customers.Find(ctx, everyCustomer)
		var e *smrt.LimitError
		check.Same(t, "refused", errors.As(err, &e), true)
		check.Same(t, "most", int(e.Max), c[3])
		check.Same(t, "not the error of One", errors.Is(err, smrt.ErrTooManyRows), false)
	}
}

// TestNothingIsCutOff: a result that is as large as it may be is whole, and the limit
// of a page that is declared is that of reads which have none.
func TestNothingIsCutOff(t *testing.T) {
	pool, sent := newShop(t)
	customers := repo.New(guard.On(pool, guard.Limits{MaxLimit: 40, PageSize: 7, Logger: quiet}), shop.Customers)
	found := check.Value(customers.Find(t.Context(), everyCustomer))(t)
	check.Same(t, "a list", len(found), 7)
	found = check.Value(customers.Find(t.Context(), everyCustomer.Limit(40)))(t)
	check.Same(t, "with a limit", len(found), 40)
	page := check.Value(customers.Page(t.Context(), everyCustomer, query.Page{}))(t)
	check.Same(t, "a page", len(page.Items), 7)
	page = check.Value(customers.Page(t.Context(), everyCustomer, query.Page{Size: 39, After: page.Next}))(t)
	check.Same(t, "the rest", len(page.Items), 33)
	n := 0
	for _, err := range customers.Stream(t.Context(), everyCustomer) {
		check.NoError(t, err)
		n++
	}
	check.Same(t, "a stream", n, 40)
	check.Same(t, "statements", sent.Len(), 5)
	_, err := repo.New(pool, shop.Customers).Page(t.Context(), everyCustomer, query.Page{})
	check.Error(t, "a page that is not declared", err, smrt.ErrBadPage)
}

// TestWritesAreUndone: what affects too many rows leaves the table as it was, on a
// pool and in a transaction.
func TestWritesAreUndone(t *testing.T) {
	pool, sent := newShop(t)
	db := guard.On(pool, guard.Limits{MaxAffected: 39, Logger: quiet})
	customers := repo.New(db, shop.Customers)
	named := func() int64 {
		return check.Value(repo.New(pool, shop.Customers).Count(t.Context(), query.Where(shop.CustomerName.Eq("changed"))))(t)
	}
	sent.Reset()
	_, err := customers.UpdateWhere(t.Context(), query.Where(shop.CustomerID.Gt(0)), shop.CustomerName.Set("changed"))
	check.Error(t, "an update of 40", err, smrt.ErrWriteLimit)
	check.Same(t, "round trips", sent.Sends(), 1)
	check.Same(t, "changed", named(), 0)
	err = txn.Run(t.Context(), db, func(ctx context.Context, tx pgx.Tx) error {
		_, err := customers.With(tx).UpdateWhere(ctx, query.Where(shop.CustomerID.Gt(0)), shop.CustomerName.Set("changed"))
		return err
	})
	check.Error(t, "in a transaction", err, smrt.ErrWriteLimit)
	check.Same(t, "changed", named(), 0)
	n := check.Value(customers.UpdateWhere(t.Context(), query.Where(shop.CustomerID.Gt(1)), shop.CustomerName.Set("changed")))(t)
	check.Same(t, "written", n, 39)
	check.Same(t, "changed", named(), 39)
	vs := check.Value(customers.UpdateReturning(t.Context(), query.Where(shop.CustomerID.Le(2)), shop.CustomerName.Set("changed")))(t)
	check.Same(t, "returned", len(vs), 2)
	check.NoError(t, customers.Patch(t.Context(), 1, shop.CustomerName.Set("once more")))
	check.Error(t, "no row", customers.Patch(t.Context(), -1, shop.CustomerName.Set("x")), smrt.ErrNotFound)
}

// TestBoundedWrites: Unbounded of a query is not enough where that is declared.
func TestBoundedWrites(t *testing.T) {
	pool, sent := newShop(t)
	var events log
	lines := repo.New(guard.On(pool, guard.Limits{BoundedWrites: true, Logger: quiet, OnEvent: events.add}), shop.OrderItems)
	every := query.All[shop.OrderItem]()
	_, err := lines.DeleteWhere(t.Context(), every)
	check.Error(t, "every row", err, smrt.ErrUnboundedWrite)
	_, err = lines.DeleteWhere(t.Context(), every.Unbounded())
	check.Error(t, "every row that is meant", err, smrt.ErrUnboundedWrite, smrt.ErrLimit)
	check.Same(t, "statements", sent.Len(), 0)
	if !strings.Contains(err.Error(), "guard.Allow(ctx, guard.Unbounded, reason)") {
		t.Error(err)
	}
	allowed := guard.Allow(t.Context(), guard.Unbounded, "the tenant has left")
	_, err = lines.DeleteWhere(allowed, every)
	check.Error(t, "every row by mistake", err, smrt.ErrUnboundedWrite)
	_, err = lines.DeleteWhere(allowed, every.Unbounded())
	check.NoError(t, err)
	check.Equal(t, "events", outcomes(events), []guard.Outcome{guard.Refused, guard.Allowed})
}

// TestStatements: a request sends so many statements and no more, whatever sends them,
// and each request by itself.
func TestStatements(t *testing.T) {
	pool, sent := newShop(t)
	db := guard.On(pool, guard.Limits{MaxStatements: 10, Logger: quiet})
	s := newService(db, guard.Limits{})
	for what, c := range map[string]struct {
		n    int // statements of a call
		call func(context.Context) error
	}{
		"Get":     {1, func(ctx context.Context) error { _, err := s.customers.Get(ctx, 1); return err }},
		"Find":    {1, func(ctx context.Context) error { _, err := s.customers.Find(ctx, everyCustomer); return err }},
		"Count":   {1, func(ctx context.Context) error { _, err := s.customers.Count(ctx, everyCustomer); return err }},
		"Patch":   {1, func(ctx context.Context) error { return s.customers.Patch(ctx, 1, shop.CustomerName.Set("x")) }},
		"GetMany": {1, func(ctx context.Context) error { _, err := s.customers.GetMany(ctx, keys); return err }},
		"loads": {2, func(ctx context.Context) error {
			_, err := s.orders.Find(ctx, query.Where(shop.OrderID.Le(3)), withLines)
			return err
		}},
		"Fill": {1, func(ctx context.Context) error {
			return preload.Fill(ctx, db, []orderView{{Order: shop.Order{ID: 1}}}, withLines)
		}},
		"Exec":     {1, func(ctx context.Context) error { _, err := db.Exec(ctx, "SELECT 1"); return err }},
		"QueryRow": {1, func(ctx context.Context) error { return db.QueryRow(ctx, "SELECT 1").Scan(new(int)) }},
		"Query": {1, func(ctx context.Context) error {
			rows, err := db.Query(ctx, "SELECT 1")
			rows.Close()
			return err
		}},
		"SendBatch": {5, func(ctx context.Context) error {
			var b pgx.Batch
			for range 5 {
				b.Queue("SELECT 1")
			}
			return db.SendBatch(ctx, &b).Close()
		}},
		"function of a unit": {2, func(ctx context.Context) error {
			u := unit.New()
			u.Do(func(ctx context.Context, tx pgx.Tx) error {
				_, err := s.customers.With(tx).Get(ctx, 1)
				return err
			})
			_, err := u.Flush(ctx, db)
			return err
		}},
		"unit": {1, func(ctx context.Context) error {
			u := unit.New()
			unit.UpdateWhere(u, shop.Orders, query.Where(shop.OrderID.Eq(1)), shop.Total.Set(1))
			_, err := u.Flush(ctx, db)
			return err
		}},
	} {
		for range 2 {
			ctx := guard.With(t.Context(), guard.Limits{})
			for range 10 / c.n {
				check.NoError(t, c.call(guard.With(ctx, guard.Limits{MaxDepth: 3})))
			}
			sent.Reset()
			check.Error(t, what, c.call(ctx), smrt.ErrStatementLimit)
			if c.n == 1 { // the second of two is known when the first has found rows
				check.Same(t, what+": statements", sent.Len(), 0)
			}
			check.NoError(t, c.call(guard.Allow(ctx, guard.Statements(30), "a test")))
			check.NoError(t, c.call(t.Context())) // of no request
		}
	}
}

// TestTime: what takes too long is stopped, wherever the time goes.
func TestTime(t *testing.T) {
	pool, _ := newShop(t)
	short := guard.Limits{Timeout: 20 * time.Millisecond, Logger: quiet}
	db := guard.On(pool, short)
	customers := repo.New(db, shop.Customers)
	slow := query.Where(query.Raw[shop.Customer]("pg_sleep(60) IS NOT NULL")).Limit(1)
	stopped := map[string]func(context.Context) error{
		"Find":  func(ctx context.Context) error { _, err := customers.Find(ctx, slow); return err },
		"Count": func(ctx context.Context) error { _, err := customers.Count(ctx, slow); return err },
		"UpdateWhere": func(ctx context.Context) error {
			_, err := customers.UpdateWhere(ctx, query.Where(query.Raw[shop.Customer]("pg_sleep(60) IS NOT NULL")), shop.CustomerName.Set("x"))
			return err
		},
		"Stream": func(ctx context.Context) error {
			for _, err := range customers.Stream(ctx, slow) {
				return err
			}
			return nil
		},
		"Exec": func(ctx context.Context) error { _, err := db.Exec(ctx, "SELECT pg_sleep(60)"); return err },
		"QueryRow": func(ctx context.Context) error {
			return db.QueryRow(ctx, "SELECT 1 FROM pg_sleep(60)").Scan(new(int))
		},
		"Query": func(ctx context.Context) error {
			rows, err := db.Query(ctx, "SELECT 1 FROM pg_sleep(60)")
			if err != nil {
				return err
			}
			_, err = pgx.CollectRows(rows, pgx.RowTo[int])
			return err
		},
		"SendBatch": func(ctx context.Context) error {
			var b pgx.Batch
			b.Queue("SELECT 1 FROM pg_sleep(60)")
			return db.SendBatch(ctx, &b).Close()
		},
		"a connection": func(ctx context.Context) error {
			for range pool.Config().MaxConns {
				c := check.Value(pool.Acquire(context.WithoutCancel(ctx)))(t)
				defer c.Release()
			}
			_, err := customers.Get(ctx, 1)
			return err
		},
	}
	for what, call := range stopped {
		err := call(t.Context())
		check.Error(t, what, err, smrt.ErrTimeLimit, smrt.ErrLimit, context.DeadlineExceeded)
		check.Same(t, what+" is not cancelled by its caller", errors.Is(err, context.Canceled), false)
		ctx, cancel := context.WithTimeout(guard.Allow(t.Context(), guard.Time(time.Hour), "a test"), 10*time.Millisecond)
		err = call(ctx)
		cancel()
		check.Same(t, what+" of a context that ends", err != nil && !errors.Is(err, smrt.ErrLimit), true)
	}
	slept := query.Where(query.Raw[shop.Customer]("pg_sleep(0.03) IS NOT NULL")).Limit(1)
	check.Value(customers.Find(guard.Allow(t.Context(), guard.Time(time.Hour), "a test"), slept))(t)
	var events log
	reports := repo.New(pool, shop.Customers, repo.Options{Limits: guard.Limits{Mode: guard.Report, Timeout: 20 * time.Millisecond, Logger: quiet, OnEvent: events.add}})
	check.Value(reports.Find(t.Context(), slept))(t)
	check.Equal(t, "events", outcomes(events), []guard.Outcome{guard.Reported})
}

// TestTimeOfStreams: the time of a stream ends with its first row.
func TestTimeOfStreams(t *testing.T) {
	pool, _ := newShop(t)
	customers := repo.New(guard.On(pool, guard.Limits{Timeout: testTime, Logger: quiet}), shop.Customers)
	type wide struct {
		shop.Customer
		Text string
	}
	wider := repo.View(customers, func(w *wide) *shop.Customer { return &w.Customer }, // more than the client has got with the first row
		query.Into(query.SQL[string]("repeat($1, 10000)", shop.CustomerName), func(w *wide) *string { return &w.Text }))
	n := 0
	for _, err := range wider.Stream(t.Context(), everyCustomer) {
		check.NoError(t, err)
		if n++; n == 1 {
			time.Sleep(testTime + 50*time.Millisecond)
		}
	}
	check.Same(t, "rows", n, 40)
}

// testTime is longer than it takes to send the first row on a busy machine.
const testTime = 2 * time.Second

// TestLimitsInTransactions: limits of a handle hold on its transactions and what they
// are given to, which package txn knows as before.
func TestLimitsInTransactions(t *testing.T) {
	pool, _ := newShop(t)
	db := guard.On(pool, guard.Limits{MaxLimit: 5, Logger: quiet})
	bare := repo.New(pool, shop.Customers)
	over := func(what string, ctx context.Context, on smrt.DB) {
		t.Helper()
		_, err := bare.With(on).Find(ctx, everyCustomer)
		check.Error(t, what, err, smrt.ErrRowLimit)
		rows, err := on.Query(ctx, "SELECT id FROM customers")
		if err == nil {
			_, err = pgx.CollectRows(rows, pgx.RowTo[int64])
		}
		check.Error(t, what+" by hand", err, smrt.ErrRowLimit)
	}
	lock := txn.NewLock[int64]("guard")
	err := txn.Run(t.Context(), db, func(ctx context.Context, tx pgx.Tx) error {
		over("Run", ctx, tx)
		check.NoError(t, lock.Acquire(ctx, tx, 1))
		_, err := bare.Find(ctx, everyCustomer)
		check.Error(t, "the pool", err, smrt.ErrTxBypass)
		_, err = bare.With(db).Find(ctx, everyCustomer)
		check.Error(t, "the handle", err, smrt.ErrTxBypass)
		savepoint := check.Value(tx.Begin(ctx))(t)
		over("a savepoint", ctx, savepoint)
		check.NoError(t, savepoint.Rollback(ctx))
		check.NoError(t, txn.Pipeline(ctx, tx, func(ctx context.Context, on smrt.DB) error {
			_, err := bare.With(on).Find(ctx, everyCustomer)
			check.Error(t, "a pipeline", err, smrt.ErrRowLimit)
			return nil
		}))
		return txn.Run(ctx, tx, func(ctx context.Context, tx pgx.Tx) error {
			over("nested", ctx, tx)
			_, err := bare.With(tx).Find(ctx, everyCustomer.Limit(5))
			return err
		}, txn.Options{Nested: txn.Savepoint})
	})
	check.NoError(t, err)
	check.NoError(t, pgx.BeginFunc(t.Context(), db, func(tx pgx.Tx) error {
		over("Begin", t.Context(), tx)
		ctx, outer := txn.Adopt(t.Context(), db, tx)
		defer outer.RolledBack()
		return txn.Run(ctx, db, func(ctx context.Context, tx pgx.Tx) error {
			over("adopted", ctx, tx)
			return nil
		})
	}))
	tx := check.Value(pool.Begin(t.Context()))(t)
	defer func() { _ = tx.Rollback(context.Background()) }()
	over("OnTx", t.Context(), guard.OnTx(tx, guard.Limits{MaxLimit: 5, Logger: quiet}))
}

// TestSharedReads: reads that share statements are held to the limits of each caller.
func TestSharedReads(t *testing.T) {
	pool, _ := newShop(t)
	customers := repo.New(guard.On(pool, guard.Limits{MaxLimit: 5, MaxList: 5, Timeout: time.Minute, Logger: quiet}), shop.Customers)
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Go(func() {
			key := int64(1 + i%40)
			v, err := customers.Get(t.Context(), key)
			if err != nil || v.ID != key {
				t.Errorf("Get of %d: %v", key, err)
			}
			vs, err := customers.GetMany(t.Context(), keys)
			if err != nil || len(vs) != 5 {
				t.Errorf("GetMany: %v", err)
			}
			_, err = customers.GetMany(t.Context(), append(keys[:5:5], 6))
			check.Error(t, "six keys", err, smrt.ErrListLimit)
		})
	}
	wg.Wait()
}

// TestDeclarations: limits that cannot be are refused where they are declared.
func TestDeclarations(t *testing.T) {
	for _, l := range []guard.Limits{
		{Mode: 3}, {MaxLimit: -1}, {PageSize: -1}, {MaxLoaded: -1}, {MaxDepth: -1}, {MaxList: -1}, {MaxText: -1}, {MaxAffected: -1}, {MaxBytes: -1}, {MaxStatements: -1}, {MaxComplexity: -1}, {MaxPlanCost: -1}, {Timeout: -1}, {MaxLimit: 5, PageSize: 6},
	} {
		check.Error(t, "Check", l.Check(), smrt.ErrBadOptions)
		for _, declare := range []func(){
			func() { guard.On(nil, l) }, func() { guard.With(t.Context(), l) }, func() { repo.New(nil, shop.Customers, repo.Options{Limits: l}) },
		} {
			func() {
				defer func() {
					err, _ := recover().(error)
					check.Error(t, "panic", err, smrt.ErrBadOptions)
				}()
				declare()
			}()
		}
	}
	conn := guard.On(nil, guard.Limits{})
	_, err := conn.Acquire(t.Context())
	check.Error(t, "Acquire", err, smrt.ErrBadOptions)
	_, err = conn.Begin(t.Context())
	check.Error(t, "Begin", err, smrt.ErrBadOptions)
}

// TestLog: a line has the limit and what to look for, and no value; many calls beyond
// limits log ten lines a second.
func TestLog(t *testing.T) {
	pool, _ := newShop(t)
	var out strings.Builder
	customers := repo.New(guard.On(pool, guard.Limits{MaxText: 3, Logger: slog.New(slog.NewTextHandler(&out, nil))}), shop.Customers)
	began := time.Now()
	for range 30 {
		_, err := customers.Find(t.Context(), query.Where(shop.CustomerName.Eq("a secret")))
		check.Error(t, "Find", err, smrt.ErrTextLimit)
		if strings.Contains(err.Error(), "secret") {
			t.Error(err)
		}
	}
	text := out.String()
	if !strings.Contains(text, `msg="smrt: a call beyond a limit was refused" limit=MaxText max=3 actual=8 operation=find table=customers`) || strings.Contains(text, "secret") {
		t.Error(text)
	}
	if n, most := strings.Count(text, "\n"), 10*(1+int(time.Since(began).Seconds())+1); n < 10 || n > most {
		t.Errorf("%d lines, want 10 to %d", n, most)
	}
}
