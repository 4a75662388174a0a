package testdb

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"strings"
)

// ExampleDSN returns the connection string of a new database that has the
// schema. It stands where a user's program has os.Getenv("DATABASE_URL"), so
// that an example opens its own pool and imports nothing internal. It follows
// the environment as Pool does. [Main] drops the database after the tests.
//
// It panics on errors, which is how an example fails.
func ExampleDSN(schema Schema) string {
	dsn, err := ExampleDSNOf(context.Background(), schema)
	if err != nil {
		panic(fmt.Sprintf("testdb: %v", err))
	}
	return dsn
}

// ExampleDSNOf is ExampleDSN for callers who report the error themselves.
func ExampleDSNOf(ctx context.Context, schema Schema) (string, error) {
	db, err := NewDatabase(ctx, schema)
	if err != nil {
		return "", err
	}
	return db.DSN()
}

// userDSN returns the connection string of a database for a program that opens its own connections.
func (h *host) userDSN(database string) (string, error) {
	if _, err := envMaxConns(); err != nil {
		return "", err
	}
	if _, err := envExecMode(); err != nil {
		return "", err
	}
	settings := url.Values{"timezone": {"UTC"}, "default_query_exec_mode": {ExecModeName()}}
	if max := os.Getenv("SMRT_TEST_MAX_CONNS"); max != "" {
		settings.Set("pool_max_conns", max)
	}
	if h.pooler != nil {
		settings.Set("host", h.pooler.dir)
		settings.Set("port", fmt.Sprint(pgBouncerPort))
	}
	return withSettings(h.DSN(database), settings), nil
}

// withSettings adds settings to a connection string of either form. Those that
// it has already are replaced.
func withSettings(dsn string, settings url.Values) string {
	if u, err := url.Parse(dsn); err == nil && strings.HasPrefix(u.Scheme, "postgres") {
		values := u.Query()
		for name := range settings {
			values.Set(name, settings.Get(name))
		}
		u.RawQuery = values.Encode()
		return u.String()
	}
	for name := range settings {
		dsn += fmt.Sprintf(" %s='%s'", name, settings.Get(name))
	}
	return dsn
}
