package migrate_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/smrt-go/smrt/cmd/smrt/internal/migrate"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
)

// TestPooler migrates through PgBouncer, which lends another connection as often as it can.
// That no lock_timeout can be set is said before anything is run.
func TestPooler(t *testing.T) {
	files := []string{
		count, "2_index -- +goose NO TRANSACTION\n-- +goose Up\nCREATE INDEX CONCURRENTLY IF NOT EXISTS notes_n ON notes (n);", "3_table CREATE TABLE x (a int);\nALTER TABLE x ADD b int;",
	}
	for _, mode := range []testdb.PoolMode{testdb.SessionPooling, testdb.TransactionPooling} {
		t.Run(string(mode), func(t *testing.T) {
			b := testdb.StartPgBouncer(t, testdb.PgBouncerConfig{PoolMode: mode, Settings: map[string]string{"server_round_robin": "1"}})
			f := newNotes(t, files...)
			f.opts.DSN = b.DSN(f.pool.Config().ConnConfig.Database)
			f.refusesLockTimeout(true)

			f.opts.LockTimeout = 0
			for range 2 { // the second on connections that have been used
				check.Value(up(t.Context(), f.runner()))(t)
				f.write("4_more INSERT INTO x VALUES (1);")
			}
			check.Same(t, "versions", f.versions(), "1 2 3 4")
			check.Same(t, "changes", f.text(changes), "1 1")
			check.Same(t, "leases", f.text("SELECT count(*) FROM goose_lock WHERE locked"), "0")
		})
	}
	t.Run("that drops the setting", func(t *testing.T) {
		b := testdb.StartPgBouncer(t, testdb.PgBouncerConfig{PoolMode: testdb.SessionPooling, Settings: map[string]string{"ignore_startup_parameters": "lock_timeout,extra_float_digits"}})
		f := newNotes(t, files...)
		f.opts.DSN = b.DSN(f.pool.Config().ConnConfig.Database)
		f.refusesLockTimeout(false)
	})
}

// refusesLockTimeout expects the error that says so, of the pooler's own or not, and that
// nothing has been run.
func (f *fixture) refusesLockTimeout(refused bool) {
	f.t.Helper()
	f.opts.LockTimeout = 2 * time.Second
	_, err := up(f.t.Context(), f.runner())
	pooler, server := (*migrate.PoolerError)(nil), (*pgconn.PgError)(nil)
	if !errors.As(err, &pooler) || pooler.Timeout != f.opts.LockTimeout || errors.As(err, &server) != refused || !strings.HasPrefix(err.Error(), "a lock_timeout of 2s cannot be set") {
		f.t.Errorf("the error is %v", err)
	}
	if _, err := f.runner().Status(f.t.Context()); !errors.As(err, &pooler) {
		f.t.Errorf("the error of the status is %v", err)
	}
	check.Same(f.t, "tables of goose", f.text("SELECT count(*) FROM pg_class WHERE relname LIKE 'goose%'"), "0")
}

// TestForgets migrates with files that make the server forget what it has prepared.
func TestForgets(t *testing.T) {
	f := newNotes(t, "2_discard -- +goose NO TRANSACTION\n-- +goose Up\nSELECT 1;\nDISCARD ALL;\nSELECT 1;", "3_deallocate SELECT 1;\nDEALLOCATE ALL;\nSELECT 1;")
	check.Value(up(t.Context(), f.runner()))(t)
	check.Same(t, "versions", f.versions(), "2 3")
}
