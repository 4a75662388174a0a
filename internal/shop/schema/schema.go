// Package schema applies the shop's migrations, which are in queries/schema, with goose.
//
// It stands apart from package shop because the generator of shopdb needs the tables before there is a shopdb to
// compile.
package schema

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"github.com/smrt-go/smrt/queries"
)

// Up brings the database up to the newest migration. Where it is there already, nothing changes. Several processes may
// call it at once: one of them migrates, the others wait for it.
func Up(ctx context.Context, dsn string) error {
	return run(ctx, dsn, func(p *goose.Provider) error {
		_, err := p.Up(ctx)
		return err
	})
}

// Down takes every migration back, the newest first. All data of the shop is lost.
func Down(ctx context.Context, dsn string) error {
	return run(ctx, dsn, func(p *goose.Provider) error {
		_, err := p.DownTo(ctx, 0)
		return err
	})
}

// Version returns the number of the newest migration that the database has, 0 if it has none.
func Version(ctx context.Context, dsn string) (int64, error) {
	var version int64
	err := run(ctx, dsn, func(p *goose.Provider) (err error) {
		version, err = p.GetDBVersion(ctx)
		return err
	})
	return version, err
}

// run calls fn with a provider on a connection of its own, which is closed when fn returns.
func run(ctx context.Context, dsn string, fn func(*goose.Provider) error) (err error) {
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		return fmt.Errorf("schema: dsn: %w", err)
	}
	db := stdlib.OpenDB(*config)
	defer func() { err = errors.Join(err, db.Close()) }()

	provider, err := newProvider(db)
	if err != nil {
		return fmt.Errorf("schema: migrations: %w", err)
	}
	if err := fn(provider); err != nil {
		return fmt.Errorf("schema: migrate: %w", err)
	}
	return nil
}

// newProvider reads the embedded migrations. The advisory lock is what lets several processes start at once.
func newProvider(db *sql.DB) (*goose.Provider, error) {
	migrations, err := fs.Sub(queries.Schema, "schema")
	if err != nil {
		return nil, err
	}
	// Asked for once a second, for a minute; goose's own choice is every five seconds, for five minutes.
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 60))
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(goose.DialectPostgres, db, migrations, goose.WithSessionLocker(locker))
}
