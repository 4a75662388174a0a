// Package crud is the part of a repository that does not depend on the type of
// its entity: it reads and writes the rows of a table on a handle. Entities are
// passed by address; see package meta.
//
// # From a call to a statement
//
// A [Bound] is a table on a handle. Its exported methods are the operations of
// a repository, and each says in its errors which operation failed. A read goes
// through [Bound.Read] first, which chooses the node of a router and may run
// the rest again on another one. Then the statement is made in one of three
// ways:
//
//   - Get, Create, Update, Delete and the bulk writes have fixed statements, whose
//     texts package table writes and keeps.
//   - What takes a query has its statement from package plan.
//   - Streams with loads, bulk deletes and reads by composite keys make a text
//     for each call.
//
// Rows are decoded directly into new structs (query.go), or into the entities
// that were written (write.go, bulk.go). An error is looked at last: if it can
// be about the range of a value, the types of the columns are queried, and the
// error names the column and the row. So a call that succeeds needs no types,
// except where arrays need them.
//
// What a call is limited to, see package limit, is known from its context. Lists and
// texts are looked at in the arguments of its statement, rows as they come, and a
// query without a limit gets one that shows whether it has too many. A call that has
// no limits is not looked at.
//
// # Where things are
//
//	bound.go, route.go              a table on a handle, and on the nodes of a router
//	reads.go, query.go, joined.go   reads by query
//	page.go, chunks.go              keyset pages; streams with loads
//	bykey.go                        reads by many keys
//	batching.go, batchers.go,       reads by key that are combined with those of
//	combined.go                     other goroutines
//	write.go, many.go, bulk.go      writes of one row, of rows by key or query, of
//	                                many entities
//	copy.go                         large inserts
package crud
