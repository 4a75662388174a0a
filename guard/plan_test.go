package guard_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/guard"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/internal/shop/shopdb"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/preload"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
	"github.com/smrt-go/smrt/slots"
	"github.com/smrt-go/smrt/txn"
)

const countSQL = "SELECT count(*) FROM order_items"

// plannedCalls are all ways to send what a cost is asked of.
func plannedCalls() map[string]func(context.Context, service) error {
	orders, found := query.All[shop.Order](), func(_ any, err error) error { return err }
	calls := map[string]func(context.Context, service) error{
		"Find":  func(ctx context.Context, s service) error { return found(s.customers.Find(ctx, everyCustomer)) },
		"Count": func(ctx context.Context, s service) error { return found(s.customers.Count(ctx, everyCustomer)) },
		"Exists": func(ctx context.Context, s service) error {
			return found(s.customers.Exists(ctx, query.Where(shop.CustomerEmail.Eq("nobody@example.com"))))
		},
		"Page": func(ctx context.Context, s service) error {
			return found(s.customers.Page(ctx, everyCustomer, query.Page{Size: 5}))
		},
		"GroupBy": func(ctx context.Context, s service) error {
			return found(repo.CountBy(ctx, s.customers, shop.CustomerEmail, everyCustomer))
		},
		"Stream": func(ctx context.Context, s service) (err error) {
			for _, err = range s.customers.Stream(ctx, everyCustomer) {
			}
			return err
		},
		"Stream with loads": func(ctx context.Context, s service) (err error) {
			for _, err = range s.orders.Stream(ctx, orders, withLines) {
			}
			return err
		},
		"UpdateWhere": func(ctx context.Context, s service) error {
			return found(s.customers.UpdateWhere(ctx, query.Where(shop.CustomerEmail.Eq("nobody@example.com")), shop.CustomerName.Set("x")))
		},
		"DeleteWhere": func(ctx context.Context, s service) error {
			return found(s.customers.DeleteWhere(ctx, query.Where(shop.CustomerEmail.Eq("nobody@example.com"))))
		},
		"Patch": func(ctx context.Context, s service) error {
			return s.customers.Patch(ctx, 1, shop.CustomerName.Set("x"))
		},
		"Fill": func(ctx context.Context, s service) error {
			return preload.Fill(ctx, s.db, []orderView{{Order: shop.Order{ID: 1}}}, withLines)
		},
		"sqlc": func(ctx context.Context, s service) error { return found(shopdb.New(s.db).ListOrders(ctx)) },
		"slots": func(ctx context.Context, s service) error {
			return found(shopdb.New(slots.On(s.db, slots.For(shop.Orders, query.Where(shop.OrderID.Gt(7))))).ListOrders(ctx))
		},
		"Exec": func(ctx context.Context, s service) error {
			return found(s.db.Exec(ctx, "DELETE FROM order_items WHERE quantity < $1", 0))
		},
		"QueryRow": func(ctx context.Context, s service) error {
			return s.db.QueryRow(ctx, countSQL).Scan(new(int))
		},
		"SendBatch": func(ctx context.Context, s service) error {
			var b pgx.Batch
			b.Queue("SELECT 1")
			b.Queue(countSQL)
			return s.db.SendBatch(ctx, &b).Close()
		},
	}
	for name, call := range calls {
		calls[name+" in a transaction"] = func(ctx context.Context, s service) error {
			return txn.Run(ctx, s.db.(txn.Beginner), func(ctx context.Context, tx pgx.Tx) error { return call(ctx, s.with(tx)) })
		}
	}
	return calls
}

// TestPlanCost: what the server estimates to cost too much is not sent, wherever it comes
// from, and asked about once. The pool has one connection.
func TestPlanCost(t *testing.T) {
	var sent *testdb.Counter
	pool := testdb.Pool(t, filledShop, testdb.MaxConns(1), testdb.Configure(func(c *pgxpool.Config) { sent = testdb.CountStatements(c) }))
	of := func(l guard.Limits) service {
		l.Logger = quiet
		return newService(guard.On(pool, l), guard.Limits{})
	}
	least, most := of(guard.Limits{MaxPlanCost: 1}), of(guard.Limits{MaxPlanCost: math.MaxInt32})
	for name, call := range plannedCalls() {
		inTx := map[bool]int{true: 2}[strings.HasSuffix(name, "transaction")] // begin and rollback
		err := call(t.Context(), least)
		var e *smrt.LimitError
		check.Error(t, name, err, smrt.ErrPlanLimit, smrt.ErrLimit)
		check.Same(t, name+": a *smrt.LimitError", errors.As(err, &e), true)
		check.Same(t, name+": limit", e.Limit, "MaxPlanCost")
		check.Same(t, name+": most", e.Max, 1)
		check.Same(t, name+": more", e.Actual > 1, true)
		sent.Reset()
		check.Error(t, name+" again", call(t.Context(), least), smrt.ErrPlanLimit)
		check.Same(t, fmt.Sprintf("%s: statements of what is known to cost too much: %q", name, sent.Statements()), sent.Len(), inTx)
		check.NoError(t, call(guard.Allow(t.Context(), guard.PlanCost(math.MaxInt32), "a test"), least))
		check.NoError(t, call(t.Context(), most))
	}
	_, err := shopdb.New(least.db).ListOrders(t.Context())
	for _, part := range []string{"ListOrders: the server's plan costs more than is allowed: MaxPlanCost is 1, this is ", "guard.Allow(ctx, guard.PlanCost(n), reason)"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%v: does not say %q", err, part)
		}
	}
	rated := of(guard.Limits{MaxPlanCost: 1, Rate: guard.NewRate(guard.RateConfig{Points: 1, Per: time.Hour, Burst: 10, Key: user})})
	for range 20 { // what is refused costs nothing
		check.Error(t, "refused", plannedCalls()["QueryRow"](t.Context(), rated), smrt.ErrPlanLimit)
	}
}

