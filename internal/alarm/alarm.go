// Package alarm cuts connections on which a COMMIT or a ROLLBACK takes too long.
package alarm

import (
	"net"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// Alarm cuts a connection when the time of its user is up.
//
// A timer for each COMMIT would cost about 1 % of a short transaction: making and
// stopping it takes 4 times as long as setting an alarm (0.4 and 0.1 µs), as does
// a deadline of the connection, and a new timer wakes a thread that is to wait for
// it. So the timer is left alone when COMMIT returns, and serves those that follow
// on the same connection. It goes off once in the limit of a COMMIT at most, and
// not at all on a connection that is not used.
type Alarm struct {
	mu    sync.Mutex
	wire  net.Conn
	turn  uint64    // of whoever set it last
	until time.Time // when to cut the connection, zero for never
	rings time.Time // when the first timer goes off, zero if there is none
}

// key is where a connection keeps its alarm.
const key = "smrt.alarm"

// Of returns the alarm of a connection, which the caller must be using.
func Of(conn *pgx.Conn) *Alarm {
	data := conn.PgConn().CustomData()
	if a, ok := data[key].(*Alarm); ok {
		return a
	}
	a := &Alarm{wire: Wire(conn)}
	data[key] = a
	return a
}

// Wire returns what to close in order to cut a connection: below TLS, which
// would say goodbye first and may wait for that.
func Wire(conn *pgx.Conn) net.Conn {
	wire := conn.PgConn().Conn()
	if secure, ok := wire.(interface{ NetConn() net.Conn }); ok {
		return secure.NetConn()
	}
	return wire
}

// Set gives whoever uses the connection so much time, until it switches the alarm
// off.
func (a *Alarm) Set(limit time.Duration) Stop {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.turn++
	a.until = time.Now().Add(limit)
	if a.rings.IsZero() || a.until.Before(a.rings) {
		a.start(limit)
	}
	return Stop{a, a.turn}
}

// start makes a timer for when the connection is to be cut.
func (a *Alarm) start(limit time.Duration) {
	a.rings = a.until
	time.AfterFunc(limit, a.ring)
}

// Stop switches an alarm off. The zero Stop is that of an unknown connection.
type Stop struct {
	alarm *Alarm
	turn  uint64
}

// Off leaves the alarm on if somebody else has set it since: once COMMIT is
// answered a pool may lend the connection again.
func (s Stop) Off() {
	if s.alarm == nil {
		return
	}
	s.alarm.mu.Lock()
	defer s.alarm.mu.Unlock()
	if s.alarm.turn == s.turn {
		s.alarm.until = time.Time{}
	}
}

// ring is called by each timer. What it was started for may be over since, and
// something else may be under way.
func (a *Alarm) ring() {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	if !a.rings.After(now) {
		a.rings = time.Time{}
	}
	switch {
	case a.until.IsZero():
	case a.until.After(now):
		if a.rings.IsZero() {
			a.start(a.until.Sub(now))
		}
	default:
		a.until = time.Time{}
		_ = a.wire.Close()
	}
}
