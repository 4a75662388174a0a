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
//	smrt analyze ./internal/tables --queries internal/shopdb
//
// Nothing is changed, and no statement is run unless that is asked for.
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
//	C9   hole in row security         where policies hold some tables: others, owners, roles, views, functions, partitions, keys
//	C10  constraint not validated     old rows may break it
//
// # Checks of statements
//
// The statements of a [Workload], such as sqlc's [Queries], are planned by the server for
// whatever values, each in a transaction of its own that is rolled back:
//
//	P1   full scan                    of a large table, for 5 % of its rows
//	P2   sort below a limit           of 10,000 rows, for a page of them
//	P3   index cannot be used         because of a function, a cast or a pattern
//	P4   deep offset                  of 10,000 rows
//	P6   plan for other values        the prepared statement's is wrong for a value that is in the statistics
//	P7   table read in a loop         a million rows in all
//	P10  all partitions               the query does not say which
//
// With Options.Execute they are run, too, which is for copies of a database:
//
//	P5   wrong estimate               100 times the rows that were expected, or a hundredth
//	P8   spills to disk               a sort or a hash had too little memory
//	P9   compiled for too little      JIT takes a fifth of a short time
//
// # Checks of what was observed
//
// An observe.Snapshot has what an observer counted while the program ran. Its statements are
// planned too:
//
//	R1   statement in a loop          of a request, which one statement could replace
//	R2   values in texts              20 texts that are the same but for them
//	R3   rows not read                by most calls, or most of the rows
//	R4   wide column                  most of the bytes that were read are of it
//	R5   idle transaction             open for long, and without a statement for most of it
//	R6   request with many statements more than 100
//	R7   prepared too often           for a tenth of the calls
//	R8   conflicts                    with other transactions, in a twentieth of the calls
//
// The indexes that findings advise are tried where the extension hypopg is in the
// database, and are advised only if they pay, for all statements of the workload together:
// [Report.Indexes] has them, with what they serve. Where the conditions of a statement are
// the same in each call, as that of soft deletion, an index may be partial.
//
// A table should have its rows, and be analysed: what the planner does with an empty one
// says nothing. Of a table whose statistics are old no advice is given.
//
// # What is accepted
//
// A [Baseline] is a text that is committed. It accepts findings by id and object, so that
// a test fails for new ones only.
//
// # Plans that a team commits
//
// [Report.Plans] are the shapes of the plans. [Plans.String] is a text to commit, and
// [Plans.Compare] finds what became worse, with both plans:
//
//	B1   index not used any more
//	B2   full scan that was none
//	B3   ten times the cost
//
// They are compared only with plans of the same [Options.Source], because other rows make
// other plans.
//
// # Privileges
//
// A role that may read is enough. What it may not see is in [Report.Unseen], with the
// privilege that would show it.
//
// C1 is a warning where a declared relation follows the foreign key, or where a DELETE
// cascades to its rows. Of a table that is known to be small C3 and C7 are notes.
package analyze
