package smrt

import "fmt"

// Position is a place in the write-ahead log of a database cluster. That of a
// commit tells whether a standby has the commit: it has if it has replayed the
// log of the same timeline up to there.
//
// The zero Position is before everything.
type Position struct {
	// System identifies the cluster: a primary and its standbys have the same.
	System int64

	// Timeline is the history that the log belongs to. A promotion begins
	// another one, in which the same LSN means something else.
	Timeline uint32

	// LSN is the byte in the log.
	LSN uint64
}

// IsZero tells whether there is no position.
func (p Position) IsZero() bool { return p == Position{} }

// String writes the position as PostgreSQL does, with the timeline in front.
func (p Position) String() string {
	return fmt.Sprintf("%d:%X/%X", p.Timeline, p.LSN>>32, uint32(p.LSN))
}
