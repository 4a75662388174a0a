package pool

import (
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// counts is what the pool counts in addition to pgx.
type counts struct {
	exhausted, refused              atomic.Int64
	connectTimeouts                 atomic.Int64
	strays, stale, reset, destroyed atomic.Int64
	waiting                         atomic.Int64
	opened, openTime                atomic.Int64
}

// Stats is the state of a pool at one moment. Counts "so far" begin at 0 when the
// pool is opened, and only grow.
type Stats struct {
	Max     int32 // most connections, as configured
	MinIdle int32 // those that are kept ready besides the ones in use, as configured
	InUse   int32 // lent
	Idle    int32 // ready to be lent
	Opening int32 // being opened
	Waiting int64 // calls that wait for one, but for those that wait for their class

	// OnServer is how many connections the server has of the pool, those
	// included that it is still closing; MaxOnServer is how many it may have.
	OnServer, MaxOnServer int

	Acquires    int64         // connections lent so far
	AcquireTime time.Duration // how long that took
	Waits       int64         // those that had to wait, so far
	WaitTime    time.Duration // how long that took
	Cancelled   int64         // calls whose context ended, or whose time was over, before they got one, so far
	Exhausted   int64         // those of them that are smrt.ErrPoolExhausted
	Refused     int64         // those of them that were refused because of overload, see Config.QueueTarget
	Overloaded  bool          // whether calls are refused now

	// ConnectTimeouts is how many of them are smrt.ErrConnectTimeout.
	ConnectTimeouts int64

	Opened   int64         // connections opened so far
	OpenTime time.Duration // how long that took, from the dial until the server was ready

	Dials        int64 // connections dialled so far, whether or not they could be opened
	DialsWaited  int64 // dials that waited for the server to close others, so far
	DialsRefused int64 // those of them that waited too long

	Strays     int64 // statements run again after the cancellation of another, so far
	StalePlans int64 // statements run again because of a stale plan, so far
	Reset      int64 // sessions that were cleaned, so far
	Destroyed  int64 // connections closed because they could not be, so far
	Recycled   int64 // connections closed because of their age, so far
	Expired    int64 // connections closed because they were idle, so far
}

// Stats returns the state of the pool. It takes the pool's lock for a moment. The
// figures are read one after the other, so they may not add up while the pool is
// in use.
func (p *Pool) Stats() Stats {
	s := p.pool.Stat()
	return Stats{
		Max: s.MaxConns(), MinIdle: p.settings.pgx.MinIdleConns, InUse: s.AcquiredConns(), Idle: s.IdleConns(), Opening: s.ConstructingConns(),
		Waiting: p.counts.waiting.Load(), Opened: p.counts.opened.Load(), OpenTime: time.Duration(p.counts.openTime.Load()),
		OnServer: len(p.gate.slots), MaxOnServer: cap(p.gate.slots),
		Acquires: s.AcquireCount(), AcquireTime: s.AcquireDuration(),
		Waits: s.EmptyAcquireCount(), WaitTime: s.EmptyAcquireWaitTime(),
		Cancelled: s.CanceledAcquireCount(), Exhausted: p.counts.exhausted.Load(), ConnectTimeouts: p.counts.connectTimeouts.Load(),
		Refused: p.counts.refused.Load(), Overloaded: p.queue.isOverloaded(),
		Dials: p.gate.dials.Load(), DialsWaited: p.gate.waited.Load(), DialsRefused: p.gate.refused.Load(),
		Strays: p.counts.strays.Load(), StalePlans: p.counts.stale.Load(),
		Reset: p.counts.reset.Load(), Destroyed: p.counts.destroyed.Load(),
		Recycled: s.MaxLifetimeDestroyCount(), Expired: s.MaxIdleDestroyCount(),
	}
}

// Stat returns what pgx counts, for code that knows a [pgxpool.Pool].
func (p *Pool) Stat() *pgxpool.Stat { return p.pool.Stat() }
