package readreplica_test

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/readreplica"
	"github.com/smrt-go/smrt/repo"
	"github.com/smrt-go/smrt/txn"
)

// TestBadConfig refuses settings before anything is dialled, without showing
// what is in a URL.
func TestBadConfig(t *testing.T) {
	t.Parallel()
	one := []readreplica.Server{{URL: "postgres://app:secret@db1/shop"}}
	for option, cfg := range map[string]readreplica.Config{
		"Servers":         {},
		"Servers[0]":      {Servers: []readreplica.Server{{}}},
		"Servers[1]":      {Servers: append(one[:1:1], readreplica.Server{URL: "postgres://app:secret@db1/shop"})},
		"Servers[0] ":     {Servers: []readreplica.Server{{URL: "postgres://app:secret@db1:x/shop"}}},
		"Servers[0]  ":    {Servers: []readreplica.Server{{URL: "postgres://app:secret@db1,db2/shop"}}},
		"Servers[0]   ":   {Servers: []readreplica.Server{{URL: one[0].URL, Weight: -1}}},
		"Servers[0]    ":  {Servers: []readreplica.Server{{URL: one[0].URL, Weight: math.Inf(1)}}},
		"Servers[0]     ": {Servers: []readreplica.Server{{URL: one[0].URL, Weight: math.NaN()}}},
		"PrimaryShare":    {Servers: one, PrimaryShare: 1.5},
		"PrimaryShare ":   {Servers: one, PrimaryShare: math.NaN()},
		"MaxStale":        {Servers: one, MaxStale: time.Millisecond},
		"ProbeInterval":   {Servers: one, ProbeInterval: time.Microsecond},
		"ProbeTimeout":    {Servers: one, ProbeTimeout: -1},
		"Wait":            {Servers: one, Wait: 2 * time.Hour},
		"Failover":        {Servers: one, Failover: -1},
		"Fallback":        {Servers: one, Fallback: 9},
		"Engine":          {Servers: one, Engine: 99},
		"TokenSecret":     {Servers: one, TokenSecret: []byte("short")},
	} {
		r, err := readreplica.Open(t.Context(), cfg)
		var e *smrt.OptionsError
		if r != nil || !errors.As(err, &e) || !strings.HasPrefix(e.Option, strings.TrimSpace(option)) {
			t.Errorf("%s: got %v", option, err)
			continue
		}
		if strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the error shows a password: %v", option, err)
		}
	}
	_, err := readreplica.Open(nil, readreplica.Config{Servers: one}) //nolint:staticcheck // that is the point
	check.Error(t, "nil context", err, smrt.ErrNilContext)
	_, err = readreplica.New(nil)
	check.Error(t, "nil pool", err, smrt.ErrBadOptions)
}

// TestNobodyAnswers opens a router whose servers are not there.
func TestNobodyAnswers(t *testing.T) {
	t.Parallel()
	began := time.Now()
	r, err := readreplica.Open(t.Context(), readreplica.Config{Servers: []readreplica.Server{
		{URL: "host=" + t.TempDir() + " user=postgres"}, {URL: "host=" + t.TempDir() + " user=postgres"},
	}})
	check.Error(t, "open", err, smrt.ErrNoPrimary)
	if r != nil || time.Since(began) > testdb.Patience(5*time.Second) {
		t.Errorf("%v after %v", r, time.Since(began))
	}
}

// TestForeignServer refuses a server of another cluster.
func TestForeignServer(t *testing.T) {
	t.Parallel()
	c, other := newCluster(t), unrelatedCluster(t)
	_, err := readreplica.Open(t.Context(), readreplica.Config{Servers: []readreplica.Server{
		{URL: c.primary.DSN("postgres")}, {URL: other.primary.DSN("postgres")},
	}})
	check.Error(t, "open", err, smrt.ErrBadOptions)
	if err != nil && !strings.Contains(err.Error(), "another database cluster") {
		t.Error(err)
	}
}

// TestBesideATransaction proves that a router, its reader and its repositories
// know of a transaction on any of them.
func TestBesideATransaction(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 0)
	r := c.open(t)
	rows := repo.New(r, counters)
	for what, db := range map[string]txn.Beginner{"router": r, "reader": r.Reader()} {
		check.NoError(t, txn.Run(t.Context(), db, func(ctx context.Context, tx pgx.Tx) error {
			_, err := rows.Get(ctx, 1)
			check.Error(t, what+": a repository", err, smrt.ErrTxBypass)
			_, err = rows.With(r.Reader()).Get(ctx, 1)
			check.Error(t, what+": a repository on the reader", err, smrt.ErrTxBypass)
			_, err = r.Reader().Exec(ctx, "SELECT 1")
			check.Error(t, what+": the reader", err, smrt.ErrTxBypass)
			got, err := rows.With(tx).Get(ctx, 1)
			check.NoError(t, err)
			check.Same(t, "id", got.ID, 1)
			return txn.Run(ctx, db, func(context.Context, pgx.Tx) error { return nil }) // joins
		}))
	}
	err := txn.Run(t.Context(), r.Reader(), func(ctx context.Context, tx pgx.Tx) error { return bump(ctx, rows.With(tx), 1, 5) })
	check.Error(t, "a write in a transaction of the reader", err, smrt.ErrReadOnly)
}

