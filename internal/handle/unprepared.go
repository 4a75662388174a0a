package handle

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/smrt-go/smrt"
)

// Unprepared is a handle whose statements use nothing that a connection has
// prepared or remembers: they are described each time, unless their arguments
// begin with a mode of their own. Batches are sent as they are.
type Unprepared struct{ smrt.DB }

// Unwrap implements Wrapper.
func (u Unprepared) Unwrap() smrt.DB { return u.DB }

// Query implements smrt.DB.
func (u Unprepared) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	return u.DB.Query(ctx, sql, described(args)...)
}

// QueryRow implements smrt.DB.
func (u Unprepared) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	return u.DB.QueryRow(ctx, sql, described(args)...)
}

// Exec implements smrt.DB.
func (u Unprepared) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	return u.DB.Exec(ctx, sql, described(args)...)
}

func described(args []any) []any {
	if len(args) > 0 {
		if _, ok := args[0].(pgx.QueryExecMode); ok {
			return args
		}
	}
	return append([]any{pgx.QueryExecModeDescribeExec}, args...)
}
