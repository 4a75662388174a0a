package smrttest

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/internal/testdb"
)

// Pool gives t a database of its own with the schema, and a pool of four connections on it. When t ends, after the
// cleanups that were registered later, the pool is closed, and t fails if it left something behind: see the package's
// documentation. The database is dropped beside the next test. If there is no server, or the schema has an error, t fails at once.
//
// The time zone of the sessions is UTC.
func Pool(t testing.TB, schema Schema, options ...Option) *pgxpool.Pool {
	t.Helper()
	var o settings
	for _, option := range options {
		if option.apply != nil {
			option.apply(&o)
		}
	}
	opts := append([]testdb.Option{watched()}, o.pool...)
	if o.pooler != nil {
		b := startPgBouncer(t, *o.pooler)
		if b == nil {
			return nil
		}
		opts = append([]testdb.Option{testdb.Through(b), o.poolerMode()}, opts...)
	}
	db, err := testdb.OpenDatabase(context.Background(), schema.engine, opts...)
	if err != nil {
		t.Fatalf("smrttest: %v", explain(err))
		return nil
	}
	checkAfter(t, db)
	return db.Pool()
}

// DSN gives t a database of its own with the schema and returns its connection string, a URL or a list of key=value
// pairs as SMRT_TEST_DSN is. It is for code that opens its own connections. They must be closed before t ends, by
// t.Cleanup for example: t fails for each that is still open. The settings in it, such as default_query_exec_mode, are
// for pgx and pgxpool; other drivers do not know them.
func DSN(t testing.TB, schema Schema) string {
	t.Helper()
	db, err := testdb.NewDatabase(context.Background(), schema.engine)
	if err != nil {
		t.Fatalf("smrttest: %v", explain(err))
		return ""
	}
	checkAfter(t, db)
	dsn, err := db.DSN()
	if err != nil {
		t.Fatalf("smrttest: %v", err)
	}
	return dsn
}

// ExampleDSN is DSN for runnable examples, which have no testing.TB. [Main] drops the database. It panics on errors, which
// is how an example fails, and outside of tests.
func ExampleDSN(schema Schema) string {
	if !testing.Testing() {
		panic("smrttest: ExampleDSN is called outside of a test")
	}
	dsn, err := testdb.ExampleDSNOf(context.Background(), schema.engine)
	if err != nil {
		panic(fmt.Sprintf("smrttest: %v", explain(err)))
	}
	return dsn
}

// checkAfter releases a database when t ends, and reports what was left behind.
func checkAfter(t testing.TB, db *testdb.Database) {
	t.Cleanup(func() {
		t.Helper()
		report := t.Errorf
		if t.Failed() {
			report = t.Logf // most likely a consequence of the failure
		}
		for _, problem := range db.Close() {
			report("smrttest: %s", problem)
		}
	})
}

// tooManyConnections is the SQLSTATE of a server that has none left.
const tooManyConnections = "53300"

// explain replaces the advice for those who develop the library, and adds some where there is none.
func explain(err error) error {
	if missing := new(testdb.NotInstalledError); errors.As(err, &missing) {
		return errors.New(missing.Advice())
	}
	if pgErr := new(pgconn.PgError); errors.As(err, &pgErr) && pgErr.Code == tooManyConnections {
		return fmt.Errorf("%w: raise max_connections of the server, or run fewer tests beside each other with -parallel, and "+
			"fewer packages with -p", err)
	}
	return err
}
