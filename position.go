package smrt

import "fmt"

// Position is a place in the write-ahead log of a database cluster. A standby has
// a commit if it has replayed the log of the same timeline up to the commit's
// position.
//
// The zero Position is before everything. Positions can be compared with ==; which
// of two is later is a question only on one timeline of one cluster.
type Position struct {
	// System identifies the cluster: a primary and its standbys have the same.
	System int64

	// Timeline is the history that the log belongs to. A promotion begins
	// another one, in which the same LSN means something else.
	Timeline uint32

	// LSN is the number of the byte in the log, which is what a pg_lsn is.
	LSN uint64
}

// IsZero reports whether there is no position.
func (p Position) IsZero() bool { return p == Position{} }

// String writes the position as PostgreSQL does, with the timeline in front.
func (p Position) String() string {
	return fmt.Sprintf("%d:%X/%X", p.Timeline, p.LSN>>32, uint32(p.LSN))
}
