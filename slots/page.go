package slots

import (
	"context"
	"fmt"
	"io"
	"sync"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/handle"
	"github.com/smrt-go/smrt/internal/keyset"
	"github.com/smrt-go/smrt/internal/plan"
	"github.com/smrt-go/smrt/query"
)

// MaxPageSize is the largest number of rows on a page.
const MaxPageSize = keyset.MaxPageSize

// Page is one page of the rows of a query of sqlc's. It is made before the call, and has
// the cursors of the pages around it afterwards:
//
//	page := slots.NewPage(query.Page{Size: 20, After: cursor})
//	rows, err := shopdb.New(slots.On(pool, slots.For(Orders, q).Page(page))).ListOrders(ctx)
//	next, prev := page.Next(), page.Prev()
//
// It is for one call at a time. Where it is used again, it has what the last call read.
type Page struct {
	request keyset.Request
	secrets [][]byte

	mu         sync.Mutex
	next, prev string
}

// NewPage returns a page to be read. Cursors are signed with the first of the secrets,
// and accepted with any. Without secrets anybody can make one, which is safe as long as
// the order by itself says nothing that is to be kept from whoever has a cursor: a
// cursor has the values of the order in clear.
func NewPage(p query.Page, secrets ...[]byte) *Page {
	return &Page{request: keyset.Request{Size: p.Size, After: p.After, Before: p.Before}, secrets: secrets}
}

// Next returns the cursor of the page after this one. It is empty on the last page, and
// as long as the rows have not been read to their end.
func (p *Page) Next() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.next
}

// Prev returns the cursor of the page before this one. It is empty on the first page,
// and as long as the rows have not been read to their end.
func (p *Page) Prev() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.prev
}

// set keeps the cursors of a call. Rows may be read by another goroutine than the one that
// asks for the cursors.
func (p *Page) set(next, prev string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.next, p.prev = next, prev
}

// Page returns f for one page of the rows, in the order of the query, or the table's,
// completed by the key. It begins after the row that the cursor in After names, or ends
// before the row that the cursor in Before names. With an index on that order it takes
// the same time however far that is. Rows that come and go in between neither repeat nor hide others. Any mix of
// directions and NULLs will do.
//
// A page fills the slots for an order and for a limit, both of the outermost SELECT,
// whose WHERE it adds the position to, in its own parentheses. No other query may have an
// order there. The method must be one for :many. The rows must be those of the table: a
// statement with groups, aggregates, windows, DISTINCT or UNION, and one in which an outer
// join may miss the table's row, is refused with smrt.ErrBadQuery; page the result of it, see [Outer]. So is one that
// returns a key twice, at the row that does, because a join multiplies the table's rows.
//
// A cursor belongs to a statement with its arguments, its filters and its order; with
// others, the error is smrt.ErrBadCursor. An argument such as time.Now is another one in
// each call: round it, or send it along with the cursor. A size that is not in the range 1 to the
// limit of the statement, or to [MaxPageSize], is smrt.ErrBadPage.
func (f Fill) Page(p *Page) Fill {
	f.page = p
	return f
}

// paged returns the index of the fill that is for a page, -1 if none is.
func (f *filled) paged() (int, error) {
	at := -1
	for i, p := range f.pages {
		switch {
		case p == nil:
		case at >= 0:
			return 0, &smrt.QueryError{Reason: "two queries are paged, and a statement has one page"}
		default:
			at = i
		}
	}
	return at, nil
}

// build makes a statement that reads no page.
func (f *filled) build(ctx context.Context, t *plan.Template, fills []plan.Fill, args []any) (plan.Statement, error) {
	if at, err := f.paged(); err != nil {
		return plan.Statement{}, err
	} else if at >= 0 {
		return plan.Statement{}, errNotMany
	}
	return plans.Build(ctx, t, fills, args)
}

var errNotMany = &smrt.QueryError{Reason: "a page is read by a method for :many, and not by one for :one, :exec or a batch"}

// queryPage reads a page.
func (f *filled) queryPage(ctx context.Context, sql string, args []any) (pgx.Rows, error) {
	var page *Page
	var w *keyset.Window
	outer := false
	for _, p := range f.pages {
		if p != nil {
			p.set("", "") // a call that fails leaves no cursors of the one before
		}
	}
	sql, args, err := f.statement(ctx, sql, args, func(ctx context.Context, t *plan.Template, fills []plan.Fill, args []any) (plan.Statement, error) {
		at, err := f.paged()
		if err != nil {
			return plan.Statement{}, err
		}
		page, outer = f.pages[at], fills[at].Outer
		w, err = f.window(ctx, t, at, args)
		if err != nil {
			return plan.Statement{}, err
		}
		with := append([]plan.Fill{}, fills...)
		with[at].Spec = w.Spec
		with[at].Page = &plan.Keyset{Order: w.Order, After: w.Following(), Backwards: w.Backwards}
		return plans.Build(ctx, t, with, args)
	})
	if err != nil {
		return handle.FailedRows(err), err
	}
	rows, err := f.db.Query(ctx, sql, args...)
	if err != nil {
		err = w.FromCursor(err)
		return handle.FailedRows(err), err
	}
	return newPageRows(rows, page, w, outer), nil
}

// window prepares the page of a fill. Its cursors are of the statement, its arguments,
// and everything else that decides which rows there are.
func (f *filled) window(ctx context.Context, t *plan.Template, at int, args []any) (*keyset.Window, error) {
	own, err := withoutOptions(args)
	if err != nil {
		return nil, err
	}
	if t := f.fills[at].Table; f.fills[at].Outer && len(t.Key) == 0 {
		return nil, fmt.Errorf("result %s: %w: a page needs one, as in slots.NewResult(ID)", t.Name, smrt.ErrNoKey)
	}
	owner, err := f.fills[at].Table.Owner(ctx)
	if err != nil {
		return nil, err
	}
	p := &keyset.Pager{
		Table: f.fills[at].Table.Table, Secrets: f.pages[at].secrets,
		Within: func(w io.Writer) {
			fmt.Fprintf(w, "%s\x00%s\x00", t.SQL, f.fills[at].Alias)
			owner.Fingerprint(w)
			plan.FingerprintArgs(w, own)
			for i := range f.fills {
				if i != at {
					f.fills[i].Fingerprint(w)
				}
			}
		},
	}
	return p.Window(ctx, f.fills[at].Spec, f.pages[at].request)
}
