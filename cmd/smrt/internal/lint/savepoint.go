package lint

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// inside is a connection on which questions are asked in the middle of a migration.
// What begins there is a savepoint, and ends as one: a transaction of pgx would be the
// migration's own, and end that.
type inside struct{ *pgx.Conn }

// Begin begins a savepoint, or a transaction if there is none.
func (c inside) Begin(ctx context.Context) (pgx.Tx, error) {
	if c.PgConn().TxStatus() == 'I' {
		return c.Conn.Begin(ctx)
	}
	_, err := c.Exec(ctx, "SAVEPOINT smrt_lint")
	return savepoint{connection: c.Conn}, err
}

type connection = *pgx.Conn

// savepoint is a pgx.Tx.
type savepoint struct{ connection }

var _ pgx.Tx = savepoint{}

func (s savepoint) Begin(ctx context.Context) (pgx.Tx, error) { return inside{s.connection}.Begin(ctx) }
func (s savepoint) Conn() *pgx.Conn                           { return s.connection }
func (s savepoint) LargeObjects() pgx.LargeObjects            { return pgx.LargeObjects{} }

func (s savepoint) Commit(ctx context.Context) error {
	_, err := s.Exec(ctx, "RELEASE SAVEPOINT smrt_lint")
	return err
}

// Rollback takes back what was done, and gives back the locks that it took.
func (s savepoint) Rollback(ctx context.Context) error {
	_, err := s.Exec(ctx, "ROLLBACK TO SAVEPOINT smrt_lint; RELEASE SAVEPOINT smrt_lint")
	return err
}
