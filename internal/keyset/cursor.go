package keyset

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/plan"
)

// A cursor is: version, sum of the query, sum of the order, values, code of
// all that. Each value is the text that the server reads it from, with its length
// and one in front, 0 for NULL.
//
// The text is made of what came in the row and not of the entity's field: a field
// may hold less than the column, and a type may print itself for people. It means
// the same in each session and each of pgx's modes, see meta.ServerText.
//
// A cursor is bound to the query and the order by their checksums, and
// authenticated, with a secret if there is one.
const (
	cursorVersion = 2
	sumSize       = 8
	macSize       = 16

	// maxCursor is more than what an index takes of four columns, and what fits
	// into a URL. What is longer is refused before it is looked at.
	maxCursor = 16_000
)

// seal is what the cursors of one page have in common, made once for all of them.
type seal struct {
	sums []byte
	code hash.Hash // with the secret that cursors are made with
}

// sealed returns the seal of a page.
func (w *Window) sealed() *seal {
	if w.seal.sums == nil {
		w.seal = seal{sums: w.pager.sums(w.query, w.Order), code: hmac.New(sha256.New, w.pager.signing())}
	}
	return &w.seal
}

// typical is the length of a cursor of a time and a number, in bytes.
const typical = 128

// Cursor names the position of the current row, whose values of the order are at
// these places of the result.
func (w *Window) Cursor(rows pgx.Rows, at []int) (string, error) {
	order, seal := w.Order, w.sealed()
	body := append(append(make([]byte, 0, typical), cursorVersion), seal.sums...)
	fields, values := rows.FieldDescriptions(), rows.RawValues()
	for k, i := range at {
		if values[i] == nil {
			body = binary.AppendUvarint(body, 0)
			continue
		}
		text, err := meta.ServerText(rows.TypeMap(), &fields[i], values[i])
		if err != nil {
			return "", &smrt.QueryError{Reason: fmt.Sprintf("rows ordered by column %q cannot be paged: %v", order[k].Column.Name, err)}
		}
		body = append(binary.AppendUvarint(body, uint64(len(text))+1), text...)
	}
	if base64.RawURLEncoding.EncodedLen(len(body)+macSize) > maxCursor {
		return "", &smrt.QueryError{Reason: fmt.Sprintf("the values that the rows are ordered by are too long for a cursor of %d characters", maxCursor)}
	}
	return base64.RawURLEncoding.EncodeToString(appendMAC(seal.code, body, body)), nil
}

// hidden returns the expressions of an order.
func hidden(order []meta.Order) (out []*meta.Column) {
	for _, o := range order {
		if o.Column.Expr != nil {
			out = append(out, o.Column)
		}
	}
	return out
}

// signing is the secret that cursors are made with.
func (p *Pager) signing() []byte {
	if len(p.Secrets) == 0 {
		return nil
	}
	return p.Secrets[0]
}

// authentic reports whether the code of a cursor was made with one of the
// secrets, of which the older ones are accepted only.
func (w *Window) authentic(body, code []byte) bool {
	var own [sha256.Size]byte
	if hmac.Equal(code, appendMAC(w.sealed().code, own[:0], body)) {
		return true
	}
	for _, older := range w.pager.Secrets[min(1, len(w.pager.Secrets)):] {
		if hmac.Equal(code, appendMAC(hmac.New(sha256.New, older), own[:0], body)) {
			return true
		}
	}
	return false
}

// decode returns the position that a cursor names, after making sure that
// it was made by this query in this order.
func (w *Window) decode(cursor string) ([]any, error) {
	if len(cursor) > maxCursor {
		return nil, &smrt.CursorError{Reason: "malformed"}
	}
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil || len(raw) < 1+2*sumSize+macSize || raw[0] != cursorVersion {
		return nil, &smrt.CursorError{Reason: "malformed"}
	}
	body, code := raw[:len(raw)-macSize], raw[len(raw)-macSize:]
	if !w.authentic(body, code) {
		return nil, &smrt.CursorError{Reason: "tampered"}
	}
	sums := w.sealed().sums
	switch {
	case !bytes.Equal(body[1:1+sumSize], sums[:sumSize]):
		return nil, &smrt.CursorError{Reason: "other query"}
	case !bytes.Equal(body[1+sumSize:1+2*sumSize], sums[sumSize:]):
		return nil, &smrt.CursorError{Reason: "other order"}
	}
	return w.pager.decodePosition(w.Order, body[1+2*sumSize:])
}

// decodePosition reads as many values as the order has columns, each a string or
// nil. The cursor was authenticated, but without a secret anybody can make one,
// so that nothing is taken for granted. What is no text of a column's type is
// refused by the server.
func (p *Pager) decodePosition(order []meta.Order, raw []byte) ([]any, error) {
	malformed := &smrt.CursorError{Reason: "malformed"}
	position := make([]any, len(order))
	for i, o := range order {
		n, size := binary.Uvarint(raw)
		if size <= 0 || n > uint64(len(raw)-size)+1 || n == 0 && !p.canBeNull(o) {
			return nil, malformed
		}
		raw = raw[size:]
		if n == 0 {
			continue
		}
		text := string(raw[:n-1])
		if o.Column.CheckValue(text) != nil {
			return nil, malformed
		}
		position[i], raw = text, raw[n-1:]
	}
	if len(raw) > 0 {
		return nil, malformed
	}
	return position, nil
}

// canBeNull reports whether a row may have NULL in a column of an order. A key
// has none, whatever its type could hold.
func (p *Pager) canBeNull(o meta.Order) bool { return o.Column.Nullable && !p.Table.IsKey(o.Column) }

// appendMAC appends the code that authenticates a cursor. Without a secret it is a
// checksum.
func appendMAC(h hash.Hash, to, body []byte) []byte {
	h.Reset()
	h.Write(body)
	return h.Sum(to)[:len(to)+macSize]
}

// sums identify the query, values included, and the order. They are short,
// because they protect against mistakes only: the mac is over all of the
// cursor.
func (p *Pager) sums(s *plan.Spec, order []meta.Order) []byte {
	h := sha256.New()
	fmt.Fprintf(h, "%s\x00%d\x00", p.Table.Quoted, s.Deleted)
	for i := range s.Where {
		s.Where[i].Fingerprint(h)
	}
	if p.Within != nil {
		p.Within(h)
	}
	sums := h.Sum(make([]byte, 0, sumSize+sha256.Size))[:sumSize]
	h.Reset()
	for _, o := range order {
		fmt.Fprintf(h, "%s\x00%t\x00%t\x00", o.Column.Name, o.Desc, o.First())
		if n, ok := o.Column.Expr.(*plan.Node); ok {
			n.Fingerprint(h)
		}
	}
	return h.Sum(sums)[:2*sumSize]
}
