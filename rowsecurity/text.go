package rowsecurity

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/sqltext"
)

// What texts are looked at for, before they are sent:
//
//	no statement            goes by itself, see fits: pgx takes none in a batch
//	BEGIN                   the setting follows it
//	the end of a            refused, unless nothing follows: the setting ends with the
//	  transaction             transaction, and what follows would run without it
//	SET, RESET, DISCARD     refused if it changes the setting
//
// Only the first word of a text is read, unless that is one of these or there are several
// statements: then all of it is split into tokens, as the server does. What a function or
// a DO block does is not seen: neither can end a transaction that has begun.

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

// text is SQL that is about to be sent, and what it is looked at for, once.
type text struct {
	sql     string
	word    sqltext.Token // the first one
	several bool          // there may be several statements
}

func newText(sql string) text {
	return text{sql, firstWord(sql), strings.Contains(strings.TrimRight(sql, "; \t\r\n"), ";")}
}

// isBlank reports whether the text has no statement.
func (t *text) isBlank() bool { return t.word.Kind == sqltext.End }

// fits reports whether the text can be a part of a batch.
func (t *text) fits(args []any) bool {
	if t.isBlank() {
		return false
	}
	if len(args) == 0 {
		return !t.several
	}
	switch args[0].(type) {
	case pgx.QueryExecMode, pgx.QueryResultFormats, pgx.QueryResultFormatsByOID:
		return false
	}
	return true
}

// begins reports whether a statement begins a transaction. A transaction's modes
// cannot be chosen any more once something was run in it.
func begins(sql string) bool {
	word := firstWord(sql)
	return word.Is("begin") || word.Is("start")
}

// ends reports whether a statement ends a transaction, after which the server does not
// know the tenant any more: what follows would be sent without it, or with what a session
// was told.
func ends(tokens []sqltext.Token) bool {
	if len(tokens) == 0 {
		return false
	}
	is := func(i int, words ...string) bool {
		return i < len(tokens) && slices.ContainsFunc(words, func(word string) bool { return tokens[i].Is(word) })
	}
	switch {
	case is(0, "rollback"): // but not to a savepoint
		return !is(1, "to") && !is(2, "to")
	case is(0, "prepare"):
		return is(1, "transaction")
	}
	return is(0, "commit", "end", "abort")
}

// tells reports whether a statement sets the setting, or takes it back. A call of
// set_config is not looked for: it may be anywhere in a statement, and its name computed.
func (d *DB) tells(tokens []sqltext.Token) bool {
	if len(tokens) < 2 {
		return false
	}
	all := tokens[1].Is("all")
	switch {
	case tokens[0].Is("discard"):
		return all
	case tokens[0].Is("reset") && all:
		return true
	case tokens[0].Is("set"), tokens[0].Is("reset"):
		at := 1
		for at < len(tokens)-1 && (tokens[at].Is("session") || tokens[at].Is("local")) {
			at++
		}
		named := ""
		for ; at < len(tokens) && (tokens[at].IsName() || tokens[at].IsMark(".")); at++ {
			if tokens[at].Is("to") {
				break
			}
			named += cmp.Or(tokens[at].Name(), tokens[at].Text)
		}
		return strings.EqualFold(named, d.setting)
	}
	return false
}

// refuse refuses a text after which the server would not know the tenant, or know another
// one. In the last place of a batch it may end the transaction.
func (d *DB) refuse(t *text, last bool) error {
	if !t.several && !mayLose(&t.word) {
		return nil
	}
	for first, rest := sqltext.Cut(sqltext.Append(nil, t.sql)); len(first) > 0 || len(rest) > 0; first, rest = sqltext.Cut(rest) {
		switch {
		case d.tells(first):
			return &smrt.QueryError{Reason: "the statement changes " + d.setting + ", which the handle does: use smrt.WithTenant"}
		case ends(first) && !(last && len(rest) == 0):
			return &smrt.QueryError{Reason: "the statement ends the transaction by hand, and with it what the server was told of the tenant: " +
				"use the methods of the transaction"}
		}
	}
	return nil
}

// mayLose reports whether a statement that begins with the word may be one that
// [DB.refuse] refuses.
func mayLose(word *sqltext.Token) bool {
	for _, first := range [...]string{"set", "reset", "discard", "commit", "end", "abort", "rollback", "prepare"} {
		if word.Is(first) {
			return true
		}
	}
	return false
}

// refuseBatch refuses a batch with a text that has no statement: pgx panics on one that
// is empty, and gets no result for a comment by the simple protocol. It also refuses one
// with a text that refuse refuses. Outside of a transaction the last text may end one:
// that of a batch which begins with BEGIN.
func (d *DB) refuseBatch(b *pgx.Batch, inTx bool) error {
	for i, q := range b.QueuedQueries {
		t := newText(q.SQL)
		if err := d.refuse(&t, !inTx && i == b.Len()-1); err != nil {
			return err
		}
		if t.isBlank() {
			return &smrt.QueryError{Reason: fmt.Sprintf("text %d of the batch has no statement: leave it out, or send it by itself", i)}
		}
	}
	return nil
}

// alone returns the arguments of a statement that is sent by itself. One that is blank
// is prepared by nobody: pgx panics if it keeps an empty text.
func (t *text) alone(args []any) []any {
	if len(args) > 0 && t.isBlank() {
		return append([]any{pgx.QueryExecModeExec}, args...)
	}
	return args
}
