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
	"github.com/smrt-go/smrt/readreplica"
	"github.com/smrt-go/smrt/repo"
	"github.com/smrt-go/smrt/txn"
)

// A row comes from the cache as it would from the server, and belongs to its caller.
func TestHits(t *testing.T) {
	f := setup(t)
	first := check.Value(f.stalls.Get(f.ctx, 1))(t)
	var second *stall
	check.Same(t, "served", f.served(func() { second = check.Value(f.stalls.Get(f.ctx, 1))(t) }), true)
	check.Equal(t, "row", second, first)
	second.Name = "changed"
	check.Equal(t, "row", check.Value(f.stalls.Get(f.ctx, 1))(t), first)

	var many []*stall
	check.Value(f.stalls.GetMany(f.ctx, []int64{2, 3, absent}))(t)
	check.Same(t, "served", f.served(func() { many = check.Value(f.stalls.GetMany(f.ctx, []int64{3, 1, 3, absent, 2}))(t) }), true)
	check.Same(t, "the same twice", many[0] == many[2] && many[0] != nil, true)
	check.Same(t, "a missing one", many[3] == nil, true)
	for i, id := range []int64{3, 1, 3, 0, 2} {
		if id > 0 {
			check.Same(t, "key", many[i].ID, id)
		}
	}
	tag := repo.New(f.pool, tags)
	check.Value(tag.Get(f.ctx, "tag 1"))(t)
	check.Same(t, "a text is served", f.served(func() { check.Value(tag.Get(f.ctx, "tag 1"))(t) }), true)
	check.NoError(t, repo.New(f.other, tags).Update(f.ctx, &tagNow))
	check.Same(t, "what was written", check.Value(tag.Get(f.ctx, "tag 1"))(t).N, tagNow.N)
}

var tagNow = tag{Name: "tag 1", N: 5}

// What a read sees in a transaction, or asks for in particular, is not kept, and does not
// come from the cache.
func TestReadsThatPass(t *testing.T) {
	f := setup(t)
	check.Value(f.stalls.Get(f.ctx, 1))(t)
	passes := func(what string, read func()) {
		t.Helper()
		check.Same(t, what+" passes", f.served(read), false)
	}
	get := func(ctx context.Context, db smrt.DB) *stall { return check.Value(repo.New(db, stalls).Get(ctx, 1))(t) }
	passes("a read under Bypass", func() { get(cache.Bypass(f.ctx), f.pool) })
	passes("a read of other columns", func() {
		check.Value(repo.Select[struct{ ID, N int64 }](repo.New(f.pool, stalls)).Get(f.ctx, 1))(t)
	})
	check.NoError(t, txn.Run(f.ctx, f.pool, func(ctx context.Context, tx pgx.Tx) error {
		passes("a read in a transaction", func() { get(ctx, tx) })
		f.exec("UPDATE stalls SET n = 5 WHERE id = 2")
		_, err := repo.New(tx, stalls).Get(ctx, 2)
		return err
	}, txn.Options{Isolation: pgx.RepeatableRead}))
	conn := check.Value(f.pool.Acquire(f.ctx))(t)
	passes("a read on a connection", func() { get(f.ctx, conn) })
	conn.Release()
	check.Same(t, "reads that were counted as passed", f.cache.Stats().Tables["stalls"].Passed, 1)
	check.Same(t, "reads that were served", f.cache.Stats().Tables["stalls"].Hits, 0)
	check.Same(t, "entries", f.cache.Stats().Entries, 1)
}

// Tenants have entries of their own.
func TestTenantsShareNothing(t *testing.T) {
	f := setup(t)
	f.exec("INSERT INTO prices VALUES (1, 1, 10), (2, 2, 20)")
	of := repo.New(f.pool, prices)
	for range 3 {
		for tenant := range int64(2) {
			ctx := smrt.WithTenant(f.ctx, tenant+1)
			check.Same(t, "own", check.Value(of.Get(ctx, tenant+1))(t).Shop, tenant+1)
			_, err := of.Get(ctx, 2-tenant)
			check.Error(t, "another's", err, smrt.ErrNotFound)
			many := check.Value(of.GetMany(ctx, []int64{1, 2}))(t)
			check.Same(t, "own of many", many[tenant] != nil && many[1-tenant] == nil, true)
		}
		check.Same(t, "all", check.Value(of.Get(smrt.AllTenants(f.ctx, "test"), 2))(t).N, 20)
		_, err := of.Get(f.ctx, 1)
		check.Error(t, "of none", err, smrt.ErrNoTenant)
	}
	check.NoError(t, repo.New(f.other, prices).Update(smrt.WithTenant(f.ctx, int64(1)), &price{ID: 1, Shop: 1, N: 11}))
	check.Same(t, "changed", check.Value(of.Get(smrt.WithTenant(f.ctx, int64(1)), 1))(t).N, 11)
	check.Same(t, "changed for all", check.Value(of.Get(smrt.AllTenants(f.ctx, "test"), 1))(t).N, 11)
}

