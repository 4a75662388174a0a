package repo

import (
	"context"
	"unsafe"

	"github.com/smrt-go/smrt/internal/crud"
	"github.com/smrt-go/smrt/internal/mark"
	"github.com/smrt-go/smrt/internal/plan"
	"github.com/smrt-go/smrt/preload"
	"github.com/smrt-go/smrt/query"
)

// The functions below read rows and then load relations into them. Loads that
// cannot be are refused before anything is sent. If a load fails there are no
// rows: a caller that ignores the error finds no half of an answer.

func get(ctx context.Context, b *crud.Bound, key unsafe.Pointer, loads preload.Loads) (unsafe.Pointer, error) {
	if r := loads.Joined(); r != nil {
		return loadOne(ctx, b, loads, r, func() (unsafe.Pointer, error) { return b.GetWith(ctx, key, r) })
	}
	return loadOne(ctx, b, loads, nil, func() (unsafe.Pointer, error) { return b.Get(ctx, key) })
}

func first(ctx context.Context, b *crud.Bound, s *plan.Spec, loads preload.Loads) (unsafe.Pointer, error) {
	if r := loads.Joined(); r != nil {
		return loadOne(ctx, b, loads, r, func() (unsafe.Pointer, error) { return b.FirstWith(ctx, s, r) })
	}
	return loadOne(ctx, b, loads, nil, func() (unsafe.Pointer, error) { return b.First(ctx, s) })
}

func one(ctx context.Context, b *crud.Bound, s *plan.Spec, loads preload.Loads) (unsafe.Pointer, error) {
	if r := loads.Joined(); r != nil {
		return loadOne(ctx, b, loads, r, func() (unsafe.Pointer, error) { return b.OneWith(ctx, s, r) })
	}
	return loadOne(ctx, b, loads, nil, func() (unsafe.Pointer, error) { return b.One(ctx, s) })
}

func loadOne(ctx context.Context, b *crud.Bound, loads preload.Loads, r crud.Riders, read func() (unsafe.Pointer, error)) (unsafe.Pointer, error) {
	if err := loads.Check(); err != nil {
		return nil, err
	}
	p, err := read()
	if err != nil || len(loads) == 0 {
		return p, err
	}
	if err := preload.Run(ctx, b.DB, preload.Places([]unsafe.Pointer{p}), loads, r); err != nil {
		return nil, err
	}
	return p, nil
}

func getMany(ctx context.Context, b *crud.Bound, keys unsafe.Pointer, n int, loads preload.Loads) ([]unsafe.Pointer, error) {
	if err := loads.Check(); err != nil {
		return nil, err
	}
	ps, err := b.GetMany(ctx, keys, n)
	if err != nil || len(loads) == 0 {
		return ps, err
	}
	if err := preload.Run(ctx, b.DB, preload.Places(ps), loads, nil); err != nil {
		return nil, err
	}
	return ps, nil
}

func find(ctx context.Context, b *crud.Bound, s *plan.Spec, loads preload.Loads) (crud.Slice, error) {
	if err := loads.Check(); err != nil {
		return crud.Slice{}, err
	}
	if len(loads) == 0 {
		return b.Find(ctx, s)
	}
	var vs crud.Slice
	var err error
	r := loads.Joined()
	if r != nil {
		vs, err = b.FindWith(ctx, s, r)
	} else {
		vs, err = b.Find(ctx, s)
	}
	if err == nil {
		err = loadAll(ctx, b, vs, loads, r)
	}
	if err != nil {
		return crud.Slice{}, err
	}
	return vs, nil
}

func page(ctx context.Context, b *crud.Bound, s *plan.Spec, p query.Page, loads preload.Loads) (*crud.Page, error) {
	if err := loads.Check(); err != nil {
		return nil, err
	}
	page, err := b.Page(ctx, s, p.Size, p.After, p.Before)
	if err != nil || len(loads) == 0 {
		return page, err
	}
	if err := loadAll(ctx, b, page.Items, loads, nil); err != nil {
		return nil, err
	}
	return page, nil
}

func pageNumber(ctx context.Context, b *crud.Bound, s *plan.Spec, number, size int, loads preload.Loads) (*crud.OffsetPage, error) {
	if err := loads.Check(); err != nil {
		return nil, err
	}
	page, err := b.PageNumber(ctx, s, number, size)
	if err != nil || len(loads) == 0 {
		return page, err
	}
	if err := loadAll(ctx, b, page.Items, loads, nil); err != nil {
		return nil, err
	}
	return page, nil
}

func loadAll(ctx context.Context, b *crud.Bound, vs crud.Slice, loads preload.Loads, r crud.Riders) error {
	rows := b.Found(vs)
	return preload.Run(ctx, b.DB, preload.Rows(rows.Base, rows.Size, rows.N), loads, r)
}

// streamed is how many rows of a stream are loaded at a time.
const streamed = 500

func stream(ctx context.Context, b *crud.Bound, s *plan.Spec, loads preload.Loads, yield func(unsafe.Pointer, error) bool) {
	if len(loads) == 0 {
		b.Stream(ctx, s, yield)
		return
	}
	b.Chunks(ctx, s, streamed, loads.Check(), func(on *crud.Bound, rows crud.Rows) error {
		return preload.Run(mark.Deliberate(ctx), on.DB, preload.Rows(rows.Base, rows.Size, rows.N), loads, nil)
	}, yield)
}
