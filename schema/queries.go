package schema

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/sqlc"
	"github.com/smrt-go/smrt/txn"
)

// VerifyQueries asks the server to parse and describe each query in the Go files of a
// folder, and returns a finding for each that it refuses: it names a column that is
// gone, or compares types that do not fit any more. A query is a string constant
// that begins with "-- name:", as sqlc writes them:
//
//	schema.VerifyQueries(ctx, pool, os.DirFS("internal/shopdb"))
//
// Nothing is run. Folders inside are not read, and neither are texts that are put together
// from pieces. Whether sqlc's Go types still fit is not compared. The error says that the folder or the
// database could not be read, or that there is no query.
func VerifyQueries(ctx context.Context, db txn.Beginner, folder fs.FS) (Findings, error) {
	queries, err := queriesIn(folder)
	if err != nil {
		return nil, err
	}
	if db == nil {
		return nil, errNoHandle
	}
	var found Findings
	for _, q := range queries {
		refused, err := describe(ctx, db, q.SQL)
		if err != nil {
			return nil, fmt.Errorf("smrt: schema: %s: %w", q.Name, err)
		}
		if refused != nil {
			found = append(found, Finding{
				Check: CheckQuery, Level: Fault, Site: q.Site, Table: q.Name,
				Problem: sqlc.Refused(q.SQL, refused),
				Go:      "change the query and run sqlc generate",
			})
		}
	}
	return found, nil
}

// queriesIn returns the queries of a folder, in the order of files and lines.
func queriesIn(folder fs.FS) ([]sqlc.Query, error) {
	if folder == nil {
		return nil, &smrt.QueryError{Reason: "schema: the folder is nil: give one, as os.DirFS does"}
	}
	queries, err := sqlc.Read(folder)
	if err != nil {
		return nil, fmt.Errorf("smrt: schema: %w", err)
	}
	if len(queries) == 0 {
		return nil, &smrt.QueryError{Reason: `schema: the folder has no query: none of its Go files has a string that begins with "-- name:"`}
	}
	return queries, nil
}

// describe returns why the server refuses a statement, nil if it does not. Each has a
// transaction of its own, because one that is refused ends it.
func describe(ctx context.Context, db txn.Beginner, sql string) (refused *pgconn.PgError, err error) {
	tx, err := db.Begin(ctx)
	if err != nil {
		return nil, err
	}
	_, err = tx.Prepare(ctx, "", sql)
	rollback := tx.Rollback(context.WithoutCancel(ctx))
	switch {
	case errors.As(err, &refused):
		return refused, nil
	case err != nil:
		return nil, err
	case errors.Is(rollback, pgx.ErrTxClosed):
		return nil, nil
	}
	return nil, rollback
}
