package observe

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/smrt-go/smrt/internal/handle"
	"github.com/smrt-go/smrt/internal/pgerr"
	"github.com/smrt-go/smrt/internal/sqltext"
	"github.com/smrt-go/smrt/internal/traced"
)

// Transactions are sums over the transactions on the connections of an [Observer], whoever
// began them. Begun is more than the sum of the next three by those that are open, and by
// those whose connection the program has closed.
type Transactions struct {
	Begun      uint64 `json:"begun,omitempty"`
	Committed  uint64 `json:"committed,omitempty"`
	RolledBack uint64 `json:"rolled_back,omitempty"` // by the program, the server, or the loss of the connection
	InDoubt    uint64 `json:"in_doubt,omitempty"`    // the answer to COMMIT was lost, whatever was found out later

	// Retried are those of the three that txn.Run made because the attempt before failed, by
	// the SQLSTATE of that, "" for an error that is not the server's.
	Retried map[string]uint64 `json:"retried,omitempty"`

	Open  time.Duration `json:"open,omitempty"` // of the three: from the beginning to the end
	Idle  time.Duration `json:"idle,omitempty"` // of that time: without a call
	Times Histogram     `json:"times"`          // of Open
}

// transactions are the sums of an Observer. A transaction takes two round trips or a batch,
// so a lock is nothing beside it.
type transactions struct {
	mu   sync.Mutex
	sums Transactions
	more record // its histogram, and states for what was retried
}

// begun counts a transaction that begins.
func (t *transactions) begun() {
	t.mu.Lock()
	t.sums.Begun++
	t.mu.Unlock()
}

// ended counts one that has ended.
func (t *transactions) ended(e *Event) {
	open := e.Server + e.Held
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case !e.Name.is(commit):
		t.sums.RolledBack++
	case e.Outcome != OK:
		t.sums.InDoubt++
	default:
		t.sums.Committed++
	}
	if e.Tries > 1 {
		t.more.addState(e.Cause, 1, maxStatesOfName)
	}
	t.sums.Open += open
	t.sums.Idle += e.Held
	if t.more.counts == nil {
		t.more.counts = &counts{}
	}
	t.more.count(bucketOf(open), 1)
}

// snapshot copies the sums.
func (t *transactions) snapshot() Transactions {
	t.mu.Lock()
	defer t.mu.Unlock()
	sums, more := t.sums, t.more.snapshot(Name{})
	sums.Retried, sums.Times = more.Errors, more.Times
	return sums
}

// reset forgets them. Those that are open now are counted when they end.
func (t *transactions) reset() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sums, t.more = Transactions{}, record{}
}

// How a transaction ends.
const commit, rollback = "commit", "rollback"

// ending says how one has ended, in words for people.
func (e *Event) ending() string {
	switch {
	case !e.Name.is(commit):
		return "rolled back"
	case e.Outcome != OK:
		return "in doubt"
	}
	return "committed"
}

// transaction is the one that is open on a connection.
type transaction struct {
	open  bool
	began time.Duration // by traced.Now
	busy  time.Duration // of that time, with calls
	state string        // the SQLSTATE of its first error
}

// is reports whether n is the name of what begins or ends a transaction, as pgx and package
// txn send it.
func (n Name) is(operation string) bool { return n == Name{Operation: operation} }

// Each call of a connection says when it began and ended, and the state of the protocol says
// behind each of them whether a transaction is open. So BEGIN and COMMIT need not be known
// by their texts, nor whose they are. That state is not known within a batch: there the
// answers of the statements tell, and if the first is pgx's BEGIN a transaction is open from
// the start, as there may be no answer.

// begin notes that a transaction is open since a time.
func (s *state) begin(began time.Duration) {
	if !s.tx.open {
		s.tx = transaction{open: true, began: began}
		s.observer.txs.begun()
	}
}

