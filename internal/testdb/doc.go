// Package testdb gives tests, examples and the demo a real PostgreSQL without any set-up.
//
// # A database per test
//
// A package's tests need one line in TestMain, and one in each test that talks to PostgreSQL:
//
//	func TestMain(m *testing.M) { os.Exit(testdb.Main(m)) }
//
//	func TestOrders(t *testing.T) {
//		pool := testdb.Pool(t, schema)
//		...
//	}
//
// The first such test of a package starts a server, 0.6 s; each gets a database of its own, copied in 25 ms from a
// template that the [Schema] filled once, so tests may run in parallel and leave their data as it is. With "make test"
// all packages share one server, which internal/suite starts and ends; with "go test" each package has its own, as
// there is nobody to end a common one. Packages that share a server share the templates of schemas with a digest.
//
// # What is checked afterwards
//
// A test fails when it ends with a connection of its pool still acquired, or with a transaction open in its database,
// whoever opened it. [Main] fails the package when goroutines outlive the tests; it cannot tell whose they are, because
// tests run in parallel.
//
// # What is left behind
//
// Nothing. Everything of a server is below one temporary directory. A watchdog, a small shell script in a session of
// its own, waits for the end of a pipe that only this process holds open; then it ends the server and removes the
// directory. So it is all the same whether a test passes, fails, panics, exits, times out, is interrupted by Ctrl-C or
// killed.
//
// # Servers to break
//
// [Start] makes a server, [Server.Standby] a streaming copy of it, which needs no pg_basebackup. Both can be stopped, killed, frozen and started
// again; replay on a standby can be paused and delayed; a standby can be promoted, and the old primary made a standby of
// it under the pools that are connected to it, see [Server.Rejoin]. [Primary] is Start for a test.
//
// # Networks to break
//
// [LinkConnections] puts a [Link] under a pool's connections. It can be slow, see [Latency], and it can cut a connection
// after a chosen byte, keep a COMMIT from the server or its answer from the client, and forge the answer. [Link.Partition]
// lets everything vanish.
//
// # A pooler between
//
// [StartPgBouncer] puts PgBouncer in front of a server, and [Through] leads a pool through it. Of pgx's modes exec and
// cache_describe work with transaction pooling; cache_statement needs PgBouncer 1.21 and max_prepared_statements, and
// with describe_exec a client gets the result of another one's statement.
//
// SMRT_TEST_POOLER puts PgBouncer in front of all pools of this package but those that are [Direct]. A connection made
// with a pool's ConnString leads to the server itself.
//
// # Slow machines
//
// An upper bound in a test goes through [Patience], which stretches it by one factor for all tests. Lower bounds are
// never stretched. What a test needs a number of, it does until it has seen that number, and not for a given time.
//
// # Environment
//
//	SMRT_PG_BIN         directory of the server programs; else they are looked for, see FindBinaries
//	SMRT_PG_VERSION     the version that the server programs must be of: 18, or 18.4. See Since for tests that need
//	                    a new one. It has no say over SMRT_TEST_DSN
//	SMRT_TEST_DSN       a running server to use: databases are made and dropped there, named smrt_test_... and
//	                    smrt_template_..., by a role that may do so; tests that need Primary are skipped. What a test
//	                    binary that is killed leaves there is dropped by the next one that begins or ends.
//	SMRT_TEST_SERVER    directory of the socket of a server that all packages share; set by internal/suite
//	SMRT_TEST_EXEC_MODE how pgx sends statements where the test does not say: cache_statement, cache_describe,
//	                    describe_exec or exec
//	SMRT_TEST_MAX_CONNS size of pools where the test does not say
//	SMRT_TEST_PATIENCE  factor for upper bounds, 10 if not set, see Patience
//	SMRT_TEST_POOLER    transaction or session: pools go through PgBouncer in that mode. SMRT_TEST_POOLER_PREPARED is
//	                    its max_prepared_statements, 0 if not set; with 0 and transaction the mode where nothing says
//	                    otherwise is cache_describe.
//	SMRT_PGBOUNCER      the program; else it is looked for on the PATH and in /usr/sbin
//
// Linux and macOS are supported; on Windows tests need SMRT_TEST_DSN. Root may run tests: the server itself runs as user postgres, or else nobody.
package testdb
