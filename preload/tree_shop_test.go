package preload_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/preload"
	"github.com/smrt-go/smrt/query"
)

// smallShopSQL fills the shop with what relations can meet: categories three
// levels deep, deleted products, products and customers without anything.
const smallShopSQL = `
INSERT INTO categories (id, parent_id, slug, name) OVERRIDING SYSTEM VALUE
	SELECT i, CASE WHEN i > 3 THEN (i - 1) / 3 END, 'c' || i, 'Category ' || i FROM generate_series(1, 15) AS i;
INSERT INTO products (category_id, sku, name, price_cents, stock, deleted_at)
	SELECT 1 + i * 7 % 15, 'sku' || i, 'Product ' || i % 9, i * 13 % 50 * 10, i % 6, CASE WHEN i % 8 = 0 THEN now() END FROM generate_series(1, 60) AS i;
INSERT INTO tags (name) SELECT 'tag' || i FROM generate_series(1, 10) AS i;
INSERT INTO product_tags (product_id, tag_id) SELECT p, t FROM generate_series(1, 60) AS p, generate_series(1, 10) AS t WHERE (p * 31 + t * 17) % 11 < 2 AND p % 10 <> 0;
INSERT INTO warehouses (code, name, country) SELECT 'WHS' || i, 'Warehouse ' || i, 'NO' FROM generate_series(1, 3) AS i;
INSERT INTO inventory (warehouse_id, product_id, quantity) SELECT w, p, (w * p) % 20 FROM generate_series(1, 3) AS w, generate_series(1, 60) AS p WHERE (w + p) % 3 = 0;
INSERT INTO customers (email, name, country) SELECT 'c' || i || '@example.org', 'Customer ' || i % 5, 'NO' FROM generate_series(1, 20) AS i;
INSERT INTO reviews (product_id, customer_id, rating) SELECT p, 1 + p * 3 % 15, 1 + p % 5 FROM generate_series(1, 60) AS p WHERE p % 3 > 0;
INSERT INTO reviews (product_id, customer_id, rating) SELECT p, 1 + (p * 3 + 1) % 15, 1 + p % 4 FROM generate_series(1, 60, 2) AS p;
INSERT INTO orders (customer_id, status, total_cents, shipping_address)
	SELECT 1 + i * i % 18, 'pending', i * 7 % 30 * 100, '{}' FROM generate_series(1, 50) AS i;
INSERT INTO order_items (order_id, line_no, product_id, quantity, unit_price_cents, discount_cents)
	SELECT o, l, 1 + (o * 11 + l * 7) % 60, 1 + l % 3, 100, 0 FROM generate_series(1, 50) AS o, generate_series(1, 4) AS l WHERE (o + l) % 5 > 1;`

type (
	productTree struct {
		shop.Product
		Category *categoryTree
		Reviews  []reviewTree
		Tags     []tagTree
		Stock    []shop.Inventory
		NReviews int64
		HasTags  bool
	}
	categoryTree struct {
		shop.Category
		Parent   *categoryTree
		Children []categoryTree
		Products []productTree
		Below    []categoryTree
		N        int64
		NAbove   int64
	}
	reviewTree struct {
		shop.Review
		Product *productTree
		By      *customerTree
	}
	tagTree struct {
		shop.ProductTag
		shop.Tag
		Products []productTree
		N        int64
	}
	customerTree struct {
		shop.Customer
		Orders  []orderTree
		Reviews []reviewTree
		Ordered bool
	}
	orderTree struct {
		shop.Order
		Buyer *customerTree
		Lines []lineTree
		N     int64
	}
	lineTree struct {
		shop.OrderItem
		Order   *orderTree
		Product *productTree
	}
)

// below is what the descendants of a category are. The categories of the small shop
// are reached in the order of their keys.
const below = `FROM categories <c> WHERE <c>.id IN (WITH RECURSIVE w AS (SELECT id FROM categories WHERE parent_id = <p>.id
	UNION SELECT y.id FROM categories y JOIN w ON y.parent_id = w.id) SELECT id FROM w)`

