// Package query declares tables and columns, and builds typed queries from them:
// predicates, orders and row locks, as values that need no connection.
//
// # Tables
//
// A table is described once, in a package variable, by its name and by a
// function that returns the address of the key:
//
//	var Products = query.NewTable("products", func(p *Product) *int64 { return &p.ID },
//		query.UpdatedAt(func(p *Product) *time.Time { return &p.UpdatedAt }),
//		query.SoftDelete(func(p *Product) **time.Time { return &p.DeletedAt }))
//
// Product is any struct; each exported field is a column, named by its db tag or
// in snake case. Use [NewCompositeTable] for a key of several columns, and
// [NewKeylessTable] or [NewView] if there is no key. A definition that
// contradicts itself panics when the program starts.
//
// # Rules
//
// [Rules] of a table say which values its columns may hold. Every write checks them
// before a connection is taken, and returns one *smrt.RuleError with all violations:
//
//	query.Rules(query.NotBlank(Name), query.MaxLength(Name, 80), query.AtLeast(Price, 0))
//
// # Columns
//
// Columns are declared in the same way. From then on the compiler checks to
// which entity a column belongs and what it can be compared with:
//
//	var (
//		Price  = query.Col(func(p *Product) *int64 { return &p.PriceCents })
//		Name   = query.TextCol(func(p *Product) *string { return &p.Name })
//		Weight = query.NullCol(func(p *Product) **int32 { return &p.WeightGrams })
//	)
//
// [TextCol] columns can be searched; [ArrayCol], [JSONCol], [RangeCol] and
// [SearchCol] have the operators of their types.
//
// # Queries
//
// A [Query] has predicates, an order and bounds. A repository (package repo)
// runs it:
//
//	q := query.Where(Price.Lt(10_00), query.Or(Name.HasPrefix("Tea"), Weight.IsNull())).
//		OrderBy(Price.Asc()).
//		Limit(20)
//	cheap, err := products.Find(ctx, q)
//
// A query is a value: every method returns a new one and leaves the old as it
// was. So goroutines can share a base query, and each can extend it:
//
//	visible := query.Where(Stock.Gt(0))
//	cheap := visible.Where(Price.Lt(5_00))
//	latest := visible.OrderBy(Created.Desc()).Limit(10)
//
// Lists have any length: In binds one array, not a placeholder for each value.
//
// # Assignments
//
// Patch and UpdateWhere of a repository assign columns. A zero value is assigned
// like any other:
//
//	err := products.Patch(ctx, id, query.Add(Stock, -1), Name.Set(""), Weight.SetNull())
//
// An upsert assigns to a row that exists what is computed of it and of the row that
// could not be inserted, [Excluded]; see [Conflict.Set] and [Conflict.UpdateIf].
//
// # NULL
//
// Predicates compare as Go does. Eq of a nil asks for NULL. Ne, NotIn and [Not]
// match exactly the rows that Eq, In and the predicate do not match, including
// rows where the column is NULL. NULL is neither less nor greater than anything.
// It is in a list only if the list has a nil, and no search finds it. In SQL
// itself these comparisons are unknown, and both a predicate and its opposite
// leave the rows out.
//
// Orders put NULLs where PostgreSQL does, last when ascending and first when
// descending, unless NullsFirst or NullsLast says otherwise.
//
// # Expressions
//
// What the server computes of a row is an [Expr], made by [SQL] of columns, other
// expressions and values. It is compared and ordered by like a column, and
// assigned by SetTo; [Compare] compares two values of a row:
//
//	worth := query.SQL[int64]("$1 * $2", Price, Stock)
//	query.Where(worth.Gt(100_00), query.Compare(Stock, "<", MinStock)).OrderBy(worth.Desc())
//	Price.SetTo(query.SQL[int64]("greatest($1 - $2, 0)", Price, 50))
//
// The operators of extensions are expressions too. An index on the column serves
// an order by the distance alone:
//
//	distance := query.SQL[float32]("$1 <-> $2", Name, "kettel") // of pg_trgm
//	query.Where(Stock.Gt(0)).OrderBy(distance.Asc()).Limit(5)
//
// [InSelect] takes rows by a query of another table, [Key.In] by a list of values of
// several columns, and [Collate] compares and orders texts by another collation:
//
//	query.Where(query.InSelect(BookAuthor, Authors, AuthorID, query.Where(Country.Eq("SE"))))
//
// [Fields] lets users choose from a list of columns and expressions what to order
// and filter by.
//
// # Groups
//
// [Count], [Sum], [Avg], [Min], [Max], [CountDistinct] and [Aggregate] return
// expressions of a group of rows, and [By] those that make the groups. They are
// of the entity [Groups] of T, so that the compiler keeps them out of conditions
// on rows. repo.GroupBy and repo.Aggregate read them:
//
//	revenue := query.Sum[int64](Total, Paid.Eq(true)) // the sum FILTER (WHERE paid)
//	query.Where(revenue.Gt(1000_00)).OrderBy(revenue.Desc()) // HAVING, and the order of groups
//
// # SQL of your own
//
// Write what the operators do not cover in SQL, with $1, $2, ... for arguments,
// which may be values, columns and expressions:
//
//	query.Where(query.Raw[Product]("$1 ~* $2", Name, "^tea"))
//	Price.SetExpr("greatest(price_cents - $1, 0)", 50)
//
// A column that is an argument is one of the row, wherever the fragment stands. In
// the text itself, write the table's name before a column of the row inside of a
// subquery, and give another name to a table that the subquery reads.
//
// Set assigns a value, SetTo a column or an expression, and SetExpr is for an
// expression without operands.
//
// # Safety
//
// No value becomes part of the SQL text: values travel as arguments, table and
// column names come from the declarations, and parameters that take SQL accept
// constants of the program only, so that a text put together at run time does
// not compile. Fragments may contain neither comments nor semicolons and stay
// inside their parentheses. Text that PostgreSQL cannot store, times it does not
// know and broken JSON are refused before a connection is taken.
//
// An update or delete whose predicate holds for every row, for example because a
// list turned out empty, returns smrt.ErrUnboundedWrite, unless the query is
// [Query.Unbounded]. If the predicate holds for no row, no statement is sent.
//
// # Plans
//
// The SQL of a query depends on its shape, not on its values. Each table keeps
// the texts of the shapes it has seen, so rendering is one lookup, and
// PostgreSQL and pgx see few different statements. [Table.CacheStats] returns
// how often the lookup succeeds; [PlanCacheSize] sets how many shapes a table
// keeps.
package query
