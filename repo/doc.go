// Package repo reads and writes the rows of a table as plain structs.
//
// A [Repository] is a table, declared with package query, on a handle: a
// *pgxpool.Pool, a connection or a transaction of pgx. It holds no state of its
// own and is cheap to make, so that it may live as long as the program or as
// long as a request.
//
// # Declare
//
// Entities are plain structs, often the models that sqlc generated. Tables and
// columns are declared once, in package variables, by functions that return the
// address of a field, so that the compiler checks names and types:
//
//	var (
//		Products = query.NewTable("products", func(p *Product) *int64 { return &p.ID })
//		Price    = query.Col(func(p *Product) *int64 { return &p.PriceCents })
//		Stock    = query.Col(func(p *Product) *int32 { return &p.Stock })
//	)
//
//	products := repo.New(pool, Products)
//
// # Read
//
// By key, [Reader.Get] and [Reader.GetMany]; by query, [Reader.Find],
// [Reader.First], [Reader.One], [Reader.Count] and [Reader.Exists]. A query is
// a value and may be put together at run time:
//
//	q := query.Where(Price.Lt(10_00)).OrderBy(Price.Asc())
//	if onlyInStock {
//		q = q.Where(Stock.Gt(0))
//	}
//	found, err := products.Find(ctx, q.Limit(20))
//
// If nothing is found the error is smrt.ErrNotFound where one row was asked
// for; elsewhere the result is an empty slice.
//
// # Write
//
// [Repository.Create] and [Repository.Update] write whole rows and read back
// what the database decided: keys, defaults, times, versions and computed
// columns. [Repository.Patch] assigns some columns of a row without reading it
// first:
//
//	err := products.Create(ctx, &product) // product.ID is set
//	err = products.Patch(ctx, product.ID, Price.Set(0), query.Add(Stock, -1))
//
// [Repository.PatchEntity] does so for an entity that was read, if its row has the
// same version still, and reads the row back.
//
// [Repository.GetOrCreate] reads a row by a unique column, or creates it.
//
// [Repository.UpdateWhere] and [Repository.DeleteWhere] write all rows that
// match, and refuse to write every row of a table by accident.
// [Repository.UpdateReturning] and [Repository.DeleteReturning] return the rows.
//
// # Write many rows
//
// [Repository.CreateMany], [Repository.UpdateMany], [Repository.UpsertMany] and
// [Repository.DeleteMany] are one statement, however many rows they write.
// Either all rows are written or none. A large call is sent as several
// statements in one implicit transaction.
//
//	outcomes, err := products.UpsertMany(ctx, delivery, query.OnConflict(SKU).Update(Price))
//
// # Pages and streams
//
// [Reader.Page] reads keyset pages. Page 1,000 takes as long as page 1, and
// rows that are inserted or deleted in between do not repeat or hide others.
//
//	page, err := products.Page(ctx, q, query.Page{Size: 20, After: cursor})
//
// [Reader.Stream] reads any number of rows in constant memory:
//
//	for product, err := range products.Stream(ctx, q) {
//		...
//	}
//
// # Look at the SQL
//
// [ToSQL] returns the statement of any call without sending it, and
// [Statement.Explain] the server's plan of it:
//
//	statement, err := repo.ToSQL(pool, func(db smrt.DB) error {
//		_, err := products.With(db).Find(ctx, q)
//		return err
//	})
//
// # Batched reads
//
// When more than a few goroutines read rows of one table by key on one pool,
// their reads are batched: several are sent as one statement. There is no
// timer. Each caller gets rows of its own, and none is older than the call.
// [Batching] sets the limits, or switches it off:
//
//	products := repo.New(pool, Products, repo.Options{Batching: repo.Batching{MaxInFlight: 4}})
//
// Package loader does the same for any function.
//
// # Views and aggregates
//
// [View] reads rows into a struct that embeds the entity and adds computed
// columns; [Select] reads only some columns. Both take queries of the entity.
// [Aggregate] computes one value of all rows, [GroupBy] several of each group of
// rows, in the database:
//
//	total, err := repo.Aggregate(ctx, products, query.Sum[int64](Price), query.Where(Stock.Gt(0)))
//
// # Transactions
//
// [Repository.With] binds a repository to a transaction, and [Bind] all those of
// a struct. The transaction is pgx's own, so everything else that runs on it takes
// part:
//
//	err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
//		if err := orders.With(tx).Create(ctx, &order); err != nil {
//			return err
//		}
//		return products.With(tx).Patch(ctx, id, query.Add(Stock, -1))
//	})
//
// # A repository of your own
//
// Embed a repository to add methods or override some. The others are promoted
// (declare With as well, so that it returns your type):
//
//	type Catalog struct {
//		*repo.Repository[Product, int64]
//	}
//
//	func (c *Catalog) BySKU(ctx context.Context, sku string) (*Product, error) {
//		return c.One(ctx, query.Where(SKU.Eq(sku)))
//	}
//
// # What exactly happens
//
// The file docs/semantics.md has one line for each rule - missing rows, NULL,
// soft delete, versions, defaults, duplicates, cancelled contexts - with the
// name of the test that proves it.
package repo
