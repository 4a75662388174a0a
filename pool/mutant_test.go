package pool_test

import (
	"testing"

	"github.com/smrt-go/smrt/internal/check"
)

// TestRulesAreGuarded removes protections of the package, one at a time, and
// sees a test fail for each.
func TestRulesAreGuarded(t *testing.T) {
	for _, m := range []struct {
		rule, file, from, to string
		caught               string // the test that notices
	}{
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
	} {
		t.Run(m.rule, func(t *testing.T) { check.Guarded(t, m.file, m.from, m.to, m.caught) })
	}
}
