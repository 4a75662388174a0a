package smrttest

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/internal/testdb"
)

// Option changes the pool that [Pool] opens. The zero value changes nothing.
type Option struct {
	apply func(*settings)
}

// settings are what options say together.
type settings struct {
	pool   []testdb.Option
	pooler *PoolMode
}

// MaxConns sets the size of the pool. Default: SMRT_TEST_MAX_CONNS, else 4. A pool of one finds code that needs a second
// connection while it holds one, which hangs in production when the pool is used up.
func MaxConns(n int32) Option { return configure(testdb.MaxConns(n)) }

// Configure lets fn change the configuration of the pool, after the options before it: hooks, tracers, settings of the
// session. The fields for the server's address are not to be changed.
func Configure(fn func(*pgxpool.Config)) Option {
	if fn == nil {
		return Option{}
	}
	return configure(testdb.Configure(fn))
}

func configure(opt testdb.Option) Option {
	return Option{func(s *settings) { s.pool = append(s.pool, opt) }}
}

// PoolMode says for how long a client of PgBouncer keeps the server's connection that it was given.
type PoolMode string

// The modes of PgBouncer.
const (
	TransactionPooling PoolMode = "transaction" // until its transaction ends, or its single statement
	SessionPooling     PoolMode = "session"     // until it disconnects
)

// PgBouncer leads the pool through a PgBouncer of its own. With [TransactionPooling] pgx keeps no prepared statements
// (cache_describe), unless [Configure] says otherwise. Settings and locks left on sessions are not looked for, as
// sessions are the pooler's.
//
// Where the program is missing the test is skipped, or fails with CI=true in the environment, where it is expected. With
// SMRT_TEST_DSN the test is skipped.
func PgBouncer(mode PoolMode) Option {
	return Option{func(s *settings) { s.pooler = &mode }}
}

// poolerMode returns how statements are sent through the pooler.
func (s *settings) poolerMode() testdb.Option {
	if *s.pooler == TransactionPooling {
		return testdb.ExecMode(pgx.QueryExecModeCacheDescribe)
	}
	return func(*pgxpool.Config) {}
}

// startPgBouncer starts a PgBouncer that ends after the pool of t, or returns nil.
func startPgBouncer(t testing.TB, mode PoolMode) *testdb.PgBouncer {
	t.Helper()
	if mode != TransactionPooling && mode != SessionPooling {
		t.Fatalf("smrttest: PgBouncer(%q): the modes are %s and %s", mode, TransactionPooling, SessionPooling)
		return nil
	}
	b, err := testdb.OpenPgBouncer(context.Background(), testdb.PgBouncerConfig{PoolMode: testdb.PoolMode(mode)})
	switch {
	case testdb.IsAbsent(err):
		t.Skipf("smrttest: %v", err)
		return nil
	case err != nil:
		t.Fatalf("smrttest: %v", explain(err))
		return nil
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Errorf("smrttest: %v", err)
		}
	})
	return b
}
