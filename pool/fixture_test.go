package pool_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/pool"
)

// schema is a table to read and to alter.
var schema = testdb.SQL("pool", `CREATE TABLE items (id int PRIMARY KEY, name text NOT NULL);
	INSERT INTO items SELECT i, 'item ' || i FROM generate_series(1, 100) AS i;`)

// url is that of a database of the test's own.
func url(t testing.TB) string {
	t.Helper()
	return testdb.Pool(t, schema, testdb.Direct()).Config().ConnString()
}

// openWarm opens a pool with all of its connections, so that calls wait for
// connections that others have, and for none that is being opened.
func openWarm(t testing.TB, cfg pool.Config) *pool.Pool {
	t.Helper()
	if cfg.URL == "" {
		cfg.URL = url(t)
	}
	cfg.MinConns = cfg.MaxConns
	p := open(t, cfg)
	err := p.Warm(t.Context())
	for errors.Is(err, smrt.ErrConnectTimeout) { // a connection that came too late is there for the next
		err = p.Warm(t.Context())
	}
	check.NoError(t, err)
	return p
}

// open opens a pool that is closed with t.
func open(t testing.TB, cfg pool.Config) *pool.Pool {
	t.Helper()
	p := check.Value(pool.Open(context.Background(), cfg))(t)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), testdb.Patience(10*time.Second))
		defer cancel()
		if err := p.Drain(ctx); err != nil && !t.Failed() {
			t.Error(err)
		}
	})
	return p
}

// control opens a pool of pgx as it is.
func control(t testing.TB, url string, configure func(*pgxpool.Config)) *pgxpool.Pool {
	t.Helper()
	cfg := check.Value(pgxpool.ParseConfig(url))(t)
	if configure != nil {
		configure(cfg)
	}
	p := check.Value(pgxpool.NewWithConfig(context.Background(), cfg))(t)
	t.Cleanup(p.Close)
	return p
}

// size is small, or large for the runs that take minutes.
func size[T int | time.Duration](small, large T) T {
	if check.Long() {
		return large
	}
	return small
}
