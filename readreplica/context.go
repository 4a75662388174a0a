package readreplica

import (
	"context"
	"time"

	"github.com/smrt-go/smrt"
)

// demand is what a context asks of the reads under it. It never changes, so
// that one look into the context is all that a read needs.
type demand struct {
	session *session
	primary bool
	fills   bool          // what is read is kept
	within  time.Duration // 0: not asked for
	least   smrt.Position
	leastAt instant // when least was known
}

type demandKey struct{}

// OfOneCall implements handle.OfOneCall: what others share belongs to no session.
func (demandKey) OfOneCall() {}

// noDemand is the demand of a context that asks for nothing.
var noDemand = &demand{}

// demandOf returns what ctx asks for, noDemand if that is nothing.
func demandOf(ctx context.Context) *demand {
	if d, ok := ctx.Value(demandKey{}).(*demand); ok {
		return d
	}
	return noDemand
}

// sessionOf returns the session of ctx, or nil.
func sessionOf(ctx context.Context) *session { return demandOf(ctx).session }

// demanding returns a context with a changed demand.
func demanding(ctx context.Context, change func(*demand)) context.Context {
	d := *demandOf(ctx)
	change(&d)
	return context.WithValue(ctx, demandKey{}, &d)
}

// WithPrimary returns a context under which reads go to the primary. There they
// see everything that is committed. Config.PrimaryShare does not limit them.
func WithPrimary(ctx context.Context) context.Context {
	return demanding(ctx, func(d *demand) { d.primary = true })
}

// WithMaxStale returns a context under which reads see everything that was
// committed d or longer ago. A d that is shorter than Config.ProbeInterval
// costs a query on the primary now and then, which concurrent reads share. With
// a d of 0 or less, reads see everything that was committed before they began.
func WithMaxStale(ctx context.Context, d time.Duration) context.Context {
	return demanding(ctx, func(of *demand) { of.within = max(d, 1) })
}

// WithPosition returns a context under which reads see everything up to a
// position, such as that of a commit which another program has sent along with
// a message. See txn.RunResult for how to get one. A position of another cluster,
// of the future, or of a timeline that has not begun makes reads fail with
// smrt.ErrBadToken.
func WithPosition(ctx context.Context, p smrt.Position) context.Context {
	return demanding(ctx, func(d *demand) { d.least, d.leastAt = p, now() })
}

// WithSession returns a context with a new session. Under it, on every router,
// reads see what was written before (read-your-writes) and
// never less than earlier reads did (monotonic reads), but for rows that a cache
// serves, which other processes may have changed since. A session is for what
// one user does one after the other, such as a request; it is safe for
// concurrent use, but then "before" means: answered before the read began.
//
// The session does not see what is done on connections that Router.Acquire and
// Reader.Acquire return: report writes with [MarkWritten].
func WithSession(ctx context.Context) context.Context {
	return demanding(ctx, func(d *demand) { d.session = &session{} })
}

// MarkWritten tells the session of ctx that something was committed in a way
// that the router has not seen, such as by another program that has just
// answered. Without a session it does nothing.
func MarkWritten(ctx context.Context) {
	if s := sessionOf(ctx); s != nil {
		s.markWritten()
	}
}
