package guard_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
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
	"github.com/smrt-go/smrt/unit"
)

// slow is a time in which tests do not get a point back.
const slow = 9 * 365 * 24 * time.Hour

type userKey struct{}

func as(ctx context.Context, user string) context.Context {
	return context.WithValue(ctx, userKey{}, user)
}

func user(ctx context.Context) string {
	user, _ := ctx.Value(userKey{}).(string)
	return user
}

// newRate returns a rate of users who get nothing back, and what keeps it.
func newRate(burst int64) (*guard.Rate, *watched) {
	w := &watched{Buckets: guard.NewBuckets(1_000)}
	return guard.NewRate(guard.RateConfig{Name: "users", Points: burst, Per: slow, Key: user, Store: w}), w
}

// watched are buckets of which tests ask.
type watched struct {
	*guard.Buckets
	last atomic.Pointer[guard.Bucket]
	gave atomic.Int64
}

func (w *watched) Take(ctx context.Context, b guard.Bucket, points, debt int64) guard.State {
	w.last.Store(&b)
	return w.Buckets.Take(ctx, b, points, debt)
}

func (w *watched) Give(ctx context.Context, b guard.Bucket, points int64) {
	w.gave.Add(1)
	w.Buckets.Give(ctx, b, points)
}

// used returns how many points were taken from the last bucket.
func (w *watched) used() int64 {
	b := *w.last.Load()
	return b.Burst - w.Buckets.Take(context.Background(), b, 0, 0).Available
}

// TestRate: a user has so many points, whatever takes them, and each user by themselves.
func TestRate(t *testing.T) {
	pool, sent := newShop(t)
	for name, run := range map[string]func(context.Context, service) error{
		"Get":  func(ctx context.Context, s service) error { return call(s.customers.Get(ctx, 1)) },
		"Exec": func(ctx context.Context, s service) error { return call(s.db.Exec(ctx, "SELECT 1")) },
		"QueryRow": func(ctx context.Context, s service) error {
			return s.db.QueryRow(ctx, "SELECT 1").Scan(new(int))
		},
		"Query": func(ctx context.Context, s service) error {
			rows, err := s.db.Query(ctx, "SELECT 1")
			rows.Close()
			return err
		},
		"SendBatch": func(ctx context.Context, s service) error {
			var b pgx.Batch
			b.Queue("SELECT 1")
			return s.db.SendBatch(ctx, &b).Close()
		},
	} {
		rate, _ := newRate(3)
		s := newService(guard.On(pool, guard.Limits{Rate: rate, Logger: quiet}), guard.Limits{})
		for range 3 {
			check.NoError(t, run(as(t.Context(), "a"), s))
		}
		sent.Reset()
		err := run(as(t.Context(), "a"), s)
		check.Error(t, name, err, smrt.ErrRateLimit, smrt.ErrLimit)
		check.Same(t, name+": statements", sent.Len(), 0)
		var e *smrt.RateError
		var l *smrt.LimitError
		if !errors.As(err, &e) || !errors.As(err, &l) || l.Limit != "Rate" {
			t.Fatalf("%s: %v", name, err)
		}
		check.Same(t, "cost", e.Cost, 1)
		check.Same(t, "available", e.Available, 0)
		check.Same(t, "burst", e.Burst, 3)
		check.Same(t, "restored", e.Points, 3)
		check.Same(t, "in", e.Per, slow)
		if e.RetryAfter <= slow/3-time.Hour || e.RetryAfter > slow/3 {
			t.Errorf("%s: retry after %v", name, e.RetryAfter)
		}
		if !strings.Contains(err.Error(), "rate users has 0 points left and gives back 3 in") || !strings.Contains(err.Error(), "guard.Allow(ctx, guard.Debt(n), reason)") {
			t.Error(err)
		}
		check.NoError(t, run(as(t.Context(), "b"), s))
		check.Same(t, "left of a", rate.Available(as(t.Context(), "a")), 0)
		check.Same(t, "left of b", rate.Available(as(t.Context(), "b")), 2)
		check.Same(t, "left of c", rate.Available(as(t.Context(), "c")), 3)
	}
}

