package testdb

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Version returns the server's version: 18.4, perhaps with more after a space.
func (s *Server) Version(ctx context.Context) (version string, err error) {
	err = s.withAdmin(ctx, func(conn *pgx.Conn) error {
		return conn.QueryRow(ctx, "show server_version").Scan(&version)
	})
	if err != nil {
		return "", fmt.Errorf("version of %s: %w", s.name, err)
	}
	return version, nil
}

// rower asks for one row: a pool, a connection or a transaction.
type rower interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// Major returns the major version of the server behind db: 18.
func Major(tb TB, db rower) int {
	tb.Helper()
	n, err := versionNumber(context.Background(), db)
	if err != nil {
		tb.Fatalf("testdb: version of the server: %v", err)
	}
	return n / 10000
}

// Since skips tb if the server behind db is older than that major version.
func Since(tb TB, db rower, major int) {
	tb.Helper()
	if n := Major(tb, db); n < major {
		tb.Skipf("needs PostgreSQL %d, the server is %d", major, n)
	}
}

// versionNumber returns the server's version as a number: 150003 is 15.3.
func versionNumber(ctx context.Context, db rower) (n int, err error) {
	err = db.QueryRow(ctx, "select current_setting('server_version_num')::int").Scan(&n)
	return n, err
}
