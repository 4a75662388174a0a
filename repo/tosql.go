package repo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/table"
)

// Statement is an SQL statement with its arguments.
type Statement struct {
	SQL  string
	Args []any // they print as their values, and may refer to the entities that were given
}

// ToSQL returns the statement that a call sends first, and does not send it:
//
//	statement, err := repo.ToSQL(pool, func(db smrt.DB) error {
//		_, err := products.With(db).Find(ctx, q)
//		return err
//	})
//
// The function makes the call on the handle that it is given. Any method will do, of
// repositories, readers, views and units. The call then ends with an error, which f
// returns or drops. Statements that depend on the answer to the first one, such as those of loads,
// are not seen.
//
// The handle db is asked only what the catalog says of a table, where the call needs to
// know; nothing else is sent to it.
//
// The error is what f returned if the call was refused before it had a statement, and a
// *smrt.QueryError if f made none.
func ToSQL(db smrt.DB, f func(db smrt.DB) error) (Statement, error) {
	r := &recorder{db: db}
	err := f(r)
	switch {
	case r.sent != nil:
		return *r.sent, nil
	case err != nil:
		return Statement{}, err
	}
	return Statement{}, &smrt.QueryError{Reason: "ToSQL: the function sent nothing on the handle that it was given: bind the repository to it, as in products.With(db)"}
}

// Explain returns the server's plan of the statement, as text. Nothing is run.
func (s Statement) Explain(ctx context.Context, db smrt.DB) (string, error) {
	rows, err := db.Query(ctx, "EXPLAIN "+s.SQL, s.Args...)
	if err != nil {
		return "", fmt.Errorf("smrt: explain: %w", err)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return "", fmt.Errorf("smrt: explain: %w", err)
	}
	return strings.Join(lines, "\n"), nil
}

// errNotSent ends a call whose statement was recorded.
var errNotSent = errors.New("smrt: the statement was recorded by ToSQL, and not sent")

// recorder is a handle that keeps the first statement.
type recorder struct {
	db   smrt.DB
	sent *Statement
}

func (r *recorder) record(sql string, args []any) {
	if r.sent != nil {
		return
	}
	if len(args) > 0 {
		if _, ok := args[0].(pgx.QueryExecMode); ok { // an option for pgx, and no argument
			args = args[1:]
		}
	}
	r.sent = &Statement{SQL: sql, Args: slices.Clone(args)}
}

// Query implements smrt.DB, as the methods below do.
func (r *recorder) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	if r.sent == nil && r.db != nil && table.AsksCatalog(sql) {
		return r.db.Query(ctx, sql, args...)
	}
	r.record(sql, args)
	return nil, errNotSent
}

func (r *recorder) Exec(_ context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	r.record(sql, args)
	return pgconn.CommandTag{}, errNotSent
}

func (r *recorder) QueryRow(_ context.Context, sql string, args ...any) pgx.Row {
	r.record(sql, args)
	return notSent{}
}

func (r *recorder) SendBatch(_ context.Context, b *pgx.Batch) pgx.BatchResults {
	for _, q := range b.QueuedQueries {
		r.record(q.SQL, q.Arguments)
	}
	return notSent{}
}

func (r *recorder) CopyFrom(_ context.Context, into pgx.Identifier, columns []string, _ pgx.CopyFromSource) (int64, error) {
	r.record("COPY "+into.Sanitize()+" ("+quoted(columns)+") FROM STDIN", nil)
	return 0, errNotSent
}

func quoted(columns []string) string {
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = pgx.Identifier{c}.Sanitize()
	}
	return strings.Join(names, ", ")
}

// notSent is a row, and the results of a batch, that are not there.
type notSent struct{}

func (notSent) Scan(...any) error                { return errNotSent }
func (notSent) Exec() (pgconn.CommandTag, error) { return pgconn.CommandTag{}, errNotSent }
func (notSent) Query() (pgx.Rows, error)         { return nil, errNotSent }
func (notSent) QueryRow() pgx.Row                { return notSent{} }
func (notSent) Tx() pgx.Tx                       { return nil }
func (notSent) Close() error                     { return errNotSent }
