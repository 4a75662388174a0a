package rowsecurity_test

import (
	"testing"

	"github.com/smrt-go/smrt/internal/check"
)

// TestRulesAreGuarded breaks rules on purpose, and expects a test to notice.
func TestRulesAreGuarded(t *testing.T) {
	check.Guarded(t, []check.Mutant{
		{
			"the setting ends with the transaction", "bind.go",
			`"', $1, true)"`, `"', $1, false)"`,
			"TestRandomCallsOfTwoTenantsByPolicy",
		},
		{
			"a server whose client is gone stops by itself", "bind.go",
			"if most == 0 {", "if true || most == 0 {",
			"TestServerStopsByItself",
		},
		{
			"a stricter time of the session stays", "bind.go",
			"' ms')::interval THEN", "' ms')::interval AND false THEN",
			"TestServerStopsByItself",
		},
		{
			"a stream takes as long as it likes", "../internal/limit/check.go",
			`if c == nil || c.op == "stream" {`, "if c == nil {",
			"TestServerStopsByItself",
		},
		{
			"observers take what is sent behind the setting for the call", "../observe/tracer.go",
			"q := traced.OfBehind(ctx, data.Batch); q != nil {", "q := traced.OfBehind(ctx, data.Batch); q != nil && false {",
			"TestObservedOnABoundHandle",
		},
		{
			"the rows of the setting are not those of the call", "../observe/batch.go",
			"case traced.TellsTenant(data.SQL):", "case false && traced.TellsTenant(data.SQL):",
			"TestObservedOnABoundHandle",
		},
		{
			"the setting is not counted with a batch", "../internal/traced/setting.go",
			"if !TellsTenant(q.SQL) {", "if true || !TellsTenant(q.SQL) {",
			"TestObservedOnABoundHandle",
		},
		{
			"counters of tests leave out the setting", "../internal/testdb/count.go",
			"if !traced.TellsTenant(queued.SQL) ||", "if true || traced.TellsTenant(queued.SQL) ||",
			"TestObservedOnABoundHandle",
		},
		{
			"a statement in a transaction is of its tenant", "tx.go",
			"case tenant.text != t.tenant.text:", "case false && tenant.text != t.tenant.text:",
			"TestTransactionsOfATenantOnABoundHandle",
		},
		{
			"savepoints are of the tenant", "tx.go",
			"return &tx{inner, t.db, t.tenant}, nil", "return inner, nil",
			"TestTransactionsOfATenantOnABoundHandle",
		},
		{
			"the transaction of a batch is of the tenant", "rows.go",
			"return &tx{inner, r.db, r.tenant}", "return inner",
			"TestTransactionsOfATenantOnABoundHandle",
		},
		{
			"the setting follows BEGIN", "handle.go",
			"at = 1", "at = 0",
			"TestTransactionsOfATenantOnABoundHandle",
		},
		{
			"a step's statement is of the tenant of the pipeline", "../txn/lane.go",
			`return handle.CheckOwn(ctx, "pipeline", l.tenant)`, "return nil",
			"TestPipelinesKeepTheTenant",
		},
		{
			"a step's statement is of the tenant of the transaction", "../txn/lane.go",
			"	if l.inTx {", "	if false {",
			"TestPipelinesKeepTheTenant",
		},
		{
			"a text without a statement is in no batch", "text.go",
			"	if t.isBlank() {\n\t\treturn false", "	if t.sql == \"\" {\n\t\treturn false", // an empty one makes pgx panic
			"TestTextsWithoutAStatement",
		},
		{
			"callbacks see the type of what policies refuse", "rows.go",
			"if fn := q.Fn; fn != nil {", "if fn := q.Fn; false {",
			"TestPolicyErrorsInBatches",
		},
		{
			"a nested Run is of the tenant of the transaction", "../txn/nested.go",
			"	if err := handle.CheckTenant(ctx); err != nil {", "	if err := error(nil); err != nil {",
			"TestTenantsOfOneKind",
		},
		{
			"names and sizes of types do not tell tenants apart", "../internal/handle/tenant.go",
			"a.ID == b.ID || plain(a.ID) == plain(b.ID)", "a.ID == b.ID",
			"TestTenantsOfOneKind",
		},
		{
			"nothing follows the end of a transaction by hand", "text.go",
			"case ends(first) &&", "case false && ends(first) &&",
			"TestTextsThatLoseTheTenant",
		},
		{
			"nobody else tells the server", "text.go",
			"case d.tells(first):", "case false && d.tells(first):",
			"TestTextsThatLoseTheTenant",
		},
		{
			"the role is looked at", "bind.go",
			"err != nil || d.checked.Load()", "err != nil || true || d.checked.Load()",
			"TestRolesAreChecked",
		},
		{
			"all tenants are not one", "tenant.go",
			"case t.All:", "case false && t.All:",
			"TestNoTenantOnABoundHandle",
		},
		{
			"a snapshot tells the tenant", "../preload/snapshot.go",
			"s.opens.Queue(batch)\n	batch.Queue(\"SELECT pg_export", "batch.Queue(\"SELECT pg_export",
			"TestRandomCallsOfTwoTenantsByPolicy",
		},
		{
			"a snapshot is of one tenant", "../preload/snapshot.go",
			`handle.CheckOwn(ctx, "snapshot", s.tenant)`, "error(nil)",
			"TestTransactionsOfATenantOnABoundHandle",
		},
		{
			"a unit tells the tenant", "../unit/tx.go",
			"	t.opens.Queue(b)\n", "",
			"TestOneRoundTrip",
		},
		{
			"a row that policies refuse has a type", "../internal/pgerr/rowsecurity.go",
			`pg.Code == "42501" && pg.Routine == withCheck`, `pg.Code == "42501" && pg.Routine == "" && withCheck != ""`,
			"TestPolicyErrors",
		},
		{
			"a setting that no policy reads is refused", "check.go",
			"err = d.checkSetting(ctx)", "err = nil",
			"TestSettingsAreChecked",
		},
		{
			"a policy that cannot be looked into may read the setting", "check.go",
			"if policies == 0 || !known ||", "if policies == 0 ||",
			"TestSettingsAreChecked",
		},
		{
			"the error of a tenant does not have its value", "tenant.go",
			`if code := pgerr.RefusedValue(err, t.text); code != "" {`, `if code := ""; code != "" {`,
			"TestTenantsOfAnotherType",
		},
		{
			"a part of what a message quotes is not the tenant", "../internal/pgerr/value.go",
			"if unicode.IsPunct(before) &&", "if true || unicode.IsPunct(before) &&",
			"TestTenantsOfAnotherType",
		},
		{
			"a stale plan is no error", "handle.go",
			"n < staleRuns && isStale(ctx, err); n++ {\n		tag", "n < 0 && isStale(ctx, err); n++ {\n		tag",
			"TestStalePlansOnABoundHandle",
		},
		{
			"what has had an effect is not run again", "handle.go",
			`&& pg.Where == ""`, `&& pg.Code != ""`,
			"TestStalePlansOnABoundHandle",
		},
	})
}
