package crud

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"reflect"
	"unsafe"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/plan"
	"github.com/smrt-go/smrt/internal/table"
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
//     (following).
//  4. One row more than the page has is read. If it is there, there is another
//     page in that direction. In the other direction there is one if a cursor was
//     given: the row that it names is there, or was.
//
// For ORDER BY price DESC, id DESC after (500, 7) the condition is a comparison
// of rows, (price, id) < (500, 7). If the price can be NULL, which comes first
// in this order, SQL's comparison would lose the NULLs, so it is written out:
//
//	price < 500 OR (price = 500 AND id < 7)
//
// A cursor has the values of the position in clear. It is bound to the query
// and the order by their checksums, and authenticated, with a secret if there
// is one.

// totalOrder is the order of s completed by the key, so that no two rows are
// equal in it.
func (b *Bound) totalOrder(s *plan.Spec) ([]meta.Order, error) {
	if len(b.Table.Key) == 0 {
		return nil, smrt.ErrNoKey
	}
	order := s.Order
	if len(order) == 0 && !s.Unordered {
		order = b.Table.DefaultOrder
	}
	for _, o := range order {
		if o.Expr != nil {
			return nil, &smrt.QueryError{Reason: "a keyset page cannot be ordered by a number of related rows, which is no column: use PageNumber"}
		}
	}
	total := append([]meta.Order{}, order...)
	for _, k := range b.Table.Key {
		named := false
		for _, o := range order {
			named = named || o.Column == k.Column
		}
		if !named {
			desc := len(order) > 0 && order[len(order)-1].Desc // so that one index serves all
			total = append(total, meta.Order{Column: k.Column, Desc: desc})
		}
	}
	return total, nil
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
func following(order []meta.Order, position []any) plan.Node {
	uniform := len(order) > 1
	for i, o := range order {
		uniform = uniform && o.Desc == order[0].Desc && !o.Column.Nullable && position[i] != nil
	}
	if uniform {
		return rowComparison(order, position)
	}
	beyond := after(order[0], position[0])
	if len(order) == 1 {
		return beyond
	}
	rest := following(order[1:], position[1:])
	expanded := plan.Node{Op: plan.Or, Kids: []plan.Node{
		beyond,
		{Op: plan.And, Kids: []plan.Node{same(order[0], position[0]), rest}},
	}}
	if order[0].Column.Nullable {
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
func after(o meta.Order, v any) plan.Node {
	switch {
	case v == nil && o.First(): // all but the NULLs come after
		return plan.Node{Op: plan.NotNull, Column: o.Column}
	case v == nil:
		return plan.Node{Op: plan.False}
	}
	beyond := plan.Node{Op: plan.Gt, Column: o.Column, A: v}
	if o.Desc {
		beyond.Op = plan.Lt
	}
	if !o.Column.Nullable || o.First() {
		return beyond
	}
	return plan.Node{Op: plan.Or, Kids: []plan.Node{beyond, {Op: plan.IsNull, Column: o.Column}}}
}

// A cursor is: version, sum of the query, sum of the order, values, code of
// all that. Each value is its JSON with its length in front, 0 for NULL.
const (
	cursorVersion = 1
	sumSize       = 8
	macSize       = 16
)

// encodeCursor names the position of the entity at p.
func (b *Bound) encodeCursor(s *plan.Spec, order []meta.Order, p unsafe.Pointer) (string, error) {
	body := append([]byte{cursorVersion}, b.sums(s, order)...)
	for _, o := range order {
		v := o.Column.Value(p)
		if isNil(v) {
			body = binary.AppendUvarint(body, 0)
			continue
		}
		j, err := json.Marshal(v)
		if err != nil {
			return "", &smrt.QueryError{Reason: fmt.Sprintf("rows ordered by column %q cannot be paged: %T has no JSON form", o.Column.Name, v)}
		}
		body = append(binary.AppendUvarint(body, uint64(len(j))), j...)
	}
	return base64.RawURLEncoding.EncodeToString(append(body, mac(b.Secret, body)...)), nil
}

// isNil reports whether v is what the field of an entity holds for NULL: a nil
// pointer, or a type of pgtype or database/sql that is not valid.
func isNil(v any) bool {
	rv := reflect.ValueOf(v)
	switch rv.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		return rv.IsNil()
	}
	if valuer, ok := v.(interface{ IsNull() bool }); ok {
		return valuer.IsNull()
	}
	return plan.IsNullValue(v)
}

// decodeCursor returns the position that a cursor names, after making sure that
// it was made by this query in this order.
func (b *Bound) decodeCursor(s *plan.Spec, order []meta.Order, cursor string) ([]any, error) {
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil || len(raw) < 1+2*sumSize+macSize || raw[0] != cursorVersion {
		return nil, &smrt.CursorError{Reason: "malformed"}
	}
	body, code := raw[:len(raw)-macSize], raw[len(raw)-macSize:]
	if !hmac.Equal(code, mac(b.Secret, body)) {
		return nil, &smrt.CursorError{Reason: "tampered"}
	}
	sums := b.sums(s, order)
	switch {
	case !bytes.Equal(body[1:1+sumSize], sums[:sumSize]):
		return nil, &smrt.CursorError{Reason: "other query"}
	case !bytes.Equal(body[1+sumSize:1+2*sumSize], sums[sumSize:]):
		return nil, &smrt.CursorError{Reason: "other order"}
	}
	return decodePosition(order, body[1+2*sumSize:])
}

// decodePosition reads as many values as the order has columns, each as JSON of
// the type of its column. The cursor was authenticated, but without a secret
// anybody can make one, so that nothing is taken for granted.
func decodePosition(order []meta.Order, b []byte) ([]any, error) {
	malformed := &smrt.CursorError{Reason: "malformed"}
	position := make([]any, len(order))
	for i, o := range order {
		n, size := binary.Uvarint(b)
		if size <= 0 || n > uint64(len(b)-size) {
			return nil, malformed
		}
		b = b[size:]
		if n == 0 {
			continue
		}
		v := reflect.New(o.Column.Type)
		if err := json.Unmarshal(b[:n], v.Interface()); err != nil {
			return nil, malformed
		}
		position[i] = v.Elem().Interface()
		b = b[n:]
	}
	if len(b) > 0 {
		return nil, malformed
	}
	return position, nil
}

// mac authenticates a cursor. Without a secret it is a checksum.
func mac(secret, body []byte) []byte {
	h := hmac.New(sha256.New, secret)
	h.Write(body)
	return h.Sum(nil)[:macSize]
}

// sums identify the query, values included, and the order. They are short,
// because they protect against mistakes only: the mac is over all of the
// cursor.
func (b *Bound) sums(s *plan.Spec, order []meta.Order) []byte {
	h := sha256.New()
	fmt.Fprintf(h, "%s\x00%d\x00", b.Table.Quoted, s.Deleted)
	for i := range s.Where {
		s.Where[i].Fingerprint(h)
	}
	query := h.Sum(nil)[:sumSize]
	h = sha256.New()
	for _, o := range order {
		fmt.Fprintf(h, "%s\x00%t\x00%t\x00", o.Column.Name, o.Desc, o.First())
	}
	return append(query, h.Sum(nil)[:sumSize]...)
}

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
	after     *plan.Node // nil: from the start
	backwards bool       // the rows come in reverse order

	bound   *Bound
	request pageRequest
	query   *plan.Spec
	order   []meta.Order
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
	order, err := b.totalOrder(s)
	if err != nil {
		return nil, err
	}
	w := &pageWindow{bound: b, request: r, query: s, order: order, backwards: r.Before != ""}
	direction := order
	if w.backwards {
		direction = reversed(order)
	}
	w.spec = pageSpec(s, direction, r.Size)
	if r.After == "" && r.Before == "" {
		return w, nil
	}
	position, err := b.decodeCursor(s, order, r.After+r.Before)
	if err != nil {
		return nil, err
	}
	beyond := following(direction, position)
	w.after = &beyond
	return w, nil
}

// cursors returns the cursors of the pages around the one that was read.
func (w *pageWindow) cursors(rows table.Rows) (next, prev string, err error) {
	n := min(rows.N, w.request.Size)
	if n == 0 {
		return "", "", nil
	}
	more, resumed := rows.N > n, w.after != nil
	first, last := w.bound.Entity(rows.At(0)), w.bound.Entity(rows.At(n-1))
	follows, precedes := more, resumed
	if w.backwards {
		first, last = last, first
		follows, precedes = resumed, more
	}
	if follows {
		if next, err = w.bound.encodeCursor(w.query, w.order, last); err != nil {
			return "", "", err
		}
	}
	if precedes {
		prev, err = w.bound.encodeCursor(w.query, w.order, first)
	}
	return next, prev, err
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
	return b.ordered(s.WithLimit(size).WithOffset((number - 1) * size)), total, err
}
