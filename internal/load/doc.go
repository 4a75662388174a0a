// Package load is the part of package preload that does not depend on the types
// of rows: what was declared of a relation, the statements that load it, and
// the fields that its rows are given to. Rows are passed by address; see package
// meta.
//
// # The way of a load
//
// When it is declared, once:
//
//  1. Declare makes a Relation of two tables and the columns that are equal
//     (relation.go, key.go). By makes one of rows that are of no table, such as those
//     of a query of sqlc, by the key that they hold (held.go).
//  2. New makes a Load of a relation and a field. It works out where the parent
//     has its key and how a related row is read (shape.go), and composes the
//     statement if the declaration says enough (form.go, columns.go).
//
// When rows are loaded, for each job, which is one Load and its parents
// (run.go):
//
//  3. The parents are put into groups with equal keys (shape.go, key.go). The
//     form and one key of each group make the statement.
//  4. Its rows are read, and the group of each is found by its key or number
//     (work.go).
//  5. The rows are given to the fields of their parents, and are the parents of
//     the jobs that follow, one for each nested load.
//
// Loads that travel in the statement of their parents skip steps 3 and 4
// (joined.go).
package load
