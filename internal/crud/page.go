package crud

import (
	"cmp"
	"context"
	"fmt"
	"slices"

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
//  1. The order of the query is completed by the key (totalOrder).
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

// keysetOrder is the total order of a keyset page.
func (b *Bound) keysetOrder(s *plan.Spec) ([]meta.Order, error) {
	if len(b.Table.Key) == 0 {
		return nil, smrt.ErrNoKey
	}
	for _, o := range s.Order {
		if o.Column == nil {
			return nil, plan.ErrUndeclared
		}
	}
	return b.totalOrder(s), nil
}

// reversed is the order from the last row to the first.
func reversed(order []meta.Order) []meta.Order {
	out := make([]meta.Order, len(order))
	for i, o := range order {
		nulls := meta.NullsFirst
		if o.First() {
			nulls = meta.NullsLast
		}
		out[i] = meta.Order{Column: o.Column, Desc: !o.Desc, Nulls: nulls}
		if !o.Column.Nullable {
			out[i].Nulls = meta.NullsDefault
		}
	}
	return out
}

// following is the condition that a row comes after a position in an order.
//
// If all columns point the same way and none can be NULL it is a comparison of
// rows, for which an index is descended once. Otherwise it is the expansion
// (a > x) OR (a = x AND (b > y OR ...)), with a >= x in front for the index.
func (b *Bound) following(order []meta.Order, position []any) plan.Node {
	uniform := len(order) > 1
	for i, o := range order {
		uniform = uniform && o.Desc == order[0].Desc && !b.canBeNull(o) && position[i] != nil
	}
	if uniform {
		return rowComparison(order, position)
	}
	first := b.after(order[0], position[0])
	if len(order) == 1 {
		return first
	}
	rest := b.following(order[1:], position[1:])
	expanded := plan.Node{Op: plan.Or, Kids: []plan.Node{
		first,
		{Op: plan.And, Kids: []plan.Node{same(order[0], position[0]), rest}},
	}}
	if b.canBeNull(order[0]) {
		return expanded
	}
	bound := plan.Node{Op: plan.Ge, Column: order[0].Column, A: position[0]}
	if order[0].Desc {
		bound.Op = plan.Le
	}
	return plan.Node{Op: plan.And, Kids: []plan.Node{bound, expanded}}
}

// rowComparison compares all columns at once, which an index on them serves.
func rowComparison(order []meta.Order, position []any) plan.Node {
	n := plan.Node{Op: plan.RowGt}
	if order[0].Desc {
		n.Op = plan.RowLt
	}
	for i, o := range order {
		n.Kids = append(n.Kids, plan.Node{Op: plan.Operand, Column: o.Column, A: position[i]})
	}
	return n
}

// same is the condition that a row has the value v in one column.
func same(o meta.Order, v any) plan.Node {
	if v == nil {
		return plan.Node{Op: plan.IsNull, Column: o.Column}
	}
	return plan.Node{Op: plan.Eq, Column: o.Column, A: v}
}

// after is the condition that a row comes strictly after v in one column.
func (b *Bound) after(o meta.Order, v any) plan.Node {
	switch {
	case v == nil && o.First(): // all but the NULLs come after
		return plan.Node{Op: plan.NotNull, Column: o.Column}
	case v == nil:
		return plan.Node{Op: plan.False}
	}
	if !b.canBeNull(o) || o.First() {
		return beyond(o, v)
	}
	return plan.Node{Op: plan.Or, Kids: []plan.Node{beyond(o, v), {Op: plan.IsNull, Column: o.Column}}}
}

// beyond is the condition that one column has a value that comes after v.
func beyond(o meta.Order, v any) plan.Node {
	n := plan.Node{Op: plan.Gt, Column: o.Column, A: v}
	if o.Desc {
		n.Op = plan.Lt
	}
	return n
}

// rangesAfter returns conditions of which a row matches one if it comes after a
// position in an order, and none otherwise. Each is a range of an index on the
// order. It returns nil if following does as well, because no column can be NULL
// or there is an expression.
func (b *Bound) rangesAfter(order []meta.Order, position []any) []plan.Node {
	if len(hidden(order)) == 0 && slices.ContainsFunc(order, b.canBeNull) {
		return b.ranges(order, position, nil)
	}
	return nil
}

// ranges is rangesAfter for the rows that match equal, which is about the columns
// before these.
func (b *Bound) ranges(order []meta.Order, position []any, equal []plan.Node) (out []plan.Node) {
	one := func(n plan.Node) {
		if len(equal) > 0 {
			n = plan.Node{Op: plan.And, Kids: append(slices.Clip(equal), n)}
		}
		out = append(out, n)
	}
	o, v := order[0], position[0]
	compared := len(order) > 1
	for i := range order {
		compared = compared && order[i].Desc == o.Desc && position[i] != nil && (i == 0 || !b.canBeNull(order[i]) || order[i].First())
	}
	switch {
	case compared: // leaves out the rows with NULL, of which only those in the first column may follow
		one(rowComparison(order, position))
	case len(order) > 1:
		out = b.ranges(order[1:], position[1:], append(slices.Clip(equal), same(o, v)))
		fallthrough
	default:
		if v == nil && o.First() {
			one(plan.Node{Op: plan.NotNull, Column: o.Column})
		} else if v != nil {
			one(beyond(o, v))
		}
	}
	if v != nil && b.canBeNull(o) && !o.First() {
		one(plan.Node{Op: plan.IsNull, Column: o.Column})
	}
	return out
}

// MaxPageSize is the largest page.
const MaxPageSize = 10_000

// pageSpec is the query of one page: its rows and one more, which says
// whether there is another page.
func pageSpec(s *plan.Spec, order []meta.Order, size int) *plan.Spec {
	page := s.Clone()
	page.Order, page.Unordered = order, false
	page.Limit, page.HasLimit = int64(size)+1, true
	return page
}

// checkPage refuses what a page cannot be.
func checkPage(ctx context.Context, s *plan.Spec, size int) error {
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

// pageWindow is one page to be read.
type pageWindow struct {
	spec      *plan.Spec
	after     *plan.Node  // nil: from the start, or by ranges
	ranges    []plan.Node // in place of after
	backwards bool        // the rows come in reverse order

	bound   *Bound
	request pageRequest
	query   *plan.Spec
	order   []meta.Order
	hidden  []*meta.Column // the expressions of order
}

// pageRequest says which page is wanted.
type pageRequest struct {
	Size          int
	After, Before string
}

// window prepares a page.
func (b *Bound) window(ctx context.Context, s *plan.Spec, r pageRequest) (*pageWindow, error) {
	s = s.OrEmpty()
	if err := checkPage(ctx, s, r.Size); err != nil {
		return nil, err
	}
	switch {
	case r.After != "" && r.Before != "":
		return nil, &smrt.QueryError{Reason: "a page is after one place or before another: set After or Before, not both"}
	case b.Entity == nil:
		return nil, &smrt.QueryError{Reason: "the order of a page is read from whole entities: page the repository, or a View, not a Select"}
	}
	order, err := b.keysetOrder(s)
	if err != nil {
		return nil, err
	}
	w := &pageWindow{bound: b, request: r, query: s, order: order, hidden: hidden(order), backwards: r.Before != ""}
	direction := order
	if w.backwards {
		direction = reversed(order)
	}
	w.spec = pageSpec(s, direction, r.Size)
	if !w.resumed() {
		return w, nil
	}
	position, err := b.decodeCursor(s, order, r.After+r.Before)
	if err != nil {
		return nil, err
	}
	w.start(direction, position)
	return w, nil
}

// resumed reports whether the page begins at a cursor.
func (w *pageWindow) resumed() bool { return w.request.After != "" || w.request.Before != "" }

// start makes the page begin after a position. A union takes no locks.
func (w *pageWindow) start(direction []meta.Order, position []any) {
	if w.query.Lock == plan.NoLock {
		w.ranges = w.bound.rangesAfter(direction, position)
	}
	if w.ranges == nil {
		following := w.bound.following(direction, position)
		w.after = &following
	}
}

// edge holds the cursors of a page, made while its rows are read: near is that
// of the first row, and far that of the last one. Either may not be needed.
type edge struct {
	near, far       string
	nearErr, farErr error
}

// note makes the cursor of row i, counted from 0, which is the current one.
func (w *pageWindow) note(e *edge, rows pgx.Rows, i int) {
	if i == 0 && w.resumed() {
		e.near, e.nearErr = w.bound.encodeCursor(w.query, w.order, rows)
	}
	if i == w.request.Size-1 {
		e.far, e.farErr = w.bound.encodeCursor(w.query, w.order, rows)
	}
}

// cursors returns the cursors of the pages around the one that was read, which
// has n rows, and one more if another page follows.
func (w *pageWindow) cursors(e *edge, n int) (next, prev string, err error) {
	if n <= w.request.Size {
		e.far, e.farErr = "", nil
	}
	err = cmp.Or(e.nearErr, e.farErr)
	if w.backwards {
		return e.near, e.far, err
	}
	return e.far, e.near, err
}

// fromCursor adds to an error of the server that the cursor may be its reason:
// without a secret, anybody can make one with what is no value of a column.
func (w *pageWindow) fromCursor(err error) error {
	if w.resumed() && pgerr.IsDataException(err) {
		return fmt.Errorf("%w: %w", &smrt.CursorError{Reason: "malformed"}, err)
	}
	return err
}

// maxPageNumber is the last page that may be asked for by its number.
const maxPageNumber = 1_000_000

// numbered prepares a page that is known by its number, and counts all rows.
func (b *Bound) numbered(ctx context.Context, s *plan.Spec, number, size int) (*plan.Spec, int64, error) {
	s = s.OrEmpty()
	if err := checkPage(ctx, s, size); err != nil {
		return nil, 0, err
	}
	if number < 1 || number > maxPageNumber {
		return nil, 0, &smrt.PageError{What: "number", Min: 1, Max: maxPageNumber}
	}
	total, err := b.count(ctx, s)
	page := s.WithLimit(size).WithOffset((number - 1) * size)
	if page.Order = b.totalOrder(s); len(page.Order) > 0 {
		page.Unordered = false
	}
	return page, total, err
}
