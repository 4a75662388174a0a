package crud

import (
	"context"
	"math"
	"sync/atomic"
	"unsafe"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/cached"
	"github.com/smrt-go/smrt/internal/handle"
	"github.com/smrt-go/smrt/internal/keyset"
	"github.com/smrt-go/smrt/internal/limit"
	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/pgerr"
	"github.com/smrt-go/smrt/internal/plan"
	"github.com/smrt-go/smrt/internal/table"
)

// Bound is a table on a handle, with what is read of its rows. Its methods are
// those of a repository whose entities are known by address only; each says
// which operation failed. A generic method that calls one of them is some
// hundred bytes of code, of which a program has one for each entity.
type Bound struct {
	DB    smrt.DB
	Table *table.Table
	Rows  *table.Projection

	// Entity finds the entity in a row, whose columns are then the first ones
	// of the result. It is nil where a row does not hold one.
	Entity  meta.Accessor
	Secrets [][]byte // of cursors; the first makes them

	rules *table.Rules // that writes check; nil: there are none, or they are switched off

	// The limits of calls; nil: there are none.
	limits *limit.Set // of the repository and of the handle
	own    *limit.Set // of the repository

	batching   Batching
	caller     func(context.Context) any // identifies a caller of the repository, nil if that is not named
	callerHere func(context.Context) any // the same of the handle
	batcher    *batcher                  // nil: each read by key is a statement of its own
	nodes      []atomic.Pointer[Bound]   // b on each node of a handle that routes; nil: it does not

	reruns int   // of the call before this one
	failed error // that made it run again
}

// Page is one page of rows. A repo.Page is the same memory with a type.
type Page struct {
	Items      table.Slice
	Next, Prev string
}

// fail gives an error its type and the name of the operation. It returns nil for
// nil.
func (b *Bound) fail(ctx context.Context, op table.Op, err error) error {
	return b.Table.Fail(ctx, b.DB, op, err)
}

// wrap is fail for the error that an operation is about to return.
func (b *Bound) wrap(ctx context.Context, op table.Op, err *error) { *err = b.fail(ctx, op, *err) }

// Bind returns a table on a handle, read as its own entities.
func Bind(db smrt.DB, t *plan.Table) *Bound {
	of := table.Of(t)
	b := &Bound{Table: of, Rows: of.Self, Entity: func(p unsafe.Pointer) unsafe.Pointer { return p }, rules: of.Checks}
	b.batching = DefaultBatching
	b.bindTo(db)
	return b
}

// SetLimits sets the limits of the repository, which hold on any handle. Those of the
// handle come beside them when b is bound, and those of a request with its context.
func (b *Bound) SetLimits(s *limit.Set) {
	b.limits, b.own = b.limits.With(s), b.own.With(s)
}

// Enter begins an operation, of which ctx carries the limits. Each operation begins
// with it or with Begin, and ends the call that it returns:
//
//	defer b.Begin(&ctx, "find", table.Work{Does: table.ReadsRows, Spec: s}).End(&err)
//
// What an operation consists of finds the call in its context. It is nil if there are
// no limits, and for an operation that is a part of another.
func (b *Bound) Enter(ctx *context.Context, op table.Op) *limit.Call {
	return limit.Enter(ctx, b.limits, op, b.Table.Name).Sends(1)
}

// Begin is Enter of an operation that does work and nothing beside it.
func (b *Bound) Begin(ctx *context.Context, op table.Op, w table.Work) *limit.Call {
	c := b.Enter(ctx, op)
	b.ask(*ctx, c, w)
	return c
}

// ask charges a call for work.
func (b *Bound) ask(ctx context.Context, c *limit.Call, w table.Work) {
	if c.Priced() {
		c.Ask(b.Price(ctx, c, w))
	}
}

// RowsOf returns how many rows work reads at most.
func (b *Bound) RowsOf(c *limit.Call, w table.Work) int64 { return b.Table.Rows(c, w) }

// Price returns what work asks for.
func (b *Bound) Price(ctx context.Context, c *limit.Call, w table.Work) limit.Price {
	columns := len(b.Rows.Targets)
	switch w.Does {
	case table.ReadsKeys, table.ReadsRows, table.ReadsNumbered:
		w.Exprs = b.Rows.Exprs
	case table.WritesRows:
		columns = len(b.Table.Struct.Columns)
	}
	return b.Table.Price(ctx, c, w, columns)
}

func (b *Bound) priceOfGroups(ctx context.Context, call *limit.Call, g *plan.Groups, s *plan.Spec) limit.Price {
	n := int64(1)
	if g.Keyed() {
		n = call.RowsAsked(g.Spec.Limit, 0)
	}
	return b.Table.Price(ctx, call, table.Work{Does: table.Computes, N: int(min(limit.Product(n, int64(len(g.Outputs))), math.MaxInt)), Spec: s, Exprs: g.Outputs}, 0)
}

// NumberedPage is the work of a page that is known by its number: all rows are counted.
func NumberedPage(s *plan.Spec, number, size int) table.Work {
	if number > 0 && number <= maxPageNumber && size > 0 && size <= keyset.MaxPageSize {
		s = s.OrEmpty().WithOffset((number - 1) * size)
	}
	return table.Work{Does: table.ReadsNumbered, N: size, Spec: s}
}

