package lint_test

import (
	"cmp"
	"context"
	"errors"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"github.com/smrt-go/smrt/cmd/smrt/internal/lint"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
)

// TestTruth stops each migration in its long part, and has a writer wait for the table
// in all that the command finds, and in none that it does not.
func TestTruth(t *testing.T) {
	for _, g := range gated {
		t.Run(g.what, func(t *testing.T) {
			t.Parallel()
			b := blocked{fill: g.fill, table: cmp.Or(g.table, "users"), writer: cmp.Or(g.writer, "DELETE FROM users WHERE id = 100"), released: 1}
			var setup []string
			if g.setup != "" {
				setup, b.released = []string{up + g.setup}, 2
			}
			bad, safe, o := slices.Concat(setup, g.bad), slices.Concat(setup, g.safe), lint.Options{From: b.released}
			check.Equal(t, "rules", rules(run(t, o, bad...).Findings), []string{g.rule})
			check.Equal(t, "rules of the safe way", rules(run(t, o, safe...).Findings), nil)
			if !b.by(t, bad...) {
				t.Error("nobody waits")
			}
			if b.by(t, safe...) {
				t.Error("a writer waits for the safe way")
			}
		})
	}
}

// blocked is a writer.
type blocked struct {
	fill, table, writer string
	released            int64 // version that the table is filled in
}

// by reports whether the writer waits for the table while migrations are stopped in the
// function gate.
func (b blocked) by(t *testing.T, files ...string) bool {
	t.Helper()
	pool := testdb.Pool(t, testdb.Empty, testdb.MaxConns(4))
	dir := write(t, files...)
	check.NoError(t, upgrade(t.Context(), pool, dir, b.released))
	// Nobody but the migration is to be stopped in gate, and ANALYZE would be.
	check.Value(pool.Exec(t.Context(), "ALTER TABLE users SET (autovacuum_enabled = false); INSERT INTO users (age) SELECT n FROM generate_series(1, 100) n;"+b.fill))(t)

	gate := check.Value(pool.Acquire(t.Context()))(t)
	defer gate.Release()
	check.Value(gate.Exec(t.Context(), "SELECT pg_advisory_lock(42)"))(t)
	migrated := make(chan error, 1)
	go func() { migrated <- upgrade(t.Context(), pool, dir, 0) }()
	over := until(t, migrated, func() bool { return waiting(t, pool, "advisory", "pid <> 0") })

	written := make(chan error, 1)
	go func() {
		_, err := pool.Exec(t.Context(), b.writer)
		written <- err
	}()
	done := until(t, written, func() bool { return waiting(t, pool, "relation", "relation = '"+b.table+"'::regclass") })
	check.Value(gate.Exec(t.Context(), "SELECT pg_advisory_unlock(42)"))(t)
	if !over {
		check.NoError(t, <-migrated)
	}
	if !done {
		check.NoError(t, <-written)
	}
	return !done
}

// upgrade runs migrations up to a version, 0 for all.
func upgrade(ctx context.Context, pool *pgxpool.Pool, dir string, version int64) (err error) {
	db := stdlib.OpenDB(*pool.Config().ConnConfig)
	defer func() { err = errors.Join(err, db.Close()) }()
	provider, err := goose.NewProvider(goose.DialectPostgres, db, os.DirFS(dir))
	if err != nil {
		return err
	}
	if version > 0 {
		_, err = provider.UpTo(ctx, version)
	} else {
		_, err = provider.Up(ctx)
	}
	return err
}

// until waits for the end of something, or for a condition, and reports whether it has
// ended, without an error.
func until(t *testing.T, end chan error, condition func() bool) bool {
	t.Helper()
	limit := time.After(testdb.Patience(20 * time.Second))
	for !condition() {
		select {
		case err := <-end:
			check.NoError(t, err)
			return true
		case <-limit:
			t.Fatal("neither the end nor the condition came")
		case <-time.After(time.Millisecond):
		}
	}
	return false
}

// waiting reports whether somebody waits for a lock in this database.
func waiting(t *testing.T, pool *pgxpool.Pool, kind, where string) (found bool) {
	t.Helper()
	check.NoError(t, pool.QueryRow(t.Context(), "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = $1 AND NOT granted AND "+where+
		" AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))", kind).Scan(&found))
	return found
}
