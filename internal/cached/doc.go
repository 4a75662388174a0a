// Package cached is what those who read and write rows, and a cache, know of each
// other. It holds no rows itself.
//
// A cache has words, each of which stands for the rows with some keys, or for all rows
// of a table. What is read is kept with the values that its words had before the
// statement was sent, and counts only as long as they have these values. So a write
// changes a word, and everything that was read before, or is being read, is void: no
// list of entries or of readers is needed for it, and nothing has to be found.
//
// A word changes after the server has acknowledged the commit, and before the call
// that wrote returns (see [Tell]). A statement that is sent later sees the write,
// because the server lets others see a transaction before it acknowledges it.
//
// Where it is not known whether, or when, a transaction commits, a word is blocked: what
// is read meanwhile is not kept.
package cached
