package pgerr

import (
	"errors"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/smrt-go/smrt"
)

// IsPooler reports whether the server does not have a prepared statement that it
// was given, or was given one that it has: 26000 and 42P05. pgx keeps count of
// them, so somebody between has changed the server under it.
func IsPooler(pg *pgconn.PgError) bool { return pg.Code == "26000" || pg.Code == "42P05" }

// Pooler says what err, for which IsPooler holds, means and what helps. It is
// never tried again: the next attempt would be as lucky or unlucky.
func Pooler(err error) error {
	var done *smrt.PoolerError
	if errors.As(err, &done) {
		return err
	}
	return &smrt.PoolerError{
		Mode: "transaction", Feature: "a prepared statement", Err: err,
		Hint: "raise the pooler's max_prepared_statements above 0, or let pgx prepare nothing (DefaultQueryExecMode = " +
			"pgx.QueryExecModeExec); without a pooler, look for DEALLOCATE or DISCARD",
	}
}
