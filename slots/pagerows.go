package slots

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/keyset"
)

// pageRows are the rows of a page, without the columns that the page added to them and
// without the row that says whether another page follows.
type pageRows struct {
	pgx.Rows
	page   *Page
	window *keyset.Window
	outer  bool // they are those of a Result
	size   int
	at     []int // the columns of the order, which follow the statement's own
	added  int   // columns
	dst    []any // of Scan, with nothing for the columns that were added

	n          int      // rows that were handed out
	of         int64    // rows of a page that is read backwards, with the one that follows
	order      [][]byte // the order's values of the row before
	more, done bool
	next, prev string
	last       error // why there is no cursor of the last row
	err        error
}

func newPageRows(rows pgx.Rows, page *Page, w *keyset.Window, outer bool) *pageRows {
	r := &pageRows{Rows: rows, page: page, window: w, outer: outer, size: page.request.Size, added: len(w.Order)}
	if w.Backwards {
		r.added++ // the number of rows
	}
	return r
}

// own returns how many columns the statement has by itself.
func (r *pageRows) own() int { return max(len(r.Rows.FieldDescriptions())-r.added, 0) }

// FieldDescriptions describes the statement's own columns, of which a generated method
// may know the number and pgx the names.
func (r *pageRows) FieldDescriptions() []pgconn.FieldDescription {
	return slices.Clip(r.Rows.FieldDescriptions()[:r.own()])
}

// RawValues returns what came for the statement's own columns.
func (r *pageRows) RawValues() [][]byte {
	return slices.Clip(r.Rows.RawValues()[:r.own()])
}

// Values returns the values of the statement's own columns.
func (r *pageRows) Values() ([]any, error) {
	values, err := r.Rows.Values()
	if err != nil {
		return nil, err
	}
	return slices.Clip(values[:r.own()]), nil
}

// Scan reads the statement's own columns. pgx reads a row into what scans itself by
// handing it the rows, which must be these; and as many columns as there are, of which one
// with nowhere to go is left out. Like pgx's, it closes the rows if it fails, so that what
// does not look at its error does not take the rest for all of them.
func (r *pageRows) Scan(dst ...any) error {
	if len(dst) == 1 {
		if s, ok := dst[0].(pgx.RowScanner); ok {
			err := s.ScanRow(r)
			if err != nil {
				r.fail(err)
			}
			return err
		}
	}
	if len(dst) != r.own() {
		err := fmt.Errorf("number of field descriptions must equal number of destinations, got %d and %d", r.own(), len(dst))
		r.fail(err)
		return err
	}
	r.dst = append(append(r.dst[:0], dst...), make([]any, r.added)...)
	return r.Rows.Scan(r.dst...)
}

// Next reads the next row. Rows are handed out as they come, while the connection is
// held: what it knows of types decodes them.
func (r *pageRows) Next() bool {
	switch {
	case r.done:
		return false
	case !r.Rows.Next():
		r.finish()
		return false
	}
	if r.at == nil {
		for i := range r.window.Order {
			r.at = append(r.at, r.own()+i)
		}
		if r.window.Backwards {
			return r.firstOfMany()
		}
	}
	return r.row()
}

// firstOfMany is the first row of a page that was read backwards. It is not on the page
// if there are more rows than that has.
func (r *pageRows) firstOfMany() bool {
	i := r.own() + r.added - 1
	field := r.Rows.FieldDescriptions()[i]
	if err := r.Rows.TypeMap().Scan(field.DataTypeOID, field.Format, r.Rows.RawValues()[i], &r.of); err != nil {
		return r.fail(err)
	}
	if r.of <= int64(r.size) {
		return r.row()
	}
	r.more = true
	r.of--
	if err := r.compare(); err != nil {
		return r.fail(err)
	}
	return r.Next()
}

// row hands out the current row, or finds that it is one too many.
func (r *pageRows) row() bool {
	if err := r.compare(); err != nil {
		return r.fail(err)
	}
	if r.n == r.size {
		r.more = true
		r.Rows.Close()
		r.finish()
		return false
	}
	if r.n++; r.n == 1 && (r.more || r.window.Resumed() && !r.window.Backwards) {
		var err error
		if r.prev, err = r.window.Cursor(r.Rows, r.at); err != nil {
			return r.fail(err)
		}
	}
	if r.n == r.size || int64(r.n) == r.of {
		r.next, r.last = r.window.Cursor(r.Rows, r.at)
	}
	return true
}

// compare refuses a row that has the place of the one before, or none: between pages such
// rows would be lost. The row that says whether another page follows is compared too, so
// that no two rows of one place are ever on two pages.
func (r *pageRows) compare() error {
	values := r.Rows.RawValues()[r.at[0]:][:len(r.at)]
	for i, o := range r.window.Order {
		if values[i] == nil && r.window.IsKey(o.Column) {
			return r.badKey("a row has no key", "a join may miss the row of the table")
		}
	}
	if r.order != nil && slices.EqualFunc(r.order, values, func(a, b []byte) bool { return bytes.Equal(a, b) && (a == nil) == (b == nil) }) {
		return r.badKey("two rows have one key, so that there is no page between them", "a join multiplies the rows of the table")
	}
	r.order = slices.Grow(r.order[:0], len(values))[:len(values)]
	for i, v := range values {
		if v == nil {
			r.order[i] = nil
			continue
		}
		r.order[i] = append(append(r.order[i][:0], v...), 0)[:len(v)] // an empty value is not nil
	}
	return nil
}

// badKey says what is wrong with the key of a row, and what to do.
func (r *pageRows) badKey(what, why string) error {
	remedy := why + "; page the result, with slots.Outer and a key of its rows"
	if r.outer {
		remedy = "declare the result with columns that tell any two of its rows apart and are never NULL: slots.NewResult(ID, LineNo)"
	}
	return &smrt.QueryError{Reason: what + ": " + remedy}
}

// fail ends the page. It returns false, for Next.
func (r *pageRows) fail(err error) bool {
	if r.err == nil {
		r.err = err
	}
	r.done = true
	r.Rows.Close()
	return false
}

// finish gives the page its cursors, when all of its rows were read.
func (r *pageRows) finish() {
	r.done = true
	next := r.next
	switch {
	case r.Err() != nil:
		return
	case !r.window.Backwards && !r.more:
		next = ""
	case r.last != nil:
		r.err = r.last
		return
	}
	r.page.set(next, r.prev)
}

// Close reads what is left of the page, for its cursors.
func (r *pageRows) Close() {
	for r.Next() {
	}
	r.Rows.Close()
}

// Err returns why there are no more rows: an error of the server's, or of the page.
func (r *pageRows) Err() error {
	if r.err != nil {
		return r.err
	}
	return r.window.FromCursor(r.Rows.Err())
}

// CommandTag counts the rows of the page.
func (r *pageRows) CommandTag() pgconn.CommandTag {
	if tag := r.Rows.CommandTag(); !tag.Select() {
		return tag
	}
	return pgconn.NewCommandTag(fmt.Sprintf("SELECT %d", r.n))
}
