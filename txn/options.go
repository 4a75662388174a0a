package txn

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
)

// Beginner is a handle that a transaction can be begun on: a pool, one of its
// connections, a connection, a transaction, or a handle that stands for one.
// Where it also has BeginTx, as pgx's pools and connections do, transactions
// may have options; where it has SendBatch, those with a key need no round trip
// more than others.
type Beginner interface {
	Begin(ctx context.Context) (pgx.Tx, error)
}

// Nesting says what [Run] does inside another transaction on the same handle.
type Nesting uint8

const (
	// Join makes the closure a part of the transaction around it. If it fails,
	// all fails: a closure around it that ignores the error gets it again from
	// every statement and from the end of the transaction.
	Join Nesting = iota
	// Savepoint undoes the effects of a closure that fails, and only these.
	Savepoint
	// Independent begins another transaction on Options.Reserve. It commits or
	// rolls back by itself, and does not see what the transaction around it has
	// done. If it needs a row that the one around it has locked, it waits until
	// its LockTimeout is over: neither can end before the other.
	Independent
)

// Options say how a transaction runs. The zero value is right for most: the
// server's default isolation, up to ten attempts in ten seconds.
//
// Inside another transaction, unless it is to be Independent, the outermost call's
// access mode, timeouts and limits hold, and those given here are not looked at.
// Isolation must not exceed that of the outermost one. Key and TrackPosition are
// refused, as they are about its COMMIT.
type Options struct {
	// Isolation is the isolation level. Default: the server's, which is read
	// committed unless configured otherwise.
	Isolation pgx.TxIsoLevel

	// ReadOnly makes the server refuse writes.
	ReadOnly bool

	// Deferrable lets a transaction that is serializable and read-only wait
	// until it can run without conflicts, for long reports.
	Deferrable bool

	// StatementTimeout, LockTimeout and IdleTimeout are the server's
	// statement_timeout, lock_timeout and idle_in_transaction_session_timeout
	// for this transaction. They are sent together with BEGIN. From a
	// millisecond to 24 days; 0 leaves the session's. A transaction that was
	// idle for longer than IdleTimeout is not run again; where it was longer
	// than the session allows, it is.
	StatementTimeout, LockTimeout, IdleTimeout time.Duration

	// Nested says what to do inside another transaction. Default: Join.
	Nested Nesting

	// Reserve is where transactions that are Independent inside another take
	// their connection: a pool that is used for nothing else, because waiting
	// for a second connection of the same pool can block all who hold one.
	Reserve Beginner

	// Key makes the transaction apply at most once, ever: a row with the key is
	// written together with everything else, to the table that [MarkersSQL]
	// creates. If the reply to COMMIT is lost, Run looks the transaction up by
	// the key and, if it was not committed, repeats it. At most 255 bytes; the same key means the same
	// transaction, also in another process or tomorrow. Default: none.
	Key string

	// Markers is the table of the keys. Default: smrt_txn_markers.
	Markers pgx.Identifier

	// TrackID asks for the transaction's id, together with BEGIN, so that
	// [Resolve] can look up a transaction without a key if the reply to COMMIT
	// is lost. An id is used up even if nothing is written.
	TrackID bool

	// TrackPosition asks for the position of the commit in the server's log, which
	// [RunResult] returns. It comes in the round trip of COMMIT, of which pgx's
	// tracers then see nothing; a handle that lends no connection is asked in
	// another round trip. Handles that keep positions, in order to find what was
	// written on a replica, get it without this option, unless the transaction
	// is ReadOnly.
	TrackPosition bool

	// MayRace also retries violations of unique and exclusion constraints, for
	// closures that look whether a row exists before they insert it. At
	// isolation level serializable this is so without being said. The same
	// violation in two attempts one after the other is returned: the second
	// attempt could see the row.
	MayRace bool

	// MaxAttempts is how often the closure is run at most, from 1, which also
	// means that a failure to begin is final. Default: 10.
	MaxAttempts int

	// MaxElapsed is the time within which attempts are begun, waiting for a
	// server that restarts included. Default: 10 s.
	MaxElapsed time.Duration

	// CommitTimeout bounds COMMIT and ROLLBACK, which do not end with the
	// caller's context: the connection is cut then. From a millisecond.
	// Default: 5 s.
	CommitTimeout time.Duration

	// Budget bounds the retries of all transactions that share it, so that a
	// database in trouble is not asked many times more than usual. Default:
	// none.
	Budget *Budget
}

// Result says how a transaction went; see [RunResult]. It is filled in whether Run
// failed or not.
type Result struct {
	Attempts      int  // how often the closure was run, 0 if no transaction could be begun
	Doubts        int  // commits whose reply was lost
	NotReplicated bool // committed, but a synchronous standby may not have it; see [WatchCommits]

	// Position covers the commit: a standby that has replayed the log up to it
	// has what was committed. Without TrackPosition it is zero, and so it is if
	// this call has committed nothing, as with smrt.ErrAlreadyApplied, or if the
	// server did not tell, which is no error.
	Position smrt.Position
}

const (
	defaultAttempts = 10
	defaultElapsed  = 10 * time.Second
	defaultCommit   = 5 * time.Second
	maxKey          = 255
	maxTimeout      = 1<<31 - 1 // of the server's settings, in milliseconds
	maxIdentifier   = 63
)