// TestRateOfParts: what a call consists of takes nothing by itself, and a call takes
// from all rates that hold or from none.
func TestRateOfParts(t *testing.T) {
	pool, _ := newShop(t)
	wide, ofWide := newRate(100)
	narrow, ofNarrow := newRate(2)
	s := newService(guard.On(pool, guard.Limits{Rate: narrow, MaxLimit: 1_000, Logger: quiet}), guard.Limits{Rate: narrow, Logger: quiet})
	ctx := guard.With(as(t.Context(), "a"), guard.Limits{Rate: wide, Logger: quiet})
	check.Error(t, "three points", call(s.orders.Get(ctx, 1, withProducts)), smrt.ErrRateLimit)
	check.Same(t, "taken from the other", ofWide.used(), 0)
	check.NoError(t, call(s.customers.Get(ctx, 1)))
	check.Same(t, "taken", ofWide.used(), 1)
	check.Same(t, "taken of the same rate in two places", ofNarrow.used(), 1)
}

// TestRateModes: in mode Report a call runs that there are no points for, and takes
// none; with Debt it owes them.
func TestRateModes(t *testing.T) {
	pool, _ := newShop(t)
	var events log
	rate, w := newRate(2)
	limits := guard.Limits{Rate: rate, Logger: quiet, OnEvent: events.add}
	customers := repo.New(guard.On(pool, limits), shop.Customers)
	debt := guard.Allow(t.Context(), guard.Debt(2), "a test")
	for i, allowed := range []bool{true, true, true, true, false} {
		check.Same(t, fmt.Sprint("call ", i), call(customers.Get(debt, 1)) == nil, allowed)
	}
	check.Same(t, "used", w.used(), 4)
	check.Equal(t, "events", outcomes(events), []guard.Outcome{guard.Allowed, guard.Allowed, guard.Refused})
	check.Same(t, "reason", events[0].Reason, "a test")
	check.Error(t, "without", call(customers.Get(t.Context(), 1)), smrt.ErrRateLimit)
	limits.Mode, events = guard.Report, nil
	customers = repo.New(guard.On(pool, limits), shop.Customers)
	check.NoError(t, call(customers.Get(t.Context(), 1)))
	check.Same(t, "used", w.used(), 4)
	check.Equal(t, "events", outcomes(events), []guard.Outcome{guard.Reported})
	limits.Mode = guard.Off
	check.NoError(t, call(repo.New(guard.On(pool, limits), shop.Customers).Get(t.Context(), 1)))
}

