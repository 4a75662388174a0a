package repo_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/preload"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// manyProducts fills a shop with products whose prices and weights repeat, so
// that every order has ties and NULLs.
func manyProducts(t *testing.T, n int) *repo.Repository[shop.Product, int64] {
	t.Helper()
	return manyProductsOn(t, testdb.Pool(t, shop.Schema), n)
}

func manyProductsOn(t *testing.T, pool *pgxpool.Pool, n int) *repo.Repository[shop.Product, int64] {
	t.Helper()
	category := &shop.Category{Slug: "all", Name: "All"}
	if err := repo.New(pool, shop.Categories).Create(t.Context(), category); err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 2))
	ps := make([]shop.Product, n)
	for i := range ps {
		ps[i] = shop.Product{CategoryID: category.ID, SKU: fmt.Sprint("sku-", i), Name: fmt.Sprint("Product ", random.IntN(5)), PriceCents: random.Int64N(7) * 100}
		if random.IntN(3) > 0 {
			ps[i].WeightGrams = new(1 + random.Int32N(4))
		}
	}
	products := repo.New(pool, shop.Products)
	if err := products.CreateMany(t.Context(), ps); err != nil {
		t.Fatal(err)
	}
	return products
}

// TestPagesCoverEverything walks through every page of every kind of order,
// forwards and backwards, and compares with the whole result.
func TestPagesCoverEverything(t *testing.T) {
	products := manyProducts(t, 200)
	orders := map[string][]query.Order[shop.Product]{
		"key alone":                  nil,
		"ties":                       {shop.Price.Asc()},
		"ties, descending":           {shop.Price.Desc()},
		"mixed directions":           {shop.Price.Asc(), shop.ProductName.Desc()},
		"NULLs last":                 {shop.Weight.Asc()},
		"NULLs first":                {shop.Weight.Desc()},
		"NULLs against the default":  {shop.Weight.Desc().NullsLast(), shop.Price.Asc()},
		"NULLs first, then mixed":    {shop.Weight.Asc().NullsFirst(), shop.Price.Desc(), shop.ProductName.Asc()},
		"key in the order, reversed": {shop.Price.Asc(), shop.ProductID.Desc()},
		"an expression":              {query.SQL[int64]("$1 % $2", shop.Price, 300).Asc()},
		"an expression, descending":  {query.SQL[float64]("$1 / 7.0::float8", shop.Price).Desc()},
		"an expression and NULLs":    {query.SQL[int32]("$1 % $2", shop.Weight, 3).Asc().NullsFirst(), shop.ProductName.Desc(), query.SQL[string]("lower($1)", shop.ProductName).Asc()},
		"a related column":           {preload.Value(shop.ProductCategory, shop.CategorySlug).Asc(), shop.Price.Desc(), shop.ProductID.Asc()},
		"a number of rows":           {preload.Aggregate(shop.ProductReviews, query.Count[shop.Review]()).Asc(), shop.ProductReviews.Count().Asc()},
	}
	for name, order := range orders {
		t.Run(name, func(t *testing.T) {
			q := query.Where(shop.Price.Gt(100))
			if order != nil {
				q = q.OrderBy(order...)
			}
			last := shop.ProductID.Asc()
			if len(order) > 0 && strings.Contains(name, "descending") || name == "NULLs first" || name == "mixed directions" {
				last = shop.ProductID.Desc()
			}
			want, err := products.Find(t.Context(), q.OrderBy(append(slices.Clone(order), last)...))
			if err != nil {
				t.Fatal(err)
			}
			walk(t, products, q, ids(want))
		})
	}
}

func ids(ps []shop.Product) []int64 {
	out := make([]int64, len(ps))
	for i, p := range ps {
		out[i] = p.ID
	}
	return out
}

