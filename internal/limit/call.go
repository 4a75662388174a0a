package limit

import (
	"context"
	"errors"
	"math"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/pgerr"
)

type key struct{}

// OfOneCall says that what callers share is held to the limits of none of them:
// each is held to its own before and after.
func (key) OfOneCall() {}

// state is what a context says of limits.
type state struct {
	set   *Set
	allow *Allowance
	sent  *atomic.Int64 // statements of the request; nil: it is not known where one begins
	call  *Call         // that is under way
	free  bool          // nothing is limited: what a limit itself asks for
}

func stateOf(ctx context.Context) *state {
	s, _ := ctx.Value(key{}).(*state)
	return s
}

// WithSet returns a context under which s holds too, and with which a request begins
// unless it has begun. A call that is under way is not what comes under it. Nil is no
// limits.
func WithSet(ctx context.Context, s *Set) context.Context {
	to := state{set: s}
	if in := stateOf(ctx); in != nil {
		to.set, to.allow, to.sent, to.free = in.all().With(s), in.allow, in.sent, in.free
	}
	if to.sent == nil {
		to.sent = &atomic.Int64{}
	}
	return context.WithValue(ctx, key{}, &to)
}

// WithAllowance returns a context under which a holds too.
func WithAllowance(ctx context.Context, a Allowance) context.Context {
	to := state{allow: &a}
	if in := stateOf(ctx); in != nil {
		to.set, to.sent, to.free, a.Next = in.all(), in.sent, in.free, in.allow
	}
	return context.WithValue(ctx, key{}, &to)
}

// all returns the limits that hold.
func (s *state) all() *Set {
	if s.call != nil {
		return s.call.Set()
	}
	return s.set
}

// Call is an operation under way, and the context of what it does. A nil Call has no
// limits.
type Call struct {
	context.Context
	state
	within   *Call // which holds other limits, see Enter
	op       pgerr.Op
	table    string
	reported [Kinds]atomic.Bool
	refused  error // before it began
	bill     *bill // nil: no rate holds

	began  time.Time
	cancel context.CancelFunc // nil: nothing ends the call but its context
	late   atomic.Bool
	first  time.Duration // until the first row of a stream; 0: it is none
	end    time.Time     // see deadlines
	place  int           // in them
}

// Value returns what the context has, and the call itself.
func (c *Call) Value(of any) any {
	if _, ok := of.(key); ok {
		return &c.state
	}
	return c.Context.Value(of)
}

// Enter begins an operation on a table under the limits of s, which may be nil, and
// of ctx. It lets ctx carry the call. It returns nil if there are no limits, and for
// what is a part of another operation, unless s has limits that it is not held to: a
// handle with limits may be inside of another one that does not show them. Then the
// call has those.
func Enter(ctx *context.Context, s *Set, op pgerr.Op, table string) *Call {
	if *ctx == nil {
		return nil
	}
	in := stateOf(*ctx)
	var within *Call
	if in != nil {
		if in.free {
			return nil
		}
		within = in.call
	}
	for w := within; w != nil; w = w.within {
		s = s.beyond(w.set)
	}
	if s == nil && (in == nil || in.set == nil || within != nil) {
		return nil
	}
	c := &Call{Context: *ctx, within: within, op: op, table: table}
	if c.set = s; in != nil {
		c.allow, c.sent = in.allow, in.sent
		if within == nil {
			c.set = in.set.With(s)
		}
	}
	c.call = c
	c.limitTime()
	*ctx = c
	return c
}

// Outside returns a context for code of the program that a call runs, whose operations
// are not a part of it: the limits of the call hold for each by itself.
func Outside(ctx context.Context) context.Context {
	in := stateOf(ctx)
	if in == nil || in.call == nil {
		return ctx
	}
	return context.WithValue(ctx, key{}, &state{set: in.all(), allow: in.allow, sent: in.sent})
}

// unlimited is a context under which nothing is limited. It is for code of the program
// that limits call, which would otherwise call itself without end if it sent something on
// a handle with the same limits.
type unlimited struct{ context.Context }

var free = &state{free: true}

func (u *unlimited) Value(of any) any {
	if _, ok := of.(key); ok {
		return free
	}
	return u.Context.Value(of)
}

// Set returns the limits that the call is held to.
func (c *Call) Set() (s *Set) {
	for ; c != nil; c = c.within {
		s = c.set.With(s)
	}
	return s
}

// Of returns the call that ctx carries, or nil.
func Of(ctx context.Context) *Call {
	if ctx != nil {
		if in := stateOf(ctx); in != nil {
			return in.call
		}
	}
	return nil
}

// End ends the operation, which ended with err.
func (c *Call) End(err *error) {
	if c == nil {
		return
	}
	if c.release(); c.began.IsZero() {
		return
	}
	if c.late.Load() && isStopped(*err) {
		most, _ := c.most(Time)
		*err = c.wrap(c.refuse(Time, most, max(int64(time.Since(c.began)), most+1)))
	} else if *err == nil && (c.allow != nil || c.set.max[Report][Time] > 0) {
		took := c.first
		if took == 0 {
			took = time.Since(c.began)
		}
		_ = c.check(Time, int64(took)) // it is over
	}
}