// costs are calls with what they really cost.
func costs(t *testing.T, pool *pgxpool.Pool) map[string]paid {
	customers, orders, lines := len(shop.Customers.Plan().Struct.Columns), len(shop.Orders.Plan().Struct.Columns), len(shop.OrderItems.Plan().Struct.Columns)
	nobody := query.Where(shop.CustomerID.Lt(0))
	n := int(check.Value(repo.New(pool, shop.OrderItems).Count(t.Context(), query.All[shop.OrderItem]()))(t))
	return map[string]paid{
		"Get": {1, func(ctx context.Context, s service) error { return call(s.customers.Get(ctx, 1)) }},
		"Get of no row": {1, func(ctx context.Context, s service) error {
			return without(smrt.ErrNotFound, call(s.customers.Get(ctx, -1)))
		}},
		"GetMany":      {1 + 200*customers/1_600, func(ctx context.Context, s service) error { return call(s.customers.GetMany(ctx, make([]int64, 200))) }},
		"Find":         {1 + 40*customers/1_600, func(ctx context.Context, s service) error { return call(s.customers.Find(ctx, everyCustomer)) }},
		"Find nothing": {1, func(ctx context.Context, s service) error { return call(s.customers.Find(ctx, nobody)) }},
		"Find orders":  {1 + 400*orders/1_600, func(ctx context.Context, s service) error { return call(s.orders.Find(ctx, query.All[shop.Order]())) }},
		"Find with lines": {2 + (400*orders+n*lines)/1_600, func(ctx context.Context, s service) error {
			return call(s.orders.Find(ctx, query.All[shop.Order](), withLines))
		}},
		"Find nothing with lines": {1, func(ctx context.Context, s service) error {
			return call(s.orders.Find(ctx, query.Where(shop.OrderID.Lt(0)), withProducts))
		}},
		"Stream with lines": {2 + (400*orders+n*lines)/1_600, func(ctx context.Context, s service) error {
			for _, err := range s.orders.Stream(ctx, query.All[shop.Order](), withLines) {
				if err != nil {
					return err
				}
			}
			return nil
		}},
		"Stream that is left": {1, func(ctx context.Context, s service) error {
			for _, err := range s.customers.Stream(ctx, everyCustomer) {
				return err
			}
			return nil
		}},
		"Count": {10, func(ctx context.Context, s service) error { return call(s.customers.Count(ctx, everyCustomer)) }},
		"UpdateWhere of nothing": {2, func(ctx context.Context, s service) error {
			return call(s.customers.UpdateWhere(ctx, nobody, shop.CustomerName.Set("a")))
		}},
		"unit": {4, func(ctx context.Context, s service) error {
			u := unit.New()
			unit.DeleteWhere(u, shop.Customers, nobody)
			unit.DeleteWhere(u, shop.Orders, query.Where(shop.OrderID.Lt(0)))
			return call(u.Flush(ctx, s.db))
		}},
		"a list that is too long": {0, func(ctx context.Context, s service) error {
			return without(smrt.ErrListLimit, call(s.customers.Find(ctx, query.Where(shop.CustomerID.In(make([]int64, 2_000)...)))))
		}},
		"more rows than are allowed": {1 + 1_001*lines/1_600, func(ctx context.Context, s service) error {
			return without(smrt.ErrRowLimit, call(repo.New(s.db, shop.OrderItems).Find(ctx, query.All[shop.OrderItem]())))
		}},
		"rows by hand": {1 + 1_000*4/1_600, func(ctx context.Context, s service) error {
			rows, err := s.db.Query(ctx, "SELECT i, i, i, i FROM generate_series(1, 1000) i")
			if err == nil {
				_, err = pgx.CollectRows(rows, func(pgx.CollectableRow) (int, error) { return 0, nil })
			}
			return err
		}},
		"a batch by hand": {3, func(ctx context.Context, s service) error {
			var b pgx.Batch
			for range 3 {
				b.Queue("SELECT 1")
			}
			results := s.db.SendBatch(ctx, &b)
			return errors.Join(results.Close(), results.Close())
		}},
		"what fails by hand": {1, func(ctx context.Context, s service) error {
			if _, err := s.db.Exec(ctx, "SELECT 1/0"); err == nil {
				return errors.New("it did not fail")
			}
			return nil
		}},
	}
}

type paid struct {
	points int
	run    func(context.Context, service) error
}

func without(expected, err error) error {
	if errors.Is(err, expected) {
		return nil
	}
	return fmt.Errorf("got %w, want %w", err, expected)
}

