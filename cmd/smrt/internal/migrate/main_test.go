package migrate_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/cmd/smrt/internal/migrate"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
)

func TestMain(m *testing.M) { os.Exit(testdb.Main(m)) }

// fixture is a database and a folder of migrations.
type fixture struct {
	t    *testing.T
	pool *pgxpool.Pool
	opts migrate.Options

	mu     sync.Mutex
	events []migrate.Event
}

// newFixture makes one. Files are named by their first word, and are SQL behind it.
func newFixture(t *testing.T, files ...string) *fixture {
	t.Helper()
	f := &fixture{t: t, pool: testdb.Pool(t, testdb.Empty, testdb.MaxConns(4), testdb.Direct())}
	f.opts = migrate.Options{
		DSN: f.pool.Config().ConnString(), Dir: t.TempDir(), LockTimeout: 100 * time.Millisecond, Poll: 20 * time.Millisecond,
		Lease: migrate.Lease{Length: 2 * time.Second, Heartbeat: 100 * time.Millisecond, Interval: 20 * time.Millisecond, Wait: testdb.Patience(30 * time.Second)},
		Retry: migrate.Retry{Times: 1000, Least: 5 * time.Millisecond, Most: 50 * time.Millisecond},
		Report: func(e migrate.Event) {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.events = append(f.events, e)
		},
	}
	f.write(files...)
	return f
}

// write adds files.
func (f *fixture) write(files ...string) {
	f.t.Helper()
	for _, text := range files {
		name, sqlText, _ := strings.Cut(text, " ")
		if !strings.Contains(sqlText, "+goose Up") {
			sqlText = "-- +goose Up\n" + sqlText
		}
		check.NoError(f.t, os.WriteFile(filepath.Join(f.opts.Dir, name+".sql"), []byte(sqlText+"\n"), 0o600))
	}
}

// runner opens a runner.
func (f *fixture) runner() *migrate.Runner {
	f.t.Helper()
	r := check.Value(migrate.Open(f.opts))(f.t)
	f.t.Cleanup(func() { check.NoError(f.t, r.Close()) })
	return r
}

// up runs all that is planned, of the contract phase too.
func up(ctx context.Context, r *migrate.Runner) ([]migrate.Ran, error) {
	files, _, err := r.Plan(ctx, migrate.Target{Contract: true})
	if err != nil {
		return nil, err
	}
	return r.Run(ctx, files)
}

// exec runs a statement in the database.
func (f *fixture) exec(sqlText string, args ...any) {
	f.t.Helper()
	check.Value(f.pool.Exec(f.t.Context(), sqlText, args...))(f.t)
}

// text returns what a query with one row and column finds, as text.
func (f *fixture) text(sqlText string, args ...any) (v string) {
	f.t.Helper()
	check.NoError(f.t, f.pool.QueryRow(f.t.Context(), "SELECT ("+sqlText+")::text", args...).Scan(&v))
	return v
}

// versions are what goose's table says, in its order.
func (f *fixture) versions() string {
	f.t.Helper()
	return f.text("SELECT coalesce(string_agg(version_id::text, ' ' ORDER BY id), '') FROM goose_db_version WHERE version_id > 0")
}

// until waits for a query to find a text.
func (f *fixture) until(want, sqlText string, args ...any) {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.t.Context(), testdb.Patience(10*time.Second))
	defer cancel()
	for {
		var got string
		check.NoError(f.t, f.pool.QueryRow(ctx, "SELECT ("+sqlText+")::text", args...).Scan(&got))
		if got == want {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// seen reports whether there was an event whose text contains a text.
func (f *fixture) seen(kind migrate.Kind, text string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.ContainsFunc(f.events, func(e migrate.Event) bool { return e.Kind == kind && strings.Contains(e.Text, text) })
}

// count returns how many events of a kind there were.
func (f *fixture) count(kind migrate.Kind) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, e := range f.events {
		if e.Kind == kind {
			n++
		}
	}
	return n
}

// names are the names of files.
func names(files []*migrate.File) string {
	var all []string
	for _, f := range files {
		all = append(all, f.Name)
	}
	return fmt.Sprint(all)
}
