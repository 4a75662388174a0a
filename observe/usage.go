package observe

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"
)

// Usage is what was sent under a scope, and under those inside of it, so far. What
// smrt asks of the catalog when it uses a table for the first time is not in it: it
// would make the first request another than the rest.
type Usage struct {
	Calls      int           // round trips: statements, batches, COPYs, BEGIN and COMMIT
	Statements int           // the same, and each statement of a batch
	Failed     int           // calls that failed, for whatever reason
	Shared     int           // reads that another call's statement has served; not in Calls
	Time       time.Duration // from sending to the end of the result, of all calls together
}

// Used returns what was sent under the scope of ctx so far, nothing if it has none.
func Used(ctx context.Context) Usage {
	s := scopeOf(ctx)
	if s == nil {
		return Usage{}
	}
	u := &s.usage
	return Usage{
		Calls: int(u.calls.Load()), Statements: int(u.statements.Load()), Failed: int(u.failed.Load()),
		Shared: int(u.shared.Load()), Time: time.Duration(u.time.Load()),
	}
}

// usage is a Usage that goroutines add to.
type usage struct {
	calls, statements, failed, shared, time atomic.Int64
	own                                     atomic.Bool // one of the calls was made under no scope inside of it
}

// charge is a call under way, in a scope.
type charge struct {
	scope *scope
	to    any  // what it was charged to: *statement, *loop or nil
	used  bool // it is in the usage of the scope
	began time.Duration
	ended bool // pgx says so twice of a batch that it could not send
}

// use counts a call in a scope and those around it, and reports those that have made
// more than they may.
func (t *tracer) use(ctx context.Context, s *scope, text string, statements int) {
	if !s.usage.own.Load() {
		s.usage.own.Store(true)
	}
	for ; s != nil; s = s.parent {
		s.usage.statements.Add(int64(statements))
		n := s.usage.calls.Add(1)
		if n == manyCalls+1 && t.observer != nil && s.usage.own.Load() {
			t.observer.spots.add(spotID{requestSpot, text, t.site(), manyCalls + 1}, 0, 0)
		}
		if s.maxCalls == 0 || n != int64(s.maxCalls)+1 || s.err != nil {
			continue
		}
		f := Finding{Name: nameOf(text), SQL: text, Calls: s.maxCalls + 1, Instead: insteadOfMany}
		at := t.site()
		f.locate(at)
		s.mu.Lock()
		s.over = &f
		s.mu.Unlock()
		if t.observer != nil {
			t.observer.spots.add(spotID{budgetSpot, text, at, f.Calls}, 0, 0)
		}
		s.policy(ctx, f)
	}
}

// insteadOfMany advises what to do about many calls.
const insteadOfMany = "see observe.Used and observe.Findings for what was sent, and preload, or send in a batch, what can be"

// site returns where the program sends what is about to be sent, zero if it is sent by a
// goroutine of smrt.
func (t *tracer) site() callSite {
	var stack [256]uintptr
	at, _ := t.callSites.search(stack[:runtime.Callers(callersSkip, stack[:])], true)
	return at
}

// used adds a call that has ended to a scope and those around it.
func (s *scope) used(took time.Duration, err error) {
	for ; s != nil; s = s.parent {
		s.usage.time.Add(int64(took))
		if err != nil {
			s.usage.failed.Add(1)
		}
	}
}

// tooMany describes a scope that made more calls than it may.
func (f Finding) tooMany() string {
	text := fmt.Sprintf("too many calls: %d, at most %d may be sent", f.Calls, f.Calls-1)
	if f.Site.Function != "" {
		text += fmt.Sprintf("; the last one by %s", f.Site)
	}
	for _, c := range f.Callers {
		text += fmt.Sprintf("\n\tcalled by %s", c)
	}
	return text + fmt.Sprintf("\n\t%s\n\tinstead: %s", shorten(f.SQL), f.Instead)
}
