package lint_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"github.com/smrt-go/smrt/cmd/smrt/internal/lint"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
)

// gated are migrations whose long part calls a function, gate or gated, that the test
// can stop, and the same in safe steps.
var gated = []struct {
	what, rule string
	bad, safe  []string
}{
	{
		"volatile default", lint.Rewrite,
		[]string{tx("ALTER TABLE users ADD n integer DEFAULT gated();")},
		[]string{tx("ALTER TABLE users ADD n integer;\nALTER TABLE users ALTER n SET DEFAULT gated();")},
	},
	{
		"generated column", lint.Rewrite,
		[]string{tx("ALTER TABLE users ADD n integer GENERATED ALWAYS AS (gate(age)) STORED;")},
		[]string{tx("ALTER TABLE users ADD n integer;"), up + "UPDATE users SET n = gate(age) WHERE id < 50;"},
	},
	{
		"type", lint.Rewrite,
		[]string{tx("ALTER TABLE users ALTER age TYPE bigint USING gate(age);")},
		[]string{tx("ALTER TABLE users ADD age_8 bigint;"), up + "UPDATE users SET age_8 = gate(age) WHERE id < 50;"},
	},
	{
		"check", lint.Scan,
		[]string{tx("ALTER TABLE users ADD CHECK (gate(age) > 0);")},
		[]string{tx("ALTER TABLE users ADD CONSTRAINT aged CHECK (gate(age) > 0) NOT VALID;"), up + "ALTER TABLE users VALIDATE CONSTRAINT aged;"},
	},
	{
		"check that is validated at once", lint.Scan,
		[]string{tx("ALTER TABLE users ADD CONSTRAINT aged CHECK (gate(age) > 0) NOT VALID;\nALTER TABLE users VALIDATE CONSTRAINT aged;")},
		[]string{tx("ALTER TABLE users ADD CONSTRAINT aged CHECK (gate(age) > 0) NOT VALID;"), up + "ALTER TABLE users VALIDATE CONSTRAINT aged;"},
	},
	{
		"index", lint.Build,
		[]string{tx("CREATE INDEX ON users (gate(age));")},
		[]string{noTx + "CREATE INDEX CONCURRENTLY IF NOT EXISTS aged ON users (gate(age));"},
	},
	{
		"index without a transaction", lint.Build,
		[]string{noTx + patient + "CREATE UNIQUE INDEX IF NOT EXISTS aged ON users (gate(age));"},
		[]string{noTx + "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS aged ON users (gate(age));"},
	},
	{
		"rows", lint.Rows,
		[]string{tx("ALTER TABLE users ADD n integer;\nUPDATE users SET n = gate(age) WHERE id < 50;")},
		[]string{tx("ALTER TABLE users ADD n integer;"), up + "UPDATE users SET n = gate(age) WHERE id < 50;"},
	},
}

// TestTruth stops each migration in its long part, and has a writer wait for the table
// in all that the command finds, and in none that it does not.
func TestTruth(t *testing.T) {
	for _, g := range gated {
		t.Run(g.what, func(t *testing.T) {
			t.Parallel()
			check.Equal(t, "rules", rules(run(t, lint.Options{}, g.bad...).Findings), []string{g.rule})
			check.Equal(t, "rules of the safe way", rules(run(t, lint.Options{}, g.safe...).Findings), nil)
			if !blocks(t, g.bad...) {
				t.Error("nobody waits")
			}
			if blocks(t, g.safe...) {
				t.Error("a writer waits for the safe way")
			}
		})
	}
}

// blocks reports whether a writer waits for the table while migrations are stopped in
// the function gate.
func blocks(t *testing.T, files ...string) bool {
	t.Helper()
	pool := testdb.Pool(t, testdb.Empty, testdb.MaxConns(4))
	dir := write(t, files...)
	check.NoError(t, upgrade(t.Context(), pool, dir, 1))
	check.Value(pool.Exec(t.Context(), "INSERT INTO users (age) SELECT n FROM generate_series(1, 100) n"))(t)

	gate := check.Value(pool.Acquire(t.Context()))(t)
	defer gate.Release()
	check.Value(gate.Exec(t.Context(), "SELECT pg_advisory_lock(42)"))(t)
	migrated := make(chan error, 1)
	go func() { migrated <- upgrade(t.Context(), pool, dir, 0) }()
	over := until(t, migrated, func() bool { return waiting(t, pool, "advisory", "pid <> 0") })

	written := make(chan error, 1)
	go func() {
		_, err := pool.Exec(t.Context(), "DELETE FROM users WHERE id = 100")
		written <- err
	}()
	done := until(t, written, func() bool { return waiting(t, pool, "relation", "relation = 'users'::regclass") })
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

// TestTruthOfSize runs what is planted over many rows, beside a writer that never stops,
// and prints for how long the writer stood at most. What is unsafe makes it wait.
func TestTruthOfSize(t *testing.T) {
	check.LongOnly(t)
	const rows = 1_000_000
	for _, p := range planted {
		// A table that is renamed is none for the writer, and a NOT NULL column fails where there are rows.
		if p.rule > lint.Build || p.table != "users" || strings.Contains(p.what, "renamed") || p.what == "NOT NULL column" {
			continue
		}
		t.Run(p.what, func(t *testing.T) {
			bad, waited := stall(t, rows, p.bad...)
			safe, _ := stall(t, rows, p.safe...)
			t.Logf("longest stall: %v, and %v in the safe way", bad.Round(time.Millisecond), safe.Round(time.Millisecond))
			if waited == 0 {
				t.Error("no writer was seen to wait")
			}
		})
	}
}

// stall returns how long a statement of a writer took at most while migrations ran, and
// how often the writer was seen to wait for the table.
func stall(t *testing.T, rows int, files ...string) (longest time.Duration, waited int) {
	t.Helper()
	pool := testdb.Pool(t, testdb.Empty, testdb.MaxConns(4))
	dir := write(t, files...)
	check.NoError(t, upgrade(t.Context(), pool, dir, 1))
	check.Value(pool.Exec(t.Context(), "INSERT INTO teams (name) SELECT 'a' FROM generate_series(1, 100)"))(t)
	check.Value(pool.Exec(t.Context(), `INSERT INTO users (team_id, name, nick, age, email)
		SELECT 1 + n % 100, 'name', 'nick', n, 'mail' || n FROM generate_series(1, $1::int) n`, rows))(t)

	done := make(chan error, 1)
	writer := make(chan struct{})
	go func() {
		defer close(writer)
		for i := 1; ; i++ {
			start := time.Now()
			_, err := pool.Exec(t.Context(), "DELETE FROM users WHERE id = $1", i)
			longest = max(longest, time.Since(start))
			if err != nil {
				t.Error(err)
				return
			}
			select {
			case err := <-done:
				done <- err
				return
			default:
			}
		}
	}()
	go func() { done <- upgrade(t.Context(), pool, dir, 0) }()
	for {
		select {
		case err := <-done:
			check.NoError(t, err)
			done <- err
			<-writer
			return longest, waited
		default:
			if waiting(t, pool, "relation", "relation = 'users'::regclass") {
				waited++
			}
		}
	}
}
