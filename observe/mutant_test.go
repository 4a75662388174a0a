package observe_test

import (
	"testing"

	"github.com/smrt-go/smrt/internal/check"
)

// TestRulesAreGuarded breaks rules on purpose, and expects a test to notice.
func TestRulesAreGuarded(t *testing.T) {
	check.Guarded(t, []check.Mutant{
		{
			"a look at a value in COMMIT allocates nothing", "../txn/attempt.go",
			"		ctx = lasting{ctx}\n", "		ctx = context.WithoutCancel(ctx)\n",
			"TestObservedTransactionsAllocateNothing",
		},
		{
			"the page has transactions that failed or were tried again", "transaction.go",
			"	if o.isRemarkable(&f.event) {", "	if false {",
			"TestTransactionsAreCounted",
		},
		{
			"quantiles are within 6.25 %", "histogram.go",
			"int(d>>(top-3))&(perOctave-1)", "int(d>>(top-3))&(perOctave-2)",
			"TestQuantiles",
		},
		{
			"what is dropped is added to the others", "stats.go",
			"	s.other(sh.name).addAll(&sh.record)", "",
			"TestSumsStayRight",
		},
		{
			"a full bucket loses no call", "record.go",
			"	r.carried[bucket] += uint64(r.counts[bucket]) + n", "	r.carried[bucket] += n",
			"TestCountsOnlyGrow",
		},
		{
			"SQLSTATEs are told apart where texts are added", "record.go",
			"r.addState(state, n, maxStatesOfName)", "r.addState(state, n, maxStates)",
			"TestStatesOnlyGrow",
		},
		{
			"shapes have a limit", "stats.go",
			"if s.full >= s.capacity ||", "if false && s.full >= s.capacity ||",
			"TestMemoryOfShapes",
		},
		{
			"what was slow long ago goes in the end", "stats.go",
			"sh.weight -= sh.weight / 8", "sh.weight -= 0",
			"TestSlowTextsStay",
		},
		{
			"a hook may panic", "hooks.go",
			"	p := recover()", "	var p any",
			"TestHooksThatPanic",
		},
		{
			"a context of a hook ends nothing", "hooks.go",
			"ctx = values{ctx, next}", "ctx = next",
			"TestHooksChangeNothing",
		},
		{
			"contexts are not compared by ==", "hooks.go",
			"	return *(*[2]uintptr)(unsafe.Pointer(&a)) == *(*[2]uintptr)(unsafe.Pointer(&b))", "	_ = unsafe.Pointer(nil)\n	return a == b",
			"TestContextsOfAnyType",
		},
		{
			"decoding one row is measured now and then", "flight.go",
			"if r.calls++; r.calls%measured == 0 {", "if r.calls++; false && r.calls%measured == 0 {",
			"TestDecodingOfOneRow",
		},
		{
			"a hook sees a copy", "hooks.go",
			"		f.shown = f.event\n		if next := o.callBefore(ctx, h, &f.shown)", "		if next := o.callBefore(ctx, h, &f.event)",
			"TestHooksChangeNothing",
		},
		{
			"the slow log has no values", "slow.go",
			"if l.Args {", "if true {",
			"TestSlowLog",
		},
		{
			"texts for others have no literals", "literals.go",
			"		case sqltext.Literal, sqltext.Number:", "		case sqltext.Number:",
			"TestWithoutLiterals",
		},
		{
			"a snapshot has no values of texts", "../internal/sqltext/values.go",
			"		return w.parameter(\"\"), true\n", "		return t.Text, true\n",
			"TestWithoutValues",
		},
		{
			"what is around requests is none", "usage.go",
			" && s.usage.own.Load()", "",
			"TestManyCallsOfARequest",
		},
		{
			"calls of scopes inside of a request are its calls", "usage.go",
			"	for ; s != nil; s = s.parent {\n		s.usage.statements", "	for ; s != nil; s = nil {\n		s.usage.statements",
			"TestManyCallsOfARequest",
		},
		{
			"a transaction that works is not idle", "transaction.go",
			"	tx.busy += now - f.began - e.Held\n", "",
			"TestFindingsOfAnObserver",
		},
		{
			"a COMMIT whose answer was lost is in doubt", "transaction.go",
			"e.Err != nil && commits && pgerr", "e.Err != nil && !commits && pgerr",
			"TestTransactionsAreCounted",
		},
		{
			"a COMMIT by hand whose answer was lost is in doubt", "transaction.go",
			" || commitsByHand(e.SQL))", ")",
			"TestTransactionsAreCounted",
		},
		{
			"transactions of one round trip are counted", "transaction.go",
			"	case tag == \"COMMIT\":\n		s.endedQueued(ctx, commit)\n", "",
			"TestTransactionsAreCounted",
		},
		{
			"a further attempt of a transaction says so", "../txn/begin.go",
			"		traced.Of(a.conn).Retries(r.retry.attempts+1, r.retry.cause)\n", "",
			"TestTransactionsAreCounted",
		},
		{
			"a further attempt of a unit says so", "../unit/tx.go",
			"	traced.Of(t.conn).Retries(t.begins.Attempt, t.begins.Cause)\n", "",
			"TestTransactionsAreCounted",
		},
		{
			"what a statement was prepared for is forgotten", "flight.go",
			"	e.Prepared, e.Left, e.Unread = false, false, 0\n", "	e.Left, e.Unread = false, 0\n",
			"TestPrepared",
		},
		{
			"the slow log has a limit", "slow.go",
			"if l.filled = now; l.tokens < 1 {", "if l.filled = now; false && l.tokens < 1 {",
			"TestSlowLogIsLimited",
		},
		{
			"a call that runs again is one call", "stats.go",
			"if e.Run > 1 {", "if false && e.Run > 1 {",
			"TestRunsAgain",
		},
		{
			"what is refused is no error of the server", "event.go",
			"case errors.Is(err, smrt.ErrPoolerMode):\n		e.Outcome = Refused", "case errors.Is(err, smrt.ErrPoolerMode):",
			"TestRefused",
		},
		{
			"the state lies with the connection", "flight.go",
			"	f.began = traced.Now()\n", "	f.began = traced.Now()\n	ctx = context.WithValue(ctx, scopeKey{}, (*scope)(nil))\n",
			"TestObservingAllocatesNothing",
		},
		{
			"COMMIT is seen where it goes past the hooks", "../internal/wal/commit.go",
			"		seen.End(ctx, conn, nil)\n", "		_ = seen\n",
			"TestTransactionsAreSeen",
		},
		{
			"waiting is forgotten", "../pool/connstate.go",
			"s.told.Waited, s.told = 0, nil", "s.told = nil",
			"TestWaitingIsForgotten",
		},
		{
			"the first time is charged too", "tracer.go",
			"if first, sent := s.takeFirst(st); first != nil {", "if first, sent := s.takeFirst(st); false && first != nil {",
			"TestLimit",
		},
		{
			"shared reads are charged", "../internal/crud/batching.go",
			"		traced.Shared(ctx, b.Rows.Get)\n", "		traced.Shared(ctx, \"\")\n",
			"TestSharedReadsAreCharged",
		},
		{
			"calls are counted in the scopes around", "usage.go",
			"	for ; s != nil; s = s.parent {\n		s.usage.statements", "	for ; s != nil; s = nil {\n		s.usage.statements",
			"TestUsed",
		},
		{
			"plans can be made fewer", "../internal/plan/cache.go",
			"	c.trim(to)\n", "	_ = to\n",
			"TestMemory",
		},
		{
			"the page asks who is there", "handler.go",
			"	if !p.allowed(r) {", "	if false && !p.allowed(r) {",
			"TestPageIsForThisMachine",
		},
		{
			"the page is not for those behind a proxy", "handler.go",
			"		if len(r.Header.Values(name)) > 0 {", "		if false && len(r.Header.Values(name)) > 0 {",
			"TestPageIsForThisMachine",
		},
		{
			"the page has a loopback name", "handler.go",
			"isLoopback(from) && isLoopbackName(r.Host)", "isLoopback(from)",
			"TestPageIsForThisMachine",
		},
		{
			"the page only answers GET and HEAD", "handler.go",
			"	if r.Method != http.MethodGet && r.Method != http.MethodHead {", "	if false {",
			"TestPageOnlyReads",
		},
		{
			"the page has no literals", "recent.go",
			"return WithoutLiterals(clip(sql))", "return clip(sql)",
			"TestPageShowsNoValues",
		},
		{
			"what runs has no literals", "server.go",
			"		r.SQL = redact(r.text)\n", "		r.SQL = r.text\n",
			"TestPageShowsNoValues",
		},
		{
			"one question at a time is asked of the server", "handler.go",
			"turn: make(chan struct{}, 1)", "turn: make(chan struct{}, 30)",
			"TestPageAsksOnce",
		},
		{
			"ids are asked of texts that begin alike", "server.go",
			"		v.ids.ask(ctx, db, asked)\n", "		_ = db\n",
			"TestPageAsksForQueryIDs",
		},
		{
			"a question to the server ends", "server.go",
			"context.WithTimeout(handle.WithoutCounting(context.WithoutCancel(ctx)), v.timeout)", "context.WithTimeout(handle.WithoutCounting(context.WithoutCancel(ctx)), 10*time.Hour)",
			"TestPageWithoutServer",
		},
		{
			"a snapshot is copied outside of the lock", "snapshot.go",
			"	list, snap := o.shapes.list()\n", "	list, snap := o.shapes.list()\n	o.shapes.mu.RLock()\n	defer o.shapes.mu.RUnlock()\n",
			"TestSnapshotKeepsNobodyWaiting",
		},
		{
			"slow calls that are kept have a limit", "recent.go",
			"	if len(r.slow) < maxSlowCalls {", "	if true {",
			"TestRecentIsBounded",
		},
		{
			"loops of those who share are kept", "tracer.go",
			"	if o := s.observedBy(); o != nil {", "	if o := t.observer; o != nil {",
			"TestSharedFindingsAreKept",
		},
		{
			"cursors make no further texts", "flight.go",
			"	as := traced.As(text)\n", "	as := text\n",
			"TestStreamsHaveOneText",
		},
		{
			"plans are asked for now and then", "slowplan.go",
			"p.busy || now.Before(p.free) ||", "p.busy ||",
			"TestPlansAreLimited",
		},
		{
			"a call does not pay for a plan that panics", "slowplan.go",
			"		if p := recover(); p != nil {", "		if p := any(nil); p != nil {",
			"TestPlansThatFail",
		},
		{
			"a label ends with its call", "flight.go",
			"	f.unlabel()\n", "",
			"TestLabels",
		},
		{
			"foreign keys go with their tables", "../internal/flush/foreign.go",
			"		a.tables = append(a.tables, t.ID)\n", "",
			"TestEveryKindIsKeptAndGivenBack",
		},
		{
			"gates can be made fewer", "../internal/crud/batchers.go",
			"		at.batchers.Clear()\n", "",
			"TestEveryKindIsKeptAndGivenBack",
		},
		{
			"names of shapes are given", "../internal/plan/table.go",
			"		p.name = traced.Keep(p.sql, traced.Name{Table: t.Name, Operation: r.operation()})\n", "		p.name = traced.Keep(p.sql+\" \", traced.Name{Table: t.Name, Operation: r.operation()})\n",
			"TestNames",
		},
		{
			"a COPY into a table that is not declared has no table in its name", "../internal/traced/name.go",
			"	return Name{Operation: \"copy\"}\n", "	return Name{table, \"copy\"}\n",
			"TestNames",
		},
	})
}
