package readreplica

import (
	"context"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/handle"
	"github.com/smrt-go/smrt/internal/wal"
)

// sample is how far the primary had written at a time.
type sample struct {
	asked    instant
	position smrt.Position
	covers   bool // also what was committed without waiting for the flush
}

// maxSamples bounds the memory of samples. At one a second it is 17 minutes.
const maxSamples = 1024

// remember keeps the primary's position, to measure replicas against.
func (r *Router) remember(s *status) {
	if n := len(r.samples); n > 0 && r.samples[n-1].asked >= s.asked {
		return
	}
	if len(r.samples) == maxSamples {
		r.samples = append(r.samples[:0], r.samples[maxSamples/2:]...)
	}
	r.samples = append(r.samples, sample{s.asked, s.where(), !s.async})
}

// sampleAfter returns the earliest position that covers everything that was
// committed before a time; known is false if nobody has asked since. What was
// committed without waiting for the flush is covered only if all is asked for.
// r.mu is held.
func (r *Router) sampleAfter(t instant, all bool) (p smrt.Position, known bool) {
	for _, s := range r.samples {
		if s.asked > t && (s.covers || !all) {
			return s.position, true
		}
	}
	return smrt.Position{}, false
}

// asking is a question for the primary's position that several callers share.
type asking struct {
	began instant
	done  chan struct{}
	at    smrt.Position
	err   error
}

// since returns a position of the primary that was asked for after t, so that
// it covers every commit that was answered before t. Callers who want the same
// at the same time share the question.
func (r *Router) since(ctx context.Context, t instant) (smrt.Position, error) {
	for {
		r.mu.Lock()
		p, known := r.sampleAfter(t, true)
		r.mu.Unlock()
		if known {
			return p, nil
		}
		r.askMu.Lock()
		a := r.asking
		mine := a == nil
		if mine {
			a = &asking{began: now(), done: make(chan struct{})}
			r.asking = a
		}
		r.askMu.Unlock()
		if mine {
			r.ask(ctx, a)
		} else {
			select {
			case <-a.done:
			case <-ctx.Done():
				return smrt.Position{}, ctx.Err()
			}
		}
		if a.began > t && (a.err == nil || mine) {
			return a.at, a.err
		}
		if err := ctx.Err(); err != nil {
			return smrt.Position{}, err
		}
	}
}

// ask asks the primary.
func (r *Router) ask(ctx context.Context, a *asking) {
	defer func() {
		r.askMu.Lock()
		r.asking = nil
		r.askMu.Unlock()
		close(a.done)
	}()
	ctx, cancel := context.WithTimeout(ctx, r.cfg.ProbeTimeout)
	defer cancel()
	n := r.table.Load().primary
	if n == nil {
		a.err = r.noPrimary()
		return
	}
	r.counter.positions.Add(1)
	if a.at, a.err = wal.Now(ctx, n.reads); a.err != nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.table.Load().primary == n && a.at.Timeline == r.timeline {
		r.remember(&status{asked: a.began, system: a.at.System, timeline: a.at.Timeline, position: a.at.LSN})
	}
}

// errNoSession is the error of asking a context for what only a session has.
var errNoSession = bad("ctx", "has no session: see WithSession")

// Position returns what the session of ctx has written and read, as a position
// that covers both; zero if that is nothing. It asks for positions that are not
// known yet, which is at most one round trip for each. Inside a transaction
// begun on the router it is smrt.ErrTxBypass, because a commit that has not
// happened has no position.
func (r *Router) Position(ctx context.Context) (smrt.Position, error) {
	if err := handle.Check(ctx, r); err != nil {
		return smrt.Position{}, err
	}
	s := sessionOf(ctx)
	if s == nil {
		return smrt.Position{}, errNoSession
	}
	if !r.kind().positions() {
		return smrt.Position{}, r.noPositions("Position")
	}
	if _, err := r.coverWrites(ctx, s); err != nil {
		return smrt.Position{}, err
	}
	return r.coverReads(ctx, s)
}

func (r *Router) noPositions(what string) error {
	return bad(what, "is not possible: positions cannot be compared on "+r.kind().String())
}

// keepCommits returns where the positions of commits go: to the session of ctx.
func (r *Router) keepCommits(ctx context.Context) func(smrt.Position) {
	s := sessionOf(ctx)
	if s == nil || !r.kind().positions() {
		return nil
	}
	began := now()
	return func(p smrt.Position) { s.noteCommit(r, p, began) }
}

// wrote notes in the session of ctx that something may have been committed.
func (r *Router) wrote(ctx context.Context) {
	if s := sessionOf(ctx); s != nil {
		s.noteWrite(r, now())
	}
}

// position is one that covers what a read that ended on the node at t saw.
func (n *Node) position(ctx context.Context, t instant) (smrt.Position, error) {
	if s := n.status.Load(); s != nil && s.standby && s.asked > t && n.keeps(t) {
		return s.bound(), nil
	}
	if n.router.table.Load().primary == n || !n.keeps(t) {
		return n.router.since(ctx, t)
	}
	ctx, cancel := context.WithTimeout(ctx, n.router.cfg.ProbeTimeout)
	defer cancel()
	s := &status{asked: now()}
	if err := s.read(ctx, n.reads, PostgreSQL); err != nil {
		return smrt.Position{}, err
	}
	n.router.counter.positions.Add(1)
	return s.bound(), nil
}

// validated refuses a position that cannot be one of this cluster. What seems
// to be ahead may only be newer than what was last seen of the primary, so it
// is asked once; if it does not answer, the position is believed.
func (r *Router) validated(ctx context.Context, p smrt.Position) (smrt.Position, error) {
	if p.IsZero() {
		return p, nil
	}
	system, timeline, newest := r.known()
	if system != 0 && p.System != system {
		return p, &smrt.TokenError{Reason: "foreign"}
	}
	if p.Timeline < timeline || p.Timeline == timeline && p.LSN <= newest {
		return p, nil
	}
	at, err := r.since(ctx, now())
	if err != nil {
		if ctx.Err() != nil {
			return p, ctx.Err()
		}
		return p, nil //nolint:nilerr // nobody knows better
	}
	switch {
	case p.Timeline > at.Timeline:
		r.hurry() // a standby may have been promoted just now
		return p, &smrt.TokenError{Reason: "timeline"}
	case p.Timeline == at.Timeline && p.LSN > at.LSN+tokenSlack:
		return p, &smrt.TokenError{Reason: "future"}
	}
	return p, nil
}

// known is what was last seen of the primary.
func (r *Router) known() (system int64, timeline uint32, newest uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if k := len(r.samples); k > 0 {
		newest = r.samples[k-1].position.LSN
	}
	return r.system, r.timeline, newest
}
