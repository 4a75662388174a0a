package source

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt/internal/testdb"
)

// Scratch returns the connection string of an empty database, and a function that
// removes it. It is made on the server that on names, whose role must be allowed to,
// or on a private server, which lives no longer, if on is "".
func Scratch(ctx context.Context, on string) (dsn string, remove func() error, err error) {
	if on == "" {
		server, err := testdb.Start(ctx, testdb.Config{})
		if err != nil {
			return "", nil, err
		}
		return server.DSN("postgres"), server.Close, nil
	}
	name := "smrt_scratch_" + strings.ToLower(rand.Text())
	if err := execute(ctx, on, "CREATE DATABASE "+name+" TEMPLATE template0"); err != nil {
		return "", nil, fmt.Errorf("making a database for a while: %w", err)
	}
	remove = func() error {
		return execute(context.WithoutCancel(ctx), on, "DROP DATABASE "+name+" WITH (FORCE)")
	}
	if dsn, err = inDatabase(on, name); err != nil {
		return "", nil, errors.Join(err, remove())
	}
	return dsn, remove, nil
}

// execute runs one statement.
func execute(ctx context.Context, dsn, sqlText string) (err error) {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	_, err = conn.Exec(ctx, sqlText)
	return err
}

// inDatabase returns a connection string with another database.
func inDatabase(dsn, name string) (string, error) {
	if !strings.HasPrefix(dsn, "postgres://") && !strings.HasPrefix(dsn, "postgresql://") {
		return dsn + " dbname=" + name, nil // the last one counts
	}
	u, err := url.Parse(dsn)
	if err != nil {
		return "", err
	}
	u.Path = "/" + name
	return u.String(), nil
}
