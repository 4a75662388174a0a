package migrate

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/smrt-go/smrt/cmd/smrt/internal/script"
)

// Error is of a migration that failed.
type Error struct {
	File string // with its folder
	Line int    // of the statement, or of what the server points at; 0 if unknown
	Hint string // "" for none
	Err  error
}

func (e *Error) Error() string {
	text := e.File
	if e.Line > 0 {
		text = fmt.Sprintf("%s:%d", text, e.Line)
	}
	text += ": " + e.Err.Error()
	if e.Hint != "" {
		text += "; " + e.Hint
	}
	return text
}

func (e *Error) Unwrap() error { return e.Err }

// watcher sees the statements that goose sends, and finds each in its file. It is
// pgx's tracer of all connections of a runner.
type watcher struct {
	mu     sync.Mutex
	file   *File
	cursor *script.Cursor
	sent   []string                         // statements of the file that were sent
	last   script.Statement                 // of them
	pid    uint32                           // of the server process that runs it
	before func(pid uint32, sqlText string) // of tests
}

// begin says of which file the next statements are.
func (w *watcher) begin(f *File) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.file, w.cursor, w.sent, w.pid = f, f.script.Cursor(), nil, 0
}

// TraceQueryStart is called before a statement is sent.
func (w *watcher) TraceQueryStart(ctx context.Context, conn *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	w.see(conn.PgConn().PID(), data)
	if w.before != nil {
		w.before(conn.PgConn().PID(), data.SQL)
	}
	return ctx
}

// see looks for a statement in the file.
func (w *watcher) see(pid uint32, data pgx.TraceQueryStartData) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.file == nil || len(data.Args) > 0 {
		return
	}
	if s, ok := w.cursor.Next(data.SQL); ok { // else it is goose's own
		w.last, w.sent, w.pid = s, append(w.sent, data.SQL), pid
	}
}

// TraceQueryEnd is called after a statement.
func (*watcher) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// process returns the server process that runs the migration, 0 for none yet.
func (w *watcher) process() uint32 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.pid
}

// repeatable reports whether all statements but the last may be sent again, and the
// last, which failed, has left nothing behind.
func (w *watcher) repeatable() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.sent) > 0 && commits(w.sent[len(w.sent)-1]) {
		return false
	}
	for i := 0; i+1 < len(w.sent); i++ {
		if !repeatable(w.sent[i]) {
			return false
		}
	}
	return true
}

// failed returns the error with its place.
func (w *watcher) failed(dir string, f *File, err error) *Error {
	w.mu.Lock()
	defer w.mu.Unlock()
	e := &Error{File: filepath.Join(dir, f.Name), Err: err}
	if f.batches != nil {
		e.Line = f.batches.line
	}
	if len(w.sent) == 0 {
		return e
	}
	e.Line = w.last.First
	if pg := (*pgconn.PgError)(nil); errors.As(err, &pg) && pg.Position > 0 {
		e.Line = w.last.Line(w.sent[len(w.sent)-1], int(pg.Position))
	}
	return e
}
