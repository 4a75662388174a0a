package observe

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/smrt-go/smrt/internal/handle"
	"github.com/smrt-go/smrt/internal/pgerr"
	"github.com/smrt-go/smrt/internal/traced"
)

type (
	scopeKey  struct{}
	chargeKey struct{} // the *charge of the call that is running
)

// OfOneCall implements handle.OfOneCall: what callers share is in no scope.
func (scopeKey) OfOneCall() {}

// WithScope starts a scope: what is sent under the returned context, by
// whatever goroutine, is looked at together. A scope is one request, one job or
// one test. Options may be given once; the defaults log.
//
// A scope inside of another counts by itself, and reports what it finds to
// both. So a test that makes a hundred requests is not reported for repeating
// one statement a hundred times, and yet it fails for what one of its requests
// did.
//
// A scope ends when nobody uses the context any more; there is nothing to
// close.
//
// If the options cannot be used, WithScope reports that as a [Finding] with an
// Err, and the scope looks for nothing.
func WithScope(ctx context.Context, options ...Options) context.Context {
	o, err := resolve(options)
	s := &scope{
		parent: scopeOf(ctx), policy: o.Policy, limit: o.Limit, max: o.MaxStatements, maxCalls: o.MaxCalls, err: err, full: err != nil,
		statements: map[string]*statement{}, loops: map[loopID]*loop{},
	}
	if err != nil {
		for to := s; to != nil; to = to.parent {
			to.policy(ctx, Finding{Err: err})
		}
	}
	ctx = context.WithValue(handle.WithCounting(ctx), scopeKey{}, s)
	return traced.WithSharing(ctx, (&sharing{scope: s}).shared)
}

// sharing is told of reads that were shared, in a scope.
type sharing struct {
	tracer
	scope *scope
}

// shared counts a read whose statement another goroutine has sent, for several
// callers and in no scope. Whoever asks for rows in a loop does so whether or not
// others ask at the same time.
func (s *sharing) shared(ctx context.Context, sql string) {
	for in := s.scope; in != nil; in = in.parent {
		in.usage.shared.Add(1)
	}
	if !handle.IsUncounted(ctx) {
		s.charge(ctx, s.scope, trim(sql), false)
	}
}

func scopeOf(ctx context.Context) *scope {
	s, _ := ctx.Value(scopeKey{}).(*scope)
	return s
}

// WithoutCounting returns a context under which nothing is counted. Use it for a
// loop that sends a statement for each row on purpose:
//
//	for _, id := range ids { // one by one, so that each holds its lock only briefly
//		err := accounts.Delete(observe.WithoutCounting(ctx), id)
//	}
func WithoutCounting(ctx context.Context) context.Context { return handle.WithoutCounting(ctx) }

// scope counts what was sent under its context. Its maps hold no more than max
// entries each.
type scope struct {
	parent *scope // nil outside of others
	policy Policy
	limit  int
	max    int
	err    error // what is wrong with the options

	maxCalls int // 0: any number
	usage    usage
	observer atomic.Pointer[Observer] // the last one that has seen a call of it

	mu         sync.Mutex
	statements map[string]*statement
	full       bool // no new statements are taken
	loops      map[loopID]*loop
	retries    int // failures after which a whole transaction may be sent again
	found      map[foundID]bool
	findings   []*loop  // in the order in which they were found
	over       *Finding // of maxCalls
}

// statement is a text and how often it was sent. The first time it is only
// remembered.
type statement struct {
	text    string
	sent    int
	located bool // a loop refers to it

	first []uintptr // the stack of the first time, until it is repeated
	below bool      // that stack begins below pgx's connection
}

// loop is a statement and a call site that repeats it.
//
// It does not refer to its scope: a scope around many others keeps their
// findings, and shall not keep all they counted.
type loop struct {
	statement *statement
	at        callSite
	repeats   atomic.Int64
	reported  bool // guarded by the scope's mu
}

type loopID struct {
	statement *statement
	at        callSite
}

type foundID struct {
	text string
	at   callSite
}

