// Package slot finds the places in a statement of sqlc's that its user left open:
// comments that sqlc keeps, because they stand inside of a line of code.
//
//	WHERE o.placed_at >= $1 AND true /* smrt:where orders o */
//	ORDER BY /* smrt:order orders o */ o.id
//	LIMIT 1000 /* smrt:limit */
//
// It reads tokens as the server does, so that a marker in a literal, in a quoted
// name or inside of another comment is none. What stands in the places package
// plan renders.
package slot
