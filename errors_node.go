package smrt

import (
	"errors"
	"fmt"
	"time"
)

// The conditions of servers and of the connections to them; see the packages
// pool and readreplica.
var (
	// ErrWriteOnReplica means a write through a handle that reads from
	// replicas. Nothing was written. It also satisfies errors.Is(err,
	// ErrReadOnly).
	ErrWriteOnReplica error = &wrapped{"a write was sent to a replica: write through the router itself, or through a transaction that is not read-only", ErrReadOnly}

	// ErrNoFreshReplica means that no replica is fresh enough for a read, and
	// that the primary has no room for it or must not serve it. See
	// [FreshnessError].
	ErrNoFreshReplica = errors.New("no replica is fresh enough")

	// ErrNoPrimary means that no server accepts writes.
	ErrNoPrimary = errors.New("no server accepts writes")

	// ErrBadToken means a consistency token that cannot be used. See
	// [TokenError].
	ErrBadToken = errors.New("bad consistency token")

	// ErrPoolExhausted means that no connection became free in time. See
	// [PoolExhaustedError].
	ErrPoolExhausted = errors.New("no connection became free in time")

	// ErrConnectTimeout means that no connection could be opened in time. See
	// [ConnectTimeoutError].
	ErrConnectTimeout = errors.New("no connection could be opened in time")

	// ErrPoolClosed means that a pool is closed, or about to be.
	ErrPoolClosed = errors.New("the pool is closed or draining")

	// ErrPoolerMode means that a connection pooler between the program and the
	// server cannot do what was asked for. See [PoolerError].
	ErrPoolerMode = errors.New("not possible through this connection pooler")
)

// FreshnessError reports a read that no server could serve as fresh as it was
// asked for. errors.Is(err, ErrNoFreshReplica).
type FreshnessError struct {
	Need   Position      // what the read has to see; zero if only its age was limited
	Within time.Duration // how stale it may be; 0 if only a position was asked for
	Waited time.Duration // how long a replica was waited for
	Reason string        // why the primary did not serve it
	Err    error         // the error of the last server that was tried, may be nil
}

// Error says what was asked for and why it could not be had.
func (e *FreshnessError) Error() string {
	s := ErrNoFreshReplica.Error()
	if !e.Need.IsZero() {
		s += fmt.Sprintf(": none has replayed %v", e.Need)
	}
	if e.Within > 0 {
		s += fmt.Sprintf(": none is less than %v behind", e.Within)
	}
	if e.Waited > 0 {
		s += fmt.Sprintf(", after %v", e.Waited.Round(time.Millisecond))
	}
	if e.Reason != "" {
		s += "; " + e.Reason
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap gives ErrNoFreshReplica and the error of the last server.
func (e *FreshnessError) Unwrap() []error {
	if e.Err == nil {
		return []error{ErrNoFreshReplica}
	}
	return []error{ErrNoFreshReplica, e.Err}
}

// TokenError reports a consistency token that cannot be used. errors.Is(err,
// ErrBadToken). Go on without a token for a user who sent it.
type TokenError struct {
	Reason string // "malformed", "tampered", "future", "foreign" or "timeline"
}

// Error gives the reason.
func (e *TokenError) Error() string {
	what := map[string]string{
		"malformed": "it is not a token",
		"tampered":  "it was not signed with this key, or was changed on its way",
		"future":    "it is ahead of everything the primary has written",
		"foreign":   "it is of another database cluster",
		"timeline":  "it is of a timeline that has not begun",
	}[e.Reason]
	return fmt.Sprintf("%v: %s: %s: go on without it", ErrBadToken, e.Reason, what)
}

// Unwrap gives ErrBadToken.
func (e *TokenError) Unwrap() error { return ErrBadToken }

// PoolExhaustedError reports that all connections of a pool were in use for too
// long. errors.Is(err, ErrPoolExhausted).
type PoolExhaustedError struct {
	Reason string        // "timeout": AcquireTimeout is over; "overload": see QueueTarget of pool.Config; "class": see Classes there
	Class  string        // whose connections InUse and Max are, of the reason class
	Waited time.Duration // how long the call waited
	InUse  int32         // connections lent or being opened
	Max    int32         // most that there may be
}

// Error gives the numbers.
func (e *PoolExhaustedError) Error() string {
	why, hint := "", "hold connections for less time, or raise MaxConns"
	if e.Reason == "overload" {
		why, hint = ": the pool is overloaded", "do not try again at once, and send less, or raise MaxConns if the server has room"
	}
	if e.Reason == "class" {
		why, hint = fmt.Sprintf(": class %q", e.Class), "run fewer of them at a time, or raise its number in Classes"
	}
	return fmt.Sprintf("%v%s: %d of %d connections in use, waited %v: %s",
		ErrPoolExhausted, why, e.InUse, e.Max, e.Waited.Round(time.Millisecond), hint)
}

// Unwrap gives ErrPoolExhausted.
func (e *PoolExhaustedError) Unwrap() error { return ErrPoolExhausted }

// ConnectTimeoutError reports that a call waited too long for a connection that
// was being opened, while the pool was not full. errors.Is(err,
// ErrConnectTimeout).
type ConnectTimeoutError struct {
	Waited  time.Duration // how long the call waited
	Opening int32         // connections that are being opened
	Err     error         // why the last attempt failed meanwhile, may be nil
}

// Error gives the numbers, and why the last attempt failed.
func (e *ConnectTimeoutError) Error() string {
	s := fmt.Sprintf("%v: waited %v, %d being opened", ErrConnectTimeout, e.Waited.Round(time.Millisecond), e.Opening)
	if e.Err != nil {
		return s + ": " + e.Err.Error()
	}
	return s + ": the server or the network is slow, or AcquireTimeout too short"
}

// Unwrap gives ErrConnectTimeout and the error of the last attempt.
func (e *ConnectTimeoutError) Unwrap() []error {
	if e.Err == nil {
		return []error{ErrConnectTimeout}
	}
	return []error{ErrConnectTimeout, e.Err}
}

// PoolerError reports what cannot work through a connection pooler.
// errors.Is(err, ErrPoolerMode).
type PoolerError struct {
	Mode    string // what the pooler was found to be, such as "transaction"
	Feature string // what was asked for, such as "LISTEN"
	Hint    string // what to do about it
	Err     error  // what the server or the pooler returned, may be nil
}

// Error names mode and feature.
func (e *PoolerError) Error() string {
	s := fmt.Sprintf("%v: %s needs a session of its own, and the pooler works by the %s", ErrPoolerMode, e.Feature, e.Mode)
	if e.Hint != "" {
		s += ": " + e.Hint
	}
	return s
}

// Unwrap gives ErrPoolerMode and the error of the server.
func (e *PoolerError) Unwrap() []error {
	if e.Err == nil {
		return []error{ErrPoolerMode}
	}
	return []error{ErrPoolerMode, e.Err}
}