// follow follows a transaction over a call that has ended. Rows that the program works
// between keep it waiting.
func (s *state) follow(ctx context.Context, conn *pgx.Conn, f *flight, tag pgconn.CommandTag, now time.Duration) {
	e, tx := &f.event, &s.tx
	open := conn.PgConn().TxStatus() != handle.StatusIdle
	if !open && !tx.open {
		return
	}
	lost := conn.IsClosed()
	if open = open && !lost; open && !tx.open {
		s.begin(f.began)
	}
	if !tx.open {
		return
	}
	tx.busy += now - f.began - e.Held
	if e.SQLState != "" && tx.state == "" {
		tx.state = e.SQLState
	}
	if open {
		return
	}
	commits := e.Err != nil && (e.Name.is(commit) || f == &s.batch && f.commits || commitsByHand(e.SQL))
	how := rollback
	switch {
	case errors.Is(e.Err, pgx.ErrTxCommitRollback):
	case e.Err == nil && tag.String() != "ROLLBACK" && f != &s.batch, // whose statements have said so before
		e.Err != nil && commits && pgerr.IsCommitUnknown(e.Err):
		how = commit
	}
	s.ended(ctx, how, e.Err, now)
}

// commitsByHand reports whether a text, which may have several statements, has a COMMIT as
// somebody has written it: END is another word for it. It is read when an answer was lost.
func commitsByHand(sql string) bool {
	tokens := sqltext.Append(nil, sql)
	for i := range tokens {
		first := i == 0 || tokens[i-1].IsMark(";")
		prepared := i+1 < len(tokens) && tokens[i+1].Is("prepared") // of another transaction
		if first && !prepared && (tokens[i].Is("commit") || tokens[i].Is("end")) {
			return true
		}
	}
	return false
}

// followQueued is follow for a statement of a batch.
func (s *state) followQueued(ctx context.Context, data pgx.TraceBatchQueryData) {
	switch tag := data.CommandTag.String(); {
	case data.Err != nil:
	case tag == "BEGIN":
		s.begin(s.batch.began)
	case tag == "COMMIT":
		s.endedQueued(ctx, commit)
	case tag == "ROLLBACK" && !isToSavepoint(data.SQL):
		s.endedQueued(ctx, rollback)
	}
}

// isToSavepoint reports whether a ROLLBACK leaves the transaction open.
func isToSavepoint(sql string) bool {
	return slices.ContainsFunc(sqltext.Append(nil, sql), func(t sqltext.Token) bool { return t.Is("to") })
}

// endedQueued notes that a statement of a batch has ended the transaction.
func (s *state) endedQueued(ctx context.Context, how string) {
	if s.tx.open {
		now := traced.Now()
		s.tx.busy += now - s.batch.began
		s.ended(ctx, how, nil, now)
	}
}

// ended records the transaction, and tells hooks.
func (s *state) ended(ctx context.Context, how string, err error, now time.Duration) {
	tx, o := s.tx, s.observer
	s.tx = transaction{}
	all := now - tx.began
	idle := max(all-tx.busy, 0)
	if idle >= longIdle && idle > all/2 {
		o.spots.add(spotID{idleSpot, "", o.end(), 0}, all, idle)
	}
	f := &s.queued
	f.event = Event{
		Kind: Transaction, Name: Name{Operation: how}, Node: s.node, Database: s.database, Standby: s.standby,
		Tries: s.Attempt, Cause: s.Cause, Run: 1, Callers: 1, Server: all - idle, Held: idle,
	}
	s.Attempt, s.Cause = 0, ""
	if f.event.ended(ctx, err); how == rollback && tx.state != "" {
		f.event.Outcome, f.event.SQLState = Failed, tx.state
	}
	o.txs.ended(&f.event)
	if o.isRemarkable(&f.event) {
		o.lately.add(&f.event, Frame{})
	}
	if len(o.hooks) > 0 {
		o.after(ctx, f)
	}
	f.event = Event{}
}
