package batch

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/smrt-go/smrt/internal/handle"
)

// Config says how a gate works.
type Config struct {
	// MaxInFlight is how many calls and batches may be under way at a time.
	MaxInFlight int

	// MaxSize is how large a batch gets, in what [Call.Size] counts. A call
	// that is larger by itself travels alone.
	MaxSize int

	// Patience is how long a batch waits for a call to return before it leaves
	// all the same, in flight beyond MaxInFlight; 0: for ever. Calls that hang,
	// on a connection that is dead without saying so, then delay the others
	// and do not stop them.
	Patience time.Duration

	// Gather makes a call wait for others that are about to be made: the
	// goroutines that can run get a chance to, before a batch leaves. Nothing
	// is ever sent on a caller's goroutine because the gate is open.
	Gather bool

	// Values is the context whose values a batch sees. It is never cancelled.
	// With OneCaller a batch sees those of its first call instead, because all
	// calls are of one caller.
	Values    context.Context
	OneCaller bool

	// Run makes one call of all in a batch, of which there are at least two.
	// It stores the results where the callers find them. A caller that has
	// gone does not look; the rest of the batch is not concerned. The context
	// is no caller's: it ends when all of them have gone.
	Run func(ctx context.Context, calls []*Call)
}

// Gate is where calls meet. It is safe for concurrent use.
type Gate struct {
	Config
	limit    int64 // MaxInFlight
	straight int64 // the same, or 0 where calls are gathered

	// state is the number of calls and batches in flight, plus crowded while
	// something waits. Crowded is set and cleared under mu only.
	state atomic.Int64

	mu    sync.Mutex
	queue []*group // the oldest first; calls join the last
	usual int      // calls of the last batch: room for the next

	// Of a gate that Gates gave.
	of     *Gates
	caller any
	users  int // guarded by of.mu
}

const crowded = 1 << 32

// DefaultPatience is longer than a read by key takes, also to another
// continent, and shorter than what a request usually may take.
const DefaultPatience = 500 * time.Millisecond

// New returns a gate.
func New(c Config) *Gate {
	g := &Gate{Config: c, limit: int64(c.MaxInFlight)}
	if !c.Gather {
		g.straight = g.limit
	}
	if g.Values == nil {
		g.Values = context.Background()
	}
	g.Values = handle.WithoutCounting(g.Values) // a batch is no sign of a missing one
	return g
}

// Call is one caller's part of a batch.
type Call struct {
	Size    int // how much of a batch it takes, at least 1
	Payload any // what Run knows it by

	ctx context.Context
	at  int // place in its group
}

// Context returns the context that the caller has joined with.
func (c *Call) Context() context.Context { return c.ctx }

// group is calls that travel together.
type group struct {
	calls  []*Call
	size   int
	done   chan struct{} // closed when the calls have their results, or the turn
	sent   bool
	ctx    context.Context
	cancel context.CancelFunc // nil where the context cannot end
	left   int                // callers that have gone since it was sent
	timer  *time.Timer        // of its patience, nil without
	panic  *PanicError
}

// turn reports whether the group consists of one call, which its caller makes by
// itself.
func (gr *group) turn() bool { return gr.sent && len(gr.calls) == 1 }

// Enter takes a slot if one is free and nobody waits for it. The caller makes
// its call, and then must call Leave whatever happens.
func (g *Gate) Enter() bool {
	for {
		s := g.state.Load()
		if s >= g.straight {
			return false
		}
		if g.state.CompareAndSwap(s, s+1) {
			return true
		}
	}
}

// Leave gives the slot to the batch that waits longest. It does nothing for nil,
// so that a call that meets nobody ends like the others.
func (g *Gate) Leave() {
	if g == nil {
		return
	}
	for {
		s := g.state.Load()
		if s >= crowded {
			break
		}
		if g.state.CompareAndSwap(s, s-1) {
			return
		}
	}
	if gr := g.next(); gr != nil {
		go g.work(gr)
	}
}

// Join waits until the call has travelled in a batch. It reports true where the
// caller has got a slot of its own instead, as with Enter. It returns at once
// when ctx ends, with its error, and panics with a *PanicError if Run did.
func (g *Gate) Join(ctx context.Context, c *Call) (turn bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	c.ctx = ctx
	gr := g.enqueue(c)
	if gr == nil {
		return true, nil
	}
	if end := ctx.Done(); end == nil {
		<-gr.done // at half the price of a select
	} else {
		select {
		case <-gr.done:
		case <-end:
			if g.withdraw(gr, c) {
				return false, ctx.Err()
			}
		}
	}
	if gr.panic != nil {
		panic(gr.panic)
	}
	return gr.turn(), nil
}

// enqueue puts c into the last group that waits, or a new one. It returns nil
// if a slot became free meanwhile, which now is c's.
func (g *Gate) enqueue(c *Call) *group {
	g.mu.Lock()
	defer g.mu.Unlock()
	if n := len(g.queue); n > 0 {
		if last := g.queue[n-1]; last.size+c.Size <= g.MaxSize {
			last.add(c)
			return last
		}
	}
	took := g.slot()
	if took && !g.Gather {
		return nil
	}
	gr := &group{done: make(chan struct{}), calls: make([]*Call, 0, g.usual)}
	gr.add(c)
	g.queue = append(g.queue, gr)
	if g.Patience > 0 && !took {
		gr.timer = time.AfterFunc(g.Patience, func() { g.overdue(gr) })
	}
	if took {
		if len(g.queue) == 1 {
			g.state.Add(crowded)
		}
		go g.work(nil)
	}
	return gr
}

