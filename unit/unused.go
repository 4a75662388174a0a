package unit

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// These methods make a [oneTrip] a pgx.Tx. Package txn calls none of them.

var errNotHere = errors.New("not available in a unit")

// Begin is not used.
func (t *oneTrip) Begin(context.Context) (pgx.Tx, error) { return nil, errNotHere }

// CopyFrom is not used.
func (t *oneTrip) CopyFrom(context.Context, pgx.Identifier, []string, pgx.CopyFromSource) (int64, error) {
	return 0, errNotHere
}

// LargeObjects is not used.
func (t *oneTrip) LargeObjects() pgx.LargeObjects { return pgx.LargeObjects{} }

// Prepare is not used.
func (t *oneTrip) Prepare(context.Context, string, string) (*pgconn.StatementDescription, error) {
	return nil, errNotHere
}
