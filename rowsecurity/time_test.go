package rowsecurity_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/guard"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
	"github.com/smrt-go/smrt/rowsecurity"
)

// dead is a client that asks for nothing to be stopped.
type dead struct{ *rowsecurity.DB }

func (d dead) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	return d.DB.Exec(context.WithoutCancel(ctx), sql, args...)
}

// TestServerStopsByItself: a limit of time is known to the server too, for as long as
// the statement takes.
func TestServerStopsByItself(t *testing.T) {
	l := newLibrary(t)
	ctx := of(t, 1)
	limited := func(db smrt.DB, d time.Duration) *guard.DB {
		return guard.On(db, guard.Limits{Timeout: d, Logger: slog.New(slog.DiscardHandler)})
	}
	// How long the server may work on a statement of db; 0 is for ever.
	seconds := func(db smrt.DB) (n float64) {
		t.Helper()
		check.NoError(t, db.QueryRow(ctx, "SELECT extract(epoch FROM current_setting('statement_timeout')::interval)::float8").Scan(&n))
		return n
	}
	bound := l.bound(t)
	_, err := limited(dead{bound}, 50*time.Millisecond).Exec(ctx, "SELECT pg_sleep(20)")
	check.Error(t, "a client that is gone", err, smrt.ErrTimeLimit)

	before := seconds(bound)
	if got := seconds(limited(bound, time.Minute)); got <= 1 || got > 61 {
		t.Errorf("the server has %v s, want what is left of a minute and a second", got)
	}
	brief, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	var sooner bool
	check.NoError(t, limited(bound, time.Hour).QueryRow(brief, "SELECT current_setting('statement_timeout')::interval <= interval '31 s'").Scan(&sooner))
	check.Same(t, "of a context that ends sooner", sooner, true)
	check.Same(t, "afterwards", seconds(bound), before)
	check.Same(t, "on the pool below", seconds(l.app), before)

	cfg := l.app.Config()
	cfg.ConnConfig.RuntimeParams["statement_timeout"] = "40s"
	strict := check.Value(pgxpool.NewWithConfig(ctx, cfg))(t)
	defer strict.Close()
	check.Same(t, "a stricter session", seconds(limited(bind(t, strict), time.Hour)), 40)
	if got := seconds(limited(bind(t, strict), time.Second)); got > 2 {
		t.Errorf("of a session that is less strict the server has %v s", got)
	}

	shelf := repo.New(limited(bound, time.Minute), books)
	texts := func(run func()) int {
		l.sent.Reset()
		run()
		return strings.Count(strings.Join(l.sent.Statements(), ";"), "'statement_timeout'")
	}
	check.Same(t, "a read", texts(func() { check.Value(shelf.Find(ctx, query.All[book]()))(t) }) > 0, true)
	check.Same(t, "a stream", texts(func() {
		for _, err := range shelf.Stream(ctx, query.All[book]()) {
			check.NoError(t, err)
		}
	}), 0)
}
