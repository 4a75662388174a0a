// Package analyze finds what makes a database slow, or will: indexes that are missing,
// covered, unused or broken, numbers that run out, types that are regretted, and what
// keeps the server from its own upkeep.
//
// In a test, or anywhere else:
//
//	report, err := analyze.Run(ctx, pool, analyze.Options{Declarations: []schema.Declaration{Products, Orders}})
//	if err == nil {
//		err = report.Findings.Err() // nil if there are no warnings
//	}
//
// The command smrt analyze does the same:
//
//	smrt analyze ./internal/tables
//
// # Findings
//
// A [Finding] has the id of its check, what it is about, what was seen, what follows, and
// what ends it: a statement, or a change of the program. Its level is [schema.Fault] if
// something fails soon, [schema.Warning] if it should be changed, and [schema.Note]
// otherwise. Findings are sorted, so that reports of the same database are the same.
//
// # Checks of the catalog
//
//	C1   foreign key without index    deletes of what it refers to read the whole table, and so do loads
//	C2   unused index                 no server has used it for a week
//	C3   covered index                another one begins with its keys
//	C4   invalid index                CREATE INDEX CONCURRENTLY failed
//	C5   numbers run out              a sequence has used 75 % of what its columns hold
//	C6   unique among deleted rows    beside soft deletion, which must be declared
//	C7   table in bad condition       never analysed, changed since, dead rows, or something holds them back
//	C8   doubtful type                timestamp, timetz, money, char(n), json, serial beside identity
//	C10  constraint not validated     old rows may break it
//
// A role that may read is enough. What it may not see is in [Report.Unseen], with the
// privilege that would show it.
//
// C1 is a warning where a declared relation follows the foreign key, or where a DELETE
// cascades to its rows. Of a table that is known to be small C3 and C7 are notes.
package analyze