// A COMMIT whose connection is lost may take effect later: until then nothing is kept.
func TestCommitThatNobodyAnswers(t *testing.T) {
	f := setup(t)
	f.exec(`CREATE TABLE waits (id bigint);
		CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN
			LOOP -- pgx asks the server to cancel what it has given up
				BEGIN
					PERFORM pg_advisory_xact_lock(7);
					RETURN NEW;
				EXCEPTION WHEN query_canceled THEN
				END;
			END LOOP;
		END $$;
		CREATE CONSTRAINT TRIGGER wait AFTER INSERT ON waits DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION wait()`)
	rounds := 3
	if check.Long() {
		rounds = 50
	}
	for round := range rounds {
		n := int64(round + 1)
		lock := check.Value(f.other.Begin(f.ctx))(t)
		check.Value(lock.Exec(f.ctx, "SELECT pg_advisory_xact_lock(7)"))(t)
		check.Value(f.stalls.Get(f.ctx, 1))(t)
		err := txn.Run(f.ctx, f.other, func(ctx context.Context, tx pgx.Tx) error {
			_, err := tx.Exec(ctx, "INSERT INTO waits VALUES (1)")
			return errors.Join(err, repo.New(tx, stalls).Patch(ctx, 1, stallN.Set(n)))
		}, txn.Options{CommitTimeout: 50 * time.Millisecond})
		check.Error(t, "a commit that is cut", err, smrt.ErrCommitUnknown)
		check.Same(t, "old", check.Value(f.stalls.Get(f.ctx, 1))(t).N, n-1)
		check.NoError(t, lock.Rollback(f.ctx))
		f.until("the commit takes effect", func() bool { return f.n("SELECT n FROM stalls WHERE id = 1") == n })
		check.Same(t, "new", check.Value(f.stalls.Get(f.ctx, 1))(t).N, n)
	}
	check.Same(t, "blocked", f.cache.Stats().Blocked, rounds)
	check.Same(t, "a row beside is served", f.served(func() {
		check.Value(f.stalls.Get(f.ctx, 2))(t)
		check.Value(f.stalls.Get(f.ctx, 2))(t)
	}), false)
}

// A row is kept again when the transaction that was begun by hand has ended.
func TestKeptAgainAfterTransactionsByHand(t *testing.T) {
	f := setup(t)
	tx := check.Value(f.other.Begin(f.ctx))(t)
	check.NoError(t, repo.New(tx, stalls).Patch(f.ctx, 1, stallN.Set(3)))
	for range 3 {
		check.Same(t, "served", f.served(func() { check.Same(t, "n", check.Value(f.stalls.Get(f.ctx, 1))(t).N, 0) }), false)
	}
	check.NoError(t, tx.Commit(f.ctx))
	kept := func() bool {
		return f.served(func() { check.Same(t, "n", check.Value(f.stalls.Get(f.ctx, 1))(t).N, 3) })
	}
	f.until("it is kept", kept) // the server is not asked each time
	check.Same(t, "blocked", f.cache.Stats().Blocked, 0)
}

// Kinds of writes that are left out leave old rows, but no longer than is declared.
func TestStaleUntilTTL(t *testing.T) {
	f := setup(t)
	f.cache.Close()
	c := check.Value(cache.New(cache.Config{}, cache.Of(stalls, cache.Options{TTL: time.Second, StaleUntilTTL: cache.Updates})))(t)
	defer c.Close()
	check.NoError(t, c.Attach(f.ctx, f.pool))
	check.Same(t, "n", check.Value(f.stalls.Get(f.ctx, 1))(t).N, 0)
	check.NoError(t, repo.New(f.other, stalls).Patch(f.ctx, 1, stallN.Set(4)))
	f.until("the TTL has ended", func() bool { return check.Value(f.stalls.Get(f.ctx, 1))(t).N == 4 })
	check.NoError(t, repo.New(f.other, stalls).HardDelete(f.ctx, 1))
	_, err := f.stalls.Get(f.ctx, 1)
	check.Error(t, "deleted", err, smrt.ErrNotFound)
}

// The entries take no more memory than they may.
func TestMaxBytes(t *testing.T) {
	f := setup(t)
	f.cache.Close()
	f.exec("INSERT INTO stalls (id, name) SELECT i, repeat('x', 500) || i FROM generate_series(10000, 11000) i")
	const most = 128 << 10
	c := check.Value(cache.New(cache.Config{MaxBytes: most}, cache.Of(stalls)))(t)
	defer c.Close()
	check.NoError(t, c.Attach(f.ctx, f.pool))
	for id := range int64(1000) {
		check.Value(f.stalls.Get(f.ctx, 10000+id))(t)
	}
	f.until("what is too much is gone", func() bool { return c.Stats().Bytes <= most*11/10 })
	if n := c.Stats().Entries; n == 0 {
		t.Error("nothing is kept")
	}
}

