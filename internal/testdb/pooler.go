package testdb

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"
)

// Through leads a pool's connections through b, which must be in front of the server that Pool uses:
//
//	b := testdb.StartPgBouncer(t, testdb.PgBouncerConfig{})
//	pool := testdb.Pool(t, schema, testdb.Through(b))
//
// The pool's ConnString stays that of the server itself.
func Through(b *PgBouncer) Option {
	return func(cfg *pgxpool.Config) {
		cfg.ConnConfig.Host, cfg.ConnConfig.Port = b.dir, pgBouncerPort
	}
}

// Direct leads a pool's connections to the server itself, whatever SMRT_TEST_POOLER says. It is for tests of what a
// transaction pooler cannot give.
func Direct() Option {
	return func(cfg *pgxpool.Config) {
		// The connection string has parsed before.
		if direct, err := pgxpool.ParseConfig(cfg.ConnString()); err == nil {
			cfg.ConnConfig.Host, cfg.ConnConfig.Port = direct.ConnConfig.Host, direct.ConnConfig.Port
		}
	}
}

// envPooler returns how the environment wants a pooler to be in front of all tests, and whether it does.
func envPooler() (cfg PgBouncerConfig, wanted bool, err error) {
	mode, prepared := os.Getenv("SMRT_TEST_POOLER"), os.Getenv("SMRT_TEST_POOLER_PREPARED")
	switch cfg.PoolMode = PoolMode(mode); cfg.PoolMode {
	case "":
		return cfg, false, nil
	case TransactionPooling, SessionPooling:
	default:
		return cfg, false, fmt.Errorf("SMRT_TEST_POOLER=%q is neither %s nor %s", mode, TransactionPooling, SessionPooling)
	}
	if prepared != "" {
		if cfg.MaxPreparedStatements, err = strconv.Atoi(prepared); err != nil || cfg.MaxPreparedStatements < 0 {
			return cfg, false, fmt.Errorf("SMRT_TEST_POOLER_PREPARED=%q is not a number from 0", prepared)
		}
	}
	// The connection that a statement gets is another one as often as possible. The tests' own pools are the limit.
	cfg.PoolSize, cfg.Settings = 100, map[string]string{"server_round_robin": "1"}
	return cfg, true, nil
}

// followedByPooler are the parameters that PgBouncer sets on whichever connection a client is given.
var followedByPooler = []string{
	"application_name", "client_encoding", "datestyle", "standard_conforming_strings", "timezone",
}

// keepParams makes parameters that PgBouncer refuses from a client the database's own.
func (h *host) keepParams(ctx context.Context, database string, cfg *pgxpool.Config) error {
	direct, err := pgxpool.ParseConfig(h.DSN(database))
	if err != nil || direct.ConnConfig.Host == cfg.ConnConfig.Host {
		return err
	}
	for name, value := range cfg.ConnConfig.RuntimeParams {
		if slices.Contains(followedByPooler, strings.ToLower(name)) {
			continue
		}
		if err := h.setParam(ctx, database, name, value); err != nil {
			return err
		}
		delete(cfg.ConnConfig.RuntimeParams, name)
	}
	return nil
}

func (h *host) setParam(ctx context.Context, database, name, value string) error {
	return h.exec(ctx, "alter database "+quoteName(database)+" set "+quoteName(name)+" = "+quoteLiteral(value))
}
