package repo

import (
	"context"
	"unsafe"

	"github.com/smrt-go/smrt/internal/keyset"
	"github.com/smrt-go/smrt/preload"
	"github.com/smrt-go/smrt/query"
)

// MaxPageSize is the largest number of rows on a page.
const MaxPageSize = keyset.MaxPageSize

// Page is one page of a query's rows.
type Page[R any] struct {
	Items []R    `json:"items"`
	Next  string `json:"next,omitempty"` // cursor of the page after this one; empty on the last page
	Prev  string `json:"prev,omitempty"` // cursor of the page before this one; empty on the first page
}

// Page reads one keyset page of the rows that match. It begins after the row
// that the cursor in After names, or ends before the row that the cursor in
// Before names. It takes the same time however far that is.
//
// The order is the query's or the table's, completed by the key; any mix of
// directions and NULLs will do. A cursor belongs to a query with its values and
// its order. With another one the error is smrt.ErrBadCursor. If the size is
// not in the range 1 to [MaxPageSize], it is smrt.ErrBadPage.
//
// A cursor shows the values that it orders by to whoever has it; see
// CursorSecrets of [Options]. It has at most 16,000 characters.
func (r *Reader[T, K, R]) Page(ctx context.Context, q query.Query[T], p query.Page, loads ...preload.Load[R]) (*Page[R], error) {
	page, err := page(ctx, &r.bound, q.Plan(), p, untyped(loads))
	return (*Page[R])(unsafe.Pointer(page)), err
}

// OffsetPage is one numbered page of a query's rows.
type OffsetPage[R any] struct {
	Items  []R   `json:"items"`
	Number int   `json:"number"` // from 1
	Size   int   `json:"size"`   // rows on a full page
	Total  int64 `json:"total"`  // rows of all pages
}

// Pages returns the number of pages.
func (p *OffsetPage[R]) Pages() int { return int((p.Total + int64(p.Size) - 1) / int64(p.Size)) }

// offset is a page by its number.
type offset struct{ number, size int }

// PageNumber reads a page by its number, from 1, and counts all rows that
// match. The order is completed by the key, as for Page. It is for short lists:
// the server reads all pages before the one that is wanted, and rows that are
// inserted or deleted in between shift the others. A page after the last one has
// no items. If the number or the size is out of range, the error is
// smrt.ErrBadPage.
func (r *Reader[T, K, R]) PageNumber(ctx context.Context, q query.Query[T], number, size int, loads ...preload.Load[R]) (*OffsetPage[R], error) {
	page, err := offsetPage(ctx, &r.bound, q.Plan(), offset{number, size}, untyped(loads))
	return (*OffsetPage[R])(unsafe.Pointer(page)), err
}
