package main

// chapters is the tour, in an order that teaches.
var chapters = []chapter{
	{"Reading", []step{
		{"Get one row by its key", "A table is described once, by accessor functions; the key's type comes from there.", getByKey},
		{"A missing row", "It is an error to branch on, and satisfies errors.Is(err, pgx.ErrNoRows) too.", getMissing},
		{"Find with a filter made at run time", "A query is a value: conditions are added as they are asked for. Values never enter the text.", findFiltered},
		{"First and One", "First takes the first of many; One insists that there is only one.", firstAndOne},
		{"Count and Exists", "Deleted products are not there: the table was declared with SoftDelete.", countAndExists},
		{"Sum and CountBy", "Aggregates have the column's type; a sum of no rows is not valid, which is not 0.", sumAndCountBy},
		{"Get many rows by key", "One statement whatever their number, in the order asked for, with nil where there is none.", getMany},
	}},
	{"Reading much", []step{
		{"Pages forwards and back", "Each page begins where a cursor says, so the last one costs as much as the first.", pages},
		{"Stream every order line", "Rows come one by one; memory does not grow with their number.", streamLines},
		{"A view with a computed column", "The rows of Product, read into a struct that embeds it and has more.", viewWithNetPrice},
		{"Select fewer columns", "The struct says which ones.", selectColumns},
	}},
	{"Relations and crowds", []step{
		{"Orders, their lines, products and categories", "One statement for each relation, whatever the number of orders.", loadGraph},
		{"Filter and order by related rows", "Conditions on reviews find products; counts come back aligned with them.", filterByRelation},
		{"200 callers read by key at once", "Reads that would wait join a statement that leaves when one returns.", shareGets},
	}},
	{"Writing", []step{
		{"Create", "Key, times and defaults are read back by the same statement.", create},
		{"Create 1,000 rows", "One statement over arrays; the keys come back in the order of the slice. Arrays need the columns' types, once.", createMany},
		{"Upsert", "It tells what it did.", upsert},
		{"Upsert many", "A table with a composite key; it tells what became of each row.", upsertMany},
		{"Patch", "Writes the columns named and no others; the server does the arithmetic.", patch},
		{"Update many rows, each with its own values", "One statement; the rows' new times are read back.", updateMany},
		{"Update all rows that match", "The same predicates serve reads and writes.", updateWhere},
		{"Delete softly, and restore", "The row stays for the orders that refer to it, and can come back.", softDelete},
	}},
	{"What is refused", []step{
		{"A delete without a condition", "A filter that turned out empty does not empty the table; nothing is sent.", refusedDelete},
		{"An update of a stale row", "Two people read an order; the second to write is told.", staleUpdate},
		{"A violated constraint", "Only the server knows the stock. The error is typed: it names the constraint and its columns, and no values.", constraint},
	}},
	{"Limits", []step{
		{"A read of too many rows", "A limit is declared once, for a handle. Nothing is cut off; the way out has a reason, which is logged.", readTooMuch},
		{"A write of too many rows", "The server counts them itself, and undoes the write.", writeTooMuch},
		{"Reports leave room for requests", "Each class of work has connections of its own number, until its transactions end.", classes},
		{"An overloaded pool refuses", "Where calls have waited for too long, for too long, waiting is of no use to anybody.", overload},
	}},
	{"Rows in memory", []step{
		{"Read a row a thousand times", "The tables are named once. Reads by key on the pool are served from memory, and nothing else changes.", readFromMemory},
		{"A write lets go of its row", "Before it returns, whichever method made it. In a transaction nothing is served from memory.", readAfterWrite},
		{"SQL by hand is told of", "Nobody looks at SQL texts, so what they write has to be said.", tellOfSQL},
	}},
	{"SQL by hand and transactions", []step{
		{"Full-text search, compiled by sqlc", "Queries that deserve SQL are written in queries/ and run on the same pool.", search},
		{"A tree and a ranking, compiled by sqlc", "A recursive query, and the best-selling product of each category in the last month.", treeAndTopSellers},
		{"Both in one transaction", "products.With(tx) is the same repository on another handle.", transaction},
		{"Once, however often it is asked for", "A key makes a transaction apply once; conflicts and lost answers are tried again.", applyOnce},
		{"What the plan cache did", "Each shape of query was rendered once in this tour, and then found by its structure.", planCache},
	}},
	{"The caller's choice in the SQL of sqlc", []step{
		{"A filter, an order and a limit in sqlc's own query", "A comment in queries/orders.sql marks the places; what sqlc generates is as it was.", filledSlots},
		{"A search with facets", "Two statements of sqlc's, and one filter that fills the slots of both.", searchWithFacets},
		{"What belongs to the rows", "A relation of orders, by the key in sqlc's rows: one statement for all of them.", linesOfRows},
	}},
	{"Replicas", []step{
		{"Read your own write on a standby", "A router sends reads to the standby; a session makes it wait until that has the write.", readOwnWrite},
		{"A write that was declared as a read", "Nobody looks at SQL texts: what is sent through the reader cannot write.", writeOnReader},
		{"The primary dies", "Its process is killed and the standby promoted; the transaction goes on there.", failover},
	}},
}
