package repo_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
)

// TestLockManyTakesOneOrder lets transactions lock the same rows, named in
// different orders. The control locks them one by one as they are named, and
// runs into deadlocks.
func TestLockManyTakesOneOrder(t *testing.T) {
	a := newArchive(t, testdb.MaxConns(4), testdb.Configure(func(cfg *pgxpool.Config) {
		cfg.ConnConfig.RuntimeParams["deadlock_timeout"] = "5ms" // in place of a second
	}))
	ctx := t.Context()
	ds := a.add(t, "a", "b", "c", "d", "e")
	lockers := func(lock func(ctx context.Context, tx pgx.Tx, keys []int64) error) (failed int) {
		var mu sync.Mutex
		var all sync.WaitGroup
		for i := range 4 {
			all.Go(func() {
				for range 25 {
					keys := []int64{ds[0].ID, ds[1].ID, ds[2].ID, ds[3].ID, ds[4].ID}
					if i%2 == 1 {
						slices.Reverse(keys)
					}
					err := pgx.BeginFunc(ctx, a.pool, func(tx pgx.Tx) error { return lock(ctx, tx, keys) })
					if err != nil {
						mu.Lock()
						failed++
						mu.Unlock()
					}
				}
			})
		}
		all.Wait()
		return failed
	}
	check.Same(t, "transactions that failed", lockers(func(ctx context.Context, tx pgx.Tx, keys []int64) error {
		_, err := a.documents.With(tx).LockMany(ctx, keys)
		time.Sleep(time.Millisecond)
		return err
	}), 0)
	if lockers(func(ctx context.Context, tx pgx.Tx, keys []int64) error {
		for _, k := range keys {
			if _, err := a.documents.With(tx).LockMany(ctx, []int64{k}); err != nil {
				return err
			}
			time.Sleep(time.Millisecond)
		}
		return nil
	}) == 0 {
		t.Error("rows locked one by one in two orders met no deadlock: the test shows nothing")
	}
}

func TestLockMany(t *testing.T) {
	a := newArchive(t, testdb.MaxConns(2))
	ctx := t.Context()
	ds := a.add(t, "a", "b")
	_, err := a.documents.LockMany(ctx, []int64{ds[0].ID})
	check.Error(t, "on a pool", err, smrt.ErrBadQuery)

	tx := check.Value(a.pool.Begin(ctx))(t)
	defer tx.Rollback(context.WithoutCancel(ctx))
	got := check.Value(a.documents.With(tx).LockMany(ctx, []int64{ds[1].ID, -1, ds[0].ID, ds[1].ID}))(t)
	check.Same(t, "rows", fmt.Sprint(got[0].Slug, got[1] == nil, got[2].Slug, got[3] == got[0]), "btrueatrue")
	var free int
	check.NoError(t, a.pool.QueryRow(ctx, "SELECT count(*) FROM (SELECT FROM documents FOR UPDATE SKIP LOCKED) AS f").Scan(&free))
	check.Same(t, "rows that are not locked", free, 0)
	check.Same(t, "no keys", len(check.Value(a.documents.With(tx).LockMany(ctx, nil))(t)), 0)
}