// maxPageNumber is the last page that may be asked for by its number.
const maxPageNumber = 1_000_000

// SetBatching sets how reads by key are batched, and what identifies a caller.
func (b *Bound) SetBatching(s Batching, caller func(context.Context) any) {
	b.batching, b.caller = s, caller
	b.bindBelow(b.DB)
}

// With is b on another handle.
func (b *Bound) With(db smrt.DB) *Bound {
	with := *b
	with.bindTo(db)
	return &with
}

// WithoutRules is b that checks no rules of values.
func (b *Bound) WithoutRules() *Bound {
	without := *b
	without.rules = nil
	without.bindBelow(b.DB)
	return &without
}

// bindTo binds b to a handle. Reads by key are batched on it, or on each of its
// nodes if it routes. What limits the handle is taken off it: operations see to it.
func (b *Bound) bindTo(db smrt.DB) {
	db, limits := limit.Below(db)
	b.limits = b.own.With(limits)
	b.bindBelow(db)
}

// bindBelow binds b to a handle without limits.
func (b *Bound) bindBelow(db smrt.DB) {
	if b.nodes = nodesOf(db); b.nodes == nil {
		b.bindHere(db)
	} else {
		b.DB, b.callerHere, b.batcher = db, nil, nil
	}
}

// bindHere binds b to a handle that does not route.
func (b *Bound) bindHere(db smrt.DB) {
	b.DB, b.nodes, b.callerHere = db, nil, handle.CallerOf(db)
	b.batcher = nil
	if len(b.Table.Key) > 0 {
		b.batcher = batcherOf(db, b.Rows, b.batching, b.caller, b.callerHere)
	}
}

// As is b with another projection. If that is made for one request, nobody shares
// its reads.
func (b *Bound) As(rows *table.Projection, entity meta.Accessor, forOne bool) *Bound {
	as := *b
	as.Rows, as.Entity = rows, entity
	if forOne {
		as.batching = Batching{}
	}
	as.bindBelow(b.DB)
	return &as
}

// keepWritten ends a call that wrote to entities what came back from the server,
// and that ended with err:
//
//	it failed                         the entities are what they were
//	in a transaction that package     they are what they were if it is rolled
//	txn began, or that was adopted    back, with its savepoint or as a whole
//	in one that was begun by hand     they stay as they are: nobody says how it
//	                                  ends
//	outside of transactions           they stay as they are
func (b *Bound) keepWritten(ctx context.Context, w *table.Written, err error) {
	switch {
	case w == nil:
		return
	case err != nil:
		w.Undo()
	case !w.None():
		if u := handle.UndoerOf(ctx, b.DB); u != nil {
			w.Note()
			if u.OnUndo(w) {
				return
			}
		}
	}
	w.Forget()
}

// A table may be altered while a program runs. Then a statement fails that pgx
// has prepared, or that was made for what the catalog had said: it is run once
// more, with the catalog asked anew, and in a way that uses nothing prepared,
// because every connection of a pool has prepared it. Another error then may be
// due to another alteration, and leads to another run, up to pgerr.MaxReruns.
// What failed had no effect. Inside a transaction, which has failed with it, the
// first error is returned, marked so that txn.Run runs the closure once more.
//
// A call is run again as a whole, and only if it has handed out no row.

// anew returns b as it is to run a call once more that failed with err after
// it had handed out so many rows, or nil if that is of no use.
func (b *Bound) anew(err error, rows int) *Bound {
	if err == nil || rows > 0 || !pgerr.IsOutdated(err) {
		return nil
	}
	if b.reruns == pgerr.MaxReruns || b.reruns > 0 && pgerr.IsSame(b.failed, err) {
		return nil
	}
	b.Table.ForgetCatalog(b.DB, err)
	on := *b
	if b.reruns == 0 {
		on.DB, on.batcher = handle.Unprepared{DB: b.DB}, nil
	}
	on.reruns, on.failed = b.reruns+1, err
	return &on
}

// again runs a call, and once more if that may be of use.
func (b *Bound) again(run func(on *Bound) error) error {
	err := run(b)
	for on := b.anew(err, 0); on != nil; { // a recursive function would let each run be allocated
		next := run(on)
		err, on = better(err, next), on.anew(next, 0)
	}
	return err
}

// fill reads what will be kept. If the handle routes that is where the cache says,
// because a standby may not have what the cache was told of.
func (b *Bound) fill(ctx context.Context, t cached.Table, read func(ctx context.Context, on *Bound) error) error {
	if b.nodes != nil {
		ctx = t.Filling(ctx)
	}
	return b.Read(ctx, "get", nil, func(on *Bound) error {
		return on.again(func(on *Bound) error { return read(ctx, on) })
	})
}

// better returns the error of the second run, if that ran at all.
func better(first, second error) error {
	switch {
	case pgerr.IsTxAborted(second) && pgerr.IsOfServer(first):
		return &pgerr.OutdatedError{Err: first}
	case pgerr.IsTxAborted(second):
		return first
	case pgerr.FaultOf(second) == pgerr.Permanent && pgerr.IsOfServer(second) && !pgerr.IsOutdated(second) && !pgerr.IsAboutRow(second):
		return first // a pooler kept the second from running; a deadlock and its like are news
	}
	return second
}
