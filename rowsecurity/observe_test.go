package rowsecurity_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/pgerr"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/observe"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
	"github.com/smrt-go/smrt/txn"
)

// seen is what an observer has told of calls, without what time decides.
type seen struct {
	mu     sync.Mutex
	events []string
}

func (s *seen) take() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer func() { s.events = nil }()
	return strings.Join(s.events, "\n")
}

func (s *seen) hook() observe.Hook {
	return observe.HookFuncs{
		OnBefore: func(ctx context.Context, e *observe.Event) context.Context {
			s.add("before", e)
			return ctx
		},
		OnAfter: func(_ context.Context, e *observe.Event) {
			if e.Kind != observe.Transaction && e.Kind != observe.Queued && e.Total() <= 0 {
				s.add("without a time:", e)
			}
			s.add("after", e)
		},
	}
}

func (s *seen) add(when string, e *observe.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e.Name.Operation == "catalog" {
		return
	}
	s.events = append(s.events, fmt.Sprint(when, " ", e.Kind, " ", e.Name, " ", e.Size, " ", e.SQL, " ", e.Args, " tx=", e.InTx,
		" rows=", e.Rows, " ", e.Outcome, e.SQLState, " ", e.Run, e.Callers, e.Whole))
}

// TestObservedOnABoundHandle: hooks, statistics, the slow log, scopes and counters take what
// is sent on a bound handle for what they take it for on the pool.
func TestObservedOnABoundHandle(t *testing.T) {
	l := newLibrary(t)
	type side struct {
		db       smrt.Pool
		seen     seen
		log      bytes.Buffer
		observer *observe.Observer
	}
	var sent testdb.Counter
	open := func(tenant string) (*side, *pgxpool.Pool) {
		s := &side{}
		s.observer = check.Value(observe.New(observe.Config{
			Args: true, Hooks: []observe.Hook{s.seen.hook()},
			Slow:   observe.SlowLog{Threshold: 1, PerSecond: 1e6, Args: true},
			Logger: slog.New(slog.NewTextHandler(&s.log, nil)),
		}))(t)
		cfg := l.app.Config()
		cfg.MaxConns = 1
		cfg.ConnConfig.RuntimeParams[setting] = tenant
		cfg.ConnConfig.Tracer = nil
		sent.Attach(cfg)
		s.observer.Configure(cfg)
		p := check.Value(pgxpool.NewWithConfig(t.Context(), cfg))(t)
		t.Cleanup(p.Close)
		return s, p
	}
	plain, pool := open("1")
	plain.db = pool
	bound, pool := open("2")
	bound.db = bind(t, pool)
	ctx := of(t, 1)
	alone := repo.Options{Batching: repo.Batching{Off: true}}
	mine := bookID.In(2, 4, 6) // which are of tenant 1
	// Each line of the slow log, without times and what differs between roles.
	lines := func(s *side) string {
		defer s.log.Reset()
		text := regexp.MustCompile(`(time|server|waited|decoded|held)=\S+ `).ReplaceAllString(s.log.String(), "")
		var out []string
		for line := range strings.Lines(text) {
			if !strings.Contains(line, "name=catalog") {
				out = append(out, line)
			}
		}
		return strings.Join(out, "")
	}
	for _, c := range []struct {
		name string
		run  func(ctx context.Context, db smrt.Pool) error
	}{
		{"a read by key", func(ctx context.Context, db smrt.Pool) error {
			_, err := repo.New(db, books, alone).Get(ctx, 2)
			return err
		}},
		{"a loop", func(ctx context.Context, db smrt.Pool) error {
			for range 7 {
				if _, err := repo.New(db, books, alone).Get(ctx, 2); err != nil {
					return err
				}
			}
			return nil
		}},
		{"rows", func(ctx context.Context, db smrt.Pool) error {
			_, err := repo.New(db, books).Find(ctx, query.Where(mine))
			return err
		}},
		{"a stream", func(ctx context.Context, db smrt.Pool) error {
			for _, err := range repo.New(db, books).Stream(ctx, query.Where(mine)) {
				return err // after the first row
			}
			return nil
		}},
		{"an update", func(ctx context.Context, db smrt.Pool) error {
			_, err := repo.New(db, books).UpdateWhere(ctx, query.Where(mine), bookMark.Set(3))
			return err
		}},
		{"a query of sqlc", func(ctx context.Context, db smrt.Pool) error {
			var n int64
			return db.QueryRow(ctx, "-- name: Marked :one\nSELECT count(*) FROM books WHERE tenant_id = 1 AND mark = $1", int64(3)).Scan(&n)
		}},
		{"raw SQL", func(ctx context.Context, db smrt.Pool) error {
			_, err := db.Exec(ctx, "UPDATE books SET mark = mark WHERE tenant_id = 1 AND id < $1", int64(9))
			return err
		}},
		{"named arguments", func(ctx context.Context, db smrt.Pool) error {
			_, err := db.Exec(ctx, "UPDATE books SET mark = mark WHERE tenant_id = 1 AND id < @id", pgx.NamedArgs{"id": int64(9)})
			return err
		}},
		{"an error while it runs", func(ctx context.Context, db smrt.Pool) error {
			_, err := db.Exec(ctx, "SELECT 1 / $1::int", 0)
			return err
		}},
		{"an error before", func(ctx context.Context, db smrt.Pool) error {
			_, err := db.Exec(ctx, "SELECT nothing FROM books WHERE id = $1", 1)
			return err
		}},
		{"an error of a query", func(ctx context.Context, db smrt.Pool) error {
			return db.QueryRow(ctx, "SELECT 1 / $1::int", 0).Scan(new(int))
		}},
		{"a batch", func(ctx context.Context, db smrt.Pool) error {
			var b pgx.Batch
			b.Queue("SELECT id FROM books WHERE tenant_id = 1")
			b.Queue("SELECT $1::text", "x")
			return db.SendBatch(ctx, &b).Close()
		}},
		{"a batch of one", func(ctx context.Context, db smrt.Pool) error {
			var b pgx.Batch
			b.Queue("SELECT id FROM books WHERE tenant_id = 1")
			return db.SendBatch(ctx, &b).Close()
		}},
		{"a transaction", func(ctx context.Context, db smrt.Pool) error {
			return txn.Run(ctx, db.(txn.Beginner), func(ctx context.Context, tx pgx.Tx) error {
				_, err := repo.New(tx, books).Find(ctx, query.Where(mine))
				return err
			})
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var errs [2]string
			var used [2]observe.Usage
			var found [2]int
			var events, slow [2]string
			var stats, counted [2][]string
			for i, s := range []*side{plain, bound} {
				_ = c.run(ctx, s.db) // what is asked of the catalog the first time
				s.seen.take()
				lines(s)
				s.observer.Reset()
				scoped := observe.WithScope(ctx, observe.Options{Policy: observe.Ignore})
				errs[i] = pgerr.SQLState(c.run(scoped, s.db))
				used[i], found[i] = observe.Used(scoped), len(observe.Findings(scoped))
				used[i].Time = 0
				events[i], slow[i] = s.seen.take(), lines(s)
				snap := s.observer.Snapshot()
				for _, sh := range append(snap.Shapes, snap.Others...) {
					if sh.Name.Operation != "catalog" {
						stats[i] = append(stats[i], fmt.Sprint(sh.Name, sh.SQL, sh.Calls, sh.Queued, sh.Failed, sh.Rows, sh.Server > 0))
					}
				}
				slices.Sort(stats[i])
				sent.Reset()
				_ = c.run(ctx, s.db)
				counted[i] = sent.Statements()
			}
			check.Equal(t, "errors", errs[1], errs[0])
			check.Equal(t, "events", events[1], events[0])
			check.Equal(t, "slow log", slow[1], slow[0])
			check.Equal(t, "statistics", stats[1], stats[0])
			check.Equal(t, "used", used[1], used[0])
			check.Equal(t, "loops", found[1], found[0])
			check.Equal(t, "counted", counted[1], counted[0])
		})
	}
}
