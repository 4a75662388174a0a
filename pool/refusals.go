package pool

import (
	"context"
	"sync"
	"time"
)

// A server that cannot be dialled is dialled again after a pause, however many
// calls ask for a connection: those fail at once, so that without it they would
// dial as fast as the machine can.
//
// The pauses are those of an address, because a URL may name several, of which one
// is down for long: whoever reaches another one must not wait for the first. They
// grow while no address can be dialled, and calls take turns, so that a pool of any
// size dials an address ten times a second at most.

// The first pause of an address, and the last one: a server that comes back is
// found within it.
const (
	firstRefusal = 10 * time.Millisecond
	lastRefusal  = 100 * time.Millisecond
)

// refusals are the addresses that could not be dialled since one could.
type refusals struct {
	mu  sync.Mutex
	at  map[string]*refusedAddress
	err error // of the last dial, nil if there is none in at
}

// refusedAddress is when an address may be dialled again.
type refusedAddress struct {
	pause time.Duration // after which the call after the next may dial
	next  time.Time     // when it may be dialled
}

// wait waits until the address may be dialled. Each call gets a time of its own.
func (r *refusals) wait(ctx context.Context, address string) error {
	r.mu.Lock()
	a, now := r.at[address], time.Now()
	if a == nil {
		r.mu.Unlock()
		return nil
	}
	at := a.next
	if at.Before(now) {
		at = now
	}
	a.next = at.Add(a.pause)
	r.mu.Unlock()
	if at == now {
		return nil
	}
	timer := time.NewTimer(at.Sub(now))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// note remembers how a dial ended. One that succeeds ends the pauses, those of
// other addresses too: a connection is looked for at each of them in turn.
func (r *refusals) note(ctx context.Context, address string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch a := r.at[address]; {
	case err == nil:
		r.at, r.err = nil, nil
	case ctx.Err() != nil: // that of the caller, or it took too long anyway
	case a != nil:
		r.err = err
		a.pause = min(2*a.pause, lastRefusal)
	default:
		if r.at == nil {
			r.at = map[string]*refusedAddress{}
		}
		r.err = err
		r.at[address] = &refusedAddress{pause: firstRefusal, next: time.Now().Add(firstRefusal)}
	}
}

// last returns why the last dial failed, or nil if it did not.
func (r *refusals) last() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}
