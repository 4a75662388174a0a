package main

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/repo"
	"github.com/smrt-go/smrt/schema"
	"github.com/smrt-go/smrt/slots"

	"github.com/smrt-go/smrt/examples/shop/db"
	"github.com/smrt-go/smrt/examples/shop/tables"
)

func listedSKU(p ListedProduct) string { return p.SKU }

// TestDeclarations compares what smrt gen wrote with the migrations, and has the server prepare
// sqlc's queries with their slots filled.
func TestDeclarations(t *testing.T) {
	t.Parallel()
	f := opened(t)
	found, err := schema.Verify(t.Context(), f.db.router, tables.Categories.Table, tables.Products.Table,
		tables.Reviews.Table, tables.Orders.Table, tables.OrderLines.Table)
	f.must(err)
	f.must(found.Err())
	f.must(slots.Check(t.Context(), f.db.router, os.DirFS("db"), tables.Products.Table))
}

func TestProducts(t *testing.T) {
	t.Parallel()
	f := opened(t)
	for query, want := range map[string]string{
		"sort=price":                         "[T1 T2 P1]",
		"sort=-price":                        "[P1 T2 T1]",
		"sort=name&min_stock=1":              "[T1 P1]",
		"sort=name&max_price=790":            "[T1 T2]",
		"sort=price&min_price=790":           "[T2 P1]",
		fmt.Sprint("category=", f.pots.ID):   "[P1]",
		"sort=price&min_price=1&max_price=2": "[]",
	} {
		var page repo.Page[ListedProduct]
		a := f.get("/products?" + query)
		f.expect(query, a, 200)
		a.into(t, &page)
		if got := skus(page.Items, listedSKU); got != want {
			t.Errorf("%s: %s, not %s", query, got, want)
		}
		if query == "sort=price" && page.Items[0].Category.Name != "Tea" {
			t.Error("a product without its category:", a.body)
		}
	}
	for query, status := range map[string]int{
		"sort=secret": 422, "max_price=cheap": 422, "category=%zz": 422, "after=made-up": 400, "size=none": 422, "size=0": 422, "size=101": 422,
	} {
		f.expect(query, f.get("/products?"+query), status)
	}
}

// TestPages reads pages to the end while rows are added, and gets each row that was there once.
func TestPages(t *testing.T) {
	t.Parallel()
	f := opened(t)
	ctx := smrt.WithTenant(t.Context(), int64(tenant))
	more := make([]db.Product, 25)
	for i := range more {
		more[i] = db.Product{CategoryID: f.tea.ID, SKU: fmt.Sprint("X", i), Name: "Of one name", PriceCents: int64(1 + i%4)}
	}
	products := repo.New(f.db.router, tables.Products.Table)
	f.must(products.CreateMany(ctx, more))
	seen := map[string]int{}
	for after, pages := "", 0; ; pages++ {
		var page repo.Page[ListedProduct]
		f.get("/products?sort=price&size=7&after="+url.QueryEscape(after)).into(t, &page)
		for _, p := range page.Items {
			seen[p.SKU]++
		}
		if after = page.Next; after == "" {
			if pages != 3 {
				t.Error(pages+1, "pages")
			}
			break
		}
		f.expect("the cursor of another tenant", f.get("/products?sort=price&size=7&after="+url.QueryEscape(after), tenantHeader, "2"), 400)
		f.must(products.Create(ctx, &db.Product{CategoryID: f.tea.ID, SKU: fmt.Sprint("before ", pages), Name: "Free", PriceCents: 0}))
	}
	for sku, n := range seen {
		if n != 1 {
			t.Errorf("%s came %d times", sku, n)
		}
	}
	if len(seen) < 28 {
		t.Errorf("%d products came, not all", len(seen))
	}
}

