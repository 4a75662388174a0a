package cache_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/cache"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/pool"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/readreplica"
	"github.com/smrt-go/smrt/repo"
	"github.com/smrt-go/smrt/txn"
	"github.com/smrt-go/smrt/unit"
)

// replicas is a primary with a standby, and a router whose reads a cache serves.
type replicas struct {
	tb               testing.TB
	ctx              context.Context
	primary, standby *testdb.Server
	cache            *cache.Cache
	router           *readreplica.Router
	stalls           *repo.Repository[stall, int64]
}

func setupReplicas(t *testing.T) *replicas {
	t.Helper()
	r := &replicas{tb: t, ctx: t.Context(), primary: testdb.Primary(t, testdb.Config{})}
	r.exec(marketSQL)
	r.exec("INSERT INTO stalls (id, name) SELECT i, 'stall ' || i FROM generate_series(1, 40) i")
	r.exec("INSERT INTO items (id, stall) SELECT i, i FROM generate_series(1, 40) i")
	r.standby = check.Value(r.primary.Standby(r.ctx, testdb.StandbyConfig{}))(t)
	r.router = r.open()
	r.cache = check.Value(cache.New(cache.Config{}, cache.Of(stalls), cache.Of(items)))(t)
	t.Cleanup(r.cache.Close)
	check.NoError(t, r.cache.Attach(r.ctx, r.router))
	r.stalls = repo.New(r.router, stalls)
	return r
}

// open opens a router, as a process of its own would.
func (r *replicas) open() *readreplica.Router {
	r.tb.Helper()
	router := check.Value(readreplica.Open(r.ctx, readreplica.Config{
		Servers: []readreplica.Server{{Name: "primary", URL: r.primary.DSN("postgres")}, {Name: "standby", URL: r.standby.DSN("postgres")}},
		Pool:    pool.Config{MaxConns: 4}, PrimaryShare: 1, MaxStale: time.Hour, // a standby that is behind serves reads
		ProbeInterval: 200 * time.Millisecond, ProbeTimeout: testdb.Patience(5 * time.Second), TokenSecret: []byte("0123456789abcdef"),
	}))(r.tb)
	r.tb.Cleanup(router.Close)
	return router
}

// exec runs SQL on the primary that no router and no cache knows of.
func (r *replicas) exec(sql string) {
	r.tb.Helper()
	conn := check.Value(pgx.Connect(r.ctx, r.primary.DSN("postgres")))(r.tb)
	_, err := conn.Exec(r.ctx, sql)
	check.NoError(r.tb, errors.Join(err, conn.Close(r.ctx)))
}

// get reads a stall by way of the cache.
func (r *replicas) get(ctx context.Context, id int64) *stall {
	r.tb.Helper()
	return check.Value(r.stalls.Get(ctx, id))(r.tb)
}

// past reads a stall past the cache.
func (r *replicas) past(ctx context.Context, id int64) *stall {
	r.tb.Helper()
	return r.get(cache.Bypass(ctx), id)
}

// hits reports whether a read is served.
func (r *replicas) hits(read func()) bool {
	before := r.cache.Stats().Tables["stalls"].Hits
	read()
	return r.cache.Stats().Tables["stalls"].Hits > before
}

