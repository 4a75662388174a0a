package handle

import (
	"context"
	"reflect"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
)

// Wrapper is a handle that stands for another.
type Wrapper interface {
	// Unwrap returns the handle that it stands for.
	Unwrap() smrt.DB
}

// Relative is a handle of a database that another handle is of too. Neither
// wraps the other, because what is sent on them goes different ways.
type Relative interface {
	// Kin returns the handle that represents both.
	Kin() any
}

// ReadOnly is a handle that cannot write.
type ReadOnly interface {
	// RefuseWrites returns the error of a write on the handle, nil if it is
	// allowed.
	RefuseWrites() error
}

// Rewriter is a handle that changes what is sent on it. A transaction that is begun on
// the handle it stands for does not, nor does a unit of work, which is sent on that.
type Rewriter interface {
	// RefuseBegin returns the error of going past the handle in this way.
	RefuseBegin() error
}

// CommitKeeper is a handle that wants to know the positions of commits made on
// it.
type CommitKeeper interface {
	// KeepCommits returns where the positions of commits made under ctx go, nil
	// if they are not wanted.
	KeepCommits(ctx context.Context) func(smrt.Position)
}

// Concurrent is a handle that goroutines may use at the same time though it
// lends no connections.
type Concurrent interface{ Concurrent() }

// Resetter is a pool that can forget its connections, so that it connects anew:
// a server that was the primary answers on the old ones as before.
type Resetter interface{ Reset() }

// Traits is a handle that implements the interfaces of this package by another
// value.
type Traits interface {
	// Traits returns that value.
	Traits() any
}

// PositionTx is a transaction that returns the position of its commit.
type PositionTx interface {
	pgx.Tx

	// CommitPosition is Commit, and returns the position, zero if it is not
	// known.
	CommitPosition(ctx context.Context) (smrt.Position, error)
}

var _ Resetter = (*pgxpool.Pool)(nil)

// traits returns the value to ask for the interfaces of this package.
func traits(db any) any {
	if t, ok := db.(Traits); ok {
		return t.Traits()
	}
	return db
}

// Root returns the handle that db stands for: the last of a chain of Wrappers.
func Root(db any) any {
	for range maxWrappers {
		w, ok := traits(db).(Wrapper)
		if !ok {
			break
		}
		db = w.Unwrap()
	}
	return db
}

// maxWrappers bounds a chain of handles, which by mistake may be a ring.
const maxWrappers = 16

// kin returns the handle that db represents a database together with, which is
// db itself for most.
func kin(db any) any {
	if k, ok := traits(db).(Relative); ok {
		return k.Kin()
	}
	return db
}

// same compares handles. Those that cannot be compared are never the same:
// == would panic.
func same(a, b any) bool {
	if a == nil || b == nil {
		return false
	}
	t := reflect.TypeOf(a)
	if t != reflect.TypeOf(b) {
		return false
	}
	return (t.Kind() == reflect.Pointer || reflect.ValueOf(a).Comparable() && reflect.ValueOf(b).Comparable()) && a == b
}

// RefuseWrite returns the error of a write on db, nil if it is allowed.
func RefuseWrite(db smrt.DB) error {
	if r, ok := traits(db).(ReadOnly); ok {
		return r.RefuseWrites()
	}
	return nil
}

// RefuseBegin returns the error of beginning a transaction, or sending a unit of work, on
// the [Root] of db, nil if it is allowed.
func RefuseBegin(db any) error {
	for range maxWrappers {
		t := traits(db)
		if r, ok := t.(Rewriter); ok {
			return r.RefuseBegin()
		}
		w, ok := t.(Wrapper)
		if !ok {
			break
		}
		db = w.Unwrap()
	}
	return nil
}

// KeepCommits returns where the positions of commits made on db under ctx go,
// nil if they are not wanted.
func KeepCommits(ctx context.Context, db any) func(smrt.Position) {
	if k, ok := traits(db).(CommitKeeper); ok {
		return k.KeepCommits(ctx)
	}
	return nil
}

// IsPool reports whether db lends connections.
func IsPool(db smrt.DB) bool {
	_, ok := db.(smrt.Pool)
	return ok
}

// MayShare reports whether goroutines may use db at the same time: it is a pool,
// or says so. A connection and a transaction must not be shared.
func MayShare(db smrt.DB) bool {
	_, ok := traits(db).(Concurrent)
	return ok || IsPool(db)
}

// Reset lets db forget its connections, if it can.
func Reset(db any) {
	if r, ok := traits(db).(Resetter); ok {
		r.Reset()
	}
}