func walk(t *testing.T, products *repo.Repository[shop.Product, int64], q query.Query[shop.Product], want []int64) {
	t.Helper()
	var forwards, backwards []int64
	var last *repo.Page[shop.Product]
	for after := ""; ; after = last.Next {
		page, err := products.Page(t.Context(), q, query.Page{Size: 7, After: after})
		if err != nil {
			t.Fatal(err)
		}
		if (page.Prev == "") != (after == "") {
			t.Errorf("page after %q has a previous page: %t", after, page.Prev != "")
		}
		forwards = append(forwards, ids(page.Items)...)
		last = page
		if page.Next == "" {
			break
		}
	}
	if !slices.Equal(forwards, want) {
		t.Fatalf("forwards\n got %v\nwant %v", forwards, want)
	}
	for {
		backwards = append(ids(last.Items), backwards...)
		if last.Prev == "" {
			break
		}
		var err error
		if last, err = products.Page(t.Context(), q, query.Page{Size: 7, Before: last.Prev}); err != nil {
			t.Fatal(err)
		}
		if last.Next == "" {
			t.Error("a page before another has no next page")
		}
	}
	if !slices.Equal(backwards, want) {
		t.Fatalf("backwards\n got %v\nwant %v", backwards, want)
	}
}

func TestCursorIsChecked(t *testing.T) {
	products := manyProducts(t, 30)
	q := query.Where(shop.Price.Ge(100)).OrderBy(shop.Price.Asc())
	page, err := products.Page(t.Context(), q, query.Page{Size: 3})
	if err != nil {
		t.Fatal(err)
	}
	cursor := page.Next
	flipped := cursor[:len(cursor)/2] + string(cursor[len(cursor)/2]^1) + cursor[len(cursor)/2+1:]
	for name, c := range map[string]struct {
		q      query.Query[shop.Product]
		cursor string
		reason string
	}{
		"other value": {query.Where(shop.Price.Ge(101)).OrderBy(shop.Price.Asc()), cursor, "other query"},
		"other shape": {query.Where(shop.Price.Gt(100)).OrderBy(shop.Price.Asc()), cursor, "other query"},
		"deleted too": {q.WithDeleted(), cursor, "other query"},
		"other order": {q.OrderBy(shop.Price.Desc()), cursor, "other order"},
		"flipped bit": {q, flipped, "tampered"},
		"cut":         {q, cursor[:len(cursor)-4], "tampered"},
		"no cursor":   {q, "hello", "malformed"},
		"not base64":  {q, "%%%", "malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := products.Page(t.Context(), c.q, query.Page{Size: 3, After: c.cursor})
			var bad *smrt.CursorError
			if !errors.Is(err, smrt.ErrBadCursor) || !errors.As(err, &bad) || bad.Reason != c.reason {
				t.Fatalf("got %v, want reason %q", err, c.reason)
			}
		})
	}
	t.Run("secret", func(t *testing.T) {
		pool := testdb.Pool(t, shop.Schema)
		other := repo.New(pool, shop.Products, repo.Options{CursorSecrets: [][]byte{[]byte("secret")}})
		if _, err := other.Page(t.Context(), q, query.Page{Size: 3, After: cursor}); !errors.Is(err, smrt.ErrBadCursor) {
			t.Fatalf("a cursor made without the secret: %v", err)
		}
	})
	t.Run("size", func(t *testing.T) {
		for _, size := range []int{0, -1, 1e9} {
			_, err := products.Page(t.Context(), q, query.Page{Size: size})
			var bad *smrt.PageError
			if !errors.As(err, &bad) || bad.Min != 1 || bad.Max != repo.MaxPageSize {
				t.Errorf("size %d: %v", size, err)
			}
		}
	})
}

func TestPageNumber(t *testing.T) {
	products := manyProducts(t, 30)
	page, err := products.PageNumber(t.Context(), query.All[shop.Product](), 3, 12)
	if err != nil {
		t.Fatal(err)
	}
	if len(page.Items) != 6 || page.Total != 30 || page.Pages() != 3 {
		t.Errorf("%d items, total %d, %d pages", len(page.Items), page.Total, page.Pages())
	}
}

type productView struct {
	shop.Product
	Twice    int64
	Category *shop.Category
}

func TestViews(t *testing.T) {
	products := manyProducts(t, 30)
	views := repo.View(products, func(v *productView) *shop.Product { return &v.Product },
		query.Into(query.SQL[int64]("$1 * $2", shop.Price, 2), func(v *productView) *int64 { return &v.Twice }))
	page, err := views.Page(t.Context(), query.Where(shop.Price.Gt(0)).OrderBy(shop.Price.Asc()), query.Page{Size: 5})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range page.Items {
		if v.Twice != 2*v.PriceCents || v.SKU == "" || v.Category != nil {
			t.Errorf("%+v", v)
		}
	}
	type name struct {
		ID   int64
		Name string
	}
	names, err := repo.Select[name](products).Find(t.Context(), query.Where(shop.ProductID.In(1, 2, 3)))
	if err != nil || len(names) != 3 || names[0].Name == "" {
		t.Errorf("%v %v", names, err)
	}
}

