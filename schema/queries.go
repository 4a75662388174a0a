package schema

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/explain"
	"github.com/smrt-go/smrt/internal/pgerr"
	"github.com/smrt-go/smrt/internal/sqlc"
	"github.com/smrt-go/smrt/txn"
)

// VerifyQueries asks the server to describe and to plan each query in the Go files of a
// folder, and returns a finding for each that it refuses: it names a column that is gone,
// compares types that do not fit any more, has an ON CONFLICT without a unique index, or
// does what the role has no privilege for. So db should be of the role that the program
// has. A query is a string constant that begins with "-- name:", as sqlc writes them:
//
//	schema.VerifyQueries(ctx, pool, os.DirFS("internal/shopdb"))
//
// No query is run, writes neither. While it plans, the server evaluates functions that are
// declared IMMUTABLE; the transaction, or the savepoint where db is in one, is read-only and
// rolled back. Not seen is what the server says only when it runs a query: that an INSERT
// leaves a column out that must have a value, that the body of a function fails. Nor is a
// statement planned that has no plan, such as TRUNCATE, and none where the transactions of
// db have no Conn. Folders inside are not read, and neither are texts that are put together
// from pieces, or a copyfrom, which has no text. Whether sqlc's Go types still fit is not
// compared. The error says that the folder or the database could not be read, or that there
// is no query.
func VerifyQueries(ctx context.Context, db txn.Beginner, folder fs.FS) (Findings, error) {
	queries, err := queriesIn(folder)
	if err != nil {
		return nil, err
	}
	if db == nil {
		return nil, errNoHandle
	}
	answers, err := ask(ctx, db, queries)
	if err == nil {
		err = planAll(ctx, db, queries, answers)
	}
	if err != nil {
		return nil, err
	}
	var found Findings
	for i, q := range queries {
		if refused := answers[i].refused; refused != nil {
			remedy := "change the query and run sqlc generate"
			if pgerr.IsForbidden(refused) {
				remedy = "verify as the role that the program has, or grant it what the query needs"
			}
			found = append(found, Finding{
				Check: CheckQuery, Level: Fault, Site: q.Site, Table: q.Name,
				Problem: sqlc.Refused(q.SQL, refused), Go: remedy,
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

// answer is what the server says of a query: what it is, or why it is refused.
type answer struct {
	statement *pgconn.StatementDescription
	refused   *pgconn.PgError
}

// ask has the server parse and describe queries, in one round trip for each. One that is
// refused ends the transaction, so the next one begins another.
func ask(ctx context.Context, db txn.Beginner, queries []sqlc.Query) (answers []answer, err error) {
	for len(answers) < len(queries) {
		err = within(ctx, db, func(tx pgx.Tx) error {
			for _, q := range queries[len(answers):] {
				var a answer
				a.statement, err = tx.Prepare(ctx, "", q.SQL)
				if err != nil && !isRefusal(err, &a.refused) {
					return fmt.Errorf("%s: %w", q.Name, err)
				}
				if answers = append(answers, a); err != nil {
					return nil
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return answers, nil
}

// isRefusal reports whether an error says that the server refuses a statement, and sets why.
func isRefusal(err error, why **pgconn.PgError) bool {
	return errors.As(err, why) && pgerr.FaultOf(err) != pgerr.Lost && !pgerr.IsCanceled(err)
}

// planAll has the server plan the queries that it has described, and adds what it refuses
// to the answers. As in ask, an error ends the transaction.
func planAll(ctx context.Context, db txn.Beginner, queries []sqlc.Query, answers []answer) error {
	for next := 0; next < len(queries); {
		err := within(ctx, db, func(tx pgx.Tx) error {
			if tx.Conn() == nil {
				next = len(queries)
				return nil
			}
			planner, err := explain.Start(ctx, tx)
			for err == nil && next < len(queries) {
				q, a := queries[next], &answers[next]
				next++
				if a.refused != nil {
					continue
				}
				if _, failed := planner.Plan(ctx, q.SQL, a.statement.ParamOIDs, false); failed != nil {
					return a.unplanned(q, failed)
				}
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// unplanned adds to the answer why a query has no plan, if that is a fault of the query.
func (a *answer) unplanned(q sqlc.Query, err error) error {
	var refused *pgconn.PgError
	switch {
	case errors.Is(err, explain.ErrNoPlan):
		return nil
	case !isRefusal(err, &refused):
		return fmt.Errorf("%s: %w", q.Name, err)
	case pgerr.FaultOf(refused) != pgerr.NotPrimary: // a function that writes while it is planned may do so when the query is run
		a.refused = refused
	}
	return nil
}

// within calls f with a transaction, which is rolled back.
func within(ctx context.Context, db txn.Beginner, f func(tx pgx.Tx) error) error {
	tx, err := db.Begin(ctx)
	if err == nil {
		err = f(tx)
		if rollback := tx.Rollback(context.WithoutCancel(ctx)); err == nil && !errors.Is(rollback, pgx.ErrTxClosed) {
			err = rollback
		}
	}
	if err != nil {
		return fmt.Errorf("smrt: schema: %w", err)
	}
	return nil
}
