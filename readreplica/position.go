package readreplica

import (
	"context"

	"github.com/smrt-go/smrt"
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

// floorAt is a position that covers everything that was committed before a
// time; known is false if nobody looked since. What was committed without
// waiting for the flush is covered only if all is asked for.
func (r *Router) floorAt(t instant, all bool) (floor smrt.Position, known bool) {
	for _, s := range r.samples {
		if s.asked >= t && (s.covers || !all) {
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
	r.mu.Lock()
	if k := len(r.samples); k > 0 && r.samples[k-1].asked > t && r.samples[k-1].covers && r.table.Load().primary != nil {
		defer r.mu.Unlock()
		return r.samples[k-1].position, nil
	}
	r.mu.Unlock()
	for {
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
