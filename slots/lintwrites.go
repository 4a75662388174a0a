package slots

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/smrt-go/smrt/internal/sqlc"
	"github.com/smrt-go/smrt/internal/sqltext"
	"github.com/smrt-go/smrt/txn"
)

const knownSQL = "SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_class WHERE relname = $1 AND relkind IN ('r', 'p', 'v', 'f'))"

// A cache takes the word of a statement for what it writes. A typing error is no error at
// run time, because a table that no cache keeps may be named too: rows are old until
// their time is over, and nobody is told. So the comment is compared with the tables of
// the database, and with the words of the text, which is not parsed: what a function or
// a trigger writes is for the comment to say.

// lintWrites returns what is wrong with what a statement says that it writes. A statement
// without such a comment is not looked at, because most write nothing that is kept.
func lintWrites(ctx context.Context, db txn.Beginner, q sqlc.Query) (found []Finding, err error) {
	add := func(table, problem, remedy string) {
		found = append(found, Finding{Rule: RuleWrites, Site: q.Site, Query: q.Name, SQL: q.SQL, Table: table, Problem: problem, Remedy: remedy})
	}
	if removed, _ := sqltext.Declared(strings.ReplaceAll(q.Doc, "//", "--")); len(removed) > 0 {
		add(removed[0], "its comment smrt:writes is in no text that is sent, because it has a line of its own", "write it behind a word of the statement: /* smrt:writes "+strings.Join(removed, ", ")+" */")
	}
	names, err := sqltext.Declared(q.SQL)
	if err != nil {
		add("", err.Error(), "write the names of tables, or nothing")
		return found, nil
	}
	for _, name := range names {
		known, err := isKnown(ctx, db, name)
		if err != nil {
			return nil, err
		}
		if !known {
			add(name, fmt.Sprintf("smrt:writes names %s, which is no table of the database", name), "mend the name")
		}
	}
	for _, name := range sqltext.Written(q.SQL) {
		if len(names) > 0 && !slices.Contains(names, name) {
			add(name, fmt.Sprintf("it writes %s, which its smrt:writes does not name", name), "add the name")
		}
	}
	return found, nil
}

// isKnown reports whether a database has a table with a name, in whatever schema.
func isKnown(ctx context.Context, db txn.Beginner, name string) (known bool, err error) {
	tx, err := db.Begin(ctx)
	if err != nil {
		return false, err
	}
	defer tx.Rollback(context.WithoutCancel(ctx)) //nolint:errcheck // it has only read
	err = tx.QueryRow(ctx, knownSQL, name).Scan(&known)
	return known, err
}
