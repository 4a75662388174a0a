package handle

import (
	"context"
	"crypto/rand"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/smrt-go/smrt"
)

// Unprepared is a handle whose statements use nothing that a connection has
// prepared or remembers: they are described each time, unless their arguments
// begin with a mode of their own. A batch has no mode, so each of its statements
// gets a text that no connection knows.
type Unprepared struct{ smrt.DB }

// Unwrap implements Wrapper.
func (u Unprepared) Unwrap() smrt.DB { return u.DB }

// Query implements smrt.DB.
func (u Unprepared) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	return u.DB.Query(ctx, sql, Described(args)...)
}

// QueryRow implements smrt.DB.
func (u Unprepared) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	return u.DB.QueryRow(ctx, sql, Described(args)...)
}

// Exec implements smrt.DB.
func (u Unprepared) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	return u.DB.Exec(ctx, sql, Described(args)...)
}

// SendBatch implements smrt.DB.
func (u Unprepared) SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults {
	mark := " /* " + rand.Text() + " */"
	for _, q := range b.QueuedQueries {
		q.SQL += mark
	}
	return u.DB.SendBatch(ctx, b)
}

// Described returns the arguments of a statement that is to use nothing prepared, unless
// they say how it is sent.
func Described(args []any) []any {
	if len(args) > 0 {
		if _, ok := args[0].(pgx.QueryExecMode); ok {
			return args
		}
	}
	return append([]any{pgx.QueryExecModeDescribeExec}, args...)
}