// What the cache keeps of a router was read from the primary, so that the next read sees
// a write, though the standbys do not have it. What the read demands holds for what it is
// served.
func TestRouters(t *testing.T) {
	t.Parallel()
	r := setupReplicas(t)
	check.NoError(t, r.standby.PauseReplay(r.ctx))
	direct := check.Value(pgxpool.New(r.ctx, r.primary.DSN("postgres")))(t)
	defer direct.Close()
	n := int64(0)
	for name, write := range map[string]func() error{
		"Patch": func() error { return r.stalls.Patch(r.ctx, 1, stallN.Set(n)) },
		"UpdateWhere": func() error {
			_, err := r.stalls.UpdateWhere(r.ctx, query.Where(stallID.Eq(1)), stallN.Set(n))
			return err
		},
		"a transaction": func() error {
			return txn.Run(r.ctx, r.router, func(ctx context.Context, tx pgx.Tx) error { return r.stalls.With(tx).Patch(ctx, 1, stallN.Set(n)) })
		},
		"a unit": func() error {
			u := unit.New()
			unit.Patch(u, stalls, 1, stallN.Set(n))
			_, err := u.Flush(r.ctx, r.router)
			return err
		},
		"a pool of the primary": func() error { return repo.New(direct, stalls).Patch(r.ctx, 1, stallN.Set(n)) },
		"declared SQL": func() error {
			_, err := r.router.Exec(r.ctx, "UPDATE stalls SET n = $1 WHERE id = 1", n)
			cache.Wrote(r.ctx, r.router, stalls)
			return err
		},
	} {
		for range 2 {
			n++
			check.NoError(t, write())
			check.Same(t, name+", next read", r.get(r.ctx, 1).N, n)
			check.Same(t, name+", served", r.hits(func() { check.Same(t, name+", n", r.get(r.ctx, 1).N, n) }), true)
			many := check.Value(r.stalls.GetMany(r.ctx, []int64{1, 2}))(t)
			check.Same(t, name+", of many", many[0].N, n)
		}
	}
	check.Same(t, "the standby is behind", r.past(r.ctx, 1).N < n, true)

	// By hand, nobody tells when it ends; then the primary is asked.
	tx := check.Value(r.router.Begin(r.ctx))(t)
	check.NoError(t, r.stalls.With(tx).Patch(r.ctx, 1, stallN.Set(n+1)))
	check.Same(t, "kept while it is open", r.hits(func() { r.get(r.ctx, 1); r.get(r.ctx, 1) }), false)
	check.NoError(t, tx.Commit(r.ctx))
	r.until("it is kept again", func() bool { return r.hits(func() { r.get(r.ctx, 1) }) })
	check.Same(t, "n", r.get(r.ctx, 1).N, n+1)

	// Another program writes.
	n++
	writes := func() { n++; r.exec(fmt.Sprintf("UPDATE stalls SET n = %d WHERE id = 1", n)) }
	served := func(what string, ctx context.Context, want int64) {
		t.Helper()
		check.Same(t, what, r.hits(func() { check.Same(t, what+": n", r.get(ctx, 1).N, want) }), true)
	}
	writes()
	served("a read that demands nothing is served", r.ctx, n-1)
	session := readreplica.WithSession(r.ctx)
	served("a new session is served", session, n-1)
	check.Same(t, "past the cache that session sees no less", r.past(session, 1).N, n)
	for what, demand := range map[string]func() context.Context{
		"WithPrimary":  func() context.Context { return readreplica.WithPrimary(r.ctx) },
		"WithPosition": func() context.Context { return readreplica.WithPosition(r.ctx, check.Value(r.position())(t)) },
		"WithMaxStale": func() context.Context { return readreplica.WithMaxStale(r.ctx, 0) },
		"a session":    func() context.Context { readreplica.MarkWritten(session); return session },
	} {
		writes()
		check.Same(t, what, r.get(demand(), 1).N, n)
	}
	writes()
	readreplica.MarkWritten(session)
	check.Same(t, "the session again", r.get(session, 1).N, n)
	served("it is served what it has read", session, n)
	check.Error(t, "a position that cannot be", second(r.stalls.Get(readreplica.WithPosition(r.ctx, smrt.Position{System: 1, Timeline: 1, LSN: 1}), 30)), smrt.ErrBadToken)
	check.NoError(t, r.standby.ResumeReplay(r.ctx))
}

func second[T any](_ T, err error) error { return err }

// position returns how far the primary is.
func (r *replicas) position() (smrt.Position, error) {
	session := readreplica.WithSession(r.ctx)
	readreplica.MarkWritten(session)
	return r.router.Position(session)
}

func (r *replicas) until(what string, done func() bool) { (&fixture{tb: r.tb}).until(what, done) }

// A session that another process has begun, whose writes this one is not told of, sees
// what it wrote there.
func TestSessionsOfOtherProcesses(t *testing.T) {
	t.Parallel()
	r := setupReplicas(t)
	other := r.open()
	rounds := int64(150)
	if check.Long() {
		rounds = 5000
	}
	served := 0
	for n := int64(1); n <= rounds; n++ {
		id := 1 + n%5
		r.get(r.ctx, id) // whatever it is
		ctx := readreplica.WithSession(r.ctx)
		check.Value(other.Exec(ctx, "UPDATE stalls SET n = $1 WHERE id = $2", n, id))(t)
		ctx = check.Value(r.router.Resume(r.ctx, check.Value(other.Token(ctx))(t)))(t)
		if got := r.get(ctx, id).N; got != n {
			t.Fatalf("round %d: the session has written it, and reads %d", n, got)
		}
		if r.hits(func() { check.Same(t, "again", r.get(ctx, id).N, n) }) {
			served++
		}
	}
	check.Same(t, "the second read of a round is served, as a rule", served > 0, true)
}

// A promotion loses what the standby did not have. Nothing of it is served once the
// router knows.
func TestPromotionLosesCommits(t *testing.T) {
	t.Parallel()
	r := setupReplicas(t)
	// Caches of tests that run beside this one are told of each other's writes: here they
	// are of another table.
	rows := repo.New(r.router, items)
	get := func() int64 { return check.Value(rows.Get(r.ctx, 1))(t).N }
	served := func() bool {
		before := r.cache.Stats().Tables["items"].Hits
		get()
		return r.cache.Stats().Tables["items"].Hits > before
	}
	check.NoError(t, r.standby.Stop(r.ctx))
	check.NoError(t, rows.Patch(r.ctx, 1, query.Col(func(i *item) *int64 { return &i.N }).Set(7)))
	check.Same(t, "what will be lost", get(), 7)
	check.Same(t, "it is served", served(), true)
	check.NoError(t, r.primary.Kill()) // before the standby can ask it for what it missed
	check.NoError(t, r.standby.Restart(r.ctx))
	r.until("a row that nobody can keep is read from the standby", func() bool {
		_, err := rows.Get(r.ctx, 2)
		return err == nil
	})
	check.NoError(t, r.standby.Promote(r.ctx))
	r.until("the router has a primary again", func() bool { return r.router.Stats().Timelines == 1 })
	check.Value(r.position())(t) // that takes its lock: everybody has been told
	check.Same(t, "what was lost is gone", get(), 0)
	r.until("what is there is served", served)
}