// shopEntities is the shop as random trees know it.
func shopEntities() []*entity {
	product := &entity{
		name: "products", key: "id", alive: "%.deleted_at IS NULL", roots: 60,
		id:   func(v any) int64 { return v.(*productTree).ID },
		find: finder(shop.Products, func(v *productTree) *shop.Product { return &v.Product }, shop.ProductID),
	}
	category := &entity{
		name: "categories", key: "id", roots: 15,
		id:   func(v any) int64 { return v.(*categoryTree).ID },
		find: finder(shop.Categories, func(v *categoryTree) *shop.Category { return &v.Category }, shop.CategoryID),
	}
	review := &entity{name: "reviews", key: "id", id: func(v any) int64 { return v.(*reviewTree).ID }}
	tag := &entity{name: "tags", key: "id", id: func(v any) int64 { return v.(*tagTree).Tag.ID }}
	stock := &entity{name: "inventory", key: "warehouse_id", id: func(v any) int64 { return v.(*shop.Inventory).WarehouseID }}
	customer := &entity{
		name: "customers", key: "id", roots: 20,
		id:   func(v any) int64 { return v.(*customerTree).ID },
		find: finder(shop.Customers, func(v *customerTree) *shop.Customer { return &v.Customer }, shop.CustomerID),
	}
	order := &entity{
		name: "orders", key: "id", roots: 50,
		id:   func(v any) int64 { return v.(*orderTree).ID },
		find: finder(shop.Orders, func(v *orderTree) *shop.Order { return &v.Order }, shop.OrderID),
	}
	line := &entity{name: "order_items", key: "line_no", id: func(v any) int64 { return int64(v.(*lineTree).LineNo) }}

	type (
		products   = choice[query.Predicate[shop.Product]]
		categories = choice[query.Predicate[shop.Category]]
		reviews    = choice[query.Predicate[shop.Review]]
		tags       = choice[query.Predicate[shop.Tag]]
		customers  = choice[query.Predicate[shop.Customer]]
		orders     = choice[query.Predicate[shop.Order]]
		lines      = choice[query.Predicate[shop.OrderItem]]
		byProduct  = choice[query.Order[shop.Product]]
	)
	someProducts := []products{
		{shop.Price.Gt(200), "<c>.price_cents > 200"},
		{query.Not(shop.Stock.In(1, 2, 5)), "<c>.stock NOT IN (1, 2, 5)"},
		{query.Or(shop.ProductName.HasSuffix("3"), shop.Price.Lt(50)), "(<c>.name LIKE '%3' OR <c>.price_cents < 50)"},
		{shop.ProductReviews.Has(shop.Rating.Ge(4)), "EXISTS (SELECT 1 FROM reviews x WHERE x.product_id = <c>.id AND x.rating >= 4)"},
		{shop.ProductTagWords.Count().Ge(2), "(SELECT count(*) FROM product_tags x WHERE x.product_id = <c>.id) >= 2"},
		{shop.ProductCategory.HasNot(shop.CategoryParent.Has()), "NOT EXISTS (SELECT 1 FROM categories x WHERE x.id = <c>.category_id AND x.parent_id IS NOT NULL)"},
		{query.Raw[shop.Product]("stock % $1 = 0", 2), "<c>.stock % 2 = 0"},
		{query.Or[shop.Product](), "false"},
		{
			query.InSelect(shop.ProductCategoryID, shop.Categories, shop.CategoryID, query.Where(shop.CategorySlug.Regexp("[02468]$"))),
			"<c>.category_id IN (SELECT x.id FROM categories x WHERE x.slug ~ '[02468]$')",
		},
		{query.Compare(shop.Price, ">", query.SQL[int64]("$1 * 80", shop.Stock)), "<c>.price_cents > <c>.stock * 80"},
		{
			query.Compare(shop.ProductID, ">", query.SQL[int64]("$1 * 4", preload.Value(shop.ProductCategory, shop.CategoryID))),
			"<c>.id > 4 * (SELECT x.id FROM categories x WHERE x.id = <c>.category_id)",
		},
		{shop.ProductName.RegexpFold("product [1-4]"), "<c>.name ~* 'product [1-4]'"},
	}
	someCategories := []categories{
		{shop.CategorySlug.Ne("c4"), "<c>.slug <> 'c4'"},
		{shop.CategoryChildren.Has(), "EXISTS (SELECT 1 FROM categories x WHERE x.parent_id = <c>.id)"},
		{
			query.Not(query.InSelect(shop.CategoryID, shop.Categories, shop.CategoryParentID, query.Where(shop.CategoryParentID.IsNotNull()))),
			"<c>.id NOT IN (SELECT x.parent_id FROM categories x WHERE x.parent_id IS NOT NULL)",
		},
		{
			shop.CategoryAncestors.Has(shop.CategoryID.In(1, 3)),
			"<c>.id IN (WITH RECURSIVE w AS (SELECT id FROM categories WHERE parent_id IN (1, 3) UNION SELECT y.id FROM categories y JOIN w ON y.parent_id = w.id) SELECT id FROM w)",
		},
		{shop.CategoryDescendants.Where(shop.CategoryProducts.Has()).Count().Lt(3), "(SELECT count(*) " + strings.ReplaceAll(strings.ReplaceAll(below, "<c>", "z"), "<p>", "<c>") + " AND z.id IN (SELECT category_id FROM products WHERE deleted_at IS NULL)) < 3"},
		{shop.CategoryProducts.Count().Gt(3), "(SELECT count(*) FROM products x WHERE x.category_id = <c>.id AND x.deleted_at IS NULL) > 3"},
	}
	someReviews := []reviews{{shop.Rating.Gt(2), "<c>.rating > 2"}, {shop.ReviewOf.Has(), "EXISTS (SELECT 1 FROM products x WHERE x.id = <c>.product_id AND x.deleted_at IS NULL)"}}
	productOrders := []byProduct{{shop.ProductName.Desc(), "<c>.name DESC"}, {shop.Price.Asc(), "<c>.price_cents"}, {
		query.SQL[int64]("$1 % $2", shop.Price, 70).Desc(), "<c>.price_cents % 70 DESC",
	}, {shop.ProductID.Asc(), "<c>.id"}}

	product.edges = []*edge{
		toOne("category", category, shop.ProductCategory, func(v *productTree) **categoryTree { return &v.Category },
			"FROM categories <c> WHERE <c>.id = <p>.category_id", nil, someCategories),
		toMany("reviews", review, shop.ProductReviews, func(v *productTree) *[]reviewTree { return &v.Reviews },
			"FROM reviews <c> WHERE <c>.product_id = <p>.id", someReviews, nil),
		toMany("tags", tag, shop.ProductTagWords, func(v *productTree) *[]tagTree { return &v.Tags },
			"FROM product_tags <j> JOIN tags <c> ON <c>.id = <j>.tag_id WHERE <j>.product_id = <p>.id",
			[]tags{{query.Raw[shop.Tag]("length(name) > $1", 4), "length(<c>.name) > 4"}, {shop.TagProducts.Count().Lt(9), "(SELECT count(*) FROM product_tags x JOIN products y ON y.id = x.product_id WHERE x.tag_id = <c>.id AND y.deleted_at IS NULL) < 9"}}, nil),
		toMany("stock", stock, shop.ProductInventory, func(v *productTree) *[]shop.Inventory { return &v.Stock },
			"FROM inventory <c> WHERE <c>.product_id = <p>.id", []choice[query.Predicate[shop.Inventory]]{{shop.Quantity.Gt(5), "<c>.quantity > 5"}},
			[]choice[query.Order[shop.Inventory]]{{shop.Quantity.Desc(), "<c>.quantity DESC"}, {shop.InventoryWarehouse.Asc(), "<c>.warehouse_id"}}),
		numberOf("nreviews", shop.ProductReviews, func(v *productTree) *int64 { return &v.NReviews }, nil,
			"FROM reviews <c> WHERE <c>.product_id = <p>.id", someReviews),
		numberOf("hastags", shop.ProductTagWords, nil, func(v *productTree) *bool { return &v.HasTags },
			"FROM product_tags <j> JOIN tags <c> ON <c>.id = <j>.tag_id WHERE <j>.product_id = <p>.id", nil),
	}
	descendants := toMany("below", category, shop.CategoryDescendants, func(v *categoryTree) *[]categoryTree { return &v.Below },
		below, someCategories, []choice[query.Order[shop.Category]]{{query.SQL[int64]("$1 % $2", shop.CategoryID, 4).Asc(), "<c>.id % 4"}, {shop.CategoryID.Desc(), "<c>.id DESC"}})
	descendants.alone = true
	ancestors := numberOf("nabove", shop.CategoryAncestors, func(v *categoryTree) *int64 { return &v.NAbove }, nil,
		"FROM categories <c> WHERE <c>.id IN (WITH RECURSIVE w AS (SELECT y.parent_id FROM categories y WHERE y.id = <p>.id UNION SELECT y.parent_id FROM categories y JOIN w ON y.id = w.parent_id) SELECT parent_id FROM w)",
		someCategories)
	ancestors.keyed = func(v any) bool { return v.(*categoryTree).ParentID != nil }
	category.edges = []*edge{
		descendants, ancestors,
		toOne("parent", category, shop.CategoryParent, func(v *categoryTree) **categoryTree { return &v.Parent },
			"FROM categories <c> WHERE <c>.id = <p>.parent_id", func(v *categoryTree) bool { return v.ParentID != nil }, someCategories),
		toMany("children", category, shop.CategoryChildren, func(v *categoryTree) *[]categoryTree { return &v.Children },
			"FROM categories <c> WHERE <c>.parent_id = <p>.id", someCategories, nil),
		toMany("products", product, shop.CategoryProducts, func(v *categoryTree) *[]productTree { return &v.Products },
			"FROM products <c> WHERE <c>.category_id = <p>.id", someProducts, productOrders),
		numberOf("n", shop.CategoryProducts, func(v *categoryTree) *int64 { return &v.N }, nil,
			"FROM products <c> WHERE <c>.category_id = <p>.id AND <c>.deleted_at IS NULL", someProducts),
	}
	review.edges = []*edge{
		toOne("product", product, shop.ReviewOf, func(v *reviewTree) **productTree { return &v.Product },
			"FROM products <c> WHERE <c>.id = <p>.product_id", nil, someProducts),
		toOne("by", customer, shop.ReviewBy, func(v *reviewTree) **customerTree { return &v.By },
			"FROM customers <c> WHERE <c>.id = <p>.customer_id", nil, []customers{{shop.CustomerOrders.Has(), "EXISTS (SELECT 1 FROM orders x WHERE x.customer_id = <c>.id)"}}),
	}
	tag.edges = []*edge{
		toMany("products", product, shop.TagProducts, func(v *tagTree) *[]productTree { return &v.Products },
			"FROM product_tags <j> JOIN products <c> ON <c>.id = <j>.product_id WHERE <j>.tag_id = <p>.id", someProducts, productOrders),
		numberOf("n", shop.TagProducts, func(v *tagTree) *int64 { return &v.N }, nil,
			"FROM product_tags <j> JOIN products <c> ON <c>.id = <j>.product_id WHERE <j>.tag_id = <p>.id AND <c>.deleted_at IS NULL", someProducts),
	}

	customer.edges = []*edge{
		toMany("orders", order, shop.CustomerOrders, func(v *customerTree) *[]orderTree { return &v.Orders },
			"FROM orders <c> WHERE <c>.customer_id = <p>.id", []orders{{shop.Total.Ge(1000), "<c>.total_cents >= 1000"}, {shop.OrderLines.Count().Ge(3), "(SELECT count(*) FROM order_items x WHERE x.order_id = <c>.id) >= 3"}},
			[]choice[query.Order[shop.Order]]{{shop.Total.Desc(), "<c>.total_cents DESC"}, {shop.OrderID.Desc(), "<c>.id DESC"}}),
		toMany("reviews", review, shop.CustomerReviews, func(v *customerTree) *[]reviewTree { return &v.Reviews },
			"FROM reviews <c> WHERE <c>.customer_id = <p>.id", someReviews, nil),
		numberOf("ordered", shop.CustomerOrders, nil, func(v *customerTree) *bool { return &v.Ordered },
			"FROM orders <c> WHERE <c>.customer_id = <p>.id", nil),
	}
	order.edges = []*edge{
		toOne("buyer", customer, shop.OrderBuyer, func(v *orderTree) **customerTree { return &v.Buyer },
			"FROM customers <c> WHERE <c>.id = <p>.customer_id", nil, nil),
		toMany("lines", line, shop.OrderLines, func(v *orderTree) *[]lineTree { return &v.Lines },
			"FROM order_items <c> WHERE <c>.order_id = <p>.id", []lines{{shop.LineProduct.Has(shop.Price.Gt(100)), "EXISTS (SELECT 1 FROM products x WHERE x.id = <c>.product_id AND x.deleted_at IS NULL AND x.price_cents > 100)"}}, nil),
		numberOf("n", shop.OrderLines, func(v *orderTree) *int64 { return &v.N }, nil, "FROM order_items <c> WHERE <c>.order_id = <p>.id", nil),
	}
	line.edges = []*edge{
		toOne("order", order, shop.LineOrder, func(v *lineTree) **orderTree { return &v.Order },
			"FROM orders <c> WHERE <c>.id = <p>.order_id", nil, nil),
		toOne("product", product, shop.LineProduct, func(v *lineTree) **productTree { return &v.Product },
			"FROM products <c> WHERE <c>.id = <p>.product_id", nil, someProducts),
	}
	return []*entity{product, category, customer, order}
}

func TestRandomTreesOfTheShop(t *testing.T) {
	var sent *testdb.Counter
	pool := testdb.Pool(t, shop.Schema, testdb.Configure(func(cfg *pgxpool.Config) { sent = testdb.CountStatements(cfg) }))
	_, err := pool.Exec(t.Context(), smallShopSQL, pgx.QueryExecModeSimpleProtocol)
	check.NoError(t, err)
	grow(t, pool, sent, shopEntities(), trees(6000))
}

// trees is how many random trees a test compares: a tenth, but where tests run
// at their full size.
func trees(n int) int {
	if !check.Long() {
		return n / 10
	}
	return n
}

func execMode() string { return testdb.ExecModeName() }
