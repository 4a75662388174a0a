// Package catalog reads what a database says of its relations: columns, keys,
// indexes, foreign keys, and whatever else decides how a statement on one of them
// ends. It asks one question for any number of relations, so all answers are of one
// snapshot.
package catalog
