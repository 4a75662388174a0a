package readreplica_test

import (
	"testing"

	"github.com/smrt-go/smrt/internal/check"
)

// TestRulesAreGuarded removes protections of the package, one at a time, and
// sees a test fail for each.
func TestRulesAreGuarded(t *testing.T) {
	check.Guarded(t, []check.Mutant{
		{
			"the primary has room for some reads only", "router.go",
			"make(chan struct{}, max(room, 1))", "make(chan struct{}, 1000+room)",
			"TestRoomOfThePrimary: no room: got error",
		},
		{
			"a read that failed is run elsewhere", "route.go",
			"const maxRuns = 4\n", "const maxRuns = 1\n",
			"TestReadsRunElsewhere: cancelled by recovery: fails",
		},
		{
			"another primary is found", "elect.go",
			"	var best *Node\n", "	if current != nil {\n		return current\n	}\n	var best *Node\n",
			"TestElection: the first standby is promoted",
		},
		{
			"errors of the application count for nothing", "breaker.go",
			"	fault := pgerr.FaultOf(err)\n", "	fault := pgerr.FaultOf(err)\n	if err != nil && fault == pgerr.Permanent {\n		return pgerr.Lost\n	}\n",
			"TestReadsRunElsewhere: the application's error: fails",
		},
		{
			"connections to a dead server are cut", "probe.go",
			"			n.cut()\n", "",
			"TestBlackHole: reads that waited for it are ended: not within",
		},
		{
			"standbys that were restarted are asked", "back.go",
			"replayed >= known.position", "replayed >= 0",
			"TestStandbyGoesBack: stale reads of 12",
		},
		{
			"a read waits for the primary to tell its position", "position.go",
			"		if now() >= until {\n", "		if true {\n",
			"TestPrimaryTellsLate: no server can be asked how far it is",
		},
		{
			"a session stays where it has read", "position.go",
			"	return read.node.keeps(read.at) && ", "	return false && ",
			"TestWhatAReadOfASessionAsks: what was read on one node is read there again",
		},
		{
			"a session leaves a standby once a probe has told how far it is", "position.go",
			"told && r.isReached(", "told && false && r.isReached(",
			"TestSessionsLeaveAStandby: the other is as far: leaves",
		},
		{
			"what is being replayed may have been seen", "node.go",
			"		p.LSN++\n", "",
			"TestSessionsLeaveAStandby: the other may lack what is being replayed: leaves",
		},
		{
			"a probe tells only of reads before it", "position.go",
			"s.standby && s.asked > t &&", "s.standby &&",
			"TestWhatAReadOfASessionAsks: what was read on one node is read there again",
		},
		{
			"a session covers its writes", "session.go",
			"	h.wrote, h.written = max(h.wrote, at), true\n", "	h.written = true\n",
			"TestWhatAReadOfASessionAsks: a write through the router: questions",
		},
		{
			"a session covers what it has read on several nodes", "session.go",
			"		several = slices.Clone(h.reads)\n", "		only = h.reads[0]\n",
			"TestWhatAReadOfASessionAsks: what was read on two nodes",
		},
		{
			"one failure takes no server out", "breaker.go",
			"	probesOut = 2\n", "	probesOut = 1\n",
			"TestHysteresis: up before probe 1: got false",
		},
		{
			"one answer brings no server back", "breaker.go",
			"	probesIn  = 3\n", "	probesIn  = 1\n",
			"TestHysteresis: up before probe 6: got true",
		},
		{
			"an idle connection that ended says nothing of its server", "breaker.go",
			"{ return pgerr.FaultOf(err) == pgerr.Idle }", "{ return false }",
			"TestIdleConnectionsOfARouter",
		},
	})
}
