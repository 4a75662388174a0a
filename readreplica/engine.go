package readreplica

// Engine is a kind of server that speaks PostgreSQL's protocol. Engines differ in
// what can be known about their replicas. A router never guesses what it cannot
// know.
type Engine uint8

const (
	// Detect finds out what the servers are when the first of them answers.
	Detect Engine = iota

	// PostgreSQL replicates by its write-ahead log: everything works.
	PostgreSQL

	// Aurora shares storage between its servers. There are no positions that
	// could be compared: after a write a session reads from the writer for
	// Config.Sticky; [WithMaxStale], [WithPosition] and smrt.Position are refused.
	Aurora

	// CockroachDB accepts writes on every server and reads what was committed
	// on every server, so sessions need nothing. The first server that answers
	// is the primary as long as it is alive; the others take the reads.
	CockroachDB

	// YugabyteDB is as CockroachDB, unless a session asks for reads from
	// followers.
	YugabyteDB

	// Pooled is PostgreSQL behind a connection pooler or load balancer which
	// may lead to another server with every connection. Roles are looked at,
	// positions are not, as with Aurora.
	Pooled
)

// String is the name of the engine.
func (e Engine) String() string {
	return [...]string{"not known yet", "PostgreSQL", "Aurora", "CockroachDB", "YugabyteDB", "PostgreSQL behind a pooler"}[min(e, Pooled)]
}

// positions reports whether there are positions to compare.
func (e Engine) positions() bool { return e == PostgreSQL }

// roles reports whether only one server accepts writes.
func (e Engine) roles() bool { return e != CockroachDB && e != YugabyteDB }

// current reports whether every server has every commit.
func (e Engine) current() bool { return e == CockroachDB || e == YugabyteDB }

// engineSQL tells the engines apart by what only they have.
const engineSQL = `SELECT CASE
	WHEN version() LIKE '%CockroachDB%' THEN 3
	WHEN version() LIKE '%-YB-%' THEN 4
	WHEN EXISTS (SELECT 1 FROM pg_catalog.pg_proc WHERE proname = 'aurora_version') THEN 2
	ELSE 1 END`