// TestTransactionEnds proves that a transaction is over when it is over, however
// it was committed.
func TestTransactionEnds(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 0)
	r := c.open(t)
	for _, ctx := range []context.Context{t.Context(), readreplica.WithSession(t.Context())} {
		for _, mode := range []pgx.TxAccessMode{pgx.ReadWrite, pgx.ReadOnly} {
			tx, err := r.BeginTx(ctx, pgx.TxOptions{AccessMode: mode})
			check.NoError(t, err)
			_, err = tx.Exec(ctx, "SELECT 1")
			check.NoError(t, err)
			check.NoError(t, tx.Commit(ctx))
			check.Error(t, "commit", tx.Commit(ctx), pgx.ErrTxClosed)
			check.Error(t, "rollback", tx.Rollback(ctx), pgx.ErrTxClosed)
			_, err = tx.Exec(ctx, "SELECT 1")
			check.Error(t, "exec", err, pgx.ErrTxClosed)
			_, err = tx.Query(ctx, "SELECT 1")
			check.Error(t, "query", err, pgx.ErrTxClosed)
			check.Error(t, "query row", tx.QueryRow(ctx, "SELECT 1").Scan(), pgx.ErrTxClosed)
			check.Error(t, "batch", tx.SendBatch(ctx, &pgx.Batch{}).Close(), pgx.ErrTxClosed)
			_, err = tx.CopyFrom(ctx, nil, nil, nil)
			check.Error(t, "copy", err, pgx.ErrTxClosed)
			_, err = tx.Begin(ctx)
			check.Error(t, "savepoint", err, pgx.ErrTxClosed)
			_, err = tx.Prepare(ctx, "a", "SELECT 1")
			check.Error(t, "prepare", err, pgx.ErrTxClosed)
		}
	}
}

// TestSerializableReads go to the primary, because a standby cannot do them.
func TestSerializableReads(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 0)
	r := c.open(t)
	check.NoError(t, txn.Run(t.Context(), r, func(ctx context.Context, tx pgx.Tx) error {
		var standby bool
		check.NoError(t, tx.QueryRow(ctx, "SELECT pg_is_in_recovery()").Scan(&standby))
		check.Same(t, "on a standby", standby, false)
		return nil
	}, txn.Options{ReadOnly: true, Isolation: pgx.Serializable}))
}

// TestGivenPools routes over pools that belong to somebody else.
func TestGivenPools(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 0)
	primary, standby := poolOn(t, c.primary), poolOn(t, c.standbys[0])
	for _, swapped := range []bool{false, true} { // what is called primary does not matter
		pools := []readreplica.Pool{primary, standby}
		if swapped {
			pools = []readreplica.Pool{standby, primary}
		}
		r, err := readreplica.New(pools[0], pools[1:]...)
		check.NoError(t, err)
		ctx := readreplica.WithSession(t.Context())
		rows := repo.New(r, counters)
		check.NoError(t, bump(ctx, rows, 1, 3))
		got, err := rows.Get(ctx, 1)
		check.NoError(t, err)
		check.Same(t, "n", got.N, 3)
		r.Close()
		check.NoError(t, primary.Ping(t.Context()))
	}
}

// TestOneServer routes nothing: there is nowhere to route to, and no limit.
func TestOneServer(t *testing.T) {
	t.Parallel()
	r, err := readreplica.Open(t.Context(), readreplica.Config{Servers: []readreplica.Server{{URL: shared(t)}}, Fallback: readreplica.Strict})
	check.NoError(t, err)
	defer r.Close()
	rows := repo.New(r, counters)
	ctx := readreplica.WithSession(t.Context())
	check.NoError(t, bump(ctx, rows, 1, 9))
	got, err := rows.Get(ctx, 1)
	check.NoError(t, err)
	check.Same(t, "n", got.N, 9)
}

// TestAfterClose proves that a closed router answers, and with what.
func TestAfterClose(t *testing.T) {
	t.Parallel()
	for _, end := range []func(*readreplica.Router){(*readreplica.Router).Close, func(r *readreplica.Router) { check.NoError(t, r.Drain(t.Context())) }} {
		r, err := readreplica.Open(t.Context(), readreplica.Config{Servers: []readreplica.Server{{URL: shared(t)}}})
		check.NoError(t, err)
		check.NoError(t, r.Warm(t.Context(), func(ctx context.Context, db smrt.DB) error {
			_, err := db.Exec(ctx, "SELECT 1")
			return err
		}))
		end(r)
		_, err = repo.New(r, counters).Get(t.Context(), 1)
		check.Error(t, "read", err, smrt.ErrPoolClosed)
		_, err = r.Exec(t.Context(), "SELECT 1")
		check.Error(t, "write", err, smrt.ErrPoolClosed)
		_, err = r.Pgx(t.Context())
		check.Error(t, "pool", err, smrt.ErrPoolClosed)
		end(r)
	}
}

// TestPgx proves what pool code that needs one gets, and who gets none.
func TestPgx(t *testing.T) {
	t.Parallel()
	type mine struct{ readreplica.Pool }
	given := check.Value(pgxpool.New(t.Context(), shared(t)))(t)
	t.Cleanup(given.Close)
	open := func(s readreplica.Server) *readreplica.Router {
		r := check.Value(readreplica.Open(t.Context(), readreplica.Config{Servers: []readreplica.Server{s}}))(t)
		t.Cleanup(r.Close)
		return r
	}
	check.Same(t, "pool that was given", check.Value(open(readreplica.Server{Pool: given}).Pgx(t.Context()))(t), given)
	check.NoError(t, check.Value(open(readreplica.Server{URL: shared(t)}).Pgx(t.Context()))(t).Ping(t.Context()))
	_, err := open(readreplica.Server{Name: "db1", Pool: mine{given}}).Pgx(t.Context())
	check.Error(t, "pool of another type", err, smrt.ErrBadOptions)
	_, err = open(readreplica.Server{URL: shared(t)}).Pgx(nil) //nolint:staticcheck // a mistake of the caller
	check.Error(t, "no context", err, smrt.ErrNilContext)
}