// TestPlanCostIsThatOfTheServer compares it with EXPLAIN. In mode Report the call runs.
func TestPlanCostIsThatOfTheServer(t *testing.T) {
	pool, _ := newShop(t)
	var text string
	check.NoError(t, pool.QueryRow(t.Context(), "EXPLAIN "+countSQL, pgx.QueryExecModeSimpleProtocol).Scan(&text))
	var from, cost float64
	_, costs, _ := strings.Cut(text, "cost=")
	check.Value(fmt.Sscanf(costs, "%f..%f", &from, &cost))(t)
	var events log
	db := guard.On(pool, guard.Limits{Mode: guard.Report, MaxPlanCost: 1, Logger: quiet, OnEvent: events.add})
	check.NoError(t, db.QueryRow(t.Context(), "-- name: CountLines :one\n"+countSQL).Scan(new(int)))
	check.Equal(t, "events", outcomes(events), []guard.Outcome{guard.Reported})
	check.Same(t, "cost", events[0].Error.Actual, int64(math.Ceil(cost)))
	check.Same(t, "statement", events[0].Error.Statement, "CountLines")
}

// TestNoPlanCost: what has no plan runs as it does without limits, and is not run to find
// that out. So does what the server refuses, with the error of the server.
func TestNoPlanCost(t *testing.T) {
	pool, _ := newShop(t)
	db := guard.On(pool, guard.Limits{MaxPlanCost: 1, Logger: quiet})
	for what, on := range map[string]func(func(smrt.DB)){
		"on the pool": func(run func(smrt.DB)) { run(db) },
		"in a transaction": func(run func(smrt.DB)) {
			check.NoError(t, pgx.BeginFunc(t.Context(), db, func(tx pgx.Tx) error { run(tx); return nil }))
		},
	} {
		on(func(db smrt.DB) {
			for _, sql := range []string{
				"", "-- nothing", "SET work_mem TO DEFAULT", "CREATE TABLE made (id int)", "INSERT INTO made VALUES (1); INSERT INTO made VALUES (2)",
				"EXPLAIN (ANALYZE) INSERT INTO made VALUES (3)", "DO 'BEGIN INSERT INTO made VALUES (4); END'",
			} {
				if _, err := db.Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol); err != nil {
					t.Fatalf("%s: %q: %v", what, sql, err)
				}
			}
			n := 0
			allowed := guard.Allow(t.Context(), guard.PlanCost(math.MaxInt32), "a test")
			check.NoError(t, db.QueryRow(allowed, "SELECT count(*) FROM made").Scan(&n))
			check.Same(t, what+": rows", n, 4)
			check.Value(db.Exec(t.Context(), "DROP TABLE made"))(t)
		})
	}
	var missing *pgconn.PgError
	_, err := db.Exec(t.Context(), "SELECT * FROM nowhere")
	check.Same(t, "the error of the server", errors.As(err, &missing), true)
	check.Same(t, "its position", missing.Position, 15)
}

// held is a pool whose transactions wait until they may begin.
type held struct {
	*pgxpool.Pool
	asks, begin chan struct{}
}

func (h *held) Begin(ctx context.Context) (pgx.Tx, error) {
	h.asks <- struct{}{}
	<-h.begin
	return h.Pool.Begin(ctx)
}

func (h *held) Unwrap() smrt.DB { return h.Pool }

// TestPlanCostIsAskedOnce: of those who send a text at the same time one asks. Nobody who
// has a connection waits for it: the one who asks may want that connection.
func TestPlanCostIsAskedOnce(t *testing.T) {
	var sent *testdb.Counter
	pool := testdb.Pool(t, filledShop, testdb.MaxConns(1), testdb.Configure(func(c *pgxpool.Config) { sent = testdb.CountStatements(c) }))
	h := &held{pool, make(chan struct{}, 10), make(chan struct{})}
	l := guard.Limits{MaxPlanCost: 1, Logger: quiet}
	db := guard.On(h, l)
	asked := func() (n int) {
		for _, sql := range sent.Statements() {
			if strings.HasPrefix(sql, "SET LOCAL statement_timeout") {
				n++
			}
		}
		return n
	}
	var all sync.WaitGroup
	call := func() { check.Error(t, "a call", db.QueryRow(t.Context(), countSQL).Scan(new(int)), smrt.ErrPlanLimit) }
	all.Go(call)
	<-h.asks
	for range 8 {
		all.Go(call)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second) // of a test that fails
	defer cancel()
	tx := check.Value(pool.Begin(ctx))(t)
	check.Error(t, "in a transaction", guard.OnTx(tx, l).QueryRow(ctx, countSQL).Scan(new(int)), smrt.ErrPlanLimit)
	check.NoError(t, tx.Rollback(ctx))
	check.Same(t, "asked in the transaction", asked(), 1)
	close(h.begin)
	all.Wait()
	check.Same(t, "asked in all", asked(), 2)
}
