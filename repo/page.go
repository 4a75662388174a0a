package repo

import (
	"context"
	"slices"

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
	w, err := r.at.Window(ctx, q.Spec(), p.Size, MaxPageSize, p.After, p.Before)
	if err != nil {
		return nil, err
	}
	items, err := r.find(ctx, "page", w.Spec, w.Behind)
	if err != nil {
		return nil, err
	}
	var out Page[R]
	n := min(len(items), p.Size)
	out.Next, out.Prev, err = w.Cursors(rowsOf(items))
	out.Items = items[:n:n]
	if w.Backwards {
		slices.Reverse(out.Items)
	}
	return &out, err
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
	s, total, err := r.at.Numbered(ctx, q.Spec(), number, size, MaxPageSize)
	if err != nil {
		return nil, err
	}
	items, err := r.find(ctx, "page", s, nil)
	if err != nil {
		return nil, err
	}
	return &OffsetPage[R]{Items: items, Number: number, Size: size, Total: total}, nil
}
