// Package source reads the tables that the commands work on, from a database or
// from migrations.
package source

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt/cmd/smrt/internal/migrate"
	"github.com/smrt-go/smrt/internal/catalog"
)

// Source is where a schema is read from: a database, or migrations.
type Source struct {
	DSN        string
	Migrations string   // directory of goose's migrations, if there is no DSN
	Schemas    []string // nil: all but the system's
}

// Schema is what was read.
type Schema struct {
	Relations []*catalog.Relation
	Current   string // the schema whose tables are named without it
}

// ErrNoSource is the error of a call that names no database and no migrations.
var ErrNoSource = errors.New("no database is named: set DATABASE_URL or give --dsn URL, or --migrations DIR with those of goose")

// Read reads the schema.
func (s Source) Read(ctx context.Context) (*Schema, error) {
	switch {
	case s.DSN != "":
		return s.read(ctx, s.DSN)
	case s.Migrations != "":
		return s.migrated(ctx)
	}
	return nil, ErrNoSource
}

func (s Source) read(ctx context.Context, dsn string) (schema *Schema, err error) {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	schema = new(Schema)
	if err := conn.QueryRow(ctx, "SELECT coalesce(current_schema(), '')").Scan(&schema.Current); err != nil {
		return nil, err
	}
	if schema.Relations, err = catalog.Schemas(ctx, conn, s.Schemas); err != nil {
		return nil, fmt.Errorf("reading the catalog: %w", err)
	}
	if len(schema.Relations) == 0 {
		return nil, fmt.Errorf("database %s has no tables that user %s can see: check the name of the database, and --schema",
			conn.Config().Database, conn.Config().User)
	}
	return schema, nil
}

// migrated runs the migrations on a server that lives no longer than that.
func (s Source) migrated(ctx context.Context) (schema *Schema, err error) {
	if err := migrate.IsFolder(s.Migrations); err != nil {
		return nil, err
	}
	dsn, remove, err := Scratch(ctx, "")
	if err != nil {
		return nil, fmt.Errorf("no private server for the migrations could be started; name a database that has been migrated instead, "+
			"with --dsn URL: %w", err)
	}
	defer func() { err = errors.Join(err, remove()) }()
	err = s.migrate(ctx, dsn)
	if migrate.IsNoRole(err) {
		err = fmt.Errorf("%w; a private server has no such role: name a database that has been migrated instead, with --dsn URL", err)
	}
	if err != nil {
		return nil, fmt.Errorf("migrations in %s: %w", s.Migrations, err)
	}
	return s.read(ctx, dsn)
}

// migrate runs all migrations.
func (s Source) migrate(ctx context.Context, dsn string) (err error) {
	runner, err := migrate.Open(migrate.Options{DSN: dsn, Dir: s.Migrations})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, runner.Close()) }()
	files, _, err := runner.Plan(ctx, migrate.Target{Contract: true})
	if err != nil {
		return err
	}
	_, err = runner.Run(ctx, files)
	return err
}
