package lint_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"github.com/smrt-go/smrt/cmd/smrt/internal/lint"
	"github.com/smrt-go/smrt/cmd/smrt/internal/migrate"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
)

// full is the first migration, with a million rows in each table.
var full = testdb.Schema{Name: "full", Apply: func(ctx context.Context, dsn string) (err error) {
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		return err
	}
	db := stdlib.OpenDB(*config)
	defer func() { err = errors.Join(err, db.Close()) }()
	dir, err := os.MkdirTemp("", "smrt")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := os.WriteFile(dir+"/00001_step.sql", []byte(up+base), 0o600); err != nil {
		return err
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, db, os.DirFS(dir))
	if err != nil {
		return err
	}
	if _, err := provider.Up(ctx); err != nil {
		return err
	}
	const rows = 1_000_000
	for _, fill := range []string{
		"INSERT INTO teams (name) SELECT 'a' || n FROM generate_series(1, $1::int) n",
		"INSERT INTO users (team_id, name, nick, age, email) SELECT 1 + n % 100, 'name', 'nick', n, 'mail' || n FROM generate_series(1, $1::int) n",
		"INSERT INTO january SELECT date '2026-01-01' + n % 31, n FROM generate_series(1, $1::int) n",
		"INSERT INTO visits SELECT generate_series(1, $1::int)",
	} {
		if _, err := db.ExecContext(ctx, fill, rows); err != nil {
			return err
		}
	}
	_, err = db.ExecContext(ctx, "REFRESH MATERIALIZED VIEW teams_seen")
	return err
}}

// writers are the statements that tables are used by meanwhile.
var writers = map[string]string{
	"users":      "INSERT INTO users (name) VALUES ('new')",
	"teams":      "INSERT INTO teams (name) VALUES ('new')",
	"january":    "INSERT INTO january VALUES ('2026-01-15', 1)",
	"teams_seen": "SELECT FROM teams_seen LIMIT 1",
}

// oneUpdate is the planted migration of L10 that waits for rows and not for a table.
const oneUpdate = "all rows in one UPDATE"

// sizeless are planted migrations of L1 to L3 and L6 that say nothing at this size, with
// the reason.
var sizeless = map[string]string{
	"narrower varchar, in a table that was renamed": "a writer finds no table of the name",
	"NOT NULL column":                "it fails where there are rows",
	"REINDEX of a partitioned table": "the partition is made by the migration, so it is empty",
}

// TestTruthOfSize runs what is planted over a million rows, beside somebody who uses the
// table without end, and compares for how long that one waited at most. How long a
// rewrite takes, and whatever else the machine does, is no part of the comparison: a
// wait is what the server says of it, and the safe way is taken right after.
func TestTruthOfSize(t *testing.T) {
	check.LongOnly(t)
	pairs, left := 0, len(sizeless)
	for _, p := range planted {
		if sizeless[p.what] != "" {
			left--
		}
		if judged := []string{lint.Rewrite, lint.Scan, lint.Build, lint.Rows}; !slices.Contains(judged, p.rule) && p.what != oneUpdate || sizeless[p.what] != "" {
			continue
		}
		pairs++
		t.Run(p.what, func(t *testing.T) {
			const times, tries = 5, 5
			for try := 1; ; try++ {
				writer := writers[p.table]
				if p.what == oneUpdate {
					writer = "UPDATE users SET age = 0 WHERE id = 1"
				}
				bad, safe := longestWait(t, writer, p.bad...), longestWait(t, writer, p.safe...)
				t.Logf("waits at most %v, and %v for the safe way", bad, safe)
				if bad > 0 && bad >= times*safe {
					return
				}
				if try == tries {
					t.Fatalf("in no try the wait was %d times that for the safe way", times)
				}
			}
		})
	}
	if pairs < 20 || left != 0 {
		t.Errorf("there are %d pairs, want 20, and %d reasons for what is not planted", pairs, left)
	}
}

// longestWait returns for how long somebody who uses a table waited for a lock at most,
// while migrations ran. The server's clock says so, whenever it is asked.
func longestWait(t *testing.T, sql string, files ...string) (longest time.Duration) {
	t.Helper()
	pool := testdb.Pool(t, full, testdb.MaxConns(4))
	dir := write(t, files...)
	writer := check.Value(pool.Acquire(t.Context()))(t)
	defer writer.Release()

	done, written := make(chan error, 1), make(chan error, 1)
	over := make(chan struct{})
	go func() { written <- repeat(t.Context(), writer, sql, over) }()
	go func() {
		if strings.Contains(strings.Join(files, ""), backfill) {
			done <- inBatches(t.Context(), pool, dir)
		} else {
			done <- upgrade(t.Context(), pool, dir, 0)
		}
	}()
	for {
		select {
		case err := <-done:
			close(over)
			check.NoError(t, errors.Join(err, <-written))
			return longest
		default:
			longest = max(longest, waitOf(t, pool, writer.Conn().PgConn().PID()))
		}
	}
}

// inBatches runs migrations with smrt migrate, which goose runs at once.
func inBatches(ctx context.Context, pool *pgxpool.Pool, dir string) (err error) {
	runner, err := migrate.Open(migrate.Options{DSN: pool.Config().ConnString(), Dir: dir, LockTimeout: 2 * time.Second})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, runner.Close()) }()
	files, _, err := runner.Plan(ctx, migrate.Target{})
	if err == nil {
		_, err = runner.Run(ctx, files)
	}
	return err
}

// repeat runs a statement until it is told to end.
func repeat(ctx context.Context, conn *pgxpool.Conn, sql string, over chan struct{}) error {
	for {
		select {
		case <-over:
			return nil
		default:
		}
		if _, err := conn.Exec(ctx, sql); err != nil && !strings.Contains(err.Error(), "cached plan") { // of a table that is another one now
			return fmt.Errorf("%s: %w", sql, err)
		}
	}
}

// waitOf returns for how long a process has waited for the lock that it waits for now.
func waitOf(t *testing.T, pool *pgxpool.Pool, pid uint32) time.Duration {
	t.Helper()
	var seconds float64
	check.NoError(t, pool.QueryRow(t.Context(), "SELECT coalesce(max(extract(epoch FROM clock_timestamp() - waitstart)), 0)::float8 FROM pg_locks WHERE pid = $1 AND NOT granted",
		int64(pid)).Scan(&seconds))
	return time.Duration(seconds * float64(time.Second))
}
