package txn_test

import (
	"testing"

	"github.com/smrt-go/smrt/internal/check"
)

// TestRulesAreGuarded removes protections of the package, one at a time, and
// sees a test fail for each.
func TestRulesAreGuarded(t *testing.T) {
	check.Guarded(t, []check.Mutant{
		{
			"COMMIT does not end with the caller's context", "position.go",
			"	ctx, stop := a.limit(ctx)\n", "	_, stop := a.limit(ctx)\n",
			"TestCancelAtEachStep",
		},
		{
			"errors that a closure swallowed are looked for", "run.go",
			"	case err != nil:\n		return err\n	case a.doom", "	case true:\n		return err\n	case a.doom",
			"TestSwallowedError",
		},
		{
			"a later statement returns the first error", "attempt.go",
			"		return &smrt.AbortedError{Err: a.first}\n", "		return err\n",
			"TestSwallowedError",
		},
		{
			"a key is written with the transaction", "begin.go",
			"	if o.Key == \"\" {\n		return\n	}\n", "	if true {\n		return\n	}\n",
			"TestForgedAnswers/applied,_then_closed,position=false: applied with a key: got 100",
		},
		{
			"a commit in doubt is not repeated as if it had failed", "commit.go",
			"	if !pgerr.IsCommitUnknown(err) ||", "	if pgerr.IsCommitUnknown(err) {\n		return pgerr.Lost, err\n	}\n	if !pgerr.IsCommitUnknown(err) ||",
			"TestForgedAnswers/applied,_then_closed,position=false: without a key: got <nil>",
		},
		{
			"a request to cancel is not taken for a timeout", "../internal/pgerr/timeout.go",
			"timeout.Line != 0 && timeout.Line == err.Line", "timeout.Line != 0",
			"TestLocalTimeoutInAnyLanguage: control: a request",
		},
		{
			"what a call wrote is taken back with its savepoint", "hooks.go",
			"	takeBack(a.hooks[mark:], NotCommitted, false)\n", "",
			"TestUndoFollowsTheTransaction: after the savepoint",
		},
		{
			"what a call wrote is taken back before another attempt", "hooks.go",
			"	takeBack(hooks, o, a.loose)\n", "",
			"TestUndoBeforeAnotherAttempt: known",
		},
		{
			"the end of an idle connection is retried, whatever says so", "../internal/pgerr/fault.go",
			"	\"25P03\": Idle, \"57P05\": Idle,\n", "",
			"TestEndedWhileIdle/its_words_are_read/idle,statement",
		},
		{
			"COMMIT was not looked at on an idle connection that ended", "../internal/pgerr/fault.go",
			"	if faults[pg.Code] == Idle {\n", "	if false {\n",
			"TestEndedWhileIdle/its_words_are_read/idle,commit",
		},
		{
			"a limit that Run set is final", "run.go",
			"	if r.options.IdleTimeout != 0 &&", "	if false &&",
			"TestIdleTimeoutOfRun/writing_fails/statement",
		},
		{
			"a violation that happens twice is returned", "run.go",
			"again == pgerr.Race && r.racedAgain(err)", "false",
			"TestSameViolationTwice",
		},
	})
}
