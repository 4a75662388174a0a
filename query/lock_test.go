package query_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/query"
)

// TestLocks locks a row on one connection and asks for it on a second one.
func TestLocks(t *testing.T) {
	t.Parallel()
	pool := thingsPool(t, testdb.MaxConns(3))
	r := fillThings(t, pool)
	ctx := t.Context()
	row := query.Where(thingID.In(1, 2))
	inTx := func(f func(pgx.Tx)) {
		t.Helper()
		tx, err := pool.Begin(ctx)
		if err != nil {
			t.Fatal(err)
		}
		defer tx.Rollback(context.Background()) //nolint:errcheck // the end of a test
		f(tx)
	}
	conflicts := map[[2]query.Lock]bool{
		{query.ForKeyShare, query.ForUpdate}:         true,
		{query.ForKeyShare, query.ForNoKeyUpdate}:    false,
		{query.ForShare, query.ForShare}:             false,
		{query.ForShare, query.ForNoKeyUpdate}:       true,
		{query.ForNoKeyUpdate, query.ForKeyShare}:    false,
		{query.ForNoKeyUpdate, query.ForShare}:       true,
		{query.ForUpdate, query.ForKeyShare}:         true,
		{query.ForUpdate, query.ForUpdate}:           true,
		{query.ForNoKeyUpdate, query.ForNoKeyUpdate}: true,
	}
	for pair, conflict := range conflicts {
		inTx(func(first pgx.Tx) {
			if _, err := r.With(first).Find(ctx, query.Where(thingID.Eq(1)).Lock(pair[0], query.Block)); err != nil {
				t.Fatal(err)
			}
			inTx(func(second pgx.Tx) {
				got, err := r.With(second).Find(ctx, row.Lock(pair[1], query.SkipLocked))
				if err != nil || (len(got) == 1) != conflict {
					t.Errorf("%v: skip locked: %d rows, %v", pair, len(got), err)
				}
				_, err = r.With(second).Find(ctx, row.Lock(pair[1], query.NoWait))
				if (sqlState(err) == "55P03") != conflict {
					t.Errorf("%v: nowait: %v", pair, err)
				}
			})
		})
	}
	inTx(func(first pgx.Tx) {
		if _, err := r.With(first).Find(ctx, row.Lock(query.ForUpdate, query.Block)); err != nil {
			t.Fatal(err)
		}
		waiting, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
		defer cancel()
		if _, err := r.Find(waiting, row.Lock(query.ForUpdate, query.Block)); err == nil {
			t.Error("a blocking lock did not wait")
		}
		if got := find(t, r, row.Lock(0, query.NoWait)); !slices.Equal(got, ids(1, 2)) {
			t.Errorf("no lock: %v", got)
		}
	})
	if _, err := r.Count(ctx, row.Lock(query.ForUpdate, query.Block)); err == nil {
		t.Error("counted rows were locked")
	}
}
