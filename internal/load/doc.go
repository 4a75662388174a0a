// Package load is the part of package preload that does not depend on the types
// of rows: what was declared of a relation, the statements that load it, and
// the fields that its rows are given to. Rows are passed by address; see package
// meta.
package load