// TestActualCost: what was not used is given back, and what was used beyond is taken.
func TestActualCost(t *testing.T) {
	pool, _ := newShop(t)
	var sum, calls int64
	rate, w := newRate(1_000_000)
	s := newService(guard.On(pool, guard.Limits{Rate: rate, MaxLimit: 1_000, MaxList: 1_500, Logger: quiet}), guard.Limits{})
	all := costs(t, pool)
	for name, c := range all {
		rate, w := newRate(1_000_000)
		s := newService(guard.On(pool, guard.Limits{Rate: rate, MaxLimit: 1_000, MaxList: 1_500, Logger: quiet}), guard.Limits{})
		check.NoError(t, c.run(t.Context(), s))
		check.Same(t, name, w.used(), int64(c.points))
		sum += int64(c.points)
		calls++
	}
	if t.Failed() {
		return
	}
	// All at once.
	rounds := int64(10)
	if check.Long() {
		rounds = 10_000/calls + 1
	}
	var wg sync.WaitGroup
	for range rounds {
		wg.Go(func() {
			for name, c := range all {
				if err := c.run(t.Context(), s); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
		})
	}
	wg.Wait()
	if used, want := w.used(), sum*rounds; used < want-1 || used > want+1 {
		t.Errorf("%d calls took %d points, their costs are %d", calls*rounds, used, want)
	}
}

// TestRateAllocates: a rate is one allocation of a call.
func TestRateAllocates(t *testing.T) {
	check.Plain(t)
	pool, _ := newShop(t)
	rate := guard.NewRate(guard.RateConfig{Points: 1_000_000, Key: user})
	bare := repo.New(guard.On(pool, guard.Limits{MaxLimit: 1_000, Logger: quiet}), shop.Customers)
	rated := repo.New(guard.On(pool, guard.Limits{MaxLimit: 1_000, Logger: quiet, Rate: rate}), shop.Customers)
	get := func(r *repo.Repository[shop.Customer, int64]) float64 {
		return check.Allocations(func() error { return call(r.Get(t.Context(), 1)) })
	}
	if without, with := get(bare), get(rated); with > without+1 {
		t.Errorf("%v allocations with a rate, %v without", with, without)
	}
}

// TestHTTPStatus: each refusal has a status, and that of a rate says when to come back.
func TestHTTPStatus(t *testing.T) {
	refusal := func(e *smrt.RateError) error {
		return fmt.Errorf("find orders: %w", &smrt.LimitError{Err: e})
	}
	for _, c := range []struct {
		err    error
		status int
		after  string
	}{
		{nil, 0, ""},
		{smrt.ErrNotFound, 0, ""},
		{refusal(&smrt.RateError{RetryAfter: time.Nanosecond}), http.StatusTooManyRequests, "1"},
		{refusal(&smrt.RateError{RetryAfter: time.Second}), http.StatusTooManyRequests, "1"},
		{refusal(&smrt.RateError{RetryAfter: time.Second + 1}), http.StatusTooManyRequests, "2"},
		{refusal(&smrt.RateError{}), http.StatusUnprocessableEntity, ""},
		{fmt.Errorf("find orders: %w", smrt.ErrPoolExhausted), http.StatusServiceUnavailable, "1"},
		{&smrt.LimitError{Err: smrt.ErrTimeLimit}, http.StatusGatewayTimeout, ""},
		{&smrt.LimitError{Err: smrt.ErrRowLimit}, http.StatusUnprocessableEntity, ""},
	} {
		header := http.Header{}
		check.Same(t, fmt.Sprint(c.err), guard.HTTPStatus(header, c.err), c.status)
		check.Same(t, fmt.Sprint(c.err), header.Get("Retry-After"), c.after)
	}
}

// alone is a store that answers by itself.
type alone struct{ givesBack }

func (a alone) Take(ctx context.Context, b guard.Bucket, points, debt int64) guard.State {
	s := a.watched.Take(ctx, b, points, debt)
	s.Local = true
	return s
}

// TestPointsGoBackToWhereTheyWere: a store learns of points that it took by itself.
func TestPointsGoBackToWhereTheyWere(t *testing.T) {
	pool, _ := newShop(t)
	for _, local := range []bool{false, true} {
		w := &watched{Buckets: guard.NewBuckets(10)}
		var store guard.Store = givesBack{w}
		if local {
			store = alone{givesBack{w}}
		}
		rate := guard.NewRate(guard.RateConfig{Points: 1_000, Per: slow, Key: user, Store: store})
		customers := repo.New(guard.On(pool, guard.Limits{Rate: rate, Logger: quiet}), shop.Customers)
		check.Value(customers.Find(as(t.Context(), "a"), everyCustomer))(t) // asks for 10,000 rows
		check.Same(t, "given back", w.gave.Load(), 1)
		check.Same(t, "local", w.last.Load().Local, local)
	}
}

// givesBack notes the bucket that points are given back to.
type givesBack struct{ *watched }

func (g givesBack) Give(ctx context.Context, b guard.Bucket, points int64) {
	g.last.Store(&b)
	g.watched.Give(ctx, b, points)
}
