package preload_test

import (
	"testing"

	"github.com/smrt-go/smrt/internal/check"
)

// TestRulesAreGuarded breaks rules of the package on purpose, one at a time,
// and sees a test fail for each.
func TestRulesAreGuarded(t *testing.T) {
	check.Guarded(t, []check.Mutant{
		{
			"a join table has rows of the tenant only", "../internal/load/form.go",
			`text += " AND " + seen`, "_ = seen",
			"TestRelationsKeepTenants",
		},
		{
			"conditions on related rows and steps see rows of the tenant only", "../internal/plan/owner.go",
			"t.deleted(qualifier, d), t.owned(qualifier))", "t.deleted(qualifier, d))",
			"TestRelationsKeepTenants",
		},
		{
			"a relation ties the tenants of both rows", "../internal/load/tenant.go",
			"|| a.tenant() == b.tenant()", "|| true",
			"TestRelationsTieTenants",
		},
		{
			"a load for one parent is not planned each time", "../internal/load/request.go",
			"if g.n == 1 && f.beforeOne", "if false && f.beforeOne",
			"TestPlansOfOneKey",
		},
		{
			"keys are sent once", "../internal/load/key.go",
			"	g, ok := x.ints[k]\n", "	g, ok := int32(0), false\n",
			"TestKeysAreSentOnce",
		},
		{
			"parents with one key do not share their rows", "../internal/load/work.go",
			"from = int32(w.found.Repeat(int(from), int(n)))", "_ = n",
			"TestParentsWithOneKey",
		},
		{
			"appending to one parent's rows leaves the next one's alone", "../internal/table/slice.go",
			"uintptr(from)*l.Of.Size), len: n, cap: n}", "uintptr(from)*l.Of.Size), len: n, cap: n + 1}",
			"TestParentsWithOneKey",
		},
		{
			"siblings never run at the same time on a transaction", "../internal/load/run.go",
			"	if !handle.MayShare(db) {\n", "	if false {\n",
			"TestFill",
		},
		{
			"no more than MaxParallel statements at a time", "../internal/load/run.go",
			"make(chan struct{}, MaxParallel)", "make(chan struct{}, 100)",
			"TestSiblingsRunInParallel",
		},
		{
			"a deep graph is refused before anything is sent", "../internal/load/run.go",
			"if l.height > l.maxDepth {", "if false {",
			"TestDepthIsLimited",
		},
		{
			"what fails is loaded elsewhere", "../internal/load/run.go",
			"	return handle.Read(ctx, db, func(on smrt.DB, _ int) (bool, error) { return false, run(on) })\n",
			"	return handle.Read(ctx, db, func(on smrt.DB, _ int) (bool, error) { return true, run(on) })\n",
			"TestFailedLoadsGoElsewhere",
		},
		{
			"a snapshot that is in use stays where it is", "snapshot.go",
			"		return called, err\n", "		return called && false, err\n",
			"TestSnapshotsDoNotMoveOnceInUse",
		},
		{
			"a key beyond the foreign key is in no row", "../internal/load/learn.go",
			"(g.wide || l.narrow.Load())", "false",
			"TestKeysBeyondTheForeignKey",
		},
		{
			"keys of char(n) compare as such", "../internal/load/learn.go",
			"			keys.AsBlankPadded(i)\n", "			_ = i\n",
			"TestBlankPaddedKeys",
		},
		{
			"types that changed are asked for again", "../internal/load/run.go",
			"	for again := 0; again < pgerr.MaxReruns && err != nil", "	for again := 0; again < 0 && err != nil",
			"TestKeyTypesChange",
		},
		{
			"fragments name their row", "../internal/plan/related.go",
			"	inner := sq.Select().From(escape(l.Table.Quoted))\n	w.scope = scope{alias: l.Table.Quoted}\n",
			"	inner := sq.Select().From(escape(l.Table.Quoted) + ` AS \"smrt_t\"`)\n	w.scope = scope{alias: `\"smrt_t\"`}\n",
			"TestFragmentsNameTheirRow",
		},
		{
			"domains are not read by the field's type", "../internal/load/joined.go",
			"if w.refused = !w.resolve(types, w.records.Fields[:targets]); w.refused {", "if !w.resolve(types, w.records.Fields[:targets]) && false {",
			"TestJoinedForeignTypes",
		},
		{
			"ties come in the order of the key", "../internal/load/columns.go",
			"	for _, k := range t.Key {\n", "	for _, k := range t.Key[:0] {\n",
			"TestTiesComeInTheOrderOfTheKey",
		},
		{
			"the depth bounds a recursion", "../internal/plan/recursive.go",
			"strconv.Itoa(r.Depth) }", "strconv.Itoa(r.Depth+1) }",
			"TestRecursive",
		},
		{
			"conditions hold on the way", "../internal/plan/recursive.go",
			"len(r.from())), conditions) + r.bound()", "len(r.from())), \"\") + r.bound()",
			"TestRecursive",
		},
		{
			"conditions hold on the way back", "../internal/plan/recursive.go",
			"r.rows(conditions) + \" ON \"", "r.rows() + \" ON \"",
			"TestRecursive",
		},
		{
			"deleted rows end the way", "../internal/plan/recursive.go",
			"t.seen(\"\", r.Step.Deleted))", "t.owned(\"\"))",
			"TestRecursive",
		},
		{
			"the depth is part of a shape", "../internal/plan/recursive.go",
			"	b.key = binary.AppendUvarint(b.key, uint64(r.Depth))\n", "	_ = binary.AppendUvarint\n",
			"TestRecursive",
		},
		{
			"what is near comes first", "../internal/load/recursive.go",
			"sorted = \", smrt_j.smrt_d\" + sorted", "_ = sorted",
			"TestRecursive",
		},
		{
			"deleted rows are reached if the recursion includes them", "../internal/load/relation.go",
			"Of: r.Steps.Of.WithDeleted(), ", "Of: r.Steps.Of, ",
			"TestRecursiveDeleted",
		},
		{
			"a first step is enough", "../internal/load/relation.go",
			"len(r.spec.Where) == 0 {", "false {",
			"TestAnyRowOfARecursion",
		},
		{
			"expressions order what is limited for each parent", "../internal/load/columns.go",
			"			f.exprs = append(f.exprs, o.Column)\n", "",
			"TestOrderOfExpressions",
		},
		{
			"a panic of one load does not end the process", "../internal/load/run.go",
			"panicked.CompareAndSwap(nil, batch.NewPanicError(recover()))", "_ = panicked.Load",
			"TestPanicsInLoads",
		},
		{
			"all statements of a snapshot see the exported one", "snapshot.go",
			`	batch.Queue("SET TRANSACTION SNAPSHOT '" + strings.ReplaceAll(s.id, "'", "''") + "'")`, "	_ = strings.ReplaceAll",
			"TestSnapshotIsOneInstant",
		},
		{
			"relations that are dropped are given back", "../internal/relation/relation.go",
			"	runtime.AddCleanup(declaration, drop, id)\n", "	_, _ = runtime.GC, drop\n",
			"TestDroppedRelationsAreGivenBack",
		},
		{
			"a relation by the key of a row is for loads", "../internal/load/held.go",
			"	if h == nil {\n		return nil\n", "	if true {\n		return nil\n",
			"TestRowsOfQueriesThatDoNotFit",
		},
		{
			"it is never joined to the statement of its parents", "../internal/load/load.go",
			"	if l.held != nil || l.Steps", "	if l.Steps",
			"TestRowsOfQueriesThatDoNotFit",
		},
		{
			"the first step of a recursion is by the same key", "../internal/load/relation.go",
			"r.Steps.Of.heldBy(r.held)", "r.Steps.Of",
			"TestRowsOfQueriesThatDoNotFit",
		},
		{
			"the parts of a key make the key that is looked for", "../internal/load/held.go",
			"	if to.KeyType != key {\n", "	if false {\n",
			"TestRowsOfQueriesThatDoNotFit",
		},
	})
}
