package preload_test

import (
	"context"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/plan"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/preload"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// TestHowTenantsGetLost tries, one by one, the ways in which libraries with tenants have
// lost them.
func TestHowTenantsGetLost(t *testing.T) {
	t.Parallel()
	pool := testdb.Pool(t, storeSchema)
	check.Value(pool.Exec(t.Context(), "INSERT INTO crates (id, tenant_id, rack_id, name) VALUES (99, NULL, 1, 'nobody''s')"))(t)
	r := repo.New(pool, crates)
	views := repo.View(r, func(v *crateView) *crate { return &v.Crate })
	of := func(tenant int64) context.Context { return smrt.WithTenant(t.Context(), tenant) }
	for name, lost := range map[string]func(t *testing.T){
		"the join table forgets it": func(t *testing.T) { // both crates are of tenant 1, what ties them is not
			check.Value(pool.Exec(t.Context(), `INSERT INTO crates (id, tenant_id, rack_id, name) VALUES (201, 1, 1, 'a'), (203, 1, 1, 'b');
				INSERT INTO tied VALUES (201, 203, 2)`))(t)
			for _, tied := range []preload.ToMany[crate, crate]{crateTied, crateTied.Joined(), crateTied.Limit(3).OrderBy(crateID.Asc())} {
				v := check.Value(views.Get(of(1), 201, preload.Many(tied, func(v *crateView) *[]crate { return &v.Tied })))(t)
				check.Same(t, "crates", len(v.Tied), 0)
			}
			check.Same(t, "crates that are tied", check.Value(r.Count(of(1), query.Where(crateID.Eq(201), crateTied.Has())))(t), 0)
		},
		"the statement around a subquery forgets it": func(t *testing.T) { // names are shared
			inner := query.Where(query.InSelect(crateName, crates, crateName, query.Where(crateID.Eq(1)))) // of tenant 2
			mine := query.Where(query.InSelect(crateName, crates, crateName, query.Where(crateID.Eq(2))))
			check.Same(t, "by a row of another", check.Value(r.UpdateWhere(of(1), inner, crateMark.Set(7)))(t), 0)
			check.Same(t, "by a row of its own", check.Value(r.UpdateWhere(of(1), mine, crateMark.Set(7)))(t) > 0, true)
			check.Same(t, "crates of another", marked(t, pool, 7), 0)
		},
		"none becomes IS NULL": func(t *testing.T) { // a crate is of nobody
			for what, ctx := range map[string]context.Context{"no tenant": t.Context(), "a zero tenant": of(0)} {
				_, err := r.Get(ctx, 99)
				check.Error(t, what+": Get", err, smrt.ErrNoTenant)
				_, err = r.Find(ctx, query.All[crate]())
				check.Error(t, what+": Find", err, smrt.ErrNoTenant)
				_, err = r.UpdateWhere(ctx, query.Where(crateID.Eq(99)), crateMark.Set(8))
				check.Error(t, what+": UpdateWhere", err, smrt.ErrNoTenant)
				_, err = r.DeleteMany(ctx, []int64{99})
				check.Error(t, what+": DeleteMany", err, smrt.ErrNoTenant)
			}
			_, err := r.Get(of(1), 99)
			check.Error(t, "of nobody", err, smrt.ErrNotFound)
		},
		"a statement that is kept has the first one": func(t *testing.T) {
			q := query.Where(crateName.Eq("c1")).OrderBy(crateID.Asc())
			loads := crateLoads["before"]
			for _, tenant := range []int64{1, 2, 1, 2} {
				for _, v := range check.Value(views.Find(of(tenant), q, loads))(t) {
					if slices.ContainsFunc(v.owners(), func(owner int64) bool { return owner != tenant }) {
						t.Errorf("tenant %d sees rows of %v", tenant, v.owners())
					}
				}
			}
		},
		"a relation with conditions forgets it": func(t *testing.T) {
			either := query.Or(crateMark.Ge(0), crateID.Gt(0))
			for _, before := range []preload.ToMany[crate, crate]{crateBefore.Where(either), crateBefore.Where(query.Not(crateName.Eq("x"))).OrderBy(crateID.Desc()), crateTied.Where(either)} {
				foreign := 0
				for _, v := range check.Value(views.Find(of(1), query.All[crate](), preload.Many(before, func(v *crateView) *[]crate { return &v.Before })))(t) {
					for _, owner := range v.owners() {
						if owner != 1 {
							foreign++
						}
					}
				}
				check.Same(t, "rows of another", foreign, 0)
			}
		},
		"what was left still holds": func(t *testing.T) {
			outer := of(1)
			count := func(ctx context.Context) int64 { return check.Value(r.Count(ctx, query.Where(crateID.Le(60))))(t) }
			check.Same(t, "inside", count(smrt.WithTenant(outer, int64(2))), 30)
			check.Same(t, "of all", count(plan.Anybody(t.Context())), 60)
			check.Same(t, "of all inside of one", count(smrt.AllTenants(outer, "a test")), 60)
			check.Same(t, "outside again", count(outer), 30)
			_, err := r.Count(t.Context(), query.All[crate]())
			check.Error(t, "outside of all", err, smrt.ErrNoTenant)
		},
	} {
		t.Run(name, lost)
	}
}

// marked returns how many crates have a mark and are not of tenant 1.
func marked(t *testing.T, pool *pgxpool.Pool, mark int64) (n int) {
	t.Helper()
	check.NoError(t, pool.QueryRow(t.Context(), "SELECT count(*) FROM crates WHERE mark = $1 AND tenant_id IS DISTINCT FROM 1", mark).Scan(&n))
	return n
}
