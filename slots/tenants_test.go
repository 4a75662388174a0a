package slots_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/slots"
)

var sheetSchema = testdb.SQL("sheets", `
	CREATE TABLE sheets (id bigint PRIMARY KEY, tenant_id bigint NOT NULL, size integer NOT NULL);
	INSERT INTO sheets SELECT i, 1 + i % 2, i % 5 FROM generate_series(1, 40) AS i;`)

type sheet struct {
	ID, TenantID int64
	Size         int32
}

var (
	sheets = query.NewTable("sheets", func(s *sheet) *int64 { return &s.ID }, query.KeyByClient[sheet](),
		query.Tenant(func(s *sheet) *int64 { return &s.TenantID }))
	sheetID   = query.Col(func(s *sheet) *int64 { return &s.ID })
	sheetSize = query.Col(func(s *sheet) *int32 { return &s.Size })
)

const (
	listSheets = `-- name: ListSheets :many
SELECT s.id, s.tenant_id FROM sheets s JOIN sheets other ON other.id = s.id
WHERE s.id > $1 AND true /* smrt:where sheets s */ AND (s.size < 99 OR other.size < 99)
ORDER BY /* smrt:order sheets s */ s.id
LIMIT 100 /* smrt:limit */;
`
	enlargeSheets = `-- name: EnlargeSheets :execrows
UPDATE sheets s SET size = size + $1 WHERE false /* smrt:where sheets s */;
`
	beside = `-- name: Beside :many
SELECT s.id FROM sheets s WHERE s.size = 1 OR true /* smrt:where sheets s */;
`
	allSheets = `-- name: AllSheets :many
SELECT s.id, s.tenant_id FROM sheets s ORDER BY /* smrt:order sheets s */ s.id;
`
)

// TestSlotsKeepTenants fills slots of a table with tenants. Rows are those of the
// tenant, also where the query has no conditions, the statement is kept and used for
// another, writes, or is paged. Without a tenant nothing is sent.
func TestSlotsKeepTenants(t *testing.T) {
	t.Parallel()
	pool := testdb.Pool(t, sheetSchema)
	of := func(tenant int64) context.Context { return smrt.WithTenant(t.Context(), tenant) }
	read := func(ctx context.Context, q query.Query[sheet]) (ids []int64, err error) {
		rows, err := slots.On(pool, slots.For(sheets, q).As("s")).Query(ctx, listSheets, 4)
		if err != nil {
			return nil, err
		}
		var id, tenant int64
		_, err = pgx.ForEachRow(rows, []any{&id, &tenant}, func() error {
			if want := smrt.TenantOf(ctx).ID; tenant != want {
				t.Errorf("tenant %d reads sheet %d of tenant %d", want, id, tenant)
			}
			ids = append(ids, id)
			return nil
		})
		return ids, err
	}
	for range 2 {
		for _, tenant := range []int64{1, 2} {
			all := check.Value(read(of(tenant), query.All[sheet]()))(t)
			check.Same(t, "all sheets", len(all), 18)
			some := check.Value(read(of(tenant), query.Where(query.Or(sheetSize.Gt(1), sheetID.Gt(0))).OrderBy(sheetSize.Desc()).Limit(7)))(t)
			check.Same(t, "some sheets", len(some), 7)
			inner := check.Value(read(of(tenant), query.Where(query.InSelect(sheetSize, sheets, sheetSize, query.Where(sheetID.Eq(tenant))))))(t)
			check.Same(t, "sheets of the size of one of another tenant", len(inner), 0)
		}
	}
	_, err := read(t.Context(), query.All[sheet]())
	check.Error(t, "no tenant", err, smrt.ErrNoTenant)

	tag := check.Value(slots.On(pool, slots.For(sheets, query.All[sheet]().Unbounded())).Exec(of(1), enlargeSheets, 10))(t)
	check.Same(t, "sheets enlarged", tag.RowsAffected(), 20)
	for what, sql := range map[string]string{"no slot for a condition": allSheets, "a slot beside an OR": beside} {
		_, err = slots.On(pool, slots.For(sheets, query.All[sheet]())).Query(of(1), sql)
		check.Error(t, what, err, smrt.ErrBadQuery)
	}

	fill := slots.For(sheets, query.All[sheet]().OrderBy(sheetSize.Desc())).As("s")
	paged := func(ctx context.Context, after string) (next string, err error) {
		page := slots.NewPage(query.Page{Size: 3, After: after}, []byte("secret"))
		rows, err := slots.On(pool, fill.Page(page)).Query(ctx, listSheets, 4)
		if err != nil {
			return "", err
		}
		n := 0
		for rows.Next() {
			n++
		}
		check.Same(t, "rows of a page", n, 3)
		return page.Next(), rows.Err()
	}
	next := check.Value(paged(of(1), ""))(t)
	check.Value(paged(of(1), next))(t)
	_, err = paged(of(2), next)
	check.Error(t, "a cursor of another tenant", err, smrt.ErrBadCursor)

	n := check.Value(slots.Count(of(2), pool, func(db smrt.DB) error {
		_, err := db.Query(of(2), listSheets, 4)
		return err
	}, slots.For(sheets, query.All[sheet]()).As("s")))(t)
	check.Same(t, "sheets counted", n, 18)
}
