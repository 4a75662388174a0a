// Package crud is the part of a repository that does not depend on the type of
// its entity: it reads and writes the rows of a table on a handle. Entities are
// passed by address; see package meta.
package crud
