package slots_test

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/slots"
)

// Ticket is a model of sqlc's.
type Ticket struct {
	ID       int64
	State    string
	Priority int32
}

// What a program that uses sqlc declares of a table: its key, and the columns that
// filters and orders are about.
var (
	Tickets        = query.NewTable("tickets", func(t *Ticket) *int64 { return &t.ID })
	TicketID       = query.Col(func(t *Ticket) *int64 { return &t.ID })
	TicketState    = query.TextCol(func(t *Ticket) *string { return &t.State })
	TicketPriority = query.Col(func(t *Ticket) *int32 { return &t.Priority })
)

// Queries stands for what sqlc generates: New takes a handle, and methods have the text
// of queries/*.sql as a constant.
type Queries struct{ db smrt.DB }

func New(db smrt.DB) *Queries { return &Queries{db} }

const ticketReport = `-- name: TicketReport :many
SELECT t.id, t.state, count(c.id) AS comments
FROM tickets t LEFT JOIN comments c ON c.ticket_id = t.id
WHERE true /* smrt:where tickets t */
GROUP BY t.id
ORDER BY /* smrt:order tickets t */ t.id
LIMIT 1000 /* smrt:limit */
`

func Example() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, dsn()) // os.Getenv("DATABASE_URL") in a program
	if err != nil {
		panic(err)
	}
	defer pool.Close()

	urgent := query.Where(TicketState.Ne("closed"), TicketPriority.Ge(5)).OrderBy(TicketPriority.Desc()).Limit(2)
	rows, err := New(slots.On(pool, slots.For(Tickets, urgent))).TicketReport(ctx)
	fmt.Println(rows, err)

	n, err := slots.Count(ctx, pool, func(db smrt.DB) error {
		_, err := New(db).TicketReport(ctx)
		return err
	}, slots.For(Tickets, urgent))
	fmt.Println("of", n, err)
	// Output:
	// [{4 open 0} {2 open 1}] <nil>
	// of 3 <nil>
}

// A ticket that is closed, and its comments are counted, in one transaction. WithTx of
// sqlc takes a pgx.Tx, and so does New.
func ExampleTx() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, dsn())
	if err != nil {
		panic(err)
	}
	defer pool.Close()

	err = pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		old := slots.For(Tickets, query.Where(TicketID.Le(2), TicketState.Eq("open")))
		tag, err := slots.Tx(tx, old).Exec(ctx, "UPDATE tickets AS t SET state = $1 WHERE false /* smrt:where tickets t */", "closed")
		fmt.Println(tag.RowsAffected(), "closed")
		return err
	})
	fmt.Println(err)
	// Output:
	// 2 closed
	// <nil>
}

// A table that a statement has twice is told apart by its alias.
func ExampleFill_As() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, dsn())
	if err != nil {
		panic(err)
	}
	defer pool.Close()

	const pairs = `SELECT count(*) FROM tickets a JOIN tickets b ON a.id < b.id
		WHERE true /* smrt:where tickets a */ AND true /* smrt:where tickets b */`
	db := slots.On(pool,
		slots.For(Tickets, query.Where(TicketState.Eq("open"))).As("a"),
		slots.For(Tickets, query.Where(TicketState.Eq("closed"))).As("b"))
	var n int
	err = db.QueryRow(ctx, pairs).Scan(&n)
	fmt.Println(n, err)
	// Output: 2 <nil>
}

// What a program declares of the rows of a query: columns that the query computes can be
// filtered and ordered by, and its key lets it have pages.
var (
	ReportID       = slots.Col(func(r *TicketReportRow) *int64 { return &r.ID })
	ReportComments = slots.Col(func(r *TicketReportRow) *int64 { return &r.Comments })
	Report         = slots.NewResult(ReportID)
)

// Tickets that have comments, most of them first, of those that are not closed.
func ExampleOuter() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, dsn())
	if err != nil {
		panic(err)
	}
	defer pool.Close()

	open := slots.For(Tickets, query.Where(TicketState.Ne("closed")))
	discussed := query.Where(ReportComments.Gt(0)).OrderBy(ReportComments.Desc(), ReportID.Asc())
	page := slots.NewPage(query.Page{Size: 1})
	rows, err := New(slots.On(pool, open, slots.Outer(Report, discussed).Page(page))).TicketReport(ctx)
	fmt.Println(rows, err, "more:", page.Next() != "")
	// Output: [{1 open 1}] <nil> more: true
}

// The second page of a list, and the cursor that leads back to the first.
func ExampleFill_Page() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, dsn())
	if err != nil {
		panic(err)
	}
	defer pool.Close()

	list := func(p query.Page) (next, prev string) {
		page := slots.NewPage(p, []byte("secret"))
		urgent := slots.For(Tickets, query.All[Ticket]().OrderBy(TicketPriority.Desc()))
		rows, err := New(slots.On(pool, urgent.Page(page))).ListTickets(ctx)
		fmt.Println(rows, err)
		return page.Next(), page.Prev()
	}
	next, _ := list(query.Page{Size: 2})
	_, prev := list(query.Page{Size: 2, After: next})
	list(query.Page{Size: 2, Before: prev})
	// Output:
	// [{4 open 9} {3 closed 9}] <nil>
	// [{2 open 7} {5 new 5}] <nil>
	// [{4 open 9} {3 closed 9}] <nil>
}

const listTickets = `-- name: ListTickets :many
SELECT t.id, t.state, t.priority FROM tickets t
WHERE true /* smrt:where tickets t */
ORDER BY /* smrt:order tickets t */ t.id
LIMIT 100 /* smrt:limit */
`

func (q *Queries) ListTickets(ctx context.Context) ([]Ticket, error) {
	rows, err := q.db.Query(ctx, listTickets)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var items []Ticket
	for rows.Next() {
		var i Ticket
		if err := rows.Scan(&i.ID, &i.State, &i.Priority); err != nil {
			return nil, err
		}
		items = append(items, i)
	}
	return items, rows.Err()
}

// TicketReportRow is a row of the query.
type TicketReportRow struct {
	ID       int64
	State    string
	Comments int64
}

func (q *Queries) TicketReport(ctx context.Context) ([]TicketReportRow, error) {
	rows, err := q.db.Query(ctx, ticketReport)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var items []TicketReportRow
	for rows.Next() {
		var i TicketReportRow
		if err := rows.Scan(&i.ID, &i.State, &i.Comments); err != nil {
			return nil, err
		}
		items = append(items, i)
	}
	return items, rows.Err()
}
