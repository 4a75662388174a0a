// Package schema compares what a program declares with what a database has.
//
// A declaration can be wrong: a key that is not unique, a column that can be NULL, a
// default that the program overwrites with zeros. The compiler does not see it, and
// most such mistakes are met late, by some rows. [Verify] finds them in a test or at
// the start:
//
//	found, err := schema.Verify(ctx, db, Products, Orders)
//	if err == nil {
//		err = found.Err() // nil if there are no faults
//	}
//
// # Findings
//
// A [Finding] says where the declaration is, what the database has instead, what
// follows from it, and what ends it: a statement, a change of the program, or
// either of them. Its [Level] is [Fault] if a call fails or does something else than declared,
// [Warning] if that depends on rows, time or load, and [Note] otherwise.
//
// What is compared, see [Check]: tables and privileges, columns, types, NULL, keys and
// who makes them, generated columns, defaults, rules for values, unique indexes and exclusion
// constraints beside soft deletion, foreign keys and indexes of relations, enums, triggers, rules, row
// security, and indexes that were left incomplete. Relations of the tables are found by
// themselves. How a program uses a table beyond that is declared with [Upserts], [Pages] and [UniqueWithDeleted]:
//
//	schema.Verify(ctx, db, Products, schema.Upserts(Products, bySKU), schema.Pages(Products, Price.Asc()))
//
// Types are compared by asking pgx whether it reads and writes the field; a type that is
// registered on the connection counts. [VerifyQueries] asks the server to plan the
// queries that sqlc compiled, and [Contract.WithQueries] adds them to a contract.
//
// # Contracts
//
// A [Contract] is what the declarations need, one requirement a line. It is written to a
// file and committed. As it has nothing of what the program does not use, additions to
// the database do not change it.
//
//	contract, err := schema.NewContract(ctx, db, Products, Orders)
//	err = os.WriteFile("smrt.contract", []byte(contract.String()), 0o644)
//
// In CI a test makes it anew and compares. After a migration, [Contract.Check] with the
// contract of each release that still runs says whether that release goes on to work: a
// column is dropped once no release needs it. The library names each column that it reads
// or writes, so the lines are all that its statements need of tables and columns. What a
// contract does not know are fragments of SQL, triggers, privileges, CHECK constraints,
// new unique indexes, and plans. A column becomes NOT NULL once no release needs it to be
// otherwise: a rule [query.Required] says that of one whose field could be NULL.
//
// # Queries in a contract
//
// [Contract.WithQueries] adds a line for each query that sqlc compiled, with its text and
// the types that it takes and returns:
//
//	contract, err = contract.WithQueries(ctx, db, os.DirFS("internal/db"))
//
// Check asks the migrated database what that text is now. So the contract of a release
// says whether its queries work without its source: a function that is gone, a column
// that is renamed or has another type, a column that can be NULL and could not. New
// columns break no query that names the ones it reads, as sqlc's do.
//
// # At the start
//
// [Expect] makes an [Expectation], which checks a contract in one statement, and one round
// trip more for each of its queries, and then relies on the answer for a while. It can end the start of the program, or refuse
// connections, or log. Nothing ever changes the database.
package schema
