// Package plan holds queries as plain values and turns them into SQL: with
// squirrel when a shape is seen for the first time, from a bounded cache
// afterwards. Package query is its typed face.
//
// The shape of a query is everything but its values: which operators on which
// columns, in which order, with which clauses. Values never enter the key, so
// the number of shapes is the number of code paths that build queries.
//
// Table.Build is the way of a request. A builder walks it, checks each argument,
// and appends the shape to a key and the arguments to a list. If the cache has
// the key, its SQL is used with these arguments, and nothing is rendered. If
// not, a renderer walks the request again in the same order, and gives squirrel
// the number of each argument in place of its value. The arguments that squirrel
// returns are then the numbers in the order of the placeholders. Both walks must
// agree; render counts, and refuses a statement in which they do not.
package plan
