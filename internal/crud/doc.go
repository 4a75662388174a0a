// Package crud is the part of a repository that does not depend on the type of
// its entity: the fixed statements of a table, the loop that reads a result,
// the arguments of a write and the fields that come back. Entities are passed
// by address; see package meta.
package crud
