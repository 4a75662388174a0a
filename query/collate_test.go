package query_test

import (
	"context"
	"errors"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/plan"
	"github.com/smrt-go/smrt/query"
)

// TestCollations orders, compares and pages by other collations than the column's.
func TestCollations(t *testing.T) {
	t.Parallel()
	pool := thingsPool(t)
	r, ctx := fillThings(t, pool), t.Context()
	check.Value(pool.Exec(ctx, `CREATE COLLATION "Dotted.Ci?" (provider = icu, locale = 'und-u-ks-level2', deterministic = false)`))(t)
	for id, name := range map[int64]string{1: "b", 2: "A", 3: "B", 4: "a"} {
		check.NoError(t, r.Patch(ctx, id, thingName.Set(name)))
	}
	bytes, folded := query.Collate(thingName, "C"), query.Collate(thingName, "Dotted.Ci?")
	all := query.All[thing]()
	wantIDs(t, "by bytes", find(t, r, all.OrderBy(bytes.Asc())), 2, 3, 4, 1)
	wantIDs(t, "without case", find(t, r, all.OrderBy(folded.Desc(), thingID.Asc())), 1, 3, 2, 4)
	wantIDs(t, "after B by bytes", find(t, r, query.Where(bytes.Gt("B"))), 1, 4)
	wantIDs(t, "equal without case", find(t, r, query.Where(folded.Eq("A"))), 2, 4)
	wantIDs(t, "in a list without case", find(t, r, query.Where(folded.In("A", "x"))), 2, 4)
	wantIDs(t, "compared", find(t, r, query.Where(query.Compare(folded, "=", query.SQL[string]("upper($1)", thingName)))), 1, 2, 3, 4)
	var got []int64
	for after, pages := "", 0; pages == 0 || after != ""; pages++ {
		page := check.Value(r.Page(ctx, all.OrderBy(bytes.Asc(), thingID.Asc()), query.Page{Size: 3, After: after}))(t)
		for _, v := range page.Items {
			got = append(got, v.ID)
		}
		after = page.Next
	}
	wantIDs(t, "pages", got, 2, 3, 4, 1)

	var server *pgconn.PgError
	if _, err := r.Find(ctx, all.OrderBy(query.Collate(thingName, `no"such`).Asc())); !errors.As(err, &server) || server.Code != "42704" {
		t.Errorf("an unknown collation: %v", err)
	}
	_, err := things.Plan().Build(context.Background(), &plan.Request{List: "id", Spec: all.OrderBy(query.Collate(thingName, "").Asc()).Plan()})
	check.Error(t, "an empty name", err, smrt.ErrBadQuery)
}

// TestRegularExpressions tells a text that is no expression from one that finds
// nothing.
func TestRegularExpressions(t *testing.T) {
	t.Parallel()
	r := fillThings(t, thingsPool(t))
	wantIDs(t, "match", find(t, r, query.Where(thingName.Regexp(`^\w+ \w+$`))), 1)
	wantIDs(t, "fold", find(t, r, query.Where(thingName.RegexpFold(`red`))), 1, 2)
	wantIDs(t, "equal", find(t, r, query.Where(thingName.EqFold("RED apples"))), 1)
	wantIDs(t, "NULL", find(t, r, query.Where(query.Not(thingNick.Regexp(".")))), 4)
	_, err := r.Find(t.Context(), query.Where(thingName.Regexp(`(`)))
	check.Error(t, "no expression", err, smrt.ErrBadQuery)
	_, err = r.Find(t.Context(), query.Where(thingName.RegexpFold("\x00")))
	check.Error(t, "no text", err, smrt.ErrInvalidText)
	_, err = r.Find(t.Context(), query.Where(thingName.EqFold("\xff")))
	check.Error(t, "no text", err, smrt.ErrInvalidText)
}