func TestProduct(t *testing.T) {
	t.Parallel()
	f := opened(t)
	path := fmt.Sprint("/products/", f.assam.ID)
	for rating := range 7 {
		a := f.send("POST", path+"/reviews", map[string]any{"rating": rating, "body": fmt.Sprint("of ", rating)})
		if rating >= 1 && rating <= 5 {
			f.expect("a review", a, 201, `"id":`)
		} else {
			f.expect("a review that breaks a rule", a, 422, `"name":"rating"`)
		}
	}
	f.expect("one more", f.send("POST", path+"/reviews", map[string]any{"rating": 5, "body": "the sixth"}), 201)
	var view ProductView
	f.get(path).into(t, &view)
	if view.SKU != "T1" || view.Category.Name != "Tea" || len(view.Reviews) != 5 || view.Reviews[0].Body != "the sixth" || view.Reviews[4].Body != "of 2" {
		t.Errorf("%+v", view)
	}
	f.expect("the product in memory", f.get(path), 200, `"price_cents":490`)

	change := map[string]any{"version": view.Version, "price_cents": 5_50}
	a := f.send("PATCH", path, change)
	f.expect("a price", a, 200, `"price_cents":550`)
	if a.header.Get(sessionHeader) == "" {
		t.Error("a write without a session")
	}
	f.expect("after a write", f.get(path), 200, `"price_cents":550`)
	f.expect("a price by one who has read another", f.send("PATCH", path, change), 409)
	change["version"], change["price_cents"] = view.Version+1, -1
	f.expect("a negative price", f.send("PATCH", path, change), 422, `"name":"price_cents"`)

	// What another process writes is seen by who has written there.
	session := a.header.Get(sessionHeader)
	f.expect("the product in memory once more", f.get(path), 200)
	other, err := pgx.Connect(t.Context(), f.cfg.DatabaseURL)
	f.must(err)
	_, err = other.Exec(t.Context(), "UPDATE products SET price_cents = 600 WHERE id = $1", f.assam.ID)
	f.must(errors.Join(err, other.Close(t.Context())))
	f.expect("after a write elsewhere", f.get(path, sessionHeader, session), 200, `"price_cents":600`)

	f.expect("none", f.get("/products/4711"), 404, `{"title":"Not Found"}`)
	f.expect("a review of none", f.send("POST", "/products/4711/reviews", map[string]any{"rating": 5}), 404)
	f.expect("no number", f.get("/products/tea"), 422)
	f.expect("no JSON", f.send("PATCH", path, "{"), 422)
	f.expect("a field that is not there", f.send("PATCH", path, `{"stock": 1}`), 422)
	f.expect("too much", f.send("PATCH", path, `{"version": `+string(make([]byte, maxBody))+`1}`), 422)
	f.expect("far too much", f.send("POST", path+"/reviews", map[string]any{"body": fmt.Sprintf("%*d", maxBody, 1)}), 413)
}

func TestSearch(t *testing.T) {
	t.Parallel()
	f := opened(t)
	for query, want := range map[string]string{
		"words=tea&size=1":            "[T1] [Tea 2 Pots 1]",
		"words=tea&min_price=1000":    "[P1] [Pots 1]",
		"words=black+tea":             "[T1] [Tea 1]",
		"words=tea+-green&min_stock=": "[T1 P1] [Tea 1 Pots 1]",
		"words=coffee":                "[] []",
	} {
		var found Found
		a := f.get("/search?" + query)
		f.expect(query, a, 200)
		a.into(t, &found)
		got := skus(found.Products, func(p db.SearchProductsRow) string { return p.SKU }) + " " +
			skus(found.Facets, func(c db.SearchFacetsRow) string { return fmt.Sprint(c.Name, " ", c.Products) })
		if got != want {
			t.Errorf("%s: %s, not %s", query, got, want)
		}
	}
	f.expect("too many", f.get("/search?words=tea&size=101"), 422, `"name":"size"`)
	f.expect("no text", f.get("/search?words=a%00b"), 422)
}

func TestTenants(t *testing.T) {
	t.Parallel()
	f := opened(t)
	path := fmt.Sprint("/products/", f.assam.ID)
	f.expect("the product of a tenant", f.get(path), 200)
	for what, a := range map[string]answered{
		"a product": f.get(path, tenantHeader, "2"),
		"a price":   f.send("PATCH", path, map[string]any{"version": 1, "price_cents": 1}, tenantHeader, "2"),
		"a review":  f.send("POST", path+"/reviews", map[string]any{"rating": 1}, tenantHeader, "2"),
	} {
		f.expect(what+" of another tenant", a, 404)
	}
	f.expect("all products", f.get("/products", tenantHeader, "2"), 200, `{"items":[]}`)
	f.expect("a search", f.get("/search?words=tea", tenantHeader, "2"), 200, `{"products":[],"facets":[]}`)
	wanted := Wanted{Customer: "eve", Lines: []WantedLine{{f.assam.ID, 1}}}
	f.expect("an order", f.send("POST", "/orders", wanted, tenantHeader, "2", keyHeader, "key of two"), 422, "does not exist")
	for _, header := range []string{"", "0", "-1", "acme"} {
		f.expect("no tenant", f.get(path, tenantHeader, header), 401)
	}
}
