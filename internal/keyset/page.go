package keyset

import (
	"cmp"
	"context"
	"fmt"
	"io"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/pgerr"
	"github.com/smrt-go/smrt/internal/plan"
)

// Keyset pages: the position of a row in a total order is the values it has in
// the order's columns. A page begins after a position and never counts rows, so
// page 1,000 costs what page 1 costs, and rows that come or go in between
// neither repeat nor hide others (Markus Winand, "We need tool support for
// keyset pagination").
//
// A page is made in these steps:
//
//  1. The order of the query is completed by the key (TotalOrder).
//  2. For a page before a position the order is reversed, and the rows are turned
//     around when they have been read.
//  3. The cursor is decoded to a position, and the position becomes a condition
//     (following), or several of which each is a range of the order (rangesAfter).
//  4. One row more than the page has is read. If it is there, there is another
//     page in that direction. In the other direction there is one if a cursor was
//     given: the row that it names is there, or was.
//
// For ORDER BY price DESC, id DESC after (500, 7) the condition is a comparison
// of rows, (price, id) < (500, 7). If the price can be NULL, SQL's comparison
// loses the NULLs. Those come first in this order, so that none follows. In the
// other direction they do: ORDER BY price, id after (500, 7) has two ranges,
//
//	(price, id) > (500, 7)
//	price IS NULL
//
// An order may have expressions. Their values are selected beside the columns
// (hidden), so that a cursor can have them; there are no ranges of them, because
// an index on an expression is rare.
//
// A cursor has the values of the position in clear, see cursor.go.

// MaxPageSize is the largest number of rows on a page.
const MaxPageSize = 10_000

// pageSpec is the query of one page: its rows and one more, which says
// whether there is another page.
func pageSpec(s *plan.Spec, order []meta.Order, size int) *plan.Spec {
	page := s.Clone()
	page.Order, page.Unordered = order, false
	page.Limit, page.HasLimit = int64(size)+1, true
	return page
}

// CheckPage refuses what a page cannot be.
func CheckPage(ctx context.Context, s *plan.Spec, size int) error {
	switch {
	case ctx == nil:
		return smrt.ErrNilContext
	case size < 1 || size > MaxPageSize:
		return &smrt.PageError{What: "size", Min: 1, Max: MaxPageSize}
	case s.HasLimit || s.HasOffset:
		return &smrt.QueryError{Reason: "a page has its own limit: remove Limit and Offset from the query"}
	}
	return nil
}

// Pager is what pages are read of.
type Pager struct {
	Table   *meta.Table
	Secrets [][]byte        // of cursors; the first makes them
	Within  func(io.Writer) // writes what else tells the query from others; nil: nothing does
}

// Window is one page to be read.
type Window struct {
	Spec      *plan.Spec   // the page's rows and one more, in the order in which they are read
	Order     []meta.Order // total
	Backwards bool         // the rows are read in reverse order
	Hidden    []*meta.Column

	pager    *Pager
	request  Request
	query    *plan.Spec
	position []any // nil: the page begins at the start
	seal     seal  // of its cursors, once there is one
}

// Request says which page is wanted.
type Request struct {
	Size          int
	After, Before string
}

// Window prepares a page.
func (p *Pager) Window(ctx context.Context, s *plan.Spec, r Request) (*Window, error) {
	s = s.OrEmpty()
	if err := CheckPage(ctx, s, r.Size); err != nil {
		return nil, err
	}
	if r.After != "" && r.Before != "" {
		return nil, &smrt.QueryError{Reason: "a page is after one place or before another: set After or Before, not both"}
	}
	order, err := p.keysetOrder(s)
	if err != nil {
		return nil, err
	}
	w := &Window{pager: p, request: r, query: s, Order: order, Hidden: hidden(order), Backwards: r.Before != ""}
	w.Spec = pageSpec(s, w.direction(), r.Size)
	if w.Resumed() {
		w.position, err = w.decode(r.After + r.Before)
	}
	if err != nil {
		return nil, err
	}
	return w, nil
}

// Resumed reports whether the page begins at a cursor.
func (w *Window) Resumed() bool { return w.request.After != "" || w.request.Before != "" }

// direction is the order in which the rows are read.
func (w *Window) direction() []meta.Order {
	if w.Backwards {
		return reversed(w.Order)
	}
	return w.Order
}

// IsKey reports whether c is a part of the key that completes the order.
func (w *Window) IsKey(c *meta.Column) bool { return w.pager.Table.IsKey(c) }

// Following is the condition that a row comes after the position that the page
// begins at, nil if it begins at the start.
func (w *Window) Following() *plan.Node {
	if !w.Resumed() {
		return nil
	}
	following := w.pager.following(w.direction(), w.position)
	return &following
}

// Ranges returns what Following does as ranges of the order, if there are several.
// A union of them takes no locks.
func (w *Window) Ranges() []plan.Node {
	if !w.Resumed() || w.query.Lock != plan.NoLock {
		return nil
	}
	return w.pager.rangesAfter(w.direction(), w.position)
}

// Edge holds the cursors of a page, made while its rows are read: near is that
// of the first row, and far that of the last one. Either may not be needed.
type Edge struct {
	near, far       string
	nearErr, farErr error
}

// Note makes the cursor of row i, counted from 0, which is the current one of a
// repository's: the columns of the entity are the first ones of the result, and the
// expressions of the order the last.
func (w *Window) Note(e *Edge, rows pgx.Rows, i int) {
	if i == 0 && w.Resumed() {
		e.near, e.nearErr = w.Cursor(rows, w.places(rows))
	}
	if i == w.request.Size-1 {
		e.far, e.farErr = w.Cursor(rows, w.places(rows))
	}
}

// places returns where a repository's rows have the values of the order.
func (w *Window) places(rows pgx.Rows) []int {
	at, expr := make([]int, len(w.Order)), len(rows.FieldDescriptions())-len(w.Hidden)
	for i, o := range w.Order {
		at[i] = o.Column.Index
		if o.Column.Expr != nil {
			at[i] = expr
			expr++
		}
	}
	return at
}

// Cursors returns the cursors of the pages around the one that was read, which
// has n rows, and one more if another page follows.
func (w *Window) Cursors(e *Edge, n int) (next, prev string, err error) {
	if n <= w.request.Size {
		e.far, e.farErr = "", nil
	}
	err = cmp.Or(e.nearErr, e.farErr)
	if w.Backwards {
		return e.near, e.far, err
	}
	return e.far, e.near, err
}

// FromCursor adds to an error of the server that the cursor may be its reason:
// without a secret, anybody can make one with what is no value of a column.
func (w *Window) FromCursor(err error) error {
	if w.Resumed() && pgerr.IsDataException(err) {
		return fmt.Errorf("%w: %w", &smrt.CursorError{Reason: "malformed"}, err)
	}
	return err
}
