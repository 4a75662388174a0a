package txn_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/txn"
)

// lending is a handle of one connection, which somebody else uses as soon as COMMIT
// has failed, as another goroutine may that a pool lends it to.
type lending struct {
	*pgx.Conn
	fails int
	used  chan struct{} // closed when that use has ended
}

func (l *lending) BeginTx(ctx context.Context, o pgx.TxOptions) (pgx.Tx, error) {
	<-l.used
	tx, err := l.Conn.BeginTx(ctx, o)
	return &lentTx{tx, l}, err
}

type lentTx struct {
	pgx.Tx
	of *lending
}

func (t *lentTx) Commit(ctx context.Context) error {
	if t.of.fails--; t.of.fails < 0 {
		return t.Tx.Commit(ctx)
	}
	if err := t.Tx.Rollback(ctx); err != nil {
		return err
	}
	t.of.used = make(chan struct{})
	go func(done chan struct{}) {
		defer close(done)
		_, _ = t.of.Exec(ctx, "SELECT 1")
	}(t.of.used)
	return &pgconn.PgError{Severity: "ERROR", Code: "40001"}
}

// TestConnectionsAfterCommit proves, under the race detector, that a connection is
// not looked at once COMMIT has given it back.
func TestConnectionsAfterCommit(t *testing.T) {
	conn := check.Value(pgx.Connect(t.Context(), testdb.Pool(t, testdb.Empty).Config().ConnString()))(t)
	defer func() { _ = conn.Close(context.Background()) }()
	l := &lending{Conn: conn, fails: 3, used: make(chan struct{})}
	close(l.used)
	runs := 0
	check.NoError(t, txn.Run(t.Context(), l, func(ctx context.Context, tx pgx.Tx) error {
		runs++
		_, err := tx.Exec(ctx, "SELECT 1")
		return err
	}, txn.Options{Isolation: pgx.Serializable}))
	check.Same(t, "runs", runs, 4)
}
