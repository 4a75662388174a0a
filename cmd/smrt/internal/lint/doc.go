// Package lint runs migrations in a scratch database and reports the statements
// that would keep a service from its tables.
//
// A statement is judged by what the server does, and not by its text, so nothing
// is parsed and no version of PostgreSQL is guessed. The database may be empty: an
// empty table is locked, scanned and rewritten by the same rules as a full one.
//
//  1. watch.go listens on the connection that migrates. After each statement a
//     second connection asks pg_locks which tables the transaction has locked, and
//     the server's messages of level DEBUG1 say what it rewrote, scanned and built.
//     A statement without a transaction has given its locks back by then, so it is
//     tried in one that is rolled back first.
//  2. rules.go judges the statements of a transaction, catalog.go what is new in the
//     catalog, repeat.go a migration without a transaction by running it again,
//     contract.go what releases that still run would miss, replace.go names that mean
//     something else than before, and whole.go, by what the planner says, the rows
//     that a statement changes. declared.go finds who took away what a declared table
//     names. unseen.go looks at the text of blocks for what hides
//     something from all of these.
//  3. allow.go takes away what the file allows.
//
// Only tables that were there before the migration count: nobody waits for one that
// the migration itself has created.
package lint
