package main

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/guard"
	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/pool"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// silent keeps the log of limits out of the tour.
var silent = slog.New(slog.DiscardHandler)

func readTooMuch(ctx context.Context, pool *pgxpool.Pool, out *outcome) {
	allowed := 0
	watch := func(context.Context, guard.Event) { allowed++ }
	out.start()
	limited := guard.On(pool, guard.Limits{MaxLimit: 100, OnEvent: watch, Logger: silent})
	products := repo.New(limited, shop.Products)
	_, refused := products.Find(ctx, query.All[shop.Product]().Limit(1000))
	ctx = guard.Allow(ctx, guard.Rows(1000), "nightly export")
	many, err := products.Find(ctx, query.All[shop.Product]().Limit(1000))
	out.must(err)
	out.stop(int64(len(many)))

	out.tellError(refused, smrt.ErrRowLimit)
	out.sends(1)
	out.check(len(many) == 1000, "%d rows were allowed", len(many))
	out.check(allowed == 2, "%d events", allowed)
}

func writeTooMuch(ctx context.Context, pool *pgxpool.Pool, out *outcome) {
	limited := guard.On(pool, guard.Limits{MaxAffected: 10, Logger: silent})
	products := repo.New(limited, shop.Products)
	hundred := query.Where(shop.ProductID.Le(100))
	_, err := products.UpdateWhere(ctx, hundred, shop.ProductName.Set("sale"))
	out.stop(0)

	out.tellError(err, smrt.ErrWriteLimit)
	out.expect(ctx, "rows", 0, "select count(*) from products where name = 'sale'")
}

func classes(ctx context.Context, db *pgxpool.Pool, out *outcome) {
	url := db.Config().ConnString()
	out.start()
	p, err := pool.Open(ctx, pool.Config{
		URL: url, MaxConns: 2, AcquireTimeout: 50 * time.Millisecond,
		Classes: map[string]int{"report": 1},
	})
	out.must(err)
	defer p.Close()
	report, err := p.Begin(pool.WithClass(ctx, "report"))
	out.must(err)
	defer report.Rollback(ctx)
	_, second := p.Begin(pool.WithClass(ctx, "report"))
	product, err := repo.New(p, shop.Products).Get(ctx, 42) // a request
	out.must(err)
	out.stop(1)

	out.tellError(second, smrt.ErrPoolExhausted)
	out.check(product.ID == 42, "product %d", product.ID)
	stats := p.Classes()[0]
	out.tell("class %s: %d of %d connections, %d refused", stats.Name, stats.InUse, stats.Max, stats.Refused)
	out.check(stats.InUse == 1 && stats.Refused == 1, "%+v", stats)
}

func overload(ctx context.Context, db *pgxpool.Pool, out *outcome) {
	url := db.Config().ConnString()
	out.start()
	p, err := pool.Open(ctx, pool.Config{
		URL: url, MaxConns: 1, AcquireTimeout: time.Minute,
		QueueTarget: 10 * time.Millisecond, QueueInterval: 100 * time.Millisecond,
	})
	out.must(err)
	defer p.Close()
	slow, err := p.Acquire(ctx)
	out.must(err)
	_, refused := repo.New(p, shop.Products).Get(ctx, 42)
	slow.Release()
	_, err = repo.New(p, shop.Products).Get(ctx, 42)
	out.must(err)
	out.stop(1)

	out.tellError(refused, smrt.ErrPoolExhausted)
	var exhausted *smrt.PoolExhaustedError
	out.check(errors.As(refused, &exhausted) && exhausted.Reason == "overload", "refused with %v", refused)
	out.check(p.Stats().Refused == 1 && !p.Stats().Overloaded, "%+v", p.Stats())
}
