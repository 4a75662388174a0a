package rowsecurity_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
)

// modes are those that pgx may send statements in.
var modes = []pgx.QueryExecMode{
	pgx.QueryExecModeCacheStatement, pgx.QueryExecModeCacheDescribe, pgx.QueryExecModeDescribeExec,
	pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol,
}

// inMode returns a library whose app has one connection, in a mode of pgx.
func inMode(t *testing.T, mode pgx.QueryExecMode) *library {
	t.Helper()
	return newLibrary(t, testdb.MaxConns(1), testdb.Configure(func(cfg *pgxpool.Config) { cfg.ConnConfig.DefaultQueryExecMode = mode }))
}

// TestTextsWithoutAStatement are answered as on a pool, and refused in a batch, on which
// pgx panics. The one connection comes back.
func TestTextsWithoutAStatement(t *testing.T) {
	t.Parallel()
	for _, mode := range modes {
		db, ctx := inMode(t, mode).bound(t), of(t, 1)
		for _, text := range []string{"", ";", " \n", "-- ping", "/* a /* b */ */;"} {
			what := fmt.Sprintf("%v, %q", mode, text)
			_, err := db.Exec(ctx, text)
			check.Same(t, what+": Exec", err, nil)
			seen, err := collect(db.Query(ctx, text))
			check.Same(t, what+": Query", err, nil)
			check.Same(t, what+": rows", len(seen), 0)
			check.Error(t, what+": QueryRow", db.QueryRow(ctx, text).Scan(new(int)), pgx.ErrNoRows)
			_, err = db.Exec(ctx, text, 1)
			check.Same(t, what+": with an argument", err != nil, true)
			_, err = collect(db.Query(ctx, text, 1))
			check.Same(t, what+": Query with an argument", err != nil, true)
			b := &pgx.Batch{}
			b.Queue("SELECT 1")
			b.Queue(text)
			check.Error(t, what+": SendBatch", db.SendBatch(ctx, b).Close(), smrt.ErrBadQuery)
			check.NoError(t, pgx.BeginFunc(ctx, db, func(tx pgx.Tx) error {
				check.Error(t, what+": SendBatch in a transaction", tx.SendBatch(ctx, b).Close(), smrt.ErrBadQuery)
				return nil
			}))
		}
	}
}

// TestSettingFollowsBegin in a batch, however BEGIN is written.
func TestSettingFollowsBegin(t *testing.T) {
	t.Parallel()
	db, ctx := newLibrary(t).bound(t), of(t, 1)
	for _, text := range []string{"-- name: Begin :exec\nBEGIN ISOLATION LEVEL SERIALIZABLE", "BEGIN\nISOLATION LEVEL SERIALIZABLE", "/* a */start transaction isolation level serializable"} {
		var level string
		b := &pgx.Batch{}
		b.Queue(text)
		b.Queue("SELECT current_setting('transaction_isolation')").QueryRow(func(row pgx.Row) error { return row.Scan(&level) })
		b.Queue("COMMIT")
		check.NoError(t, db.SendBatch(ctx, b).Close())
		check.Equal(t, text, level, "serializable")
	}
}

// TestPolicyErrorsInBatches have their type wherever somebody meets them, in each mode.
func TestPolicyErrorsInBatches(t *testing.T) {
	t.Parallel()
	const foreign = "INSERT INTO books (tenant_id, title) VALUES (2, $1) RETURNING id"
	for _, mode := range modes {
		db, ctx := inMode(t, mode).bound(t), of(t, 1)
		send := func(what string, on smrt.DB) {
			b := func() *pgx.Batch {
				b := &pgx.Batch{}
				b.Queue(foreign, "x")
				return b
			}
			is := func(how string, err error) {
				t.Helper()
				var refused *smrt.RowSecurityError
				if !errors.Is(err, smrt.ErrRowSecurity) || !errors.As(err, &refused) || refused.Err == nil {
					t.Errorf("%v, %s, %s: %v", mode, what, how, err)
				}
			}
			for how, read := range map[string]func(pgx.BatchResults) error{
				"Exec":     func(r pgx.BatchResults) error { _, err := r.Exec(); return err },
				"Query":    func(r pgx.BatchResults) error { _, err := collect(r.Query()); return err },
				"QueryRow": func(r pgx.BatchResults) error { return r.QueryRow().Scan(new(int64)) },
				"Close":    func(r pgx.BatchResults) error { return nil },
			} {
				undone(t, ctx, on, func(on smrt.DB) {
					results := on.SendBatch(ctx, b())
					if err := read(results); how != "Close" {
						is(how, err)
					}
					is(how+", Close", results.Close())
				})
			}
			for how, with := range map[string]func(*pgx.QueuedQuery, *error){
				"a callback of QueryRow": func(q *pgx.QueuedQuery, saw *error) {
					q.QueryRow(func(row pgx.Row) error { *saw = row.Scan(new(int64)); return *saw })
				},
				"a callback of Query": func(q *pgx.QueuedQuery, saw *error) {
					q.Query(func(rows pgx.Rows) error { _, *saw = collect(rows, nil); return *saw })
				},
			} {
				undone(t, ctx, on, func(on smrt.DB) {
					var saw error
					batch := &pgx.Batch{}
					with(batch.Queue(foreign, "x"), &saw)
					is(how+", Close", on.SendBatch(ctx, batch).Close())
					is(how, saw)
				})
			}
		}
		send("bound", db)
		check.NoError(t, pgx.BeginFunc(ctx, db, func(tx pgx.Tx) error { send("in a transaction", tx); return nil }))
	}
}

