package repo

import (
	"context"
	"unsafe"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/crud"
	"github.com/smrt-go/smrt/internal/handle"
	"github.com/smrt-go/smrt/internal/limit"
	"github.com/smrt-go/smrt/internal/load"
	"github.com/smrt-go/smrt/internal/plan"
	"github.com/smrt-go/smrt/internal/table"
	"github.com/smrt-go/smrt/preload"
	"github.com/smrt-go/smrt/query"
)

// untyped sees loads as what they hold: a Load is nothing but a pointer.
func untyped[V any](loads []preload.Load[V]) load.Loads {
	return *(*load.Loads)(unsafe.Pointer(&loads))
}

// A reading is a read of rows into which relations are loaded, all on one node.
// If a load fails there are no rows: a caller that ignores the error finds no
// half of a result. The functions below make one only if there are loads,
// because its closures are allocated.
type reading struct {
	bound *crud.Bound
	op    table.Op
	spec  *plan.Spec // nil: by key
	work  table.Work // without the loads
	loads load.Loads
	apart bool // no load may be part of the statement that reads the rows
}

// withLoads reads the rows, and loads relations into the parents among them.
// Loads that cannot be are refused before anything is sent.
func withLoads[V any](ctx context.Context, r reading, rows func(context.Context, *crud.Bound, crud.JoinedColumns) (V, error), parents func(V) load.Parents) (v V, err error) {
	defer r.bound.Enter(&ctx, r.op).End(&err)
	if err := r.check(ctx); err != nil {
		return v, err
	}
	err = r.bound.Read(ctx, r.op, r.spec, func(on *crud.Bound) (err error) {
		joined, columns := r.joined(on.DB)
		if v, err = rows(ctx, on, columns); err == nil {
			err = load.Run(ctx, on.DB, parents(v), r.loads, joined)
		}
		return err
	})
	if err != nil {
		v = *new(V)
	}
	return v, err
}

// check refuses loads that cannot be, and reads that ask for too much.
func (r *reading) check(ctx context.Context) error {
	if err := r.loads.Check(ctx); err != nil {
		return err
	}
	call := limit.Of(ctx)
	if call.Priced() {
		p := r.bound.Price(ctx, call, r.work)
		at := load.Within
		if r.apart {
			at = load.Apart
		}
		call.Ask(p.Plus(r.loads.Price(call, r.bound.RowsOf(call, r.work), at)))
	}
	return call.Refused()
}

// joined returns the loads that are part of the statement that reads the rows.
// If there are none both results are nil.
func (r *reading) joined(db smrt.DB) (*load.Joined, crud.JoinedColumns) {
	if !r.apart {
		if joined := r.loads.Joined(db); joined != nil {
			return joined, joined
		}
	}
	return nil, nil
}

func onePlace(p unsafe.Pointer) load.Parents { return load.Pointers([]unsafe.Pointer{p}) }

// slice returns the parents in a slice that a Bound returned.
func slice(b *crud.Bound, vs table.Slice) load.Parents {
	rows := b.Found(vs)
	return load.Rows(rows.Base, rows.Size, rows.N)
}

func get(ctx context.Context, b *crud.Bound, key unsafe.Pointer, loads load.Loads) (unsafe.Pointer, error) {
	if len(loads) == 0 {
		return b.Get(ctx, key, nil)
	}
	return withLoads(ctx, reading{bound: b, op: "get", work: table.Work{Does: table.ReadsKeys, N: 1}, loads: loads}, func(ctx context.Context, on *crud.Bound, joined crud.JoinedColumns) (unsafe.Pointer, error) {
		return on.Get(ctx, key, joined)
	}, onePlace)
}

func first(ctx context.Context, b *crud.Bound, s *plan.Spec, loads load.Loads) (unsafe.Pointer, error) {
	if len(loads) == 0 {
		return b.First(ctx, s, nil)
	}
	return withLoads(ctx, reading{bound: b, op: "first", spec: s, work: table.Work{Does: table.ReadsRows, N: 1, Spec: s}, loads: loads}, func(ctx context.Context, on *crud.Bound, joined crud.JoinedColumns) (unsafe.Pointer, error) {
		return on.First(ctx, s, joined)
	}, onePlace)
}

