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
	table string   // as it is written
	keys  []string // columns as they are written in the statement, perhaps behind the name of a table
	text  string   // the statement
	line  int      // its first in the file
	mark  int      // where in it the condition on the key goes
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
			b.keys = list(value)
		default:
			return nil, b.problem("%s is neither table=NAME nor key=COLUMN, or key=COLUMN,COLUMN", arg)
		}
	}
	if b.table == "" || len(b.keys) == 0 {
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
	for _, column := range b.columns() {
		if setsColumn(first, column) {
			return nil, b.problem("the statement changes %s, so a later batch would meet a row again: use another unique key", column)
		}
	}
	return b, nil
}

// list splits a list of names at its commas.
func list(names string) (all []string) {
	begin := 0
	for _, t := range sqltext.Append(nil, names) {
		if t.IsMark(",") {
			all, begin = append(all, names[begin:t.Pos]), t.Pos+1
		}
	}
	return append(all, names[begin:])
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

// columns returns the names of the key's columns, as the catalog has them. One that is
// left out has none.
func (b *backfill) columns() (names []string) {
	for _, key := range b.keys {
		name := ""
		if tokens := sqltext.Append(nil, key); len(tokens) > 0 {
			name = tokens[len(tokens)-1].Name()
		}
		names = append(names, name)
	}
	return names
}

// statement returns the statement for the rows up to the key that is $1, and behind the
// one that is $2 if there is one.
func (b *backfill) statement(k keyOf, behind bool) string {
	key := row(b.keys)
	condition := "AND " + key + " <= " + k.parameter(1)
	if behind {
		condition += " AND " + key + " > " + k.parameter(2)
	}
	return b.text[:b.mark] + condition + b.text[b.mark+len(marker):]
}

// next returns the query for the number of the next rows of the table, $1 at most, and
// the key of the last: behind the one that is $2 if there is one.
func (b *backfill) next(k keyOf, behind bool) string {
	columns, last, where := b.columns(), "k1::text", ""
	var names, ascending, descending, texts []string
	for i, column := range columns {
		columns[i] = pgx.Identifier{column}.Sanitize()
		name := fmt.Sprint("k", i+1)
		names, texts = append(names, columns[i]+" AS "+name), append(texts, name+"::text")
		ascending, descending = append(ascending, fmt.Sprint(i+1)), append(descending, "batch."+name+" DESC")
	}
	if len(columns) > 1 {
		last = "ARRAY[" + strings.Join(texts, ", ") + "]::text"
	}
	if behind {
		where = "WHERE " + row(columns) + " > " + k.parameter(2)
	}
	return "WITH batch AS MATERIALIZED (SELECT " + strings.Join(names, ", ") + " FROM " + b.table + " " + where + " ORDER BY " + strings.Join(ascending, ", ") + " LIMIT $1) " +
		"SELECT (SELECT count(*) FROM batch), (SELECT " + last + " FROM batch ORDER BY " + strings.Join(descending, ", ") + " LIMIT 1)"
}

// row returns expressions as one that is compared as a whole, in their order.
func row(expressions []string) string {
	if len(expressions) == 1 {
		return expressions[0]
	}
	return "(" + strings.Join(expressions, ", ") + ")"
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
	kinds []string // types of its columns
	rows  int64    // of the table, about; -1 if unknown
}

// parameter returns a key that is sent as a text: that of its column, or of an array of
// those of several.
func (k keyOf) parameter(number int) string {
	if len(k.kinds) == 1 {
		return fmt.Sprintf("$%d::text::%s", number, k.kinds[0])
	}
	var all []string
	for i, kind := range k.kinds {
		all = append(all, fmt.Sprintf("($%d::text::text[])[%d]::%s", number, i+1, kind))
	}
	return row(all)
}

// keyOf asks the server what the key is. Batches need one that is unique, so that a
// batch ends, and never NULL, so that no row is left out.
func (b *backfill) keyOf(ctx context.Context, conn *sql.Conn) (k keyOf, err error) {
	const unknown = "there is no column %s of a table %s"
	var numbers []string
	for _, column := range b.columns() {
		var kind, number string
		var notNull bool
		err := conn.QueryRowContext(ctx, `SELECT format_type(a.atttypid, a.atttypmod), a.attnotnull, c.reltuples::bigint, a.attnum::text
			FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid WHERE c.oid = to_regclass($1) AND a.attname = $2 AND a.attnum > 0 AND NOT a.attisdropped`,
			b.table, column).Scan(&kind, &notNull, &k.rows, &number)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return k, b.problem(unknown, column, b.table)
		case err != nil:
			return k, err
		case !notNull:
			return k, b.problem("%s of %s may be NULL, so rows could be left out: name the columns of the primary key", column, b.table)
		}
		k.kinds, numbers = append(k.kinds, kind), append(numbers, number)
	}
	var unique bool
	err = conn.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM pg_index i WHERE i.indrelid = to_regclass($1) AND i.indisunique AND i.indisvalid AND i.indpred IS NULL
		AND array_to_string((i.indkey::int2[])[0:i.indnkeyatts - 1], ' ') = $2)`, b.table, strings.Join(numbers, " ")).Scan(&unique)
	if err == nil && !unique {
		return k, b.problem("%s of %s have no unique index on them alone, in this order, so rows could be left out: name the columns of the primary key", strings.Join(b.columns(), ", "), b.table)
	}
	return k, err
}