// undone runs fn, which fails, in a savepoint of a transaction.
func undone(t *testing.T, ctx context.Context, on smrt.DB, fn func(smrt.DB)) {
	t.Helper()
	tx, ok := on.(pgx.Tx)
	if !ok {
		fn(on)
		return
	}
	inner := check.Value(tx.Begin(ctx))(t)
	fn(inner)
	check.NoError(t, inner.Rollback(ctx))
}

// TestTextsThatLoseTheTenant are refused before they are sent: those that end the
// transaction in which the server was told, and those that tell it another one.
func TestTextsThatLoseTheTenant(t *testing.T) {
	t.Parallel()
	l := newLibrary(t, testdb.MaxConns(1))
	db, ctx := l.bound(t), of(t, 1)
	check.NoError(t, db.Check(ctx))
	const sees = "SELECT count(*) FROM books WHERE tenant_id = 2"
	check.Value(l.app.Exec(ctx, "SET app.tenant = '2'"))(t) // what would be seen behind the end
	for _, text := range []string{
		"commit; " + sees, "-- name: End\nCOMMIT", "end", "ROLLBACK AND CHAIN", "rollback work and chain", "ABORT; " + sees, sees + "; commit",
		"PREPARE TRANSACTION 'x'", "SET app.tenant = '2'", "set session App.Tenant to 2", "SET LOCAL app.\"tenant\" = '2'; " + sees,
		"RESET app.tenant", "RESET ALL", "DISCARD ALL", "SELECT 1; /* a */ set app.tenant to default",
	} {
		for what, on := range map[string]func(func(smrt.DB) error) error{
			"bound": func(fn func(smrt.DB) error) error { return fn(db) },
			"in a transaction": func(fn func(smrt.DB) error) error {
				return pgx.BeginFunc(ctx, db, func(tx pgx.Tx) error { return fn(tx) })
			},
		} {
			l.sent.Reset()
			check.NoError(t, on(func(on smrt.DB) error {
				_, err := on.Exec(ctx, text)
				check.Error(t, what+", Exec: "+text, err, smrt.ErrBadQuery)
				_, err = collect(on.Query(ctx, text))
				check.Error(t, what+", Query: "+text, err, smrt.ErrBadQuery)
				b := &pgx.Batch{}
				b.Queue(text)
				b.Queue(sees)
				check.Error(t, what+", SendBatch: "+text, on.SendBatch(ctx, b).Close(), smrt.ErrBadQuery)
				return nil
			}))
			check.Same(t, what+": statements for "+text, len(l.sent.Statements()), map[string]int{"bound": 0, "in a transaction": 3}[what])
		}
	}
	check.NoError(t, pgx.BeginFunc(ctx, db, func(tx pgx.Tx) error { // those of others go on
		for _, text := range []string{
			"SAVEPOINT a", "ROLLBACK TO a", "rollback work to savepoint a", "SET LOCAL work_mem = '1MB'; SELECT 1", "RESET work_mem", "SET app.tenants = 'x'",
			"PREPARE a AS SELECT 1", "SELECT 'commit; set app.tenant = 2'", "DO $$BEGIN PERFORM 1; END$$", "DEALLOCATE a",
		} {
			check.Value(tx.Exec(ctx, text))(t)
		}
		return nil
	}))
}
