package guard_test

import (
	"testing"

	"github.com/smrt-go/smrt/internal/check"
)

// TestRulesAreGuarded breaks rules on purpose, and expects a test to notice.
func TestRulesAreGuarded(t *testing.T) {
	check.Guarded(t, []check.Mutant{
		{
			"one row more than is allowed is asked for", "../internal/limit/check.go",
			"return most + 1, nil", "return most, nil",
			"TestLimits",
		},
		{
			"the strictest wins", "../internal/limit/set.go",
			"if a == 0 || b != 0 && b < a {", "if a == 0 || b != 0 && b > a {",
			"TestStrictestWins",
		},
		{
			"too many written rows fail in the server", "../internal/table/limited.go",
			"THEN pg_catalog.width_bucket", "THEN 0 = 0 OR pg_catalog.width_bucket",
			"TestWritesAreUndone",
		},
		{
			"what is allowed has a reason", "allow.go",
			`if ctx == nil || reason == "" {`, "if ctx == nil {",
			"TestLimits",
		},
		{
			"a handle keeps its limits in transactions", "../txn/run.go",
			"return fn(ctx, limit.OnTx(tx, r.limits))", "return fn(ctx, tx)",
			"TestLimitsInTransactions",
		},
		{
			"functions of a unit are calls by themselves", "../unit/function.go",
			"o.run(limit.Outside(ctx), ", "o.run(ctx, ",
			"TestStatements",
		},
		{
			"a call that takes too long is not cancelled by its caller", "../internal/limit/call.go",
			"if c.late.Load() && isStopped(*err) {", "if false {",
			"TestTime",
		},
		{
			"a search through the whole table counts more", "../internal/table/price.go",
			"p = p.Times(limit.Scan)", "p = p.Times(1)",
			"TestComplexity",
		},
		{
			"rows of loads are those of each parent", "../internal/load/price.go",
			"call.RowsLoaded(limit.Product(parents, l.rowsOfParent()))", "call.RowsLoaded(l.rowsOfParent())",
			"TestComplexity",
		},
		{
			"what is not there is not taken", "buckets.go",
			"if after < 0 {", "if false {",
			"TestRate",
		},
		{
			"a bucket holds no more than its burst", "buckets.go",
			"owed := max(full-now, 0)\n	room", "owed := full - now\n	room",
			"TestBucketsFill",
		},
		{
			"what was not used is given back", "../internal/limit/bill.go",
			"if used == b.asked {", "if used <= b.asked {",
			"TestActualCost",
		},
		{
			"a call takes from all rates or from none", "../internal/limit/bill.go",
			"		c.settle()\n		c.event(Refused", "		c.bill = nil\n		c.event(Refused",
			"TestRateOfParts",
		},
		{
			"statements by hand are charged", "../internal/limit/handle.go",
			"Sends(1).Charge(1).Plans(d.db, sql)\n	defer c.End(&err)", "Sends(1).Plans(d.db, sql)\n	defer c.End(&err)",
			"TestRate",
		},
		{
			"buckets are bounded", "buckets.go",
			"if len(s.full) >= b.most {", "if false {",
			"TestBucketsAreBounded",
		},
		{
			"prices stay in range", "../internal/limit/price.go",
			"if a, b = inPrice(a), inPrice(b); b > 0 && a > maxPrice/b {", "if false {",
			"TestPricesGrow",
		},
		{
			"nobody gets points by taking them", "buckets.go",
			"points, debt = max(points, 0), max(debt, 0)", "points, debt = points*1, debt",
			"TestBucketsAtTheirEnds",
		},
		{
			"as many rows as anybody likes are not fewer than none", "../internal/limit/check.go",
			"limited && most < math.MaxInt64 {", "limited && most <= math.MaxInt64 {",
			"TestLimitsAtTheirEnds",
		},
		{
			"a loop that panics ends its call", "../internal/crud/chunks.go",
			`defer b.Enter(&ctx, "stream").End(&err)`, `b.Enter(&ctx, "stream")`,
			"TestStreamsThatAreLeft",
		},
		{
			"what limits ask is not limited", "../internal/limit/call.go",
			"if in.free {", "if false {",
			"TestLimitsThatAsk",
		},
		{
			"those are told whose limit it was", "../internal/limit/call.go",
			"if concerns(r) {", "if concerns(r) || true {",
			"TestEvents",
		},
		{
			"loads count", "../repo/loads.go",
			"call.Ask(p.Plus(r.loads.Price(call, r.bound.RowsOf(call, r.work), at)))", "_ = at; call.Ask(p)",
			"TestComplexity",
		},
		{
			"limits inside of a handle hold", "../internal/limit/call.go",
			"s = s.beyond(w.set)", "s = nil",
			"TestLimitsInsideOfHandles",
		},
		{
			"BEGIN has the time of a call", "../txn/begin.go",
			"call := limit.Enter(&ctx, r.limits, \"\", \"\")", "var call *limit.Call",
			"TestTimeOfBegin",
		},
		{
			"nothing is cut off where nothing is refused", "../internal/limit/set.go",
			"if m == Enforce {\n\t\ts.cut", "if true {\n\t\ts.cut",
			"TestReportCutsNothing",
		},
		{
			"the time of a stream that is reported ends with its first row", "../internal/limit/call.go",
			"took := c.first", "took := 0 * c.first",
			"TestTimeOfReportedStreams",
		},
		{
			"the size of rows by key counts", "../internal/crud/query.go",
			"return b.readOne(limit.Of(ctx).Sized(nil, rows))", "return b.readOne(rows)",
			"TestEveryReadCountsBytes",
		},
		{
			"chunks of a stream have one size", "../internal/crud/chunks.go",
			"rows = call.Sized(rows, next)", "rows = next",
			"TestEveryReadCountsBytes",
		},
		{
			"the size of shared reads is that of each", "../internal/crud/batching.go",
			"r.err = limit.Of(ctx).Bytes(r.bytes)", "_ = r.bytes",
			"TestBytesOfSharedReads",
		},
		{
			"a stream has the time until its first row", "../internal/crud/query.go",
			"limit.Of(ctx).Streams()", "_ = limit.Of(ctx)",
			"TestTimeOfStreams",
		},
		{
			"the server is asked once for a text", "../internal/limit/planned.go",
			"return time.Now().Before(c.until)", "return false",
			"TestPlanCost",
		},
		{
			"who has a connection does not wait for one who may want it", "../internal/limit/planned.go",
			"if !handle.IsPool(db) || handle.ScopeOf(ctx) != nil {", "if false {",
			"TestPlanCostIsAskedOnce",
		},
		{
			"of those who ask at the same time one does", "../internal/limit/planned.go",
			"	default:\n		return true", "	default:\n		return false",
			"TestPlanCostIsAskedOnce",
		},
		{
			"loads are asked about", "../internal/load/work.go",
			"if err := call.Planned(db, st.SQL); err != nil {", "if err := call.Planned(nil, \"\"); err != nil {",
			"TestPlanCost",
		},
	})
}