// release lets go of what the call holds.
func (c *Call) release() {
	c.settle()
	if c.cancel != nil {
		c.set.running.remove(c)
		c.cancel()
	}
}

// calls runs code of the program. If that does not return, as it panics, nobody may have
// been there yet who would end the call.
func (c *Call) calls(code func()) {
	returned := false
	defer func() {
		if !returned {
			c.release()
		}
	}()
	code()
	returned = true
}

// opens runs what begins a result, whose end ends the call. If there is none, because it
// is refused, fails or does not return, the call ends at once.
func (c *Call) opens(result func() error) (err error) {
	opened := false
	defer func() {
		if !opened {
			c.End(&err)
		}
	}()
	if err = c.Refused(); err == nil {
		err = result()
	}
	opened = err == nil
	return err
}

// isStopped reports whether err can be that of a call whose context was ended.
func isStopped(err error) bool {
	return err != nil && (errors.Is(err, context.Canceled) || errors.Is(err, smrt.ErrQueryCanceled) || pgerr.IsCanceled(err) || pgconn.Timeout(err))
}

// limitTime sets the time of the call, and cancels it when that is over, unless the
// context ends before.
func (c *Call) limitTime() {
	most, limited := c.most(Time)
	if !limited && c.set.max[Report][Time] == 0 {
		return
	}
	c.began = time.Now()
	if !limited {
		return
	}
	over := c.began.Add(time.Duration(most))
	if end, ok := c.Context.Deadline(); ok && end.Before(over) {
		return
	}
	c.Context, c.cancel = context.WithCancel(c.Context)
	c.set.running.add(c, over)
}

// Streams says that the program works between the rows from now on, which is not the
// time of the call.
func (c *Call) Streams() {
	if c == nil || c.began.IsZero() || c.first > 0 {
		return
	}
	c.first = max(time.Since(c.began), 1)
	if c.cancel != nil {
		c.set.running.remove(c)
	}
}

// most returns what is refused beyond, and reports whether there is such a limit.
func (c *Call) most(k Kind) (most int64, limited bool) {
	most = c.set.max[Enforce][k]
	if most == 0 {
		return math.MaxInt64, false
	}
	if a := c.allow.of(k); a != nil {
		most = max(most, a.Most)
	}
	return most, true
}

// next returns the least limit that n does not go beyond.
func (c *Call) next(k Kind, n int64) int64 {
	next, _ := c.most(k)
	for _, most := range []int64{c.set.max[Enforce][k], c.set.max[Report][k]} {
		if most >= n && most > 0 {
			next = min(next, most)
		}
	}
	return next
}

// check tells of what goes beyond a limit, and refuses it unless it is allowed.
func (c *Call) check(k Kind, actual int64) error { return c.checkOf("", k, actual) }

// checkOf is check for a statement that has a name of its own.
func (c *Call) checkOf(statement string, k Kind, actual int64) error {
	if c == nil {
		return nil
	}
	tell := func(o Outcome, most int64) *smrt.LimitError {
		e := c.beyond(k, most, actual)
		e.Statement = statement
		return c.tell(o, k, e)
	}
	if most, _ := c.most(k); actual > most {
		c.spare(true)
		return c.wrap(tell(Refused, most))
	}
	if most := c.set.max[Enforce][k]; most > 0 && actual > most {
		tell(Allowed, most)
	} else if most := c.set.max[Report][k]; most > 0 && actual > most {
		if a := c.allow.of(k); a != nil && actual <= a.Most {
			tell(Allowed, most)
		} else {
			tell(Reported, most)
		}
	}
	return nil
}

func (c *Call) refuse(k Kind, most, actual int64) error {
	return c.tell(Refused, k, c.beyond(k, most, actual))
}

// tell tells of a call beyond a limit, of each kind once.
func (c *Call) tell(o Outcome, k Kind, e *smrt.LimitError) *smrt.LimitError {
	actual := e.Actual
	c.event(o, k, e, func(r *Reporter) bool { return r.concerns(k, actual) })
	return e
}

// beyond is the error of a call beyond a limit.
func (c *Call) beyond(k Kind, most, actual int64) *smrt.LimitError {
	way := kinds[k].way
	if c.op == "" && (k == Rows || k == Bytes) { // which are known when it was sent
		way += "; a statement that writes may have written, unless its transaction is rolled back"
	}
	return &smrt.LimitError{Limit: kinds[k].name, Max: most, Actual: actual, Way: way, Err: kinds[k].err}
}

// event tells those whose limit it was, of each kind once.
func (c *Call) event(o Outcome, k Kind, e *smrt.LimitError, concerns func(*Reporter) bool) {
	if o != Refused && c.reported[k].Swap(true) {
		return
	}
	event := Event{Outcome: o, Operation: string(c.op), Table: c.table, Error: e}
	if a := c.allow.of(k); o == Allowed {
		event.Reason = a.Reason
	}
	c.calls(func() {
		for _, r := range c.set.reporters {
			if concerns(r) {
				r.Tell(&unlimited{c.Context}, event)
			}
		}
	})
}

// wrap says which operation was refused.
func (c *Call) wrap(err error) error {
	if c.op == "" {
		return err
	}
	return pgerr.Wrap(c.op, c.table, err)
}