// slot takes a slot for a new group if one is free, as it is after a Leave
// since Enter, and where calls are gathered. Otherwise it marks the gate as
// crowded in the same step, so that no Leave can overlook the group.
func (g *Gate) slot() bool {
	for {
		s := g.state.Load()
		switch {
		case s%crowded < g.limit:
			if g.state.CompareAndSwap(s, s+1) {
				return true
			}
		case s >= crowded:
			return false
		case g.state.CompareAndSwap(s, s+crowded):
			return false
		}
	}
}

func (gr *group) add(c *Call) {
	c.at = len(gr.calls)
	gr.calls = append(gr.calls, c)
	gr.size += c.Size
}

// next takes the group that waits longest. It inherits the slot of the call
// that has returned, which is free if there is none.
func (g *Gate) next() *group {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.queue) == 0 {
		g.state.Add(-1)
		return nil
	}
	gr := g.queue[0]
	g.queue[0] = nil
	g.usual = len(gr.calls)
	return g.depart(0, gr)
}

// depart lets group i leave. It returns nil if the group is one call, which its
// caller makes.
func (g *Gate) depart(i int, gr *group) *group {
	g.remove(i)
	if gr.timer != nil {
		gr.timer.Stop()
	}
	gr.sent = true
	if gr.turn() {
		close(gr.done) // the slot is its caller's
		return nil
	}
	gr.ctx, gr.cancel = g.contextFor(gr.calls)
	return gr
}

// overdue lets a group leave that has waited for too long, in a slot of its
// own.
func (g *Gate) overdue(gr *group) {
	g.mu.Lock()
	if gr.sent || len(gr.calls) == 0 {
		g.mu.Unlock()
		return
	}
	g.state.Add(1)
	departed := g.depart(slices.Index(g.queue, gr), gr)
	g.mu.Unlock()
	if departed != nil {
		g.work(departed)
	}
}

// remove takes group i out of the queue.
func (g *Gate) remove(i int) {
	if i == 0 {
		g.queue = g.queue[1:]
	} else {
		g.queue = slices.Delete(g.queue, i, i+1)
	}
	if len(g.queue) == 0 {
		g.queue = nil
		g.state.Add(-crowded)
	}
}

// contextFor ends at the latest deadline of the callers. It has none if one of
// them has none, and it cannot end at all if one of them waits for ever.
func (g *Gate) contextFor(calls []*Call) (context.Context, context.CancelFunc) {
	values := g.Values
	if g.OneCaller {
		values = handle.WithoutCounting(handle.Shared(calls[0].ctx))
	}
	for _, c := range calls {
		if c.ctx.Done() == nil {
			return values, nil
		}
	}
	var latest time.Time
	for _, c := range calls {
		deadline, ok := c.ctx.Deadline()
		if !ok {
			return context.WithCancel(values)
		}
		if deadline.After(latest) {
			latest = deadline
		}
	}
	return context.WithDeadline(values, latest)
}

// work sends groups until none waits. Its first one is gr, or what waits once
// the goroutines that can run have had their chance to join.
func (g *Gate) work(gr *group) {
	defer func() {
		if gr != nil { // Run has ended this goroutine
			g.Leave()
		}
	}()
	for {
		if gr == nil {
			// Those who got their results from the last batch are about to
			// ask for more. Without this the next batch would leave without
			// them, nearly empty.
			runtime.Gosched()
			if gr = g.next(); gr == nil {
				return
			}
		}
		g.send(gr)
		gr = nil
	}
}

// send makes the call of a group.
func (g *Gate) send(gr *group) {
	returned := false
	defer func() {
		if !returned {
			gr.panic = NewPanicError(recover())
		}
		if gr.cancel != nil {
			gr.cancel()
		}
		close(gr.done)
	}()
	g.Run(gr.ctx, gr.calls)
	returned = true
}

// withdraw takes a call back whose caller does not wait any longer. It reports
// false if the results are there already.
func (g *Gate) withdraw(gr *group, c *Call) bool {
	g.mu.Lock()
	switch {
	case gr.turn():
		g.mu.Unlock()
		g.Leave()
		return true
	case gr.sent:
		defer g.mu.Unlock()
		select {
		case <-gr.done:
			return false
		default:
		}
		if gr.left++; gr.left == len(gr.calls) && gr.cancel != nil {
			gr.cancel()
		}
		return true
	}
	defer g.mu.Unlock()
	last := len(gr.calls) - 1
	gr.calls[c.at] = gr.calls[last]
	gr.calls[c.at].at = c.at
	gr.calls = gr.calls[:last]
	gr.size -= c.Size
	if last == 0 {
		g.remove(slices.Index(g.queue, gr))
		if gr.timer != nil {
			gr.timer.Stop()
		}
	}
	return true
}
