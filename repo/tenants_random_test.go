package repo_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
	"github.com/smrt-go/smrt/unit"
)

// bystander has the rows of both tenants. What one of them writes has its mark: a rank
// of its number times 1,000, and less than 1,000 more.
type bystander struct {
	office *office
	others []int64 // keys of both tenants
}

// try calls a random method as a tenant, about random rows of both tenants, and
// returns the rows that it saw.
func (b *bystander) try(ctx context.Context, rnd *rand.Rand, tenant int64) (name string, seen []memo, err error) {
	r, id := b.office.memos, func() int64 { return b.others[rnd.IntN(len(b.others))] }
	slug, mark := fmt.Sprint("s", rnd.IntN(6)), memoRank.Set(int32(tenant)*1000+int32(rnd.IntN(100)))
	conditions := []query.Predicate[memo]{
		memoID.In(id(), id(), id()), memoTenant.Eq(3 - tenant), query.Or(memoRank.Ge(0), memoID.Gt(0)), query.Not(memoTenant.Eq(tenant)),
		query.Raw[memo]("tenant_id > 0 OR rank > $1", 5), query.InSelect(memoSlug, memoTable, memoSlug, query.Where(memoID.Eq(id()))), memoSlug.Eq(slug),
	}
	q := query.Where(conditions[rnd.IntN(len(conditions))])
	if rnd.IntN(3) == 0 {
		q = q.WithDeleted()
	}
	calls := map[string]func() error{
		"Get": func() error { m, err := r.Get(ctx, id()); seen = single(m); return err },
		"GetMany": func() error {
			ms, err := r.GetMany(ctx, []int64{id(), id(), id()})
			for _, m := range ms {
				seen = append(seen, single(m)...)
			}
			return err
		},
		"Find":  func() (err error) { seen, err = r.Find(ctx, q.Limit(5)); return err },
		"First": func() error { m, err := r.First(ctx, q); seen = single(m); return err },
		"Stream": func() error {
			for m, err := range r.Stream(ctx, q) {
				if err != nil {
					return err
				}
				seen = append(seen, m)
			}
			return nil
		},
		"Page": func() error {
			page, err := r.Page(ctx, q.OrderBy(memoRank.Desc()), query.Page{Size: 3})
			if err == nil && page.Next != "" {
				seen = page.Items
				page, err = r.Page(ctx, q.OrderBy(memoRank.Desc()), query.Page{Size: 3, After: page.Next})
			}
			if err == nil {
				seen = append(seen, page.Items...)
			}
			return err
		},
		"CountBy": func() error {
			groups, err := repo.CountBy(ctx, r, memoTenant, q)
			for _, g := range groups {
				seen = append(seen, memo{TenantID: g.Value.V})
			}
			return err
		},
		"Patch":       func() error { return r.Patch(ctx, id(), mark) },
		"UpdateWhere": func() error { _, err := r.UpdateWhere(ctx, q, mark); return err },
		"UpdateReturning": func() (err error) {
			seen, err = r.UpdateReturning(ctx, q, mark)
			return err
		},
		"Upsert": func() error {
			m := memo{Slug: slug, Rank: int32(tenant) * 1000}
			_, err := r.Upsert(ctx, &m, bySlug)
			seen = []memo{m}
			return err
		},
		"UpsertMany": func() error {
			ms := []memo{{Slug: slug, Rank: int32(tenant) * 1000}, {Slug: slug + "x", Rank: int32(tenant) * 1000}}
			_, err := r.UpsertMany(ctx, ms, bySlug)
			seen = ms
			return err
		},
		"GetOrCreate": func() error {
			m := memo{Slug: slug}
			_, err := r.GetOrCreate(ctx, &m, bySlug)
			seen = []memo{m}
			return err
		},
		"Delete":     func() error { return r.Delete(ctx, id()) },
		"Restore":    func() error { return r.Restore(ctx, id()) },
		"DeleteMany": func() error { _, err := r.DeleteMany(ctx, []int64{id(), id()}); return err },
		"Update": func() error {
			return r.Update(ctx, &memo{ID: id(), Slug: fmt.Sprint("u", rnd.Int()), Rank: int32(tenant) * 1000, Version: 1 + rnd.Int64N(3)})
		},
		"UpdateMany": func() error {
			_, err := r.UpdateMany(ctx, []memo{{ID: id(), Slug: fmt.Sprint("u", rnd.Int()), Rank: int32(tenant) * 1000, Version: 1}})
			return err
		},
		"unit": func() error {
			u := unit.New()
			unit.Patch(u, memoTable, id(), mark)
			if rnd.IntN(2) == 0 {
				unit.UpdateWhere(u, memoTable, q, mark)
			} else {
				unit.Create(u, memoTable, &memo{Slug: fmt.Sprint("c", rnd.Int()), Rank: int32(tenant) * 1000})
			}
			_, err := u.Flush(ctx, b.office.pool)
			return err
		},
	}
	names := slices.Sorted(maps.Keys(calls))
	name = names[rnd.IntN(len(names))]
	err = calls[name]()
	return name, seen, err
}

// foreign runs random calls of two tenants at the same time, and counts rows of
// another tenant that were seen, or have its mark.
func foreign(t *testing.T, calls int, contextOf func(tenant int64) context.Context) (rows int) {
	t.Helper()
	b := &bystander{office: newOffice(t, testdb.MaxConns(4))}
	for _, m := range check.Value(b.office.memos.Find(everybody(t), query.All[memo]().WithDeleted()))(t) {
		b.others = append(b.others, m.ID)
	}
	rows = check.TenantCalls{
		Goroutines: 8, Calls: calls,
		Call: func(rnd *rand.Rand, tenant int64) (string, []int64, error) {
			ctx := contextOf(tenant)
			name, seen, err := b.try(ctx, rnd, tenant)
			if errors.Is(err, smrt.ErrNoTenant) && smrt.TenantOf(ctx).ID != nil {
				t.Errorf("%s: %v", name, err)
			}
			owners := make([]int64, len(seen))
			for i, m := range seen {
				owners[i] = m.TenantID
			}
			return name, owners, err
		},
		Expected: []error{smrt.ErrNotFound, smrt.ErrStale, smrt.ErrTenantMismatch, smrt.ErrNoTenant, smrt.ErrConflict, smrt.ErrBadCursor},
		Codes:    []string{"40P01"}, // a deadlock
		See:      []string{"Get", "GetMany", "Find", "Stream", "Page", "CountBy", "UpdateReturning"},
	}.Foreign(t)
	var marked int
	check.NoError(t, b.office.pool.QueryRow(t.Context(), "SELECT count(*) FROM memos WHERE rank >= 1000 AND rank / 1000 <> tenant_id").Scan(&marked))
	return rows + marked
}

// TestRandomCallsOfTwoTenants makes random calls of two tenants at the same time, with
// all of the methods and conditions that try to get at rows of the other. None sees or
// changes one. The same calls for all tenants do.
func TestRandomCallsOfTwoTenants(t *testing.T) {
	t.Parallel()
	calls := 2_000
	if check.Long() {
		calls = 100_000
	}
	if foreign(t, 400, func(int64) context.Context { return everybody(t) }) == 0 {
		t.Error("the same calls for all tenants see no rows of another: the test proves nothing")
	}
	check.Same(t, "rows of another tenant", foreign(t, calls, func(tenant int64) context.Context { return smrt.WithTenant(t.Context(), tenant) }), 0)
}
