// Package plan holds queries as plain values and turns them into SQL: with
// squirrel when a shape is seen for the first time, from a bounded cache
// afterwards. Package query is its typed face.
//
// The shape of a query is everything but its values: which operators on which
// columns, in which order, with which clauses. Values never enter the key, so
// the number of shapes is the number of code paths that build queries.
package plan
