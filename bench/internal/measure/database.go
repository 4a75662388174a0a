// Package measure runs what contestants do: each task on all of them in turn, on databases with the same rows, and counts
// what goes over the wire.
package measure

import (
	"context"
	"database/sql"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
)

// Database is what a contestant connects to: in a pool of pgx, or in database/sql with pgx as its driver. Both have the
// same size and never close a connection that is idle.
type Database struct {
	dsn   string
	conns int
	wire  *Wire // nil: nothing is counted
	delay time.Duration
}

// Config is of a pool of pgx, for a library that opens it by itself.
func (d Database) Config() (*pgxpool.Config, error) {
	config, err := pgxpool.ParseConfig(d.dsn)
	if err != nil {
		return nil, err
	}
	config.MaxConns = int32(d.conns)
	d.count(config.ConnConfig)
	return config, nil
}

// Pool opens a pool of pgx.
func (d Database) Pool(ctx context.Context) (*pgxpool.Pool, error) {
	config, err := d.Config()
	if err != nil {
		return nil, err
	}
	return pgxpool.NewWithConfig(ctx, config)
}

// SQL opens a pool of database/sql.
func (d Database) SQL() (*sql.DB, error) { return d.sql(pgx.QueryExecModeCacheStatement) }

// SimpleSQL opens a pool of database/sql for a library that puts arguments into texts, which are sent by the simple
// protocol.
func (d Database) SimpleSQL() (*sql.DB, error) { return d.sql(pgx.QueryExecModeSimpleProtocol) }

func (d Database) sql(mode pgx.QueryExecMode) (*sql.DB, error) {
	config, err := pgx.ParseConfig(d.dsn)
	if err != nil {
		return nil, err
	}
	config.DefaultQueryExecMode = mode
	d.count(config)
	db := stdlib.OpenDB(*config)
	db.SetMaxOpenConns(d.conns)
	db.SetMaxIdleConns(d.conns)
	return db, nil
}

func (d Database) count(config *pgx.ConnConfig) {
	config.RuntimeParams["timezone"] = "UTC"
	if d.delay > 0 {
		config.DialFunc = distant(config.DialFunc, d.delay)
	}
	if d.wire != nil {
		config.DialFunc = d.wire.dial(config.DialFunc)
	}
}