func TestAggregates(t *testing.T) {
	products := manyProducts(t, 30)
	all, err := products.Find(t.Context(), query.All[shop.Product]())
	if err != nil {
		t.Fatal(err)
	}
	var want int64
	for _, p := range all {
		want += p.PriceCents
	}
	sum, err := repo.Aggregate(t.Context(), products, query.Sum[int64](shop.Price), query.All[shop.Product]())
	if err != nil || !sum.Valid || sum.V != want {
		t.Errorf("sum %v, want %d, %v", sum, want, err)
	}
	none, err := repo.Aggregate(t.Context(), products, query.Sum[int64](shop.Price), query.Where(shop.Price.Lt(0)))
	if err != nil || none.Valid {
		t.Errorf("sum of no rows: %v, %v", none, err)
	}
	never, err := repo.Aggregate(t.Context(), products, query.Max(shop.Weight), query.Where(shop.Weight.In()))
	if err != nil || never.Valid {
		t.Errorf("max of no rows: %v, %v", never, err)
	}
	heaviest, err := repo.Aggregate(t.Context(), products, query.Max(shop.Weight), query.All[shop.Product]())
	if err != nil || heaviest.V != 4 {
		t.Errorf("max %v, %v", heaviest, err)
	}
	groups, err := repo.CountBy(t.Context(), products, shop.Weight, query.All[shop.Product]())
	if err != nil || len(groups) != 5 || groups[4].Value.Valid {
		t.Errorf("groups %v, %v", groups, err)
	}
}

// TestViewsReadExpressions reads an expression with a value of the request, and
// one of another table, in every way to read rows.
func TestViewsReadExpressions(t *testing.T) {
	type view struct {
		shop.Product
		Twice    int64
		Slug     *string
		Category *shop.Category
	}
	products, ctx := manyProducts(t, 30), t.Context()
	views := repo.View(products, func(v *view) *shop.Product { return &v.Product },
		query.Into(query.SQL[int64]("$1 * $2", shop.Price, 2), func(v *view) *int64 { return &v.Twice }),
		query.IntoNull(preload.Value(shop.ProductCategory, shop.CategorySlug), func(v *view) **string { return &v.Slug }))
	joined := preload.One(shop.ProductCategory.Joined(), func(v *view) **shop.Category { return &v.Category })
	q := query.Where(shop.Price.Ge(0)).OrderBy(shop.Weight.Asc())
	right := func(name string, want int, vs []view, err error) {
		t.Helper()
		check.NoError(t, err)
		check.Same(t, name, len(vs), want)
		for _, v := range vs {
			if v.Twice != 2*v.PriceCents || v.SKU == "" || v.Slug == nil || *v.Slug != "all" || v.Category != nil && v.Category.Slug != "all" {
				t.Errorf("%s: %+v", name, v)
			}
		}
	}
	only := func(v *view, err error) ([]view, error) { return []view{*v}, err }
	vs, err := views.Find(ctx, query.All[shop.Product]().OrderBy(preload.Value(shop.ProductCategory, shop.CategoryID).Asc(), shop.ProductID.Asc()))
	right("ordered by columns that an output is called like", 30, vs, err)
	for name, loads := range map[string][]preload.Load[view]{"": nil, " with a joined load": {joined}} {
		vs, err := views.Find(ctx, q, loads...)
		right("find"+name, 30, vs, err)
		vs, err = only(views.First(ctx, q, loads...))
		right("first"+name, 1, vs, err)
		page := check.Value(views.Page(ctx, q, query.Page{Size: 20}, loads...))(t)
		right("page"+name, 20, page.Items, nil)
		page = check.Value(views.Page(ctx, q, query.Page{Size: 20, After: page.Next}, loads...))(t)
		right("second page"+name, 10, page.Items, nil)
		number := check.Value(views.PageNumber(ctx, q, 2, 20, loads...))(t)
		right("page by number"+name, 10, number.Items, nil)
		vs = nil
		for v, err := range views.Stream(ctx, q, loads...) {
			check.NoError(t, err)
			vs = append(vs, v)
		}
		right("stream"+name, 30, vs, nil)
	}
}
