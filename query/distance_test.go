package query_test

import (
	"strings"
	"testing"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// TestOrderByDistance orders by <-> of two extensions, with a filter and a limit:
// an index serves it, and keyset pages hold every row once, in the order of plain
// SQL.
func TestOrderByDistance(t *testing.T) {
	t.Parallel()
	pool := thingsPool(t)
	ctx := t.Context()
	for _, sql := range []string{
		"CREATE EXTENSION pg_trgm", "CREATE EXTENSION cube",
		`INSERT INTO things (name, "int", "double", "real") SELECT md5(i::text), i % 10, sin(i), cos(i) FROM generate_series(1, 5000) AS i`,
		"CREATE INDEX by_name ON things USING gist (name gist_trgm_ops)",
		`CREATE INDEX by_place ON things USING gist (cube(ARRAY["double", "real"::float8]))`,
		"ANALYZE things",
	} {
		if _, err := pool.Exec(ctx, sql); err != nil && strings.Contains(sql, "EXTENSION") {
			t.Skip("this PostgreSQL comes without the extension: ", err)
		} else {
			check.NoError(t, err)
		}
	}
	r := repo.New(pool, things)
	name := query.SQL[float32]("$1 <-> $2", thingName, "c4ca4238a0")
	place := query.SQL[float64]("cube(ARRAY[$1, $2::float8]) <-> cube(ARRAY[$3::float8, $4::float8])", thingDouble, thingReal, 0.3, -0.2)
	for index, c := range map[string]struct {
		order query.Order[thing]
		sql   string
	}{
		"by_name":  {name.Asc(), `name <-> 'c4ca4238a0'`},
		"by_place": {place.Asc(), `cube(ARRAY["double", "real"::float8]) <-> cube(ARRAY[0.3::float8, -0.2::float8])`},
	} {
		near := query.Where(thingInt.Lt(5)).OrderBy(c.order, thingID.Asc())
		if text := explained(t, pool, query.Where(thingInt.Lt(5)).OrderBy(c.order).Limit(5)); !strings.Contains(text, "Index Scan using "+index) {
			t.Errorf("no index:\n%s", text)
		}
		var want []int64
		rows := check.Value(pool.Query(ctx, `SELECT id FROM things WHERE "int" < 5 ORDER BY `+c.sql+", id LIMIT 700"))(t)
		for rows.Next() {
			var id int64
			check.NoError(t, rows.Scan(&id))
			want = append(want, id)
		}
		check.NoError(t, rows.Err())
		wantIDs(t, "the nearest by "+index, find(t, r, near.Limit(20)), want[:20]...)
		var got []int64
		for after := ""; len(got) < 700; {
			page := check.Value(r.Page(ctx, near, query.Page{Size: 100, After: after}))(t)
			for _, v := range page.Items {
				got = append(got, v.ID)
			}
			after = page.Next
		}
		wantIDs(t, "pages by "+index, got, want...)
	}
}
