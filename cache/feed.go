package cache

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/smrt-go/smrt"
)

// FeedConfig declares a [Feed].
type FeedConfig struct {
	// Store is what is followed.
	Store Store

	// Apply is called with each message, in the order in which they arrive.
	Apply func(Notice)

	// Reset is called when messages were missed, or may have been: when a subscription
	// begins, at a gap in the numbers, at a new run of the store. All that is kept of
	// the store has to be forgotten before it returns, and what is being loaded must not
	// be kept. The reason is a text for a log.
	Reset func(reason string)

	// Probe is how often the store is asked for its last number, and how long it is
	// left alone after a subscription was lost. Default: a second.
	Probe time.Duration

	// Silence is how long the last proof that nothing was missed holds, at least Probe.
	// Default: 3 s.
	Silence time.Duration
}

// A Feed tells a memory level what to forget, and whether it has been told everything.
// The number of the last message is asked of the store at each Probe: if all messages
// up to it have arrived, nothing was missed before the question. So a connection that
// was cut, messages that were dropped and messages that are late all show within
// Silence, by the clock of this process only.
//
// It is safe for concurrent use. Apply and Reset are never called at the same time.
type Feed struct {
	config FeedConfig
	began  time.Time
	until  atomic.Int64  // the end of the last proof, since began; 0: there is none
	kick   chan struct{} // asks at once

	mu         sync.Mutex
	subscribed bool
	cause      string   // why there is a new subscription
	last       Sequence // that has arrived, or does not have to
	asked      []proof  // of which messages have not arrived yet
}

// A proof is the last number that was published, at a moment or after it.
type proof struct {
	at   time.Duration
	last Sequence
}

// NewFeed returns a feed that follows nothing until [Feed.Run]. The error is a
// *[smrt.OptionsError].
func NewFeed(c FeedConfig) (*Feed, error) {
	c.Probe = cmp.Or(c.Probe, time.Second)
	c.Silence = cmp.Or(c.Silence, 3*time.Second)
	switch {
	case c.Store == nil || c.Apply == nil || c.Reset == nil:
		return nil, &smrt.OptionsError{Option: "FeedConfig", Reason: "must have Store, Apply and Reset"}
	case c.Probe < 0 || c.Silence < c.Probe:
		return nil, &smrt.OptionsError{Option: "FeedConfig.Probe", Reason: fmt.Sprintf("must be above zero and at most Silence, is %v of %v", c.Probe, c.Silence)}
	}
	return &Feed{config: c, began: time.Now(), kick: make(chan struct{}, 1), cause: "a subscription began"}, nil
}

// Alive reports whether all messages that were published until Silence ago have been
// applied. Only after it has may what is kept in memory be looked at: an answer after
// that says nothing of what was there before.
func (f *Feed) Alive() bool {
	until := f.until.Load()
	return until != 0 && int64(time.Since(f.began)) < until
}

// Run follows the store until ctx ends, and subscribes again whenever a subscription is
// lost. It is called once.
func (f *Feed) Run(ctx context.Context) {
	var probes sync.WaitGroup
	defer probes.Wait()
	probes.Go(func() { f.probe(ctx) })
	for ctx.Err() == nil {
		err := f.config.Store.Subscribe(ctx, f.ready, f.receive)
		f.lost(err)
		select {
		case <-ctx.Done():
		case <-time.After(f.config.Probe):
		}
	}
}

// ready begins a subscription, of which no number is known.
func (f *Feed) ready() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.until.Store(0)
	f.subscribed, f.last, f.asked = true, Sequence{}, nil
	select {
	case f.kick <- struct{}{}:
	default:
	}
}

// lost ends a subscription.
func (f *Feed) lost(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.until.Store(0)
	f.subscribed, f.cause = false, fmt.Sprintf("a subscription was lost: %v", err)
}

// receive takes a message.
func (f *Feed) receive(m Notice) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch at := m.Sequence; {
	case at.Stream != f.last.Stream:
		f.reset(at)
	case at.Number > f.last.Number+1:
		f.reset(at)
	case at.Number == f.last.Number+1:
		f.last = at
	default:
		// It is late: what it says was forgotten at the gap that it has left.
	}
	f.config.Apply(m)
	f.settle()
}

// reset forgets everything, so that whatever came before a number is not missed.
func (f *Feed) reset(at Sequence) {
	reason := f.cause
	switch {
	case f.last == Sequence{}:
	case f.last.Stream != at.Stream:
		reason = "the store has begun anew"
	default:
		reason = "messages were missed"
	}
	f.until.Store(0)
	f.asked, f.last = nil, at
	f.config.Reset(reason)
}

// settle uses the proofs whose messages have arrived.
func (f *Feed) settle() {
	for len(f.asked) > 0 && f.asked[0].last.Number <= f.last.Number {
		f.until.Store(int64(f.asked[0].at + f.config.Silence))
		f.asked = f.asked[1:]
	}
}

// probe asks for the last number again and again.
func (f *Feed) probe(ctx context.Context) {
	ticker := time.NewTicker(f.config.Probe)
	defer ticker.Stop()
	for {
		f.ask(ctx)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-f.kick:
		}
	}
}

func (f *Feed) ask(ctx context.Context) {
	f.mu.Lock()
	asks, at := f.subscribed, time.Since(f.began)
	f.mu.Unlock()
	if !asks {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, f.config.Silence)
	defer cancel()
	last, err := f.config.Store.Sequence(ctx)
	if err != nil {
		return // the last proof grows old
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.subscribed {
		return
	}
	late := len(f.asked) > 0 && at-f.asked[0].at >= f.config.Silence
	if late || f.last.Stream != last.Stream {
		f.reset(last) // what is published from here on has the numbers behind it
	}
	f.asked = append(f.asked, proof{at, last})
	f.settle()
}
