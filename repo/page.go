package repo

import (
	"context"
	"slices"
	"unsafe"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/crud"
	"github.com/smrt-go/smrt/query"
)

// MaxPageSize is the largest page.
const MaxPageSize = 10_000

// Page is one page of a query's rows.
type Page[R any] struct {
	Items []R
	Next  string // cursor of the page behind this one; empty on the last page
	Prev  string // cursor of the page before this one; empty on the first page
}

// Page reads one keyset page of the rows that match: it begins behind (or, with
// Before, ends in front of) the place that a cursor names, and costs the same
// however far that is.
//
// The order is the query's or the table's, completed by the key; any mix of
// directions and NULLs will do. A cursor belongs to a query with its values and
// its order: used with another it answers smrt.ErrBadCursor. A size outside 1
// to [MaxPageSize] answers smrt.ErrBadPage.
func (r *Reader[T, R]) Page(ctx context.Context, q query.Query[T], p query.Page) (*Page[R], error) {
	out, err := r.page(ctx, &q, p)
	return out, r.core.Fail(ctx, r.db, "page", err)
}

func (r *Reader[T, R]) page(ctx context.Context, q *query.Query[T], p query.Page) (*Page[R], error) {
	w, err := r.core.Window(ctx, q.Spec(), r.cursorSecret, p.Size, MaxPageSize, p.After, p.Before)
	if err != nil {
		return nil, err
	}
	if r.entity == nil {
		return nil, &smrt.QueryError{Reason: "the order of a page is read from whole entities: page the repository, or a View, not a Select"}
	}
	items, err := r.find(ctx, w.Spec, w.Behind)
	if err != nil {
		return nil, err
	}
	more := len(items) > p.Size
	if more {
		items = items[:p.Size]
	}
	if w.Backwards {
		slices.Reverse(items)
	}
	out := &Page[R]{Items: items}
	if len(items) == 0 {
		return out, nil
	}
	place := func(i int) unsafe.Pointer { return r.entity(unsafe.Pointer(&items[i])) }
	out.Next, out.Prev, err = w.Cursors(more, place(0), place(len(items)-1))
	return out, err
}

// OffsetPage is one numbered page of a query's rows.
type OffsetPage[R any] struct {
	Items  []R
	Number int   // from 1
	Size   int   // rows on a full page
	Total  int64 // rows of all pages
}

// Pages returns the number of pages.
func (p *OffsetPage[R]) Pages() int { return int((p.Total + int64(p.Size) - 1) / int64(p.Size)) }

// PageNumber reads a page by its number, from 1, and counts all rows. It is the
// simple way for short lists: a page costs as much as all pages before it, and
// rows that come or go between two pages shift the others. A page behind the
// last has no items.
func (r *Reader[T, R]) PageNumber(ctx context.Context, q query.Query[T], number, size int) (*OffsetPage[R], error) {
	const maxNumber = 1_000_000
	spec := q.Spec()
	err := crud.CheckPage(ctx, spec, size, MaxPageSize)
	if err == nil && (number < 1 || number > maxNumber) {
		err = &smrt.PageError{What: "number", Min: 1, Max: maxNumber}
	}
	if err != nil {
		return nil, r.core.Fail(ctx, r.db, "page", err)
	}
	out := &OffsetPage[R]{Number: number, Size: size}
	if out.Total, err = r.core.Count(ctx, r.db, spec); err != nil {
		return nil, r.core.Fail(ctx, r.db, "page", err)
	}
	q = q.Limit(size).Offset((number - 1) * size)
	out.Items, err = r.find(ctx, r.core.Ordered(q.Spec()), nil)
	return out, r.core.Fail(ctx, r.db, "page", err)
}
