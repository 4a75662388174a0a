// Package traced is what the packages that send statements tell an observer that
// pgx's hooks cannot: the table and the operation that a text is for, how long a
// call waited for its connection, what of a statement's time was decoding, and
// the COMMITs that go past those hooks, and which batch is one statement to its caller. It is a package of its own because those
// who send and those who observe must not know each other.
//
// Where nobody observes, all of it is one look at an atomic variable a call.
package traced

import "sync/atomic"

// observed is set when an observer is made, and stays set.
var observed atomic.Bool

// Observe says whether there is an observer. Only measurements say that there is
// none any more.
func Observe(yes bool) { observed.Store(yes) }

// Observed reports whether there is an observer.
func Observed() bool { return observed.Load() }
