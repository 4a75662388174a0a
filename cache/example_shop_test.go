package cache_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/cache"
	"github.com/smrt-go/smrt/repo"
	"github.com/smrt-go/smrt/txn"
)

// Rows are read once, and again when they were written.
func ExampleNew() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, dsn())
	if err != nil {
		panic(err)
	}
	defer pool.Close()
	rows, err := cache.New(cache.Config{MaxBytes: 1 << 20}, cache.Of(stalls, cache.Options{TTL: time.Minute}))
	if err != nil {
		panic(err)
	}
	defer rows.Close()
	if err := rows.Attach(ctx, pool); err != nil {
		panic(err)
	}

	of := repo.New(pool, stalls)
	s := stall{Name: "bread"}
	if err := of.Create(ctx, &s); err != nil {
		panic(err)
	}
	for n := range int64(2) {
		for range 10 {
			if _, err := of.Get(ctx, s.ID); err != nil {
				panic(err)
			}
		}
		if err := of.Patch(ctx, s.ID, stallN.Set(n)); err != nil {
			panic(err)
		}
	}
	fmt.Println("hits:", rows.Stats().Tables["stalls"].Hits, "misses:", rows.Stats().Tables["stalls"].Misses)
	// Output: hits: 18 misses: 2
}

// The cache is told of SQL by hand, which counts when its transaction is committed.
func ExampleWrote() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, dsn())
	if err != nil {
		panic(err)
	}
	defer pool.Close()
	rows, err := cache.New(cache.Config{}, cache.Of(stalls))
	if err != nil {
		panic(err)
	}
	defer rows.Close()
	err = errors.Join(rows.Attach(ctx, pool), repo.New(pool, stalls).Create(ctx, &stall{Name: "bread"}))
	if err != nil {
		panic(err)
	}

	err = txn.Run(ctx, pool, func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "UPDATE stalls SET n = n + 1")
		cache.Wrote(ctx, tx, stalls)
		return err
	})
	if err != nil {
		panic(err)
	}
	s, err := repo.New(pool, stalls).Get(ctx, 1)
	if err != nil {
		panic(err)
	}
	fmt.Println(s.Name, s.N)
	// Output: bread 1
}

// A row that somebody has changed elsewhere is forgotten by hand.
func ExampleForget() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, dsn())
	if err != nil {
		panic(err)
	}
	defer pool.Close()
	rows, err := cache.New(cache.Config{}, cache.Of(stalls))
	if err != nil {
		panic(err)
	}
	defer rows.Close()
	if err := rows.Attach(ctx, pool); err != nil {
		panic(err)
	}
	of := repo.New(pool, stalls)
	_, err = of.Get(ctx, 1)
	fmt.Println("not there:", errors.Is(err, smrt.ErrNotFound))

	if _, err := pool.Exec(ctx, "INSERT INTO stalls (id, name) VALUES (1, 'bread')"); err != nil {
		panic(err)
	}
	cache.Forget(rows, stalls, 1)
	s, err := of.Get(ctx, 1)
	if err != nil {
		panic(err)
	}
	fmt.Println(s.Name)
	// Output:
	// not there: true
	// bread
}
