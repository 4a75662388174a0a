package observe

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/pgerr"
	"github.com/smrt-go/smrt/internal/traced"
)

// Name says what a statement is for. It comes from the program and not from its
// SQL: package repo and the other packages of smrt name what they send, and sqlc
// writes the name of a query above it. So there are as many names as the source
// has, whatever the users do. The same names are in statistics, in events and in
// logs.
type Name struct {
	// Table is the declared name of the table; empty where there is none, or
	// where several are concerned.
	Table string `json:"table,omitempty"`

	// Operation is what smrt does, in the words of its errors: get, find, count,
	// exists, group, preload, create, upsert, update, delete, restore, copy. Of a
	// transaction begin, commit, rollback; batch for several statements; catalog
	// for what smrt asks about the schema. Empty for SQL that smrt did not write.
	Operation string `json:"operation,omitempty"`

	// Query is the name that sqlc's query has; empty for others.
	Query string `json:"query,omitempty"`
}

// String returns "products.get", the name of sqlc's query, or "raw" for SQL that
// has no name.
func (n Name) String() string {
	switch {
	case n.Table != "" && n.Operation != "":
		return n.Table + "." + n.Operation
	}
	return cmp.Or(n.Query, n.Operation, "raw")
}

// nameOf finds the name of a text.
func nameOf(text string) Name {
	if n, ok := traced.NameOf(text); ok {
		return Name{Table: n.Table, Operation: n.Operation}
	}
	return Name{Query: traced.QueryName(text)}
}

// Kind is how an [Event] travelled.
type Kind uint8

// The kinds of event.
const (
	Statement   Kind = iota // a statement by itself
	Batch                   // several statements in one round trip
	Queued                  // a statement of a batch, whose time is not known
	Copy                    // COPY FROM
	Transaction             // from its beginning to its end, of which Before is not told; see Event
)

// String returns the name of the kind in lower case.
func (k Kind) String() string {
	return [...]string{"statement", "batch", "queued", "copy", "transaction"}[min(k, Transaction)]
}

// Outcome is how a call ended.
type Outcome uint8

// The outcomes.
const (
	OK        Outcome = iota
	Failed            // with an error of the server, or of the connection to it
	Cancelled         // because the context of the caller ended
	Refused           // by the pool, before anything was sent: no error of the server
)

// String returns the name of the outcome in lower case.
func (o Outcome) String() string {
	return [...]string{"ok", "failed", "cancelled", "refused"}[min(o, Refused)]
}

// Event is one call: a statement, a batch, or a COPY. A hook is given a pointer to
// save the copy; what it points to is used again once the hook has returned.
//
// A transaction that has ended is an Event too, behind that of the call which ended it. Its
// Operation is commit or rollback; a commit that is Failed or Cancelled is one whose answer
// was lost, so it may have happened. Server is the time with calls, Held that without, and
// SQLState that of the first error, if it was rolled back.
type Event struct {
	Kind  Kind
	Name  Name
	SQL   string // with placeholders; empty for a batch
	Shape uint64 // a hash of SQL, the same in each process
	Size  int    // how many statements a batch has, else 0

	// Args are the arguments, if Config.Args asks for them. They may be secrets.
	Args []any

	Node     string // host and port of the server, or its socket
	Database string // its name
	Standby  bool   // the server was a standby, as it said in the last 100 ms or before the call; a pooler may not
	InTx     bool   // a transaction was open already
	Tries    int    // which attempt at its transaction it is in, from 1; 0 if that is not known
	Cause    string // of a Transaction with Tries from 2: the SQLSTATE that the attempt before ended with, if that was the server's
	Run      int    // 1; from 2 where the pool runs a statement again that had no effect

	// After the call:

	Waited  time.Duration // for a connection, if the call had to
	Server  time.Duration // until the result was complete, without Decoded; of a stream, until its first row
	Held    time.Duration // of a stream, from its first row on: the program works between the rows
	Decoded time.Duration // by smrt, from the wire to structs; of the first row often as of a call before

	// Whole says that only the whole is known, which is in Server: rows of SQL that
	// smrt did not write are open as long as the program likes.
	Whole bool

	Rows     int64 // returned or affected
	Err      error
	Outcome  Outcome
	SQLState string            // five characters, if the server refused
	Callers  int               // how many calls share the statement, 1 for most
	Sharers  []context.Context // those of these calls, if there are several: that of After is none of them

	Prepared bool  // pgx had to prepare the statement, or to ask for its types, which is a round trip more
	Left     bool  // the program has left rows before their end
	Unread   int64 // rows that came and were not read, where that is known: on a pool of package pool
}

// Total is how long the caller waited: all but Held.
func (e *Event) Total() time.Duration { return e.Waited + e.Server + e.Decoded }

// ended notes how the call ended.
func (e *Event) ended(ctx context.Context, err error) {
	e.Err, e.Outcome, e.SQLState = err, OK, ""
	if err == nil {
		return
	}
	e.Outcome = Failed
	var pg *pgconn.PgError
	switch {
	case errors.Is(err, smrt.ErrPoolerMode):
		e.Outcome = Refused
	case errors.As(err, &pg):
		if e.SQLState = pg.Code; pgerr.IsCanceled(err) && ctx.Err() != nil {
			e.Outcome = Cancelled
		}
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded), ctx.Err() != nil:
		e.Outcome = Cancelled
	}
}
