package plan

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	sq "github.com/Masterminds/squirrel"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/meta"
)

// A page of a statement's rows is the statement with four additions. For the orders
// before one that a cursor names it is
//
//	SELECT smrt_p.*, count(*) OVER () AS smrt_n FROM (
//		SELECT o.id, c.name , o."placed_at" AS smrt_o1, o."id" AS smrt_o2
//		FROM orders o JOIN customers c ON c.id = o.customer_id
//		WHERE (o.total > $1 OR c.vip) AND ((o."placed_at", o."id") < ($2, $3))
//		ORDER BY o."placed_at" DESC, o."id" DESC, o.id LIMIT $4
//	) AS smrt_p ORDER BY smrt_o1, smrt_o2
//
// The position is a condition of the whole WHERE and not of the slot in it: beside an
// OR, the slot does not decide which rows there are. The columns at the end are for
// cursors, and whoever asked does not see them.
//
// The server turns rows around that are read backwards, and says how many there are,
// so that the first can be told from the one that says whether another page follows.
// A client that keeps rows to turn them around would have to decode them when the
// connection is back in its pool, and what a connection knows of types is not to be
// shared.

// Body says where the parts of the outermost SELECT are, in bytes; 0 for a part that
// is not there.
type Body struct {
	From     int      // FROM
	Where    int      // behind WHERE
	Order    int      // ORDER
	Terms    int      // what follows ORDER BY
	Limit    int      // what follows LIMIT
	Grouped  string   // why a row of the result is not one of a table, "" if it may be
	Cut      string   // why rows are left out that no slot asks for
	Optional []string // names, as SQL, of rows that an outer join may miss
}

// Keyset makes a fill one for a page: its order is total, and its limit one more than the
// page has rows. The statement returns the values of the order behind its own columns.
type Keyset struct {
	Order     []meta.Order // of the rows as they are returned
	After     *Node        // the position that the page begins at; nil: the start
	Backwards bool         // they are read in the order of the fill, which is the reverse
}

// keyset appends the shape of a page.
func (b *builder) keyset(p *Keyset) {
	b.byte('P')
	b.byte(BoolByte(p.Backwards)<<1 | BoolByte(p.After != nil))
	for _, o := range p.Order {
		b.orderTerm(o)
	}
	if p.After != nil {
		b.node(p.After)
	}
}

// hidden renders the columns that a page adds to a list.
func (r *filling) hidden(p *Keyset) string {
	var b strings.Builder
	for i, o := range p.Order {
		b.WriteString(", " + r.text(sq.Expr("?", r.w.column(o.Column))) + " AS smrt_o" + strconv.Itoa(i+1))
	}
	return b.String()
}

// page adds a page to the statement itself.
func (r *filling) page(p *Keyset) {
	body := &r.t.Body
	r.edits = append(r.edits, edit{body.From, body.From, r.hidden(p) + " "})
	if p.After != nil {
		following := r.text(sq.Expr("(?)", r.w.node(p.After)))
		if body.Where > 0 {
			r.edits = append(r.edits, edit{body.Where, body.Where, " ("}, edit{body.Order, body.Order, ") AND " + following + " "})
		} else {
			r.edits = append(r.edits, edit{body.Order, body.Order, "WHERE " + following + " "})
		}
	}
	r.turn(p)
}

// turn puts rows that are read backwards into the order of the page.
func (r *filling) turn(p *Keyset) {
	if !p.Backwards {
		return
	}
	terms := make([]string, len(p.Order))
	for i, o := range p.Order {
		terms[i] = "smrt_p.smrt_o" + strconv.Itoa(i+1) + Direction(o)
	}
	r.head = "SELECT smrt_p.*, count(*) OVER () AS smrt_n FROM (" + r.head
	r.tail += "\n) AS smrt_p ORDER BY " + strings.Join(terms, ", ")
}

// checkPage refuses a page of what has no rows to be paged.
func (f *Fill) checkPage(t *Template) error {
	if f.Page == nil {
		return nil
	}
	if most, ok := t.most(); ok && f.Spec.Limit-1 > most {
		return &smrt.PageError{What: "size", Min: 1, Max: int(most)}
	}
	if f.Outer {
		return nil
	}
	reason := ""
	switch {
	case t.Write, t.Locks:
		reason = "it writes or locks rows"
	case t.Body.Grouped != "":
		reason = t.Body.Grouped + ": page its result, with slots.Outer"
	case t.Body.Cut != "":
		reason = t.Body.Cut
	}
	if reason != "" {
		return &smrt.QueryError{Reason: "the statement has no pages: " + reason}
	}
	return nil
}

// checkPlaces refuses a page where the slots for its order and its size are not those
// of the outermost SELECT, or where that may have a row without one of the table.
func (f *Fill) checkPlaces(t *Template, alias string) error {
	if f.Page == nil {
		return nil
	}
	orders, limits := 0, 0
	for i := range t.Places {
		switch p := &t.Places[i]; {
		case p.Kind == OrderPlace && p.Table == f.Table.Quoted && p.Alias == alias:
			if orders++; p.From < t.Body.Order || p.From > t.Body.Terms {
				orders++
			}
		case p.Kind == LimitPlace:
			if limits++; p.From != t.Body.Limit {
				limits++
			}
		}
	}
	switch {
	case orders != 1 || limits != 1:
		return &smrt.QueryError{Reason: fmt.Sprintf("a page fills one slot for an order of table %s as %s, and one for a limit, both of the outermost SELECT: page other results with slots.Outer", f.Table.Quoted, alias)}
	case slices.Contains(t.Body.Optional, alias):
		return &smrt.QueryError{Reason: fmt.Sprintf("an outer join may miss the row of table %s as %s, and where it does a row has no place in the order: page the result, with slots.Outer", f.Table.Quoted, alias)}
	}
	return nil
}

// checkOrders refuses another order in the ORDER BY that fill i, which is for a page,
// takes its rows by: in front of the page's, rows would be lost between pages; behind it,
// it would do nothing.
func (t *Template) checkOrders(fills []Fill, i int, alias string) error {
	if fills[i].Page == nil {
		return nil
	}
	for j := range fills {
		other := &fills[j]
		if j == i || len(other.Spec.Order) == 0 {
			continue
		}
		for k := range t.Places {
			p := &t.Places[k]
			outermost := p.Kind == OrderPlace && p.From >= t.Body.Order && p.From <= t.Body.Terms
			own := p.Table == fills[i].Table.Quoted && p.Alias == alias
			if outermost && !own && p.Table == other.Table.Quoted && (other.Alias == "" || other.Alias == p.Alias) {
				return &smrt.QueryError{Reason: fmt.Sprintf("a page is in one order, and the queries on tables %s and %s both have one: page the result, with slots.Outer, which can be in an order of columns of both", fills[i].Table.Quoted, other.Table.Quoted)}
			}
		}
	}
	return nil
}

// Fingerprint writes what f means beside another fill that is paged.
func (f *Fill) Fingerprint(w io.Writer) {
	fmt.Fprintf(w, "%s %s(", f.Table.Quoted, f.Alias)
	for i := range f.Spec.Where {
		f.Spec.Where[i].Fingerprint(w)
	}
	fmt.Fprint(w, ")")
}

// FingerprintArgs writes the arguments of a statement.
func FingerprintArgs(w io.Writer, args []any) {
	for _, v := range args {
		fingerprint(w, v)
	}
}

// rowAlias is what the rows of a statement are called in a query around it.
const rowAlias = "smrt_q"
