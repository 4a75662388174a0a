package repo

import (
	"context"
	"unsafe"

	"github.com/smrt-go/smrt/internal/crud"
	"github.com/smrt-go/smrt/internal/handle"
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

// The functions below read rows and then load relations into them, all on one
// place. Loads that cannot be are refused before anything is sent. If a load
// fails there are no rows: a caller that ignores the error finds no half of an
// answer.

func get(ctx context.Context, b *crud.Bound, key unsafe.Pointer, loads load.Loads) (unsafe.Pointer, error) {
	if len(loads) == 0 {
		return b.Get(ctx, key)
	}
	return loadOne(ctx, b, "get", nil, loads, func(on *crud.Bound, r *load.Joined) (unsafe.Pointer, error) {
		if r != nil {
			return on.GetWith(ctx, key, r)
		}
		return on.Get(ctx, key)
	})
}

func first(ctx context.Context, b *crud.Bound, s *plan.Spec, loads load.Loads) (unsafe.Pointer, error) {
	if len(loads) == 0 {
		return b.First(ctx, s)
	}
	return loadOne(ctx, b, "first", s, loads, func(on *crud.Bound, r *load.Joined) (unsafe.Pointer, error) {
		if r != nil {
			return on.FirstWith(ctx, s, r)
		}
		return on.First(ctx, s)
	})
}

func one(ctx context.Context, b *crud.Bound, s *plan.Spec, loads load.Loads) (unsafe.Pointer, error) {
	if len(loads) == 0 {
		return b.One(ctx, s)
	}
	return loadOne(ctx, b, "one", s, loads, func(on *crud.Bound, r *load.Joined) (unsafe.Pointer, error) {
		if r != nil {
			return on.OneWith(ctx, s, r)
		}
		return on.One(ctx, s)
	})
}

func loadOne(
	ctx context.Context, b *crud.Bound, op table.Op, s *plan.Spec, loads load.Loads,
	read func(on *crud.Bound, r *load.Joined) (unsafe.Pointer, error),
) (p unsafe.Pointer, err error) {
	if err := loads.Check(); err != nil {
		return nil, err
	}
	err = b.Read(ctx, op, s, func(on *crud.Bound) (err error) {
		r := loads.Joined()
		if p, err = read(on, r); err == nil {
			err = load.Run(ctx, on.DB, load.Pointers([]unsafe.Pointer{p}), loads, r)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return p, nil
}

func getMany(ctx context.Context, b *crud.Bound, keys unsafe.Pointer, n int, loads load.Loads) (ps []unsafe.Pointer, err error) {
	if err := loads.Check(); err != nil {
		return nil, err
	}
	if len(loads) == 0 || n == 0 {
		return b.GetMany(ctx, keys, n)
	}
	err = b.Read(ctx, "get", nil, func(on *crud.Bound) (err error) {
		if ps, err = on.GetMany(ctx, keys, n); err == nil {
			err = load.Run(ctx, on.DB, load.Pointers(ps), loads, nil)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return ps, nil
}

func find(ctx context.Context, b *crud.Bound, s *plan.Spec, loads load.Loads) (vs table.Slice, err error) {
	if len(loads) == 0 {
		return b.Find(ctx, s)
	}
	if err := loads.Check(); err != nil {
		return table.Slice{}, err
	}
	err = b.Read(ctx, "find", s, func(on *crud.Bound) (err error) {
		r := loads.Joined()
		if r != nil {
			vs, err = on.FindWith(ctx, s, r)
		} else {
			vs, err = on.Find(ctx, s)
		}
		if err == nil {
			err = loadAll(ctx, on, vs, loads, r)
		}
		return err
	})
	if err != nil {
		return table.Slice{}, err
	}
	return vs, nil
}

func page(ctx context.Context, b *crud.Bound, s *plan.Spec, p query.Page, loads load.Loads) (page *crud.Page, err error) {
	if len(loads) == 0 {
		return b.Page(ctx, s, p.Size, p.After, p.Before)
	}
	if err := loads.Check(); err != nil {
		return nil, err
	}
	err = b.Read(ctx, "page", s, func(on *crud.Bound) (err error) {
		if page, err = on.Page(ctx, s, p.Size, p.After, p.Before); err == nil {
			err = loadAll(ctx, on, page.Items, loads, nil)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return page, nil
}

func pageNumber(ctx context.Context, b *crud.Bound, s *plan.Spec, number, size int, loads load.Loads) (page *crud.OffsetPage, err error) {
	if len(loads) == 0 {
		return b.PageNumber(ctx, s, number, size)
	}
	if err := loads.Check(); err != nil {
		return nil, err
	}
	err = b.Read(ctx, "page", s, func(on *crud.Bound) (err error) {
		if page, err = on.PageNumber(ctx, s, number, size); err == nil {
			err = loadAll(ctx, on, page.Items, loads, nil)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return page, nil
}

func loadAll(ctx context.Context, b *crud.Bound, vs table.Slice, loads load.Loads, r *load.Joined) error {
	rows := b.Found(vs)
	return load.Run(ctx, b.DB, load.Rows(rows.Base, rows.Size, rows.N), loads, r)
}

// streamed is how many rows of a stream are loaded at a time.
const streamed = 500

func stream(ctx context.Context, b *crud.Bound, s *plan.Spec, loads load.Loads, yield func(unsafe.Pointer, error) bool) {
	if len(loads) == 0 {
		b.Stream(ctx, s, yield)
		return
	}
	b.Chunks(ctx, s, streamed, loads.Check(), func(on *crud.Bound, rows table.Rows) error {
		return load.Run(handle.WithoutCounting(ctx), on.DB, load.Rows(rows.Base, rows.Size, rows.N), loads, nil)
	}, yield)
}
