package txn_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/txn"
)

// TestLock proves that a lock excludes, family by family and key by key, until
// the transaction ends.
func TestLock(t *testing.T) {
	b := newBank(t, testdb.MaxConns(2))
	jobs, mails := txn.NewLock[int64]("jobs"), txn.NewLock[int64]("mails")
	try := func(ctx context.Context, lock func(context.Context, pgx.Tx) (bool, error)) bool {
		t.Helper()
		var got bool
		check.NoError(t, txn.Run(txn.WithoutTx(ctx), b, func(ctx context.Context, tx pgx.Tx) (err error) {
			got, err = lock(ctx, tx)
			return err
		}))
		return got
	}
	first := func(ctx context.Context, tx pgx.Tx) (bool, error) { return jobs.Try(ctx, tx, 1) }
	check.NoError(t, txn.Run(t.Context(), b, func(ctx context.Context, tx pgx.Tx) error {
		check.NoError(t, jobs.Acquire(ctx, tx, 1, 3))
		check.NoError(t, mails.AcquireShared(ctx, tx, 1))
		check.NoError(t, jobs.Acquire(ctx, tx)) // nothing
		check.Same(t, "held", try(ctx, first), false)
		check.Same(t, "another key", try(ctx, func(ctx context.Context, tx pgx.Tx) (bool, error) { return jobs.Try(ctx, tx, 2) }), true)
		check.Same(t, "shared", try(ctx, func(ctx context.Context, tx pgx.Tx) (bool, error) { return mails.TryShared(ctx, tx, 1) }), true)
		check.Same(t, "exclusive", try(ctx, func(ctx context.Context, tx pgx.Tx) (bool, error) { return mails.Try(ctx, tx, 1) }), false)
		err := txn.Run(txn.WithoutTx(ctx), b, func(ctx context.Context, tx pgx.Tx) error {
			return jobs.Acquire(ctx, tx, 3)
		}, txn.Options{LockTimeout: 10 * time.Millisecond})
		check.Error(t, "wait", err, smrt.ErrLockTimeout)
		return nil
	}))
	check.Same(t, "free afterwards", try(t.Context(), first), true)
	check.Error(t, "no transaction", jobs.Acquire(t.Context(), nil, 1), smrt.ErrNoTx)
	_, err := jobs.Try(nil, nil, 1) //nolint:staticcheck // that is tested
	check.Error(t, "nil context", err, smrt.ErrNilContext)
}

// TestLockOrder takes overlapping sets of locks in any order from many
// goroutines: none waits for another that waits for it.
func TestLockOrder(t *testing.T) {
	b := newBank(t, testdb.MaxConns(8))
	lock := txn.NewLock[string]("order")
	var all sync.WaitGroup
	seed := check.Seed(t)
	for i := range uint64(8) {
		all.Go(func() {
			random := rand.New(rand.NewPCG(seed, i))
			for range 40 {
				keys := []string{"a", "b", "c", "d", "a"}
				random.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
				err := txn.Run(t.Context(), b, func(ctx context.Context, tx pgx.Tx) error {
					return lock.Acquire(ctx, tx, keys...)
				}, txn.Options{MaxAttempts: 1})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
}

// TestLockNumbers pins the numbers of keys, on which programs of different
// versions have to agree, and proves that different names have different ones.
func TestLockNumbers(t *testing.T) {
	got := slices.Concat(txn.Numbers("f", []int64{1}), txn.Numbers("f", []string{"1"}), txn.Numbers("f", [][16]byte{{15: 1}}),
		txn.Numbers("f", []int16{-1}), txn.Numbers("f1", []string{""}), txn.Numbers("", []string{"f1"}))
	check.Same(t, "int", txn.Numbers("f", []int{1})[0], got[0])
	check.Same(t, "ascending, each once", slices.IsSorted(txn.Numbers("f", []int{3, 1, 2, 1})) && len(txn.Numbers("f", []int{3, 1, 2, 1})) == 3, true)
	slices.Sort(got)
	check.Same(t, "different", len(slices.Compact(got)), 6)
	check.Same(t, "pinned", txn.Numbers("jobs", []int64{1})[0], 4152857650487556481)
}

// userID and token are keys of a program's own types.
type (
	userID int64
	token  [16]byte
	small  int16
	slug   string
)

// TestLockKeys takes locks by keys of all kinds, and finds them held.
func TestLockKeys(t *testing.T) {
	b := newBank(t, testdb.MaxConns(2))
	holds(t, b, txn.NewLock[int]("a"), 1)
	holds(t, b, txn.NewLock[int16]("a"), 1)
	holds(t, b, txn.NewLock[int32]("a"), -1)
	holds(t, b, txn.NewLock[int64]("a"), 1<<62)
	holds(t, b, txn.NewLock[string]("a"), "")
	holds(t, b, txn.NewLock[[16]byte]("a"), [16]byte{})
	holds(t, b, txn.NewLock[userID](""), 1)
	holds(t, b, txn.NewLock[token]("a"), token{1})
	holds(t, b, txn.NewLock[small]("a"), 1)
	holds(t, b, txn.NewLock[slug]("a"), "ä\x00")
	holds(t, b, txn.Lock[int]{}, 1)
}

func holds[K txn.LockKey](t *testing.T, b *bank, lock txn.Lock[K], key K) {
	t.Helper()
	check.NoError(t, txn.Run(t.Context(), b, func(ctx context.Context, tx pgx.Tx) error {
		check.NoError(t, lock.Acquire(ctx, tx, key))
		check.NoError(t, lock.Acquire(ctx, tx, key, key)) // again
		return txn.Run(txn.WithoutTx(ctx), b, func(ctx context.Context, tx pgx.Tx) error {
			got, err := lock.Try(ctx, tx, key)
			check.Same(t, "taken twice", got, false)
			return err
		})
	}))
}
