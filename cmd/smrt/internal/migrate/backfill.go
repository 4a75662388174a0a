package migrate

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/pressly/goose/v3/database"

	"github.com/smrt-go/smrt/cmd/smrt/internal/annotation"
	"github.com/smrt-go/smrt/cmd/smrt/internal/script"
	"github.com/smrt-go/smrt/internal/sqltext"
)

// Batches say how gently rows are changed.
type Batches struct {
	Target time.Duration // how long a transaction should take. Default: 200 ms
	Lag    int64         // how many bytes of log a standby may be behind. Default: 64 MiB
	Age    time.Duration // how long the oldest transaction may have been open. Default: 5 min
}

// withDefaults fills what is 0.
func (b Batches) withDefaults() Batches {
	if b.Target == 0 {
		b.Target = 200 * time.Millisecond
	}
	if b.Lag == 0 {
		b.Lag = 64 << 20
	}
	if b.Age == 0 {
		b.Age = 5 * time.Minute
	}
	return b
}

// The kinds of events of a backfill.
const (
	Resumes Kind = "resumes" // behind the rows that an earlier run changed
	Pauses  Kind = "pauses"  // for a standby, or for an old transaction
)

// backfill is what an annotation says of a file: that its statement is run for the rows
// of a table in batches, by their key.
type backfill struct {
	table string // as it is written
	key   string // as it is written in the statement, perhaps behind the name of a table
	text  string // the statement
	line  int    // its first in the file
	mark  int    // where in it the condition on the key goes
	at    annotation.Annotation
}

// marker is the comment that a batch's condition on the key replaces. To whoever runs
// the file otherwise it is a comment, and the statement one for all rows.
const marker = "/* smrt:batch */"

// newBackfill reads an annotation and the statement of its file.
func newBackfill(a annotation.Annotation, file *script.Script) (*backfill, error) {
	b := &backfill{at: a}
	for _, arg := range a.Args {
		name, value, _ := strings.Cut(arg, "=")
		switch {
		case name == "table" && value != "":
			b.table = value
		case name == "key" && value != "":
			b.key = value
		default:
			return nil, b.problem("%s is neither table=NAME nor key=COLUMN", arg)
		}
	}
	if b.table == "" || b.key == "" {
		return nil, b.problem("it needs table=NAME and key=COLUMN")
	}
	up, begins := file.Up()
	tokens := sqltext.Append(nil, up)
	first, rest := sqltext.Cut(tokens)
	if len(first) == 0 || len(rest) > 0 {
		return nil, b.problem("the file must have one statement, which is run for each batch")
	}
	last := first[len(first)-1]
	b.line = file.Line(begins + first[0].Pos)
	b.text = up[first[0].Pos : last.Pos+len(last.Text)]
	if tail := up[last.Pos+len(last.Text):]; strings.HasPrefix(strings.TrimSpace(tail), marker) {
		b.text += tail[:strings.Index(tail, marker)+len(marker)]
	}
	if b.mark = strings.Index(b.text, marker); b.mark < 0 || strings.Count(b.text, marker) > 1 {
		return nil, b.problem("the statement must have the comment %s once, behind a condition: the condition on the key goes there", marker)
	}
	if !narrowed(sqltext.Append(nil, b.text[:b.mark]), sqltext.Append(nil, b.text[b.mark:])) {
		return nil, b.problem("%s must stand at the end of a condition of WHERE, which AND can be added to: put one with OR in parentheses, or write WHERE true", marker)
	}
	names := sqltext.Append(nil, b.table)
	if !slices.ContainsFunc(first, func(t sqltext.Token) bool { return t.IsName() && t.Name() == names[len(names)-1].Name() }) {
		return nil, b.problem("the statement has no table %s, by whose keys the batches go: others would be left out", b.table)
	}
	if setsColumn(first, b.column()) {
		return nil, b.problem("the statement changes %s, so a later batch would meet a row again: use another unique column", b.column())
	}
	return b, nil
}

// setsColumn reports whether a statement is an UPDATE that sets a column.
func setsColumn(tokens []sqltext.Token, column string) bool {
	for i := 1; i+1 < len(tokens); i++ {
		if tokens[i].IsName() && tokens[i].Name() == column && tokens[i+1].IsMark("=") && (tokens[i-1].Is("set") || tokens[i-1].IsMark(",")) {
			return tokens[0].Is("update")
		}
	}
	return false
}

