// Package pool opens the connections of a program to one server: one pool for
// all repositories, with limits for everything that can take too long.
//
//	p, err := pool.Open(ctx, pool.Config{
//		URL:      os.Getenv("DATABASE_URL"),
//		Profile:  pool.Production,
//		MaxConns: 20,
//	})
//	if err != nil {
//		return err
//	}
//	defer p.Close()
//
//	products := repo.New(p, shop.Products)
//
// It is pgx's own pool, with these protections around it:
//
//   - A call waits for a connection for AcquireTimeout at most, then it returns
//     a *[smrt.PoolExhaustedError], or a *[smrt.ConnectTimeoutError] if a
//     connection is being opened. Connecting and pinging have limits as well.
//   - A statement that is given up is cancelled on the server, for which it
//     returns a tenth of a second later, and its connection is used again. While
//     the server is still closing connections, no more than a quarter above
//     MaxConns are open; one that was hijacked counts until it is closed.
//   - A statement that was hit by the cancellation of an earlier one is run again,
//     and so is one whose plan has become stale because its table was altered:
//     outside of transactions, and only if no row was handed out.
//   - What one borrower leaves in the session is cleaned before the next one gets
//     the connection.
//   - Connections to other machines are encrypted unless somebody says otherwise.
//   - A statement whose context ends is cancelled by the server, and its
//     connection is used again once the request has ended. Behind a pooler the
//     connection is closed, as pgx does: PgBouncer before 1.25 may crash over
//     requests for connections that go on.
//   - Poolers such as PgBouncer are detected, and what they cannot do is refused
//     instead of failing now and then.
//
// # Profiles
//
//	                    production     development  test    serverless
//	MaxConns            CPUs, 4 or more          4     4             2
//	MinConns                          2          0     0             0
//	AcquireTimeout                   2s         2s   10s           10s
//	ConnectTimeout                   3s         3s    5s           10s
//	PingTimeout                   500ms      500ms    2s         500ms
//	StartTimeout                    10s         3s   10s           15s
//	MaxConnLifetime                 30m        30m    5m            5m
//	MaxConnIdleTime                  5m         5m   30s           10s
//
// # Settings
//
// A field of [Config] wins over the URL, the URL over the environment, and the
// environment over the profile. The libpq variables, such as PGHOST and
// PGSSLMODE, fill in the URL.
//
//	field            in the URL                 in the environment
//	Profile          pool_profile               SMRT_POOL_PROFILE
//	MaxConns         pool_max_conns             SMRT_POOL_MAX_CONNS
//	MinConns         pool_min_conns             SMRT_POOL_MIN_CONNS
//	-                pool_min_idle_conns        SMRT_POOL_MIN_IDLE_CONNS
//	AcquireTimeout   pool_acquire_timeout       SMRT_POOL_ACQUIRE_TIMEOUT
//	QueueTarget      pool_queue_target          SMRT_POOL_QUEUE_TARGET
//	QueueInterval    pool_queue_interval        SMRT_POOL_QUEUE_INTERVAL
//	ConnectTimeout   connect_timeout (seconds)  SMRT_POOL_CONNECT_TIMEOUT
//	PingTimeout      pool_ping_timeout          SMRT_POOL_PING_TIMEOUT
//	StartTimeout     pool_start_timeout         SMRT_POOL_START_TIMEOUT
//	MaxConnLifetime  pool_max_conn_lifetime     SMRT_POOL_MAX_CONN_LIFETIME
//	MaxConnIdleTime  pool_max_conn_idle_time    SMRT_POOL_MAX_CONN_IDLE_TIME
//	-                pool_health_check_period   SMRT_POOL_HEALTH_CHECK_PERIOD
//	ApplicationName  application_name           SMRT_POOL_APPLICATION_NAME
//	SSLMode          sslmode                    PGSSLMODE
//	Mode             pool_mode                  SMRT_POOL_MODE
//	Reset            pool_reset                 SMRT_POOL_RESET
//
// # Overload
//
// A server that gets more calls than it can answer answers each of them late, when
// nobody waits for it any more. With QueueTarget the pool finds out by the time that
// calls wait for a connection, and refuses at once what it cannot serve soon:
//
//	p, err := pool.Open(ctx, pool.Config{
//		URL:         os.Getenv("DATABASE_URL"),
//		QueueTarget: 10 * time.Millisecond, // about as long as a call holds a connection
//	})
//
// While no call gets a connection within QueueTarget, for a whole QueueInterval, calls
// that have waited for twice as long return a *[smrt.PoolExhaustedError] with the reason
// overload. An HTTP server answers 503 for it. A second try at once only adds to the
// load. What waits on [Pool.Pgx] is neither seen nor refused.
//
// # Classes
//
// Ten reports that take a minute each take all connections of a small pool, and requests
// that take a millisecond wait for them. With Classes they leave room:
//
//	p, err := pool.Open(ctx, pool.Config{
//		URL:      os.Getenv("DATABASE_URL"),
//		MaxConns: 10,
//		Classes:  map[string]int{"report": 3},
//	})
//
//	ctx = pool.WithClass(ctx, "report") // for each report
//
// All that is sent under such a context takes part, by repositories, sqlc and by hand; a
// transaction or a stream has its place until it ends. Calls wait in order, for
// AcquireTimeout at most. What is sent on [Pool.Pgx] is of no class, and each pool of a
// router counts by itself.
//
// # Poolers
//
// With the first connection the pool detects what is between it and the server;
// see [Server]. Behind a pooler that gives a connection to each
// transaction, statements are not prepared by name unless the pooler keeps track
// of that, and LISTEN, SET, session-level locks, temporary tables, cursors WITH
// HOLD and statements prepared by hand return [smrt.ErrPoolerMode] and are not
// sent. SET LOCAL, set_config(..., true), transaction-level locks and
// temporary tables that are dropped at COMMIT work.
//
// # Sessions
//
// Statements are read for what they leave in the session. A connection that has
// some is cleaned with DISCARD ALL when it is given back, and Config.Configure's
// AfterConnect runs again; if that is not possible it is closed. What functions
// and procedures of the database do inside cannot be seen; see [ResetAlways].
// Types that somebody registers on a connection stay.
//
// # Starting and stopping
//
// [Pool.Warm] opens connections and lets them prepare statements before the
// first request. [Pool.Drain] lends no more and waits for what is lent.
// [Pool.Stats] and [Pool.Classes] are for monitoring, and [Pool.Watch] for histograms.
package pool