func TestRefused(t *testing.T) {
	f := setup(t)
	bad := func(what string, err error) {
		t.Helper()
		check.Error(t, what, err, smrt.ErrBadOptions)
	}
	for what, declare := range map[string]func() (*cache.Cache, error){
		"no table":        func() (*cache.Cache, error) { return cache.New(cache.Config{}) },
		"a table twice":   func() (*cache.Cache, error) { return cache.New(cache.Config{}, cache.Of(stalls), cache.Of(stalls)) },
		"little memory":   func() (*cache.Cache, error) { return cache.New(cache.Config{MaxBytes: 1}, cache.Of(stalls)) },
		"a negative time": func() (*cache.Cache, error) { return cache.New(cache.Config{DoubtTime: -1}, cache.Of(stalls)) },
		"a short TTL": func() (*cache.Cache, error) {
			return cache.New(cache.Config{}, cache.Of(stalls, cache.Options{TTL: 1}))
		},
		"a long TTL of missing rows": func() (*cache.Cache, error) {
			return cache.New(cache.Config{}, cache.Of(stalls, cache.Options{MissingTTL: time.Minute}))
		},
		"stale without a TTL": func() (*cache.Cache, error) {
			return cache.New(cache.Config{}, cache.Of(stalls, cache.Options{StaleUntilTTL: cache.Updates}))
		},
		"options twice": func() (*cache.Cache, error) {
			return cache.New(cache.Config{}, cache.Of(stalls, cache.Options{}, cache.Options{}))
		},
		"nil in WrittenBy": func() (*cache.Cache, error) {
			return cache.New(cache.Config{}, cache.Of(stalls, cache.Options{WrittenBy: []cache.Named{nil}}))
		},
	} {
		_, err := declare()
		bad(what, err)
	}
	c := check.Value(cache.New(cache.Config{}, cache.Of(stalls)))(t)
	bad("nil", c.Attach(f.ctx, nil))
	bad("a pool with a cache", c.Attach(f.ctx, f.pool))
	tx := check.Value(f.other.Begin(f.ctx))(t)
	bad("a transaction", c.Attach(f.ctx, tx))
	check.NoError(t, tx.Rollback(f.ctx))
	hooked := f.other.Config()
	hooked.PrepareConn = func(context.Context, *pgx.Conn) (bool, error) { return true, nil }
	bound := check.Value(pgxpool.NewWithConfig(f.ctx, hooked))(t)
	defer bound.Close()
	bad("a pool that looks at contexts", c.Attach(f.ctx, bound))
	router := check.Value(readreplica.New(f.other))(t)
	defer router.Close()
	bad("the reader of a router", c.Attach(f.ctx, router.Reader()))
	c.Close()
	bad("a closed cache", c.Attach(f.ctx, f.other))
	view := check.Value(cache.New(cache.Config{}, cache.Of(views)))(t)
	defer view.Close()
	bad("a view", view.Attach(f.ctx, f.other))
	//nolint:staticcheck // what a nil context does
	check.Error(t, "a nil context", view.Attach(nil, f.other), smrt.ErrNilContext)
}

// Without a cache of the table a read and a write cost what they did.
func TestNoCostWithout(t *testing.T) {
	check.Plain(t)
	f := setup(t)
	f.cache.Close()
	_ = f
	ctx, rows := f.ctx, repo.New(f.other, stalls)
	s := check.Value(rows.Get(ctx, 1))(t)
	get := func() error { _, err := rows.Get(ctx, 1); return err }
	update := func() error { return rows.Update(ctx, s) }
	without := [2]float64{check.Allocations(get), check.Allocations(update)}
	c := check.Value(cache.New(cache.Config{}, cache.Of(prices)))(t)
	defer c.Close()
	with := [2]float64{check.Allocations(get), check.Allocations(update)}
	check.Same(t, "allocations of Get and Update beside a cache of another table", fmt.Sprint(with), fmt.Sprint(without))
}

// A hit needs the memory of its row, of its key, and of its texts. What the server sent as
// text needs more to be read.
func TestAllocationsOfHits(t *testing.T) {
	check.Plain(t)
	if testdb.ExecModeName() == "exec" {
		t.Skip("this mode asks for texts")
	}
	f := setup(t)
	check.Value(f.stalls.Get(f.ctx, 1))(t)
	if n := check.Allocations(func() error { _, err := f.stalls.Get(f.ctx, 1); return err }); n > 3 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkHit(b *testing.B) {
	f := setup(b)
	check.Value(f.stalls.Get(f.ctx, 1))(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := f.stalls.Get(f.ctx, 1); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkHitAndPgx compares a hit with a Get that is written by hand.
func BenchmarkHitAndPgx(b *testing.B) {
	f := setup(b)
	check.Value(f.stalls.Get(f.ctx, 1))(b)
	check.Compare(b, func() error { _, err := f.stalls.Get(f.ctx, 1); return err }, check.Twin{Name: "pgx", Run: func() error {
		var s stall
		return f.other.QueryRow(f.ctx, "SELECT id, name, n, deleted_at FROM stalls WHERE id = $1 AND deleted_at IS NULL", int64(1)).
			Scan(&s.ID, &s.Name, &s.N, &s.DeletedAt)
	}})
}
