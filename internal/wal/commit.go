package wal

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/handle"
	"github.com/smrt-go/smrt/internal/traced"
)

// CommitSQL is one message of the simple protocol: constant texts, one round trip, nothing to prepare.
const CommitSQL = AsyncSQL + "; COMMIT; " + EndSQL

// Commit commits the transaction that is open on conn, and reads the position of the commit in the same round trip.
// The position is zero where the server does not tell it, which is no error: the transaction is committed.
//
// Errors are those of pgx.Tx.Commit: pgx.ErrTxCommitRollback if the transaction had failed before, else what COMMIT was
// answered with. As there, a connection that is left in an unknown state is closed.
func Commit(ctx context.Context, conn *pgx.Conn) (smrt.Position, error) {
	pg := conn.PgConn()
	if status := pg.TxStatus(); status != handle.StatusInTx {
		return smrt.Position{}, commitFailed(ctx, conn)
	}
	seen := traced.Of(conn) // pgx's hooks do not see it
	ctx = seen.Begin(ctx, conn, "commit")
	p, committed, err := readCommit(pg.Exec(ctx, CommitSQL))
	if committed {
		seen.End(ctx, conn, nil)
	} else {
		seen.End(ctx, conn, err)
	}
	if committed {
		return p, nil
	}
	if pg.TxStatus() != handle.StatusIdle {
		_ = conn.Close(ctx)
	}
	return smrt.Position{}, err
}

// commitFailed ends a transaction that cannot be committed.
func commitFailed(ctx context.Context, conn *pgx.Conn) error {
	if conn.IsClosed() {
		return pgconn.ErrConnClosed
	}
	if conn.PgConn().TxStatus() == handle.StatusIdle {
		return pgx.ErrTxClosed
	}
	if _, err := conn.Exec(ctx, "rollback"); err != nil {
		_ = conn.Close(ctx)
		return err
	}
	return pgx.ErrTxCommitRollback
}

// readCommit reads the three answers. What comes behind that of COMMIT cannot change it, so that errors there only
// leave the position out.
func readCommit(results *pgconn.MultiResultReader) (p smrt.Position, committed bool, err error) {
	async := false
	for n := 0; results.NextResult(); n++ {
		result := results.ResultReader().Read()
		if result.Err != nil {
			break // Close returns it
		}
		switch n {
		case 0:
			async = len(result.Rows) == 1 && string(result.Rows[0][0]) == "true"
		case 1:
			if committed = result.CommandTag.String() == "COMMIT"; !committed {
				err = pgx.ErrTxCommitRollback
			}
		case 2:
			var end End
			if f, ok := texts(result); ok && end.parse(f) == nil {
				p = end.Covering(async)
			}
		}
	}
	if closing := results.Close(); err == nil {
		err = closing
	}
	return p, committed, err
}

// texts are the columns of the only row of a result.
func texts(result *pgconn.Result) (f fields, ok bool) {
	if len(result.Rows) != 1 || len(result.Rows[0]) != len(f) {
		return f, false
	}
	for i, value := range result.Rows[0] {
		f[i] = string(value)
	}
	return f, true
}