var defaultMarkers = pgx.Identifier{"smrt_txn_markers"}

// resolve checks options and sets defaults.
func (o *Options) resolve(options []Options) error {
	switch len(options) {
	case 0:
	case 1:
		*o = options[0]
	default:
		return o.bad("options", fmt.Sprintf("must be given at most once, not %d times", len(options)))
	}
	if o.MaxAttempts == 0 {
		o.MaxAttempts = defaultAttempts
	}
	if o.MaxElapsed == 0 {
		o.MaxElapsed = defaultElapsed
	}
	if o.CommitTimeout == 0 {
		o.CommitTimeout = defaultCommit
	}
	if o.Markers == nil {
		o.Markers = defaultMarkers
	}
	if len(options) == 0 {
		return nil
	}
	return o.validate()
}

// strength orders isolation levels. PostgreSQL's read uncommitted is its read
// committed.
var strength = map[pgx.TxIsoLevel]int{
	"": 1, pgx.ReadUncommitted: 1, pgx.ReadCommitted: 1, pgx.RepeatableRead: 2, pgx.Serializable: 3,
}

func (o *Options) validate() error {
	switch {
	case strength[o.Isolation] == 0:
		return o.bad("Isolation", "must be one of pgx's isolation levels")
	case o.Deferrable && (!o.ReadOnly || o.Isolation != pgx.Serializable):
		return o.bad("Deferrable", "has a meaning only together with ReadOnly and isolation level serializable")
	case o.Nested > Independent:
		return o.bad("Nested", "must be Join, Savepoint or Independent")
	case o.MaxAttempts < 1:
		return o.bad("MaxAttempts", "must be at least 1")
	case o.MaxElapsed < 0:
		return o.bad("MaxElapsed", "must not be negative")
	case o.CommitTimeout < time.Millisecond:
		return o.bad("CommitTimeout", "must be at least 1 ms: a COMMIT that is given up leaves its outcome open")
	case len(o.Key) > maxKey || !isText(o.Key):
		return o.bad("Key", fmt.Sprintf("must be valid UTF-8 without NUL, of at most %d bytes", maxKey))
	case o.Key != "" && o.ReadOnly:
		return o.bad("Key", "is written to the database, which a transaction that is ReadOnly cannot do")
	case o.TrackID && o.ReadOnly:
		return o.bad("TrackID", "needs a transaction that may write")
	}
	if err := o.validateMarkers(); err != nil {
		return err
	}
	for name, d := range map[string]time.Duration{
		"StatementTimeout": o.StatementTimeout, "LockTimeout": o.LockTimeout, "IdleTimeout": o.IdleTimeout,
	} {
		if d != 0 && (d < time.Millisecond || d.Milliseconds() > maxTimeout) {
			return o.bad(name, "must be 0, or between 1 ms and 24 days")
		}
	}
	return nil
}

func (o *Options) validateMarkers() error {
	if len(o.Markers) < 1 || len(o.Markers) > 2 {
		return o.bad("Markers", "must be a table's name, or a schema's and a table's")
	}
	for _, part := range o.Markers {
		if part == "" || len(part) > maxIdentifier || !isText(part) {
			return o.bad("Markers", fmt.Sprintf("must be made of names of 1 to %d bytes", maxIdentifier))
		}
	}
	return nil
}

func isText(s string) bool {
	return strings.ToValidUTF8(s, "") == s && strings.IndexByte(s, 0) < 0
}

// commitTimeout is the limit for an adopted transaction too: its options have no
// defaults.
func (o *Options) commitTimeout() time.Duration { return cmp.Or(o.CommitTimeout, defaultCommit) }

func (o *Options) bad(option, reason string) error {
	return &smrt.OptionsError{Option: option, Reason: reason}
}

// modes are the options that pgx knows.
func (o *Options) modes() pgx.TxOptions {
	modes := pgx.TxOptions{IsoLevel: o.Isolation}
	if o.ReadOnly {
		modes.AccessMode = pgx.ReadOnly
	}
	if o.Deferrable {
		modes.DeferrableMode = pgx.Deferrable
	}
	return modes
}

// setting is a setting of the server for one transaction.
type setting struct {
	name  string
	value time.Duration
}

// settings are the options that are settings of the server.
func (o *Options) settings() []setting {
	var list []setting
	for _, s := range [...]setting{
		{"statement_timeout", o.StatementTimeout},
		{"lock_timeout", o.LockTimeout},
		{"idle_in_transaction_session_timeout", o.IdleTimeout},
	} {
		if s.value != 0 {
			list = append(list, s)
		}
	}
	return list
}

// inside refuses what a closure asks for that only an outermost transaction of
// Run has.
func (o *Options) inside() error {
	switch {
	case o.Key != "":
		return o.bad("Key", "belongs to the outermost call of Run, which is what is applied once: give it the key")
	case o.TrackPosition:
		return o.bad("TrackPosition", "belongs to the outermost call of Run, which is what is committed: ask for it there")
	}
	return nil
}

// isolated refuses a closure that asks for more isolation than the transaction
// around it has.
func (o *Options) isolated(outer pgx.TxIsoLevel) error {
	if strength[o.Isolation] > strength[outer] {
		return o.bad("Isolation", fmt.Sprintf("is %s, but the transaction around has %q: ask for it there", o.Isolation, outer))
	}
	return nil
}
