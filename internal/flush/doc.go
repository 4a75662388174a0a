// Package flush makes the statements of a unit of work: inserts, updates and
// deletes of many rows that refer to each other by keys which the server has yet
// to make. Package unit decides which rows belong to which statement.
package flush
