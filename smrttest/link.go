package smrttest

import (
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/internal/testdb"
)

// Link is the network between connections and their server. It can be slow, and it can break once in a chosen way. The
// zero value is a network without faults, for use with [Over]. It must not be copied, and is safe for concurrent use.
//
// A fault happens to the connection that is next to send something, once; another one replaces it if it has not happened.
type Link struct {
	engine testdb.Link
}

// Over puts l under the pool's connections:
//
//	var net smrttest.Link
//	pool := smrttest.Pool(t, schema, smrttest.Over(&net))
//	net.Delay(time.Millisecond)
func Over(l *Link) Option { return Configure(l.Attach) }

// Attach is [Over] for a pool that is not opened by [Pool]: call it on the pool's configuration.
func (l *Link) Attach(cfg *pgxpool.Config) { l.engine.Attach(cfg) }

// Delay adds d to every round trip from now on, 0 ends it.
func (l *Link) Delay(d time.Duration) { l.engine.Delay(d) }

// CutSent cuts the next connection to send something after n more bytes to the server.
func (l *Link) CutSent(n int) { l.engine.Arm(testdb.Fault{Sent: max(n, 0), Received: -1}) }

// CutReceived cuts the next connection to send something after n more bytes from the server: 0 loses the answer, but the
// server has got the statement.
func (l *Link) CutReceived(n int) { l.engine.Arm(testdb.Fault{Sent: -1, Received: max(n, 0)}) }

// LoseStatement cuts the connection that sends a statement, and the server never gets it. The statement is a text that
// pgx sends without parameters by the simple protocol, such as "commit" and "rollback".
func (l *Link) LoseStatement(sqlText string) {
	l.engine.Arm(testdb.Fault{Sent: -1, Received: -1, Statement: sqlText, Withhold: true})
}

// LoseAnswer cuts the connection that sends a statement, as LoseStatement, but the server runs it. After
// LoseAnswer("commit") a program cannot know whether its transaction was committed, and it was.
func (l *Link) LoseAnswer(sqlText string) {
	l.engine.Arm(testdb.Fault{Sent: -1, Received: -1, Statement: sqlText})
}

// Disarm takes back a fault that has not happened, and reports whether the last one had.
func (l *Link) Disarm() bool { return l.engine.Disarm() }

// Partition stops all traffic: connections stay open, what they send does not arrive, and new ones are not made, until
// Heal. What the server was asked before is still answered.
func (l *Link) Partition() { l.engine.Partition() }

// Heal ends a partition. What was sent meanwhile arrives now. Call it before the test ends.
func (l *Link) Heal() { l.engine.Heal() }
