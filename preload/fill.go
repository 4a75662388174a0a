package preload

import (
	"context"
	"unsafe"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/load"
)

// MaxParallel is how many statements of one call run at the same time, each on
// a connection of its own, where the handle lends connections.
const MaxParallel = load.MaxParallel

// Fill loads relations into rows, wherever they came from: a repository, a
// query of sqlc, or the program itself. It sends one statement for each load,
// and none for a load whose rows have no key. Statements that do not wait for
// one another run in parallel on a pool, and in one round trip on a transaction
// or a connection.
//
// If a statement fails the others are cancelled, and only some of the fields are
// set.
func Fill[V any](ctx context.Context, db smrt.DB, vs []V, loads ...Load[V]) error {
	return load.Fill(ctx, db, rowsOf(vs), untyped(loads))
}

// FillPointers is [Fill] for pointers to rows. Nil pointers are skipped.
func FillPointers[V any](ctx context.Context, db smrt.DB, vs []*V, loads ...Load[V]) error {
	return load.Fill(ctx, db, load.Pointers(unsafe.Slice((*unsafe.Pointer)(unsafe.Pointer(unsafe.SliceData(vs))), len(vs))), untyped(loads))
}

// ErrTooDeep says that loads nest deeper than allowed.
var ErrTooDeep = load.ErrTooDeep

// DepthError is the [ErrTooDeep] of a load: how deep it is, how deep it may be,
// and the relation of the outermost load.
type DepthError = load.DepthError
