package main

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"
)

// statement is one SQL text that was sent.
type statement struct {
	sql  string
	args []any
}

// lines shows a statement that was sent so many times: its text, and below it
// the types of its arguments, never their values.
func (s statement) lines(times int) []string {
	if s.lookup() {
		return []string{"-- a look-up in the server's catalog, whose answer is remembered"}
	}
	lines := sqlLines(s.sql)
	var about []string
	if len(s.args) > 0 {
		names := make([]string, len(s.args))
		for i, arg := range s.args {
			names[i] = typeName(arg)
		}
		about = append(about, plural(len(s.args), "argument")+": "+strings.Join(names, ", "))
	}
	if times > 1 {
		about = append(about, fmt.Sprintf("sent %d times", times))
	}
	if len(about) > 0 {
		lines = append(lines, wrap("-- "+strings.Join(about, "; "))...)
	}
	return lines
}

// typeName is the type of an argument. Of those that smrt's own encoders make it
// is the field's type: a field is passed by its address as a *meta.int64Arg, a
// column of many entities as a *meta.Array.
func typeName(arg any) string {
	if arg == nil {
		return "nil"
	}
	name := fmt.Sprintf("%T", arg)
	if own, ok := strings.CutPrefix(strings.TrimPrefix(name, "*"), "meta."); ok {
		return ownNames.Replace(own)
	}
	return name
}

// ownNames are the names of smrt's encoders, for readers.
var ownNames = strings.NewReplacer("Arg", "", "AsText", "array", "AsJSON", "array", "Array", "array")

// lookup reports whether a statement reads the server's catalog instead of the
// program's tables. Smrt does that when it first needs the types of a table's
// columns, or the columns of a violated constraint.
func (s statement) lookup() bool {
	return strings.Contains(s.sql, "pg_catalog.pg_attribute") || strings.Contains(s.sql, "pg_catalog.pg_constraint")
}

// tracer records the statements of all connections that have it, while it is on.
// Statements that pgx prepares are not counted: that happens once for each
// connection and text.
type tracer struct {
	mu         sync.Mutex
	on         bool
	statements []statement
}

// start begins a record.
func (t *tracer) start() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.on, t.statements = true, nil
}

// stop ends the record and returns it.
func (t *tracer) stop() []statement {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.on = false
	return t.statements
}

func (t *tracer) record(sent ...statement) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.on {
		t.statements = append(t.statements, sent...)
	}
}

// TraceQueryStart records a query. Options of pgx in front of the arguments are none.
func (t *tracer) TraceQueryStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	args := data.Args
	for len(args) > 0 && isOption(args[0]) {
		args = args[1:]
	}
	t.record(statement{sql: data.SQL, args: args})
	return ctx
}

func isOption(arg any) bool {
	switch arg.(type) {
	case pgx.QueryExecMode, pgx.QueryResultFormats, pgx.QueryResultFormatsByOID, pgx.QueryRewriter:
		return true
	}
	return false
}

// TraceQueryEnd does nothing.
func (*tracer) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// TraceBatchStart records all queries of a batch.
func (t *tracer) TraceBatchStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceBatchStartData) context.Context {
	for _, queued := range data.Batch.QueuedQueries {
		t.record(statement{sql: queued.SQL, args: queued.Arguments})
	}
	return ctx
}

// TraceBatchQuery does nothing.
func (*tracer) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}

// TraceBatchEnd does nothing.
func (*tracer) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData) {}
