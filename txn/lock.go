package txn

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"reflect"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/handle"
	"github.com/smrt-go/smrt/internal/pgerr"
	"github.com/smrt-go/smrt/internal/traced"
)

// LockKey is the types of the keys that name a [Lock]; ~[16]byte is for UUIDs.
type LockKey interface {
	~int | ~int16 | ~int32 | ~int64 | ~string | ~[16]byte
}

// Lock is a family of advisory locks, one for each key: for what no row stands
// for, such as a job that must not run twice at a time. A lock is held until the
// transaction ends, and there is nothing to unlock. A Lock is a value without
// state of its own: any number of goroutines may use it, each with a transaction.
//
//	var invoicing = txn.NewLock[int64]("invoicing") // by customer
//
//	err := invoicing.Acquire(ctx, tx, customerID)
//
// PostgreSQL's advisory locks have numbers, which are made of family and key by
// SHA-256. Two keys have the same number once in 2^64; then they exclude each
// other, and that is all.
type Lock[K LockKey] struct{ family string }

// NewLock declares a family of locks. Programs that are to exclude each other
// use the same name.
func NewLock[K LockKey](family string) Lock[K] { return Lock[K]{family} }

// Acquire waits for the locks of all keys, in one round trip. It takes them in an
// order of its own, not in that of the arguments, so that two calls never wait for
// each other. A lock that the transaction holds already is no problem. [Options].LockTimeout bounds the wait: smrt.ErrLockTimeout.
// Without a transaction the error is smrt.ErrNoTx.
func (l Lock[K]) Acquire(ctx context.Context, tx pgx.Tx, keys ...K) error {
	return acquire(ctx, tx, "pg_advisory_xact_lock", l.family, numbers(l.family, keys))
}

// AcquireShared is Acquire for a lock that any number of transactions may share
// with each other, but not with Acquire.
func (l Lock[K]) AcquireShared(ctx context.Context, tx pgx.Tx, keys ...K) error {
	return acquire(ctx, tx, "pg_advisory_xact_lock_shared", l.family, numbers(l.family, keys))
}

// Try takes the lock of a key if it is free, and reports whether it did. It does
// not wait. Without a transaction the error is smrt.ErrNoTx.
func (l Lock[K]) Try(ctx context.Context, tx pgx.Tx, key K) (bool, error) {
	return try(ctx, tx, "pg_try_advisory_xact_lock", l.family, numbers(l.family, []K{key}))
}

// TryShared is Try for a lock that any number of transactions may share with each
// other, but not with Acquire and Try.
func (l Lock[K]) TryShared(ctx context.Context, tx pgx.Tx, key K) (bool, error) {
	return try(ctx, tx, "pg_try_advisory_xact_lock_shared", l.family, numbers(l.family, []K{key}))
}

// numbers are the numbers of keys, each once, ascending.
func numbers[K LockKey](family string, keys []K) []int64 {
	out := make([]int64, len(keys))
	for i, key := range keys {
		out[i] = number(family, reflect.ValueOf(key))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// number hashes the length of the family, the family and the key, so that no
// two pairs look alike.
func number(family string, key reflect.Value) int64 {
	text := binary.BigEndian.AppendUint64(nil, uint64(len(family)))
	text = append(text, family...)
	switch key.Kind() {
	case reflect.String:
		text = append(append(text, 's'), key.String()...)
	case reflect.Array:
		text = append(text, 'b')
		for i := range key.Len() {
			text = append(text, byte(key.Index(i).Uint()))
		}
	default:
		text = binary.BigEndian.AppendUint64(append(text, 'i'), uint64(key.Int()))
	}
	sum := sha256.Sum256(text)
	return int64(binary.BigEndian.Uint64(sum[:8]))
}

// acquire waits for all locks in one statement.
func acquire(ctx context.Context, tx pgx.Tx, function, family string, keys []int64) error {
	if err := checkLock(ctx, tx); err != nil || len(keys) == 0 {
		return err
	}
	// The rows of unnest come in the order of the array, and the function is
	// called row by row.
	_, err := tx.Exec(ctx, traced.Pass("SELECT "+function+"(k) FROM unnest($1::bigint[]) AS k", "", "lock"), keys)
	named := pgerr.Wrap("acquire", fmt.Sprintf("lock %q", family), err)
	if h, ok := handle.Root(tx).(*managedTx); ok {
		return h.a.withSentinel(named)
	}
	return withSentinel(named, err, false)
}

func try(ctx context.Context, tx pgx.Tx, function, family string, keys []int64) (ok bool, err error) {
	if err := checkLock(ctx, tx); err != nil {
		return false, err
	}
	err = tx.QueryRow(ctx, traced.Pass("SELECT "+function+"($1)", "", "lock"), keys[0]).Scan(&ok)
	return ok, pgerr.Wrap("try", fmt.Sprintf("lock %q", family), err)
}

func checkLock(ctx context.Context, tx pgx.Tx) error {
	if ctx == nil {
		return smrt.ErrNilContext
	}
	if isNil(tx) {
		return smrt.ErrNoTx
	}
	return nil
}
