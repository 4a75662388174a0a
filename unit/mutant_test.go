package unit_test

import (
	"testing"

	"github.com/smrt-go/smrt/internal/check"
)

// TestRulesAreGuarded breaks rules of the package on purpose, one at a time,
// and sees a test fail for each.
func TestRulesAreGuarded(t *testing.T) {
	check.Guarded(t, []check.Mutant{
		{
			"rows of a unit are found by their tenant", "../internal/flush/step.go",
			"columns = append(columns, owner)", "s.Any = true",
			"TestEveryWriteOfAUnitKeepsTenants",
		},
		{
			"a reference to a row of another tenant is refused", "tenant.go",
			"t.CheckOwner(o.owner, s.Rows.At(i))", "t.CheckOwner(op{}.owner, s.Rows.At(i))",
			"TestUnitFillsTenants",
		},
		{
			"the server refuses to leave out rows", "../internal/flush/insert.go",
			"func (s *Step) guards() bool { return s.Catalog.Guardable }", "func (s *Step) guards() bool { return false }",
			"TestLeftOut",
		},
		{
			"a unit checks rules before it is sent", "flush.go",
			"	if err := u.checkRules(); err != nil {", "	if err := u.checkRules(); false {",
			"TestEveryWriteOfAUnitChecksRules",
		},
		{
			"what functions change is checked", "function.go",
			"	if first > 0 {", "	if false {",
			"TestRulesBehindAFunction",
		},
		{
			"patches behind a function are checked before anything is sent", "rules.go",
			"		case o.kind == patches:\n", "		case o.kind == patches && !behind:\n",
			"TestRulesBehindAFunction",
		},
		{
			"columns that get keys of other rows are not checked", "../internal/table/rules.go",
			"	if len(columns) == 0 {\n		return checks\n", "	if true {\n		return checks\n",
			"TestRulesOfAUnit",
		},
		{
			"parents are created first", "order.go",
			"		g.link(keys[i].From, keys[i].To, &keys[i])\n", "		g.link(keys[i].To, keys[i].From, &keys[i])\n",
			"TestParentsFirst",
		},
		{
			"rows of one table wait for those they refer to", "graph.go",
			"levels[g.edges[i].to]+1)", "levels[g.edges[i].to])",
			"TestChain",
		},
		{
			"children are deleted first", "unlink.go",
			"slices.Backward(list)", "slices.All(list)",
			"TestParentsFirst",
		},
		{
			"rings of deletes are opened", "unlink.go",
			"	case len(k.Nullable) > 0:\n", "	case false:\n",
			"TestOpenableRing",
		},
		{
			"rows that are only marked keep their references", "change.go",
			"		if o.removes() {\n", "		if true {\n",
			"TestSoftDeleteKeepsReferences",
		},
		{
			"each row gets the key of its own parent", "create.go",
			"g.step.Setting, int32(len(g.ops))", "g.step.Setting, 1",
			"TestMany",
		},
		{
			"each part of a key is in a setting of its own", "plan.go",
			"			n++\n", "			n = 0\n",
			"TestSeveralPartsOfAKey",
		},
		{
			"a part of a key that is the key of a third row comes from there", "plan.go",
			"		if next < 0 {\n", "		if next < 0 || true {\n",
			"TestReferKey",
		},
		{
			"an update checks the version", "../internal/flush/step.go",
			"(s.Kind == Update || s.Kind == Delete && s.Checked)", "(s.Kind == Delete && s.Checked)",
			"TestStaleAnywhere",
		},
		{
			"an update without arrays checks the version", "../internal/flush/find.go",
			"	if s.versioned() {\n", "	if s.versioned() && arrays {\n",
			"TestUpdateGetsKeys",
		},
		{
			"a row that was not found ends the transaction", "plan.go",
			"		p.prepares(flush.Step{Kind: flush.FailIfMissed})\n", "",
			"TestFailures",
		},
		{
			"the options reach the transaction", "tx.go",
			"		begins = t.begin(&b)\n", "",
			"TestIsolation",
		},
		{
			"a unit is retried from its entities as they were", "flush.go",
			"	p, err := u.prepare(ctx, tx)\n	if err != nil {", "	p, err := u.prepare(ctx, tx)\n	u.ops = u.ops[:len(u.ops)-1]\n	if err != nil {",
			"TestFlushedTwice",
		},
		{
			"a transaction that is rolled back gives everything back", "before.go",
			"	*b.u = b.was\n", "",
			"TestRolledBack",
		},
		{
			"the first flush of a transaction is undone last", "../txn/hooks.go",
			"	for i := len(hooks) - 1; i >= 0; i-- {\n", "	for i := range hooks {\n",
			"TestFlushedTwice",
		},
		{
			"once COMMIT was answered nothing is in doubt", "tx.go",
			"err == nil && !t.out.committed {", "err == nil {",
			"TestCutAtEveryByte",
		},
		{
			"a lost answer to COMMIT is doubted", "tx.go",
			"	return mayBeSent(err)\n", "	return &unsent{err}\n",
			"TestCutAtEveryByte",
		},
		{
			"a flush that is given up is stopped on the server", "tx.go",
			"		_ = pg.CancelRequest(ctx)\n", "		_, _ = ctx, pg\n",
			"TestCancel",
		},
		{
			"two writes of one row are refused", "work.go",
			"clashes(&phases[i]); err != nil {", "clashes(&phases[i]); false {",
			"TestClashes",
		},
		{
			"a joined unit that failed is not written after all", "locate.go",
			"TxStatus() == handle.StatusInTx {", "TxStatus() == 'X' {",
			"TestJoinedRowIsGone",
		},
		{
			"foreign keys are looked up again", "tx.go",
			"	if pgerr.IsKeyDrift(err) {\n", "	if false {\n",
			"TestCatalogOnce",
		},
		{
			"what is added after a set of rows is sent after it", "where.go",
			"	u.add(o)\n	u.phase++\n", "	u.add(o)\n",
			"TestWhere",
		},
		{
			"values of a batch are literals where pgx may not know them", "../internal/table/where.go",
			"			return operandAsLiteral(typ, col, arg)\n", "			return arg\n",
			"TestWhereModes",
		},
		{
			"numbers of a batch are checked before it is sent", "../internal/table/where.go",
			"		return t.misfit(col, typ, v, nil)\n", "		return nil\n",
			"TestWhereChecksNumbers",
		},
		{
			"a function finds the keys of the rows before it", "function.go",
			"	s.settle(p)\n", "",
			"TestFunction",
		},
		{
			"a unit whose function panics is as it was", "function.go",
			"			if u.busy { // it has failed, or panics\n", "			if false {\n",
			"TestFunctionPanics",
		},
		{
			"a function runs again with the entities as they were", "function.go",
			"		last.await(ctx, tx)\n", "",
			"TestFunctionIsRetried",
		},
		{
			"nothing is written after a function has ended the transaction", "function.go",
			"		return pgerr.ErrTxEnded\n", "		_ = pgerr.ErrTxEnded\n",
			"TestFunctionEndsTheTransaction",
		},
		{
			"what a function adds to its own unit is not lost", "function.go",
			"	if u.err != nil {\n		return u.err\n	}\n	conn", "	conn",
			"TestFunctionIsBusy",
		},
		{
			"a unit of unknown outcome is as it was", "function.go",
			"		last.Undo() // also of a commit whose outcome is unknown\n", "",
			"TestFunctionLostCommit",
		},
		{
			"constraints are immediate again behind a unit", "plan.go",
			"	if len(p.deferred) > 0 {\n", "	if false {\n",
			"TestDeferredEndsWithTheUnit",
		},
	})
}
