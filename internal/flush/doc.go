// Package flush turns the plan of a unit of work into statements, and reads
// their results. It has no type parameters; package unit is its typed face.
//
// # From a plan to statements
//
// A unit is planned completely before its first statement is made. The plan is
// a list of [Step]: rows of one table that are written in the same way, in the
// order in which they are sent. A write of all rows that match a query is a step
// too, whose text package plan has rendered. [Statements] makes one statement of
// each step. It needs no connection: what it must know of the database, the foreign
// keys and the types of the columns, was looked up before ([ForeignKeys],
// [LookUpTypes]).
//
// # Keys in settings
//
// All statements are sent before any is answered, so a row can need the key of
// another that the server has yet to make. The statement that creates the other
// row leaves its keys in a setting of the transaction, as an array. Later
// statements take them from there by position, from 1. So two orders and their
// items, of which the last belongs to the second order, are
//
//	INSERT INTO orders ... RETURNING id   -- sets smrt.k1 to {71,72}
//	INSERT INTO order_items (order_id, ...)
//	SELECT current_setting('smrt.k1')::bigint[])[u.c3], ... FROM unnest(..., '{1,1,2}') AS u(...)
//
// The plan says which step leaves its keys in which setting ([Step].Setting),
// and each [Ref] says in which setting and at which positions the keys are.
// That is as fast as one statement of data-modifying WITH parts (BenchmarkForms
// in package unit), and each row is there when the next statement runs.
//
// # Rows that are not found
//
// An update or a delete that finds fewer rows than it should must end the
// transaction, and say which rows these are. One statement cannot do both: the
// server sends nothing of a statement that fails. So the statement returns the
// numbers of the rows that it found, and notes in another setting that some are
// missing. The last step before COMMIT, [FailIfMissed], raises an error then.
package flush
