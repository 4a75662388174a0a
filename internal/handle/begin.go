package handle

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// Starter is a handle that begins transactions as package txn describes them. It
// is asked in place of BeginTx, which cannot be told all of it.
type Starter interface {
	Start(ctx context.Context, b Begin) (pgx.Tx, error)
}

// Begin describes the beginning of a transaction, and how long its end may take.
type Begin struct {
	Modes    pgx.TxOptions
	Settings []string      // SET LOCAL statements, which follow BEGIN
	Limit    time.Duration // of COMMIT and ROLLBACK
	Attempt  int           // which it is, from 1
	Cause    string        // the SQLSTATE that the attempt before ended with
}

// StarterOf returns the Starter that db is, or nil.
func StarterOf(db any) Starter {
	s, _ := traits(db).(Starter)
	return s
}

// TimeoutTx is a transaction that sends statements with COMMIT.
type TimeoutTx interface {
	// TimedOut reports whether the server, which gave up one of them, did so
	// because of statement_timeout: limit, or that of the session if it is 0.
	TimedOut(limit time.Duration) bool
}
