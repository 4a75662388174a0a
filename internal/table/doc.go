// Package table is what every engine needs to know of one declared table, and
// nothing that runs on it: which columns an insert or an update writes and what
// comes back, the types that the columns have in the database, how values
// travel as arrays, which values are refused before they are sent, and the text
// of fixed statements. Entities are passed by address; see package meta.
//
// Package crud runs the operations of repositories on it, load those of
// preload, and flush those of units. None of them knows another.
package table
