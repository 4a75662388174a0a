package migrate

import (
	"context"
	"database/sql"
	"fmt"
	"regexp"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt/internal/sqltext"
)

// index is one that a file builds concurrently. PostgreSQL leaves it invalid if that
// fails: written to by every statement, read by none, and in the way of the next try.
type index struct {
	name  string // as the catalog has it
	table string // as it is written, for to_regclass
	pos   int    // in the text
}

// indexesOf returns the indexes that a text builds concurrently.
func indexesOf(text string) (all []index) {
	tokens := sqltext.Append(nil, text)
	is := func(i int, keyword string) bool { return i < len(tokens) && tokens[i].Is(keyword) }
	for i := range tokens {
		at := i + 1
		if is(at, "unique") {
			at++
		}
		if !is(i, "create") || !is(at, "index") || !is(at+1, "concurrently") {
			continue
		}
		x, at := index{pos: tokens[i].Pos}, at+2
		if is(at, "if") {
			at += 3 // if not exists
		}
		if at < len(tokens) && !is(at, "on") {
			x.name = tokens[at].Name()
			at++
		}
		if at++; is(at, "only") {
			at++
		}
		for at < len(tokens) && (tokens[at].IsName() || tokens[at].IsMark(".")) && !is(at, "using") {
			x.table += tokens[at].Text
			at++
		}
		all = append(all, x)
	}
	return all
}

// dropInvalid drops those of a file's indexes that are there and invalid. It is called
// under the lease, when no runner builds one; who builds it by hand holds a lock on the
// table, for which the DROP waits as long as lock_timeout says.
func (r *Runner) dropInvalid(ctx context.Context, db *sql.DB, f *File) error {
	for _, x := range f.indexes {
		var schema string
		err := db.QueryRowContext(ctx, `SELECT n.nspname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
			WHERE i.indrelid = to_regclass($1) AND c.relname = $2 AND c.relkind = 'i' AND NOT i.indisvalid`, x.table, x.name).Scan(&schema)
		if err == sql.ErrNoRows { //nolint:errorlint // database/sql returns it as it is
			continue
		}
		if err == nil {
			_, err = db.ExecContext(ctx, "DROP INDEX CONCURRENTLY IF EXISTS "+pgx.Identifier{schema, x.name}.Sanitize())
		}
		if err != nil {
			return fmt.Errorf("index %s is invalid, left by a build that failed, and could not be dropped: %w", x.name, err)
		}
		r.report(Event{Kind: Dropped, File: f.Name, Text: "dropped the invalid index " + x.name + ", left by a build that failed"})
	}
	return nil
}

// repeatable reports whether a statement, or each of those that goose sends as one,
// may be run twice.
func repeatable(text string) bool {
	for tokens := sqltext.Append(nil, text); len(tokens) > 0; {
		var one []sqltext.Token
		one, tokens = sqltext.Cut(tokens)
		if len(one) > 0 && !one[0].Is("set") && !conditional(one) {
			return false
		}
	}
	return true
}

// conditional reports whether a statement has IF EXISTS or IF NOT EXISTS.
func conditional(tokens []sqltext.Token) bool {
	for i := range tokens {
		if tokens[i].Is("if") && i+1 < len(tokens) && (tokens[i+1].Is("exists") || tokens[i+1].Is("not")) {
			return true
		}
	}
	return false
}

// begun returns where in a text the first statement is that begins with one of the
// keywords, -1 for nowhere. ROLLBACK TO a savepoint, and what is PREPARED, are others.
func begun(text string, keywords ...string) int {
	other := func(t sqltext.Token) bool { return t.Is("to") || t.Is("prepared") }
	for tokens := sqltext.Append(nil, text); len(tokens) > 0; {
		var one []sqltext.Token
		one, tokens = sqltext.Cut(tokens)
		if len(one) > 0 && slices.ContainsFunc(keywords, one[0].Is) && !(one[0].Is("rollback") && slices.ContainsFunc(one, other)) {
			return one[0].Pos
		}
	}
	return -1
}

// commitsInside finds what may commit in the body of a DO.
var commitsInside = regexp.MustCompile(`(?i)\b(commit|call)\b`)

// commits reports whether a text that is sent without a transaction may commit a part of
// what it does, and fail behind it.
func commits(text string) bool {
	return begun(text, "commit", "end", "call") >= 0 || begun(text, "do") >= 0 && commitsInside.MatchString(text)
}
