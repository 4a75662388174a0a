// Package preload loads related rows, with one statement for each relation
// however many rows it is loaded for.
//
// # Declare relations
//
// A relation is a fact about two tables, and is declared once, next to them. A
// foreign key is an accessor function, so the compiler checks it. It may be NULL
// and may have several columns (see [ForeignKey]):
//
//	var (
//		ProductCategory = preload.BelongsTo(Products, Categories, func(p *Product) *int64 { return &p.CategoryID })
//		CategoryParent  = preload.BelongsTo(Categories, Categories, func(c *Category) **int64 { return &c.ParentID })
//		OrderLines      = preload.HasMany(Orders, OrderItems, func(i *OrderItem) *int64 { return &i.OrderID })
//		ProductTags     = preload.ManyToMany(Products, ProductTagRows, Tags,
//			func(t *ProductTag) *int64 { return &t.ProductID }, func(t *ProductTag) *int64 { return &t.TagID })
//	)
//
// # Load into fields
//
// [One] and [Many] say where the rows go: to a field of the entity, or of a
// view that embeds an entity which has none, such as a model of sqlc. Further
// loads nest below. Every method of package repo that reads rows takes them:
//
//	type OrderView struct {
//		Order
//		Lines []LineView
//	}
//	type LineView struct {
//		OrderItem
//		Product *Product
//	}
//
//	withLines := preload.Many(OrderLines, func(o *OrderView) *[]LineView { return &o.Lines },
//		preload.One(LineProduct, func(l *LineView) **Product { return &l.Product }))
//
//	orders, err := views.Find(ctx, q, withLines) // three statements for any number of orders
//
// A related row may be read as the entity, as a struct that holds it, or as a
// struct that names some of its columns, with the same types. If the relation is
// many-to-many, a struct that also holds the row of the join table gets that row
// too.
//
// [Count] loads the number of rows in place of the rows, and [Exists] whether
// there are any. [Maybe] distinguishes a row that is missing from one that was
// not loaded. A slice is nil only if it was not loaded.
//
// # Load for rows from anywhere
//
// [Fill] loads into rows that were read in another way, by a query of sqlc for
// instance. If there is no field to load into, the methods of a relation return
// slices in the order of the parents:
//
//	err := preload.Fill(ctx, pool, orders, withLines)
//	categories, err := ProductCategory.Load(ctx, pool, products) // []*Category, one for each product
//
// Rows that are not of the relation's table hold its key under a name of their own:
// the report that a query of sqlc returns has an order's id. [ToOneBy] and [ToManyBy]
// make a relation of such rows, by the field that has the key:
//
//	ReportLines = preload.ToManyBy(OrderLines, func(r *shopdb.OrderReportRow) *int64 { return &r.ID })
//
//	type Report struct {
//		shopdb.OrderReportRow
//		Lines []OrderItem
//	}
//	err := preload.Fill(ctx, pool, reports, preload.Many(ReportLines, func(r *Report) *[]OrderItem { return &r.Lines }))
//
// # Choose rows
//
// A relation is a value. Conditions, an order and a limit for each parent make
// a new one:
//
//	latest := CustomerOrders.OrderBy(PlacedAt.Desc()).Limit(3)
//
// # Follow a relation of a table with itself
//
// [Recursive] makes a relation of one that is followed again and again: the
// ancestors of a category, everything below a folder, whatever a part is made of.
// The number of steps is bounded, so that a ring of rows ends too:
//
//	CategoryAncestors   = preload.Recursive(CategoryParent, 20)
//	CategoryDescendants = preload.Recursive(CategoryChildren, 20)
//
// It is loaded, filtered by and counted like any other relation, and loaded for all
// parents by one statement.
//
// # Filter by relation
//
// Queries can select and order parents by their related rows. They use EXISTS
// and count(*), so no parent comes twice:
//
//	query.Where(ProductCategory.Has(CategorySlug.Eq("tea")), ProductReviews.Count(Rating.Ge(4)).Gt(10))
//
// Value is what a column is in the row that a parent leads to, and is compared with
// the parent's own by query.Compare:
//
//	query.Where(query.Compare(UnitPrice, "<", preload.Value(LineProduct, Price)))
//
// # How it runs
//
// The keys of all parents are sent as one array, each key once. Giving the rows
// to their parents takes time that is linear in both. On a pool, loads that do
// not wait for one another run in parallel, at most [MaxParallel] statements at
// a time, and the first error cancels the rest. On a transaction or a
// connection, all loads of one level travel in one round trip. [ToOne.Joined]
// reads related rows in the statement of their parents. [Snapshot] reads
// parents and related rows as they are at one instant.
//
// Loads nest [DefaultMaxDepth] deep, unless [Load.MaxDepth] allows more.
package preload
