package pool

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// Config says where the server is and how its connections are kept. Only URL
// must be set. A field that is zero is taken from the URL, else from the
// environment, else from the profile; see the tables in the package's
// documentation. The defaults below are those of the profiles.
type Config struct {
	// URL is how to reach the server, in one of the forms that pgx takes:
	// postgres://user:password@host:5432/database, or host=... dbname=...
	URL string

	// Profile is where the program runs. Default: [Production].
	Profile Profile

	// MaxConns is the most connections in use or idle at a time. The server
	// sees a quarter more at worst, while connections are being closed. From 1
	// to 10,000. Default: 4, in Production the number of CPUs if that is more,
	// in Serverless 2.
	MaxConns int32

	// MinConns is how many connections are kept open, used or not. At most
	// MaxConns; -1 for none. Default: none, in Production 2.
	MinConns int32

	// AcquireTimeout is how long a call waits for a connection, however long
	// its context may take. -1 for as long as the context. Default: 2 s, in
	// Test and Serverless 10 s.
	AcquireTimeout time.Duration

	// QueueTarget makes the pool refuse calls while it is overloaded, which it is
	// when for QueueInterval no call got a connection within QueueTarget. Calls
	// that have waited for twice as long then return smrt.ErrPoolExhausted, with
	// the reason overload, until one gets a connection in less. About as long as a
	// call usually holds a connection is right: the calls that are served then take
	// three times as long as without load. At most half of AcquireTimeout.
	// Default: none, and calls wait for AcquireTimeout.
	QueueTarget time.Duration

	// QueueInterval is how long a burst may last. It is longer than QueueTarget,
	// and than opening a connection takes. Default: 20 times QueueTarget.
	QueueInterval time.Duration

	// Classes bound how many connections calls of a kind have at the same time, so
	// that reports, say, leave room for requests: {"report": 2}. [WithClass] says of
	// which class a call is. A call waits until there is room in its class, for
	// AcquireTimeout, before it waits for a connection. Each number is from 1 to
	// MaxConns. Default: none.
	Classes map[string]int

	// ConnectTimeout is how long opening a connection may take. Default: 3 s,
	// in Test 5 s, in Serverless 10 s.
	ConnectTimeout time.Duration

	// PingTimeout is how long an idle connection may take to show that it is
	// alive. A connection is pinged before it is lent if it was idle for more
	// than a second. Default: 500 ms, in Test 2 s.
	PingTimeout time.Duration

	// StartTimeout is how long Open tries to reach the server. Default: 10 s,
	// in Development 3 s, in Serverless 15 s.
	StartTimeout time.Duration

	// MaxConnLifetime is how old a connection becomes, and up to a fifth more
	// at random, so that not all are replaced at once. Default: 30 min, in Test
	// and Serverless 5 min.
	MaxConnLifetime time.Duration

	// MaxConnIdleTime is how long a connection may be idle. Default: 5 min, in
	// Test 30 s, in Serverless 10 s.
	MaxConnIdleTime time.Duration

	// ApplicationName is what the server shows in pg_stat_activity. Default:
	// the name of the program.
	ApplicationName string

	// SSLMode is disable, allow, prefer, require, verify-ca or verify-full, and
	// wins over that of the URL. Default: require, if the server is on another
	// machine. Only verify-full makes sure that it is the right server.
	SSLMode string

	// Mode says what is between the program and the server. Default: it is
	// found out with the first connection, for which a pooler takes a second
	// one for a moment.
	Mode Mode

	// Reset says when connections are cleaned. Default: [ResetUsed].
	Reset Reset

	// Lazy makes Open return without having reached the server.
	Lazy bool

	// Configure may change everything else, such as tracers and hooks. The
	// pool adds its own to what it finds. Hooks that bind a connection to what
	// the context says, such as a tenant, belong together with Caller.
	Configure func(*pgxpool.Config)

	// Caller identifies who calls: it returns the tenant, the role or the
	// search_path that hooks bind a connection to. Only calls under contexts
	// for which it returns equal values share a statement, which then runs
	// under the values of one of them. A caller for whom it returns nil, or
	// what == cannot compare, shares with nobody. Default: if Configure adds
	// hooks that see the contexts of callers (PrepareConn, BeforeAcquire,
	// ShouldPing, or AfterRelease together with BeforeConnect or AfterConnect)
	// nothing is shared, else everything.
	Caller func(ctx context.Context) any
}

// Profile is a set of defaults.
type Profile string

// The profiles.
const (
	// Production keeps connections ready, and fails soon when none is free.
	Production Profile = "production"

	// Development needs few connections.
	Development Profile = "development"

	// Test needs few connections, gives them up soon, and has patience with a
	// busy machine.
	Test Profile = "test"

	// Serverless waits for a server that has to wake up, and leaves none idle.
	Serverless Profile = "serverless"
)

// Mode is what is between the program and the server.
type Mode string

// The modes. A pooler gives a connection to the server for as long as its mode
// says.
const (
	Direct      Mode = "direct"      // nothing
	Session     Mode = "session"     // for as long as a connection of the pool
	Transaction Mode = "transaction" // until the end of a transaction
	Statement   Mode = "statement"   // for a single statement
)

// Reset says when a connection that is given back is cleaned of what its
// borrower left in the session.
type Reset string

const (
	// ResetUsed cleans when statements were seen that leave something: SET,
	// set_config, LISTEN, PREPARE, temporary tables, cursors WITH HOLD, session
	// locks. What functions and procedures of the database do inside is not
	// seen, nor what is sent on the *pgconn.PgConn below the connection.
	ResetUsed Reset = "used"

	// ResetAlways cleans every time, at the price of two round trips, and of
	// statements that have to be prepared again.
	ResetAlways Reset = "always"
)

// defaults are the values of a profile.
type defaults struct {
	minConns, minIdle              int32
	acquire, connect, ping, start  time.Duration
	lifetime, idle, healthInterval time.Duration
}

var profiles = map[Profile]defaults{
	Production: {
		minConns: 2, minIdle: 1,
		acquire: 2 * time.Second, connect: 3 * time.Second, ping: 500 * time.Millisecond, start: 10 * time.Second,
		lifetime: 30 * time.Minute, idle: 5 * time.Minute, healthInterval: time.Minute,
	},
	Development: {
		acquire: 2 * time.Second, connect: 3 * time.Second, ping: 500 * time.Millisecond, start: 3 * time.Second,
		lifetime: 30 * time.Minute, idle: 5 * time.Minute, healthInterval: time.Minute,
	},
	Test: {
		acquire: 10 * time.Second, connect: 5 * time.Second, ping: 2 * time.Second, start: 10 * time.Second,
		lifetime: 5 * time.Minute, idle: 30 * time.Second, healthInterval: 10 * time.Second,
	},
	Serverless: {
		acquire: 10 * time.Second, connect: 10 * time.Second, ping: 500 * time.Millisecond, start: 15 * time.Second,
		lifetime: 5 * time.Minute, idle: 10 * time.Second, healthInterval: 5 * time.Second,
	},
}

// maxConns is the size of a pool that says nothing.
func (p Profile) maxConns(cpus int) int32 {
	switch p {
	case Serverless:
		return 2
	case Production:
		return int32(max(4, cpus))
	}
	return 4
}
