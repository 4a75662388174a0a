package query_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// Meeting is a row of a table whose rules only the program knows.
type Meeting struct {
	ID     int64
	Title  string
	Seats  int32
	Starts time.Time
	Ends   time.Time
}

var (
	MeetingTitle  = query.TextCol(func(m *Meeting) *string { return &m.Title })
	MeetingSeats  = query.Col(func(m *Meeting) *int32 { return &m.Seats })
	MeetingStarts = query.Col(func(m *Meeting) *time.Time { return &m.Starts })
	MeetingEnds   = query.Col(func(m *Meeting) *time.Time { return &m.Ends })

	Meetings = query.NewTable("meetings", func(m *Meeting) *int64 { return &m.ID },
		query.Rules(
			query.NotBlank(MeetingTitle), query.MaxLength(MeetingTitle, 40),
			query.AtLeast(MeetingSeats, 2), query.AtMost(MeetingSeats, 12),
			query.RuleFunc("starts_before_it_ends", func(m *Meeting) bool { return m.Starts.Before(m.Ends) },
				MeetingStarts, MeetingEnds)))
)

// Rules are declared beside a table, and every write checks them before it sends
// anything.
func ExampleRules() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, dsn())
	if err != nil {
		panic(err)
	}
	defer pool.Close()
	if _, err := pool.Exec(ctx, `CREATE TABLE meetings (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
		title text NOT NULL, seats integer NOT NULL, starts timestamptz NOT NULL, ends timestamptz NOT NULL)`); err != nil {
		panic(err)
	}
	meetings := repo.New(pool, Meetings)

	noon := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	lunch := Meeting{Title: "Lunch", Seats: 4, Starts: noon, Ends: noon.Add(time.Hour)}
	fmt.Println(meetings.Create(ctx, &lunch))

	err = meetings.CreateMany(ctx, []Meeting{
		{Title: "Review", Seats: 3, Starts: noon, Ends: noon.Add(time.Hour)},
		{Title: "\t", Seats: 40, Starts: noon, Ends: noon},
	})
	var broken *smrt.RuleError
	if errors.As(err, &broken) {
		for _, v := range broken.Violations {
			fmt.Println("row", v.Row, v.Columns, v)
		}
	}
	fmt.Println(errors.Is(meetings.Patch(ctx, lunch.ID, MeetingSeats.Set(0)), smrt.ErrRule))
	// Output:
	// <nil>
	// row 1 [title] must not be blank
	// row 1 [seats] must be at most 12
	// row 1 [starts ends] must satisfy starts_before_it_ends
	// true
}
