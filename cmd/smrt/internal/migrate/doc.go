// Package migrate runs goose's migrations on a database that is in use.
//
// goose reads the files and keeps the table of versions. What stands around it:
//
//   - One runner at a time: a row that is leased, and kept by a heartbeat (lease.go).
//     A version is recorded only while the lease is still held, in the transaction
//     of the migration, so a runner that was taken for dead changes nothing.
//   - No long waits for locks: a lock_timeout, and a repetition of what failed
//     because of it, with everything released in between (run.go).
//   - Nothing half done: an invalid index that a failed CREATE INDEX CONCURRENTLY
//     left is dropped before the migration runs again (index.go).
//   - Files of the contract phase, which take away what a release may need, run when
//     asked for, after the contracts of the releases that still run held on a copy
//     of the schema that was migrated (gate.go).
//   - Rows are changed in batches, by files that say so (backfill.go, batch.go).
//   - Errors with file and line (watch.go), and what is being waited for (progress.go).
//
// folder.go reads the files and decides which run, and in which order.
package migrate
