package rowsecurity

import (
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/sqltext"
)

// firstWord returns the first word of a text. Its kind is sqltext.End if the text is
// blank: it has comments and semicolons only.
func firstWord(sql string) sqltext.Token {
	l := sqltext.New(sql)
	for {
		if t := l.Next(); t.Kind != sqltext.Comment && !t.IsMark(";") {
			return t
		}
	}
}

// isBlank reports whether a text has no statement.
func isBlank(sql string) bool { return firstWord(sql).Kind == sqltext.End }

// begins reports whether a statement begins a transaction. A transaction's modes
// cannot be chosen any more once something was run in it.
func begins(sql string) bool {
	word := firstWord(sql)
	return word.Is("begin") || word.Is("start")
}

// refuseBlank refuses a batch with a text that has no statement: pgx panics on one that
// is empty, and gets no result for a comment by the simple protocol.
func refuseBlank(b *pgx.Batch) error {
	for i, q := range b.QueuedQueries {
		if isBlank(q.SQL) {
			return &smrt.QueryError{Reason: fmt.Sprintf("text %d of the batch has no statement: leave it out, or send it by itself", i)}
		}
	}
	return nil
}

// alone returns the arguments of a statement that is sent by itself. One that is blank
// is prepared by nobody: pgx panics if it keeps an empty text.
func alone(sql string, args []any) []any {
	if len(args) > 0 && isBlank(sql) {
		return append([]any{pgx.QueryExecModeExec}, args...)
	}
	return args
}
