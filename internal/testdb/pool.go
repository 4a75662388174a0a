package testdb

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Option changes the pool that Pool and ExamplePool open.
type Option func(*pgxpool.Config)

// MaxConns sets the size of the pool. Default: SMRT_TEST_MAX_CONNS, else 4.
func MaxConns(n int32) Option {
	return func(cfg *pgxpool.Config) { cfg.MaxConns = n }
}

// ExecMode sets how statements are sent. Default: SMRT_TEST_EXEC_MODE (see ExecModeName), else pgx's own.
func ExecMode(mode pgx.QueryExecMode) Option {
	return func(cfg *pgxpool.Config) { cfg.ConnConfig.DefaultQueryExecMode = mode }
}

// SearchPath sets search_path on every connection. The empty string is the trap for SQL that relies on it.
func SearchPath(path string) Option {
	return func(cfg *pgxpool.Config) { cfg.ConnConfig.RuntimeParams["search_path"] = path }
}

// AfterConnect runs fn on every new connection, after the functions given before.
func AfterConnect(fn func(context.Context, *pgx.Conn) error) Option {
	return func(cfg *pgxpool.Config) {
		before := cfg.AfterConnect
		cfg.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
			if before != nil {
				if err := before(ctx, conn); err != nil {
					return err
				}
			}
			return fn(ctx, conn)
		}
	}
}

// Configure lets fn change anything else.
func Configure(fn func(*pgxpool.Config)) Option { return fn }

// Pool gives tb a database of its own with the schema, and a pool on it. When tb ends, the pool is closed, the
// database dropped, and tb fails if it left a connection acquired or a transaction open.
func Pool(tb TB, schema Schema, opts ...Option) *pgxpool.Pool {
	tb.Helper()
	db, err := openDatabase(context.Background(), schema, opts)
	if err != nil {
		tb.Fatalf("testdb: %v", err)
		return nil
	}
	tb.Cleanup(func() {
		tb.Helper()
		report := tb.Errorf
		if tb.Failed() {
			report = tb.Logf // most likely a consequence of the failure
		}
		for _, problem := range db.Close() {
			report("testdb: %s", problem)
		}
	})
	return db.pool
}

// ExamplePool is Pool for runnable examples, which have no TB: the caller calls the returned function at the end. It
// panics on errors, which is how an example fails.
func ExamplePool(schema Schema, opts ...Option) (*pgxpool.Pool, func()) {
	db, err := openDatabase(context.Background(), schema, opts)
	if err != nil {
		panic(fmt.Sprintf("testdb: %v", err))
	}
	return db.pool, func() {
		if problems := db.Close(); len(problems) > 0 {
			panic("testdb: " + strings.Join(problems, "; "))
		}
	}
}

// Database is what one test was given: a database, and a pool on it if the test did not want a connection string alone.
type Database struct {
	host  *host
	name  string
	pool  *pgxpool.Pool // nil: the test opens its own
	watch *watch        // nil: nothing is known of the pool's connections but their number
}

// OpenDatabase makes a database with the schema and a watched pool on it: [Database.Close] says where connections that
// were not given back were acquired, where transactions were begun, and what was left on sessions of the pool.
//
// It costs a walk up the stack for each Acquire, so [Pool], which benchmarks use too, does without.
func OpenDatabase(ctx context.Context, schema Schema, opts ...Option) (*Database, error) {
	w := newWatch()
	db, err := openDatabase(ctx, schema, append(slices.Clip(opts), w.attach))
	if err != nil {
		return nil, err
	}
	db.watch = w
	return db, nil
}

// NewDatabase makes a database with the schema, for a test that opens its own connections.
func NewDatabase(ctx context.Context, schema Schema) (*Database, error) {
	h, err := sharedHost(ctx)
	if err != nil {
		return nil, err
	}
	name, err := h.newDatabase(ctx, schema)
	if err != nil {
		return nil, err
	}
	return &Database{host: h, name: name}, nil
}

