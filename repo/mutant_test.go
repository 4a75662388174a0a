package repo_test

import (
	"testing"

	"github.com/smrt-go/smrt/internal/check"
)

// TestRulesAreGuarded removes protections of repositories, one at a time, and
// sees a test fail for each.
func TestRulesAreGuarded(t *testing.T) {
	check.Guarded(t, []check.Mutant{
		{
			"a statement by key sees rows of the tenant", "../internal/table/owner.go",
			`t.Tenant.Quoted+" = "+owner)`, `t.Tenant.Quoted+" = "+owner+" OR true")`,
			"TestEveryMethodKeepsTenants",
		},
		{
			"a statement by query sees rows of the tenant", "../internal/plan/owner.go",
			`column[1:] + " = $"`, `column[1:] + " >= $"`,
			"TestEveryMethodKeepsTenants",
		},
		{
			"a query without a tenant is refused", "../internal/plan/owner.go",
			"	case acting.ID == nil && ctx.Value(anybody{}) != nil:", "	case acting.ID == nil:",
			"TestEveryMethodKeepsTenants",
		},
		{
			"an entity of another tenant is refused", "../internal/table/owner.go",
			"case !o.All && !o.Owns(t.Tenant, p):", "case false:",
			"TestTenantOfCreatedRows",
		},
		{
			"a key of another tenant is refused", "../internal/table/owner.go",
			"!o.Owns(t.KeyParts[i], keys.At(row))", "i < 0",
			"TestTenantInTheKey",
		},
		{
			"the target of an upsert includes the tenant", "../internal/table/conflict.go",
			"t.Tenant != nil && !slices.Contains(x.Target, t.Tenant)", "false",
			"TestTenantOfCreatedRows",
		},
		{
			"reads of two tenants do not meet", "../internal/crud/batching.go",
			"who := [3]any{2: tenantOf(of)}", "who := [3]any{}",
			"TestSharedReadsKeepTenants",
		},
		{
			"a transaction is of one tenant", "../internal/handle/scope.go",
			"!SameTenant(smrt.TenantOf(ctx), s.tenant)", "false",
			"TestTransactionOfATenant",
		},
		{
			"a cursor is of a tenant", "../internal/plan/owner.go",
			"o.All, o.ID)", "false, nil)",
			"TestCursorOfAnotherTenant",
		},
		{
			"an argument in two places is the same two wherever it is repeated", "../internal/plan/placeholder.go",
			"repeated[int(at)]%len(all)]", "0]",
			"TestRandomGroups",
		},
		{
			"ties of groups come in the order of their keys", "../internal/plan/groups.go",
			"			terms = append(terms, meta.Order{Column: c})\n", "			_ = c\n",
			"TestRandomGroups",
		},
		{
			"a create checks rules", "../internal/crud/write.go",
			"b.rules.Create(b.Table.Entities(p, 1))", "b.rules.Create(b.Table.Entities(p, 0))",
			"TestEveryWriteChecksRules",
		},
		{
			"an upsert checks rules", "../internal/crud/write.go",
			"b.rules.Upsert(b.Table.Entities(p, 1), x)", "b.rules.Upsert(b.Table.Entities(p, 0), x)",
			"TestEveryWriteChecksRules",
		},
		{
			"an update checks rules", "../internal/crud/write.go",
			"b.rules.Update(b.Table.Entities(p, 1))", "b.rules.Update(b.Table.Entities(p, 0))",
			"TestEveryWriteChecksRules",
		},
		{
			"a create of many checks rules", "../internal/crud/insert.go",
			"		return w.rules.Create(w.rows)\n", "		return nil\n",
			"TestEveryWriteChecksRules",
		},
		{
			"an upsert of many checks rules", "../internal/crud/insert.go",
			"	return w.rules.Upsert(w.rows, w.conflict)\n", "	return nil\n",
			"TestEveryWriteChecksRules",
		},
		{
			"an update of many checks rules", "../internal/crud/many.go",
			"b.rules.Update(w.rows)", "b.rules.Update(table.Rows{})",
			"TestEveryWriteChecksRules",
		},
		{
			"what finds or creates a row checks rules", "../internal/crud/many.go",
			"b.rules.Upsert(b.Table.Entities(p, 1), ", "b.rules.Upsert(b.Table.Entities(p, 0), ",
			"TestEveryWriteChecksRules",
		},
		{
			"patches and updates by query check rules", "../internal/crud/many.go",
			"b.rules.Assign(sets)", "b.rules.Assign(nil)",
			"TestEveryWriteChecksRules",
		},
		{
			"what is left to the database is not checked", "../internal/table/rules.go",
			"c.BrokenBy(p) && !c.leftAt(p)", "c.BrokenBy(p)",
			"TestRulesOfWhatTheDatabaseDecides",
		},
		{
			"a zero that a row which exists may get is checked", "../internal/table/rules.go",
			"&& slices.Contains(written, col) && !col.IsNamedText()", "&& slices.Contains(written, col) && false",
			"TestRulesOfWhatTheDatabaseDecides",
		},
		{
			"NULL breaks what is required", "../internal/table/rules.go",
			"		return r.Required()\n", "		return false\n",
			"TestEveryWriteChecksRules",
		},
		{
			"there is a group of no rows", "../internal/crud/query.go",
			"r.Spec.Empty() && (r.Groups == nil || r.Groups.Keyed())", "r.Spec.Empty()",
			"TestGroupsOfNothing",
		},
		{
			"a zero value is zero in what an upsert computes", "../internal/table/conflict.go",
			"offered := x.offered(t)\n", "offered := x.offered(t)[:0]\n",
			"TestUpsertSet",
		},
		{
			"a zero value has its type in what an upsert computes", "../internal/table/conflict.go",
			"if slices.Contains(offered, col) {", "if false {",
			"TestUpsertSet",
		},
		{
			"rows of a conditional upsert are matched by keys that are exact", "../internal/table/conflict.go",
			"return x.If == nil || ", "return true || ",
			"TestUpsertIfOfOtherSpellings",
		},
		{
			"a row that an upsert left alone is no error", "../internal/table/conflict.go",
			"return x.Nothing || x.If != nil }", "return x.Nothing }",
			"TestUpsertSet",
		},
		{
			"rows are counted", "../internal/table/result.go",
			"	if err == nil && n != of.Len() && !r.Some {", "	if false {",
			"TestRowsThatDoNotComeBack",
		},
		{
			"rows belong to entities by key", "../internal/table/match.go",
			"	at, ok := m.index[TargetKey(m.columns, m.scratch)]\n", "	at, ok := i, true\n",
			"TestRowsComeBackInAnyOrder",
		},
		{
			"rows belong to entities by rank", "../internal/table/match.go",
			"	if rising {\n", "	if rising || true {\n",
			"TestRowsComeBackInAnyOrder",
		},
		{
			"a zero part of a key is left to the database", "../internal/table/table.go",
			"(len(t.Key) == 1 || t.MadeByServer(col)) && col.Zero(p)", "len(t.Key) == 1 && col.Zero(p)",
			"TestPartOfAKeyByDatabase",
		},
		{
			"a patch of an entity checks its version", "../internal/table/table.go",
			"	if t.Version != nil {\n		columns = append(columns, t.Version)\n	}\n	s := ", "	s := ",
			"TestPatchEntity",
		},
		{
			"the server refuses to leave out rows", "../internal/table/write.go",
			"	return c != nil && c.Guardable", "	return false && c.Guardable",
			"TestLeftOutFailsTheTransaction",
		},
		{
			"an upsert writes zero values to rows that exist", "../internal/table/conflict.go",
			"		if !x.Nothing && leftToDefault(", "		if false && leftToDefault(",
			"TestUpsertOfZeroValues",
		},
		{
			"bulk writes lock in one order", "../internal/crud/insert.go",
			"	return w.rows.Sorted(w.conflict.Target, chosen)\n", "	return chosen\n",
			"TestBulkWritesLockInOneOrder",
		},
		{
			"a call on a table that was altered is run once more", "../internal/crud/bound.go",
			"	if err == nil || rows > 0 || !pgerr.IsOutdated(err) {", "	if err != nil || rows >= 0 {",
			"TestTablesAreAltered",
		},
		{
			"calls on tables that are altered all the time are run again", "../internal/crud/bound.go",
			"	if err == nil || rows > 0 || !pgerr.IsOutdated(err) {", "	if err != nil || rows >= 0 {",
			"TestRandomAlterations",
		},
		{
			"the server compares types of values with those of columns", "../internal/plan/altered.go",
			"	return \"true OR ARRAY[nullif(\" + column + \", NULL)] && \" + array", "	return \"true OR \" + array + \" IS NULL\"",
			"TestValuesAreOfTheTypesOfColumns",
		},
		{
			"keys that are equal for the server are found before a bulk update", "../internal/crud/many.go",
			"	if err := b.Table.DistinctOnServer(ctx, b.DB, w.catalog, w.rows); err != nil {\n		return 0, err\n	}\n", "",
			"TestEqualKeysOfTheServer",
		},
		{
			"columns of a constraint are those of its database", "../internal/table/catalog.go",
			"	name := handle.Database(db) + \".\" +", "	name :=",
			"TestConstraintsBelongToADatabase",
		},
	})
}