// see counts a statement, and reports whether it was sent before. It returns nil
// if such statements are not counted.
func (s *scope) see(text string) (st *statement, repeated bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st = s.statements[text]
	if st == nil {
		if !counted(text) || !s.room() {
			return nil, false
		}
		st = &statement{text: text}
		s.statements[text] = st
	}
	st.sent++
	return st, st.sent > 1
}

// keepFirst keeps the stack of the first time that a statement was sent. Frames are
// named once it is repeated; until then it is some numbers.
func (s *scope) keepFirst(st *statement, stack []uintptr, below bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st.first, st.below = slices.Clone(stack), below
}

// takeFirst returns that stack, once.
func (s *scope) takeFirst(st *statement) (stack []uintptr, below bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	stack, st.first = st.first, nil
	return stack, st.below
}

// room reports whether one more statement can be kept. It forgets what was sent
// only once to make room: a loop repeats its statements soon, so those that
// matter come back. If that frees less than a quarter, almost all that is kept
// is repeated, and no more is taken.
func (s *scope) room() bool {
	if s.full || len(s.statements) < s.max {
		return !s.full
	}
	for text, st := range s.statements {
		if !st.located && st.sent <= 1 {
			delete(s.statements, text)
		}
	}
	s.full = len(s.statements) > s.max*3/4
	return !s.full
}

// charge counts a repeat at its call site, and reports whether it is the first
// one above the limit. Tries is which attempt at its transaction the statement is
// in.
func (s *scope) charge(st *statement, at callSite, tries int) (c *loop, crossed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := loopID{st, at}
	c = s.loops[id]
	if c == nil {
		if len(s.loops) >= s.max {
			return nil, false
		}
		c = &loop{statement: st, at: at}
		s.loops[id] = c
		st.located = true
	}
	repeats := c.repeats.Add(1)
	// After a failed transaction everything before the failure is sent again,
	// so the limit holds for each try: a loop that repeats a statement r times
	// in each of n tries is reported if r is above the limit. Not every failure is
	// one of a statement, so that a transaction that knows its tries says so.
	if c.reported || repeats <= int64(s.limit*max(1+s.retries, tries)) {
		return c, false
	}
	c.reported = true
	return c, true
}

// report calls the policies of this scope and of those around it, each once.
func (s *scope) report(ctx context.Context, c *loop) {
	f := c.finding()
	for ; s != nil; s = s.parent {
		if s.claim(c) {
			s.policy(ctx, f)
		}
	}
}

// seenBy notes which Observer sees the calls of the scope.
func (s *scope) seenBy(o *Observer) {
	if o != nil && s.observer.Load() != o {
		s.observer.Store(o)
	}
}

// observedBy returns the Observer that keeps what is found in the scope, nil if it has
// none. A scope whose reads were all served by the statements of others has that of
// the scope around it.
func (s *scope) observedBy() *Observer {
	for ; s != nil; s = s.parent {
		if o := s.observer.Load(); o != nil {
			return o
		}
	}
	return nil
}

// claim notes a finding. It returns false if the same was noted before, or if
// there are too many: a scope around many others may live as long as the
// program.
func (s *scope) claim(c *loop) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := foundID{c.statement.text, c.at}
	if s.found[id] || len(s.findings) >= s.max {
		return false
	}
	if s.found == nil {
		s.found = map[foundID]bool{}
	}
	s.found[id] = true
	s.findings = append(s.findings, c)
	return true
}

// failed takes back what a statement was charged to, if it was.
func (s *scope) failed(charged any, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch c := charged.(type) {
	case *statement:
		c.sent--
		c.first = nil
	case *loop:
		c.repeats.Add(-1)
	}
	if triedAgain(err) {
		s.retries++
	}
}

// triedAgain reports whether programs usually retry the whole transaction after
// an error: serialization failures, deadlocks, locks that were not available,
// servers that shut down or were no primary any more, broken connections.
func triedAgain(err error) bool {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded)
	}
	return pgerr.IsRepeated(pg)
}
