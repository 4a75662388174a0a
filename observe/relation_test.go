package observe_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/relation"
	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/observe"
	"github.com/smrt-go/smrt/query"
)

// declaration is what relations are declared by: a variable that lasts.
var declaration struct{ name string }

// declareShop declares relations of the shop as a package of relations does.
func declareShop() {
	relation.Declare(&declaration, relation.Relation{
		Kind: "belongs-to", Parent: "shop.Product", Child: "shop.Category", Table: `"categories"`, Columns: []string{`"id"`},
		Site: "/src/shop/tables.go:120",
	})
	relation.Declare(&declaration, relation.Relation{
		Kind: "has-many", Parent: "shop.Category", Child: "shop.Product", Table: `"products"`, Columns: []string{`"category_id"`},
		Site: "/src/shop/tables.go:121",
	})
}

func TestReportNamesTheRelation(t *testing.T) {
	t.Parallel()
	declareShop()
	s := newStore(t, 3)
	parent := "preload belongs-to shop.Product -> shop.Category (declared at tables.go:120)"
	children := "preload has-many shop.Category -> shop.Product (declared at tables.go:121)"
	inCategory := query.Col(func(p *shop.Product) *int64 { return &p.CategoryID })
	for what, c := range map[string]struct {
		want string
		send func(ctx context.Context, category int64) error
	}{
		"get": {parent, func(ctx context.Context, category int64) error {
			_, err := s.categories.Get(ctx, category)
			return err
		}},
		"raw SQL": {parent, func(ctx context.Context, category int64) error {
			nameOf(ctx, s.pool, category)
			return nil
		}},
		"find": {children, func(ctx context.Context, category int64) error {
			_, err := s.products.Find(ctx, query.Where(inCategory.Eq(category)).OrderBy(shop.Price.Asc()))
			return err
		}},
		"no relation": {"no relation is declared", func(ctx context.Context, category int64) error {
			_, err := s.products.Find(ctx, query.Where(shop.SKU.Eq(fmt.Sprint(category))))
			return err
		}},
	} {
		ctx, seen := watch(t, observe.Options{})
		for i := range 10 {
			check.NoError(t, c.send(ctx, s.shelf[i%3].CategoryID))
		}
		// The shop may declare more of them, so what is asked for is one of the names.
		all, _ := strings.CutPrefix(seen.one(t).Instead, "preload ")
		if want, _ := strings.CutPrefix(c.want, "preload "); !strings.Contains(all, want) {
			t.Errorf("%s: advice %q, want %q", what, all, want)
		}
	}
}

func TestManyRelationsAreNotAllNamed(t *testing.T) {
	t.Parallel()
	s := newStore(t, 1)
	for i := range 5 {
		relation.Declare(&declaration, relation.Relation{
			Kind: "belongs-to", Parent: fmt.Sprint("p", i), Child: "shop.Warehouse", Table: `"warehouses"`, Columns: []string{`"name"`},
			Site: fmt.Sprint("x.go:", i),
		})
	}
	ctx, seen := watch(t, observe.Options{})
	for range 10 {
		_, err := s.pool.Exec(ctx, "SELECT id FROM warehouses WHERE name = $1", "north")
		check.NoError(t, err)
	}
	got := seen.one(t).Instead
	if strings.Count(got, "declared at") != 3 || !strings.HasSuffix(got, ", or one of 2 others") {
		t.Errorf("advice %q", got)
	}
}