func one(ctx context.Context, b *crud.Bound, s *plan.Spec, loads load.Loads) (unsafe.Pointer, error) {
	if len(loads) == 0 {
		return b.One(ctx, s, nil)
	}
	return withLoads(ctx, reading{bound: b, op: "one", spec: s, work: table.Work{Does: table.ReadsRows, N: 2, Spec: s}, loads: loads}, func(ctx context.Context, on *crud.Bound, joined crud.JoinedColumns) (unsafe.Pointer, error) {
		return on.One(ctx, s, joined)
	}, onePlace)
}

func getMany(ctx context.Context, b *crud.Bound, keys unsafe.Pointer, n int, loads load.Loads) ([]unsafe.Pointer, error) {
	if len(loads) == 0 || n == 0 {
		if err := loads.Check(ctx); err != nil {
			return nil, err
		}
		return b.GetMany(ctx, keys, n)
	}
	return withLoads(ctx, reading{bound: b, op: "get", work: table.Work{Does: table.ReadsKeys, N: n}, loads: loads, apart: true}, func(ctx context.Context, on *crud.Bound, _ crud.JoinedColumns) ([]unsafe.Pointer, error) {
		return on.GetMany(ctx, keys, n)
	}, load.Pointers)
}

func find(ctx context.Context, b *crud.Bound, s *plan.Spec, loads load.Loads) (table.Slice, error) {
	if len(loads) == 0 {
		return b.Find(ctx, s, nil)
	}
	return withLoads(ctx, reading{bound: b, op: "find", spec: s, work: table.Work{Does: table.ReadsRows, Spec: s}, loads: loads}, func(ctx context.Context, on *crud.Bound, joined crud.JoinedColumns) (table.Slice, error) {
		return on.Find(ctx, s, joined)
	}, func(vs table.Slice) load.Parents { return slice(b, vs) })
}

func page(ctx context.Context, b *crud.Bound, s *plan.Spec, p query.Page, loads load.Loads) (*crud.Page, error) {
	if len(loads) == 0 {
		return b.Page(ctx, s, p.Size, p.After, p.Before)
	}
	return withLoads(ctx, reading{bound: b, op: "page", spec: s, work: table.Work{Does: table.ReadsRows, N: p.Size, Spec: s}, loads: loads, apart: true}, func(ctx context.Context, on *crud.Bound, _ crud.JoinedColumns) (*crud.Page, error) {
		return on.Page(ctx, s, p.Size, p.After, p.Before)
	}, func(p *crud.Page) load.Parents { return slice(b, p.Items) })
}

func offsetPage(ctx context.Context, b *crud.Bound, s *plan.Spec, p offset, loads load.Loads) (*crud.OffsetPage, error) {
	if len(loads) == 0 {
		return b.PageNumber(ctx, s, p.number, p.size)
	}
	return withLoads(ctx, reading{bound: b, op: "page", spec: s, work: crud.NumberedPage(s, p.number, p.size), loads: loads, apart: true}, func(ctx context.Context, on *crud.Bound, _ crud.JoinedColumns) (*crud.OffsetPage, error) {
		return on.PageNumber(ctx, s, p.number, p.size)
	}, func(p *crud.OffsetPage) load.Parents { return slice(b, p.Items) })
}

func stream(ctx context.Context, b *crud.Bound, s *plan.Spec, loads load.Loads, yield func(unsafe.Pointer, error) bool) {
	if len(loads) == 0 {
		b.Stream(ctx, s, yield)
		return
	}
	r := reading{bound: b, work: table.Work{Does: table.ReadsRows, Spec: s}, loads: loads, apart: true}
	b.Chunks(ctx, s, r.check, func(ctx context.Context, on *crud.Bound, rows table.Rows) error {
		return load.Run(handle.WithoutCounting(ctx), on.DB, load.Rows(rows.Base, rows.Size, rows.N), loads, nil)
	}, yield)
}
