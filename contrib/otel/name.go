package otelsmrt

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/smrt-go/smrt/observe"
)

// name is what spans and metrics call a call. Fields may be empty.
type name struct {
	table, operation, summary string
}

// nameOf returns the name of an event by itself. A table and an operation are known of
// what repositories send only. A batch of one statement is not called a batch, and what
// else it is its statement says later.
func nameOf(e *observe.Event) name {
	n, operation := e.Name, e.Name.Operation
	if e.Kind == observe.Batch {
		operation = "BATCH" // the word of the conventions
	}
	switch {
	case e.Kind == observe.Batch && e.Size == 1:
		return name{table: n.Table}
	case n.Query != "":
		return name{summary: n.Query}
	case n.Table != "":
		return name{n.Table, operation, operation + " " + n.Table}
	}
	return name{operation: operation, summary: operation}
}

// maxSummary is the limit of the conventions.
const maxSummary = 255

// span returns the name of a span.
func (n *name) span() string {
	s := cmp.Or(n.summary, n.table, "raw")
	return strings.ToValidUTF8(s[:min(len(s), maxSummary)], "")
}

// append appends the attributes that name a call.
func (n *name) append(attrs []attribute.KeyValue) []attribute.KeyValue {
	if n.table != "" {
		attrs = append(attrs, semconv.DBCollectionName(n.table))
	}
	if n.operation != "" {
		attrs = append(attrs, semconv.DBOperationName(n.operation))
	}
	if n.summary != "" {
		attrs = append(attrs, semconv.DBQuerySummary(n.span()))
	}
	return attrs
}

// queue is what is known of the statements of a batch.
type queue struct {
	n         int
	first     observe.Event
	differ    bool // their names
	textsVary bool
}

func (q *queue) add(e *observe.Event) {
	q.n++
	if q.n == 1 {
		q.first = *e
		q.first.Err = nil
		return
	}
	q.differ = q.differ || e.Name != q.first.Name
	q.textsVary = q.textsVary || e.SQL != q.first.SQL
}

// sameText reports whether all statements have one text.
func (q *queue) sameText() bool { return q.n > 0 && !q.textsVary }

// name returns the name of a batch: that of its statement if it has one, "BATCH create
// orders" if they are alike, and otherwise what it is called already.
func (q *queue) name(e *observe.Event) name {
	n := nameOf(&q.first)
	switch {
	case q.n != e.Size || q.n == 0 || q.differ: // an error may have ended it before
		return nameOf(e)
	case e.Size == 1:
		return n
	case n.summary == "":
		return nameOf(e)
	}
	n.operation = strings.TrimSpace("BATCH " + n.operation)
	n.summary = "BATCH " + n.summary
	return n
}

// appendServer appends where a call went.
func appendServer(attrs []attribute.KeyValue, node, database string) []attribute.KeyValue {
	if database != "" {
		attrs = append(attrs, semconv.DBNamespace(database))
	}
	host, port, err := net.SplitHostPort(node)
	if strings.HasPrefix(node, "/") || err != nil { // a socket
		return append(attrs, semconv.ServerAddress(node))
	}
	attrs = append(attrs, semconv.ServerAddress(host))
	if p, err := strconv.Atoi(port); err == nil {
		attrs = append(attrs, semconv.ServerPort(p))
	}
	return attrs
}

// errorType returns the class of an error: its SQLSTATE, or a word for what did not come
// from the server. Of a call whose caller has gone it is the reason for that, whether or
// not the server has still answered.
func errorType(ctx context.Context, e *observe.Event) string {
	var connect *pgconn.ConnectError
	var network net.Error
	switch {
	case e.Outcome == observe.Cancelled && (errors.Is(e.Err, context.DeadlineExceeded) || errors.Is(ctx.Err(), context.DeadlineExceeded)):
		return "timeout"
	case e.Outcome != observe.Failed:
		return e.Outcome.String()
	case e.SQLState != "":
		return e.SQLState
	case errors.As(e.Err, &connect), errors.As(e.Err, &network), errors.Is(e.Err, io.EOF), errors.Is(e.Err, io.ErrUnexpectedEOF):
		return "connection"
	}
	return "_OTHER" // the word of the conventions
}

// returnsRows reports whether the rows of a call are what it returned. Of what writes,
// and of SQL that smrt did not write, they may be those that it affected.
func returnsRows(e *observe.Event) bool {
	if e.Outcome != observe.OK || e.Name.Table == "" {
		return false
	}
	switch e.Name.Operation {
	case "get", "find", "count", "exists", "group", "preload":
		return true
	}
	return false
}
