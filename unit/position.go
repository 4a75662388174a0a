package unit

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/handle"
	"github.com/smrt-go/smrt/internal/pgerr"
	"github.com/smrt-go/smrt/internal/wal"
)

// The position of a commit is asked for in the same round trip: one statement
// before COMMIT and one after it. Nothing about it makes a unit fail, or leaves
// open whether it was committed. txn decides who wants it and hands it over.

// KeepCommits lets txn ask for the position if the handle wants it.
func (r *runner) KeepCommits(ctx context.Context) func(smrt.Position) {
	return handle.KeepCommits(ctx, r.db)
}

// CommitPosition is Commit with the position.
func (t *oneTrip) CommitPosition(ctx context.Context) (smrt.Position, error) {
	t.asks = !t.silent && knowsPositions(t.conn)
	asked := t.asks
	err := t.Commit(ctx)
	if err != nil || !asked || t.told {
		return t.at, err
	}
	// The answer was lost, but that to COMMIT was not. The end of the log
	// covers the commit.
	ctx, cancel := context.WithTimeout(ctx, t.begins.Limit)
	defer cancel()
	p, _ := wal.Now(ctx, t.db) // zero if it fails
	return p, nil
}

// silentKey marks a connection whose server does not return positions.
const silentKey = "smrt.unit.silent"

// knowsPositions reports whether the server has not yet refused to return a
// position.
func knowsPositions(conn *pgx.Conn) bool { return conn.PgConn().CustomData()[silentKey] == nil }

// tell reads the answer that follows the one to COMMIT.
func (t *oneTrip) tell(results pgx.BatchResults, async bool) {
	var end wal.End
	err := end.Scan(results.QueryRow())
	if err == nil {
		t.at = end.Covering(async)
	}
	var pg *pgconn.PgError
	t.told = err == nil || errors.As(err, &pg)
	if pgerr.IsMissing(err) { // not there, or not allowed
		t.conn.PgConn().CustomData()[silentKey] = true
	}
}

// unasked reports whether the last attempt was not sent because the position
// cannot be asked for: servers that only resemble PostgreSQL refuse to prepare
// the statements.
func (r *runner) unasked() bool {
	var batch pgx.ErrPreprocessingBatch
	return r.last != nil && errors.As(r.last.out.err, &batch) && (batch.SQL() == wal.EndSQL || batch.SQL() == wal.AsyncSQL)
}