// Pool returns the pool that OpenDatabase opened.
func (d *Database) Pool() *pgxpool.Pool { return d.pool }

// DSN returns the connection string of the database, with the settings of the environment.
func (d *Database) DSN() (string, error) { return d.host.userDSN(d.name) }

func openDatabase(ctx context.Context, schema Schema, opts []Option) (*Database, error) {
	db, err := NewDatabase(ctx, schema)
	if err != nil {
		return nil, err
	}
	if db.pool, err = db.host.openPool(ctx, db.name, opts); err != nil {
		return nil, errors.Join(err, db.host.DropDatabase(ctx, db.name))
	}
	return db, nil
}

func (h *host) openPool(ctx context.Context, database string, opts []Option) (*pgxpool.Pool, error) {
	cfg, err := h.poolConfig(database, opts)
	if err != nil {
		return nil, err
	}
	if err := h.keepParams(ctx, database, cfg); err != nil {
		return nil, err
	}
	return pgxpool.NewWithConfig(ctx, cfg)
}

func (h *host) poolConfig(database string, opts []Option) (*pgxpool.Config, error) {
	cfg, err := pgxpool.ParseConfig(h.DSN(database))
	if err != nil {
		return nil, err
	}
	if h.pooler != nil {
		Through(h.pooler)(cfg)
	}
	cfg.MinConns = 0
	cfg.ConnConfig.RuntimeParams["timezone"] = "UTC" // a server of SMRT_TEST_DSN may have another
	if cfg.MaxConns, err = envMaxConns(); err != nil {
		return nil, err
	}
	if cfg.ConnConfig.DefaultQueryExecMode, err = envExecMode(); err != nil {
		return nil, err
	}
	for _, opt := range opts {
		opt(cfg)
	}
	return cfg, nil
}

func envMaxConns() (int32, error) {
	text := os.Getenv("SMRT_TEST_MAX_CONNS")
	if text == "" {
		return 4, nil
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil || n < 1 {
		return 0, fmt.Errorf("SMRT_TEST_MAX_CONNS=%q is not a positive number", text)
	}
	return int32(n), nil
}

// execModes are the modes of the suite's matrix. The simple protocol is not among them: it is never used.
var execModes = map[string]pgx.QueryExecMode{
	"cache_statement": pgx.QueryExecModeCacheStatement,
	"cache_describe":  pgx.QueryExecModeCacheDescribe,
	"describe_exec":   pgx.QueryExecModeDescribeExec,
	"exec":            pgx.QueryExecModeExec,
}

// InEachMode runs test once in each of pgx's modes, as a subtest of that name,
// with the option for its pools:
//
//	testdb.InEachMode(t, func(t *testing.T, mode testdb.Option) {
//		pool := testdb.Pool(t, schema, mode)
//		...
//	})
func InEachMode[T interface {
	TB
	Run(name string, test func(T)) bool
}](t T, test func(T, Option)) {
	for _, name := range slices.Sorted(maps.Keys(execModes)) {
		t.Run(name, func(t T) { test(t, ExecMode(execModes[name])) })
	}
}

// ExecModeName returns the mode that SMRT_TEST_EXEC_MODE sets for pools whose test did not choose one: cache_statement,
// cache_describe, describe_exec or exec. The default is cache_statement, and cache_describe behind a transaction pooler
// that keeps no prepared statements.
func ExecModeName() string {
	if name := os.Getenv("SMRT_TEST_EXEC_MODE"); name != "" {
		return name
	}
	if cfg, _, err := envPooler(); err == nil && cfg.PoolMode == TransactionPooling && cfg.MaxPreparedStatements == 0 {
		return "cache_describe"
	}
	return "cache_statement"
}

func envExecMode() (pgx.QueryExecMode, error) {
	mode, ok := execModes[ExecModeName()]
	if !ok {
		return 0, fmt.Errorf("SMRT_TEST_EXEC_MODE=%q is not one of %s",
			ExecModeName(), strings.Join(slices.Sorted(maps.Keys(execModes)), ", "))
	}
	return mode, nil
}
