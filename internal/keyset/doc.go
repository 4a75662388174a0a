// Package keyset has pages after a position in a total order, and the cursors that
// name positions. Which rows there are, and what reads them, is for others: package
// crud pages repositories, and package slots statements of sqlc's.
package keyset
