package observe_test

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/observe"
	"github.com/smrt-go/smrt/pool"
	"github.com/smrt-go/smrt/readreplica"
	"github.com/smrt-go/smrt/repo"
	"github.com/smrt-go/smrt/txn"
)

// TestRouterIsObserved: whether the primary serves a read or a standby, and why, calls are
// named and counted alike, and events say which server it was and what it is.
func TestRouterIsObserved(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	primary := testdb.Primary(t, testdb.Config{})
	check.NoError(t, shop.Migrate(ctx, primary.DSN("postgres")))
	standby := check.Value(primary.Standby(ctx, testdb.StandbyConfig{}))(t)
	j := &journal{}
	o := newObserver(t, observe.Config{Hooks: []observe.Hook{j}})
	r := check.Value(readreplica.Open(ctx, readreplica.Config{
		Servers: []readreplica.Server{{Name: "first", URL: primary.DSN("postgres")}, {Name: "second", URL: standby.DSN("postgres")}},
		Pool:    pool.Config{MaxConns: 2, Configure: o.Configure}, PrimaryShare: 1, MaxStale: time.Hour,
		ProbeTimeout: testdb.Patience(250 * time.Millisecond),
	}))(t)
	t.Cleanup(r.Close)
	categories := repo.New(r, shop.Categories, alone)
	c := category("c")
	session := readreplica.WithSession(ctx)
	calls := func() (seen []string) {
		for _, e := range j.take() {
			if op := e.Name.Operation; op == "catalog" || op == "probe" || op == "server" || op == "position" {
				continue
			}
			role := "primary"
			if e.Node == nodeOfServer(standby) {
				role = "standby"
			}
			check.Same(t, "the server of "+e.Name.String(), e.Node == nodeOfServer(primary) || e.Node == nodeOfServer(standby), true)
			check.Same(t, "what it is", e.Standby, role == "standby")
			kind := ""
			if e.Kind == observe.Transaction {
				kind = "transaction "
			}
			seen = append(seen, role+" "+kind+e.Name.String())
		}
		return seen
	}
	get := func(ctx context.Context) { check.Value(categories.Get(ctx, c.ID))(t) }

	check.NoError(t, categories.Create(ctx, &c))
	check.NoError(t, standby.WaitForReplay(ctx, primary))
	waitForReader(t, r)
	check.Equal(t, "a write", calls(), []string{"primary categories.create"})
	get(ctx)
	check.Equal(t, "a read", calls(), []string{"standby categories.get"})
	get(readreplica.WithPrimary(ctx))
	check.Equal(t, "a read of the primary", calls(), []string{"primary categories.get"})
	check.NoError(t, txn.Run(ctx, r, func(ctx context.Context, tx pgx.Tx) error {
		_, err := categories.With(tx).Get(ctx, c.ID)
		return err
	}))
	check.Equal(t, "a transaction", calls(), []string{"primary begin", "primary categories.get", "primary commit", "primary transaction commit"})

	// What the session has written the standby will not have.
	check.NoError(t, standby.PauseReplay(ctx))
	before := r.Stats()
	check.NoError(t, categories.Patch(session, c.ID, shop.CategorySlug.Set("new")))
	get(session)
	check.Equal(t, "a read that falls back", calls(), []string{"primary categories.update", "primary categories.get"})
	check.Same(t, "fallbacks", r.Stats().Fallbacks-before.Fallbacks, 1)
	check.NoError(t, standby.ResumeReplay(ctx))

	counts := map[string]uint64{}
	for _, s := range o.Snapshot().ByName() {
		counts[s.Name.String()] = s.Calls
	}
	check.Same(t, "reads of all servers", counts["categories.get"], 4)
	check.Same(t, "writes", counts["categories.create"]+counts["categories.update"], 2)
	check.Same(t, "transactions", o.Snapshot().Transactions.Committed, 1)
}

// nodeOfServer is what events call a server.
func nodeOfServer(s *testdb.Server) string { return s.SocketDir() + "/.s.PGSQL." + strconv.Itoa(5432) }

// waitForReader waits until the standby of a router gets reads.
func waitForReader(t *testing.T, r *readreplica.Router) {
	t.Helper()
	for end := time.Now().Add(testdb.Patience(10 * time.Second)); !r.Stats().Nodes[1].Reading; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the standby gets no reads")
		}
	}
}
