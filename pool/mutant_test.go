package pool_test

import (
	"testing"

	"github.com/smrt-go/smrt/internal/check"
)

// TestRulesAreGuarded removes protections of the package, one at a time, and
// sees a test fail for each.
func TestRulesAreGuarded(t *testing.T) {
	check.Guarded(t, []check.Mutant{
		{
			"who has waited for a class has less time for a connection", "acquire.go",
			"conn, err := p.acquire(ctx, waited)", "conn, err := p.acquire(ctx, 0*waited)",
			"TestClassesShareTheTimeout",
		},
		{
			"a call that waits no more is not counted", "acquire.go",
			"	w.waiting.Add(-1)\n", "", "TestWaitingIsCounted",
		},
		{
			"a connection that is given back is lent no more", "watch.go",
			"		s.lent = 0\n", "", "TestWatch",
		},
		{
			"a pool is not overloaded when nobody has waited for long", "queue.go",
			"return q.overloaded && !q.isForgotten(time.Now())", "return q.overloaded",
			"TestOverloadBegins",
		},
		{
			"a connection is lent again after its request to cancel has ended", "connstate.go",
			"!s.awaitRequest()", "false", "TestLateRequestsMeetNobody",
		},
		{
			"a request whose end was not seen may still arrive", "cancel.go",
			"r.sent.Load() && !r.ended.Load()", "false", "TestLateRequestsMeetNobody",
		},
		{
			"a server that refuses connections is left alone for a while", "dial.go",
			"g.refusals.wait(ctx, address)", "ctx.Err()", "TestRefusedDialsPause",
		},
		{
			"the server's view of its settings sets them", "scan.go",
			"case t.Is(\"update\") && updatesSettings(s[i+1:]):", "case false:", "TestScanAgainstTheServer",
		},
		{
			"names are what their escapes say", "../internal/sqltext/token.go",
			"		case len(s) > 0 && s[0] == escape:\n", "		case true:\n			b.WriteByte(escape)\n		case len(s) > 0 && s[0] == escape:\n",
			"TestScanAgainstTheServer",
		},
		{
			"literals end where the session says", "scan.go",
			"	l.Escapes = escapes\n", "", "TestScanWithoutStandardStrings",
		},
		{
			"the session is asked where literals end", "connstate.go",
			"	if v.escapes && conn", "	if false && conn", "TestSessionsWithoutStandardStrings",
		},
		{
			"pgx forgets what was deallocated", "scan.go",
			"		v.trait |= leaves\n	case first.Is(\"prepare\"):", "	case first.Is(\"prepare\"):", "TestDeallocated",
		},
		{
			"a connection is not lent while a request may meet its next statement", "connstate.go",
			"!s.awaitRequest()", "false", "TestHeldRequests",
		},
		{
			"who waits for a server that refuses learns why", "acquire.go",
			"	if err := p.gate.refusals.last(); err != nil {", "	if err := p.gate.refusals.last(); false {", "TestCauseOfRefusedDials",
		},
		{
			"an overloaded pool refuses calls", "queue.go",
			"		w.stop(errRefused, overload)\n", "		_ = w\n", "TestOverload",
		},
		{
			"a burst is no overload", "queue.go",
			" && now.Sub(q.above) >= q.interval", "", "TestBurstsAreServed",
		},
		{
			"a call that is served in time ends the overload", "queue.go",
			"	case served && now.Sub(w.since) < q.target:\n		q.calm()\n", "", "TestOverloadBegins",
		},
		{
			"so does one that need not wait", "queue.go",
			"if q != nil && q.busy.Load() {", "if false {", "TestOverloadBegins",
		},
		{
			"an overload that nobody has seen for an interval is over", "queue.go",
			"if q.isForgotten(w.since) {", "if false {",
			"TestOverloadBegins",
		},
		{
			"a class has no more connections than it says", "class.go",
			"return c.lent < c.most ||", "return true ||", "TestClassesLeaveRoom",
		},
		{
			"a request does not wait for itself", "class.go",
			" || c.held[m] > 0 && c.lent < 2*c.most", "", "TestClassesNest",
		},
		{
			"a request has no more than twice as many", "class.go",
			"c.held[m] > 0 && c.lent < 2*c.most", "c.held[m] > 0", "TestClassesNest",
		},
		{
			"a connection gives its place back when it comes back", "connstate.go",
			"		defer s.leaveClass()\n", "", "TestClassIsHeld",
		},
		{
			"and when it is closed", "class.go",
			"		w.of.Store(s)\n", "		_ = w\n", "TestClassIsHeld",
		},
	})
}
