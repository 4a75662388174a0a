package readreplica

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/internal/traced"
	"github.com/smrt-go/smrt/internal/wal"
)

// A standby that crashes begins again at its last restart point, and serves
// reads before it is as far as it was. What is known of its position is then
// wrong until the next probe, and nothing tells of it but that its connections
// break. So each new connection for reading is asked how far the server is,
// once, and is not used if that is less than it was.

// errWentBack means that a standby has less than it had.
var errWentBack = errors.New("the standby was restarted and has not replayed again what it had")

// noticeRestarts lets the connections of a pool be asked.
func (n *Node) noticeRestarts(c *pgxpool.Config) {
	before := c.AfterConnect
	c.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		if before != nil {
			if err := before(ctx, conn); err != nil {
				return err
			}
		}
		return n.checkReplayed(ctx, conn)
	}
}

// replayedSQL is how far a standby has replayed, NULL on a primary that never
// was one.
const replayedSQL = "SELECT pg_is_in_recovery(), pg_last_wal_replay_lsn()::text"

// askReplayed asks a server how far it has replayed; standby is false if it is not
// replaying.
func askReplayed(ctx context.Context, conn *pgx.Conn) (lsn uint64, standby bool, err error) {
	var text *string
	err = conn.QueryRow(ctx, traced.Pass(replayedSQL, "", "probe"), pgx.QueryExecModeExec).Scan(&standby, &text)
	if err != nil || !standby || text == nil {
		return 0, false, err
	}
	lsn, err = wal.ParseLSN(*text)
	return lsn, true, err
}

// checkReplayed refuses a connection to a standby that has gone back.
func (n *Node) checkReplayed(ctx context.Context, conn *pgx.Conn) error {
	known := n.status.Load()
	if known == nil || !known.standby || !n.router.kind().positions() {
		return nil
	}
	replayed, standby, err := askReplayed(ctx, conn)
	if err != nil || !standby || replayed >= known.position {
		return err
	}
	n.wentBack()
	return errWentBack
}

// wentBack forgets where the node was, until it is probed.
func (n *Node) wentBack() {
	r := n.router
	r.mu.Lock()
	n.back.Store(int64(now()))
	if s := n.status.Load(); s.standby {
		unknown := *s
		unknown.position = 0
		n.status.Store(&unknown)
	}
	r.mu.Unlock()
	n.prober.hurry()
}

// keeps reports whether the node still has all that was read on it at t.
func (n *Node) keeps(t instant) bool { return t > instant(n.back.Load()) }

// isBehind reports whether a standby has less than it had.
func (s *status) isBehind(before *status) bool {
	return before != nil && s.standby && before.standby && s.timeline == before.timeline && s.position < before.position
}
