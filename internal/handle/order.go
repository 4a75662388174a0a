package handle

import "github.com/smrt-go/smrt"

// Unordered is a handle whose server returns the rows of a write in any order,
// as an engine does that spreads them over nodes. PostgreSQL returns them in the
// order in which they were written.
type Unordered interface{ Unordered() }

// KeepsOrder reports whether the rows of a write on db come back in the order in
// which they were written.
func KeepsOrder(db smrt.DB) bool {
	_, ok := traits(Root(db)).(Unordered)
	return !ok
}