// narrowed reports whether AND between two parts of a statement narrows all of a
// condition of WHERE. Behind a OR b it would narrow b alone, and in SET done = true it
// would be a part of the value, so that each batch changed rows of all others.
func narrowed(before, after []sqltext.Token) bool {
	depth, found := 0, false
	for i := len(before) - 1; i >= 0 && depth >= 0 && !found; i-- {
		switch t := &before[i]; {
		case t.IsMark(")"):
			depth++
		case t.IsMark("("):
			depth--
		case depth == 0 && (t.Is("or") || ends(t)):
			return false
		}
		found = depth == 0 && before[i].Is("where")
	}
	if !found || len(after) > 0 && !after[0].IsMark(")") && !after[0].Is("and") && !ends(&after[0]) {
		return false
	}
	depth = 0
	for i := range after {
		switch t := &after[i]; {
		case t.IsMark("("):
			depth++
		case t.IsMark(")"):
			depth--
		case depth == 0 && t.Is("or"):
			return false
		}
		if depth < 0 || depth == 0 && ends(&after[i]) {
			break
		}
	}
	return true
}

// ends reports whether a keyword ends the condition of a WHERE.
func ends(t *sqltext.Token) bool {
	return slices.ContainsFunc([]string{
		"group", "having", "window", "union", "intersect", "except", "order", "limit", "offset", "fetch", "for", "on", "returning", "set",
	}, t.Is)
}

func (b *backfill) problem(format string, args ...any) error {
	return &annotation.Error{File: b.at.File, Line: b.at.Line, Problem: "smrt:backfill: " + fmt.Sprintf(format, args...)}
}

// column returns the name of the key's column, as the catalog has it.
func (b *backfill) column() string {
	tokens := sqltext.Append(nil, b.key)
	return tokens[len(tokens)-1].Name()
}

// statement returns the statement for the rows up to a key, and behind one.
func (b *backfill) statement(of, behind string) string {
	condition := "AND " + b.key + " <= $1::text::" + of
	if behind != "" {
		condition += " AND " + b.key + " > " + behind
	}
	return b.text[:b.mark] + condition + b.text[b.mark+len(marker):]
}

// checkpoints has a row for each backfill that has begun and not ended.
const checkpoints = `CREATE TABLE IF NOT EXISTS smrt_backfill (version bigint PRIMARY KEY, last text, seen bigint NOT NULL, changed bigint NOT NULL,
	updated_at timestamptz NOT NULL)`

// forget removes the checkpoint of a version, in the transaction that records it.
func forget(ctx context.Context, db database.DBTxConn, version int64) error {
	var there bool
	if err := db.QueryRowContext(ctx, "SELECT to_regclass($1) IS NOT NULL", "smrt_backfill").Scan(&there); err != nil || !there {
		return err
	}
	_, err := db.ExecContext(ctx, "DELETE FROM smrt_backfill WHERE version = $1", version)
	return err
}

// keyOf is what the server knows of a key.
type keyOf struct {
	kind string // its type
	rows int64  // of the table, about; -1 if unknown
}

// keyOf asks the server what the key is. Batches need one that is unique, so that a
// batch ends, and never NULL, so that no row is left out.
func (b *backfill) keyOf(ctx context.Context, conn *sql.Conn) (k keyOf, err error) {
	var notNull, unique bool
	err = conn.QueryRowContext(ctx, `SELECT format_type(a.atttypid, a.atttypmod), a.attnotnull, c.reltuples::bigint,
		EXISTS (SELECT 1 FROM pg_index i WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indnkeyatts = 1 AND i.indkey[0] = a.attnum)
		FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid WHERE c.oid = to_regclass($1) AND a.attname = $2 AND NOT a.attisdropped`,
		b.table, b.column()).Scan(&k.kind, &notNull, &k.rows, &unique)
	if errors.Is(err, sql.ErrNoRows) {
		return k, b.problem("there is no column %s of a table %s", b.column(), b.table)
	}
	if err == nil && (!notNull || !unique) {
		return k, b.problem("%s of %s is not NOT NULL with a unique index on it alone, so rows could be left out: name the primary key", b.column(), b.table)
	}
	return k, err
}

// quoted returns the key's column for a statement on the table alone.
func (b *backfill) quoted() string { return pgx.Identifier{b.column()}.Sanitize() }
