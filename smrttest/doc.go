// Package smrttest tests services against a real PostgreSQL, with a database for each test and nothing to set up.
//
// # A database per test
//
// A package's tests need one line in TestMain, and one in each test that talks to PostgreSQL:
//
//	func TestMain(m *testing.M) { smrttest.Main(m) }
//
//	var schema = smrttest.SQLFiles(os.DirFS("migrations"), "*.sql")
//
//	func TestOrders(t *testing.T) {
//		t.Parallel()
//		pool := smrttest.Pool(t, schema)
//		...
//	}
//
// The first such test of a package starts a server, which takes about a second. The schema is applied once, to a
// template, and each test gets a copy of that, which costs 15 to 40 ms whatever the migrations cost, more on a slow disk. From
// the third test of a schema on, up to two copies are made ahead while tests run, so that a test finds its own ready.
// So tests run in parallel, commit, retry, notify and leave their rows where they are; nothing is rolled back behind
// their back, and none sees another's rows.
//
// [Pool] gives a pool of pgx. [DSN] gives a connection string, for code that opens its own pool.
//
// # Schemas
//
// [SQL] makes a schema of texts, [SQLFiles] of files, and [Migrate] of whatever tool migrates the database in production:
//
//	var schema = smrttest.Migrate("shop", func(ctx context.Context, dsn string) error {
//		db, err := sql.Open("pgx", dsn)
//		...
//		provider, err := goose.NewProvider(goose.DialectPostgres, db, migrations)
//		...
//		_, err = provider.Up(ctx)
//		return err
//	}).From(migrations, "*.sql")
//
// With [Schema.From] test binaries that run beside each other on one server share the template, as they do with SQL and
// SQLFiles.
//
// # Leaks
//
// A test fails when it leaves something behind that a service would suffer from in production:
//
//   - a connection that was not given back to the pool, or one that the test opened itself and did not close
//   - a transaction that is still open
//   - a setting of the session, a LISTEN or an advisory lock on a connection that was given back, which the next one to
//     acquire the connection would meet. What the pool's own hooks (AfterConnect, PrepareConn, BeforeAcquire) set is not
//     counted
//   - a goroutine: [Main] fails the package, as it cannot tell which of the tests that ran in parallel began it
//
// The report has the line that acquired the connection, began the transaction or made the setting, with its callers:
//
//	smrttest: a connection of the pool is still acquired: rows not closed, a transaction not ended, or Acquire without Release; it was acquired by
//		/src/shop/store.go:41 shop.(*Store).Lines
//		/src/shop/store_test.go:17 shop.TestLines
//
// For connections that did not come from [Pool] the report has the last statement, because the server knows no more.
// A test that has failed already is not failed again; what it left behind is logged.
//
// # What was sent
//
// [Count] records statements and round trips. [Loops] is a context for what is tested, with which a loop that sends a
// statement for each row fails the test, and is named by its line.
//
// # Failures
//
// [Over] puts a [Link] under a pool's connections: it can be slow, cut them at a chosen byte, swallow the reply to a
// COMMIT, and stop all traffic. [Replicas] makes a primary and standbys of its own for a test, which can be stopped,
// killed, frozen, promoted, and whose replay can be paused. [PgBouncer] puts PgBouncer in front of a pool.
//
// # The server
//
// Where the server comes from, in this order:
//
//  1. SMRT_TEST_DSN: the connection string of a running server, not of a pooler in front of it. Databases named
//     smrt_test_... and smrt_template_... are made and dropped there, by a role that may do so. All test binaries that run at
//     the same time use the same templates; the last one drops them. Advisory locks say what is in use, so that what a
//     killed one leaves is dropped by the next. Tests that need servers of their own are skipped.
//  2. SMRT_PG_BIN: the directory of the server's programs, postgres and initdb
//  3. the PATH, pg_config, and where packages of Linux distributions, Homebrew and Postgres.app install them
//
// Nothing is downloaded or installed; without a server a test fails, and says what to install. A server that was
// started here listens on a unix socket in a temporary directory, with fsync off: in TMPDIR if that is set; else on Linux
// in memory, /dev/shm, if 2 GB are free there and 4 GB of the machine's memory; else in /tmp. It ends with the test binary, however
// that ends: a watchdog outside of it waits for that, so that nothing is left behind by a panic, a timeout or a kill.
// Linux and macOS are supported; on Windows SMRT_TEST_DSN is needed. Root may run tests: the server then runs as user
// postgres or nobody.
//
// The server has room for a pool in each test that -parallel lets run at a time. With SMRT_TEST_DSN and many tests
// beside each other, its max_connections must be at least -p times -parallel times the pools' size, or -parallel less.
//
// # Environment
//
//	SMRT_PG_VERSION     the version that the server's programs must be of: 18, or 18.4
//	SMRT_TEST_MAX_CONNS size of pools where the test does not say; 4 if not set
//	SMRT_TEST_EXEC_MODE how pgx sends statements where the test does not say: cache_statement (the default),
//	                    cache_describe, describe_exec or exec
//	SMRT_TEST_PATIENCE  factor for how long a leak may take to go away by itself before it is reported: half a second
//	                    times 10 if not set
//	SMRT_TEST_SEED      what Seed returns
//	SMRT_PGBOUNCER      the program; else it is looked for on the PATH and in /usr/sbin
//
// Import the package in files that end in _test.go only: it imports package testing.
package smrttest
