package pool

import (
	"context"
	"io"
	"net"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
)

// A context that ends during a statement lets the server cancel it. The request
// travels on a connection of its own, and names the process and not the statement:
// one that is late meets whatever the process does then, for whoever has borrowed
// the connection. The server closes the request's connection when it has signalled
// the process, and a process that is signalled while it waits for a statement
// forgets it. So a connection is lent again only after this:
//
//	nothing was sent                     it is as it was
//	the server has closed the request's  what the request did is done
//	connection
//	neither, within requestTime          it may come at any time: the connection is closed
//
// Behind a pooler that is known, pgx's own way is taken: the connection is closed,
// and never used again. PgBouncer before 1.25 may crash over requests that it
// forwards for connections which go on, and others close the request's connection
// before they have forwarded it.

// The limits of waiting.
const (
	// cancelTime is how long the server is given to cancel a statement before
	// its connection is closed, and how long the caller of a statement that has
	// ended waits for the end of the request.
	cancelTime = 500 * time.Millisecond

	// requestTime is how long a connection that is given back waits for it.
	requestTime = 2 * time.Second
)

// watch makes the session of a new connection, and says what happens when a
// context ends during a statement. pgx's own way, to close the connection, makes
// more of the load that made contexts end; see TestDialsAreBounded.
func (p *Pool) watch(conn *pgconn.PgConn) ctxwatch.Handler {
	s := &connState{pool: p}
	conn.CustomData()[stateKey] = s
	if server := p.server.Load(); server == nil || server.Mode != Direct { // nil: it is being found out
		return &pgconn.DeadlineContextWatcherHandler{Conn: conn.Conn()}
	}
	return &canceller{conn: conn, state: s}
}

// canceller asks the server to cancel.
type canceller struct {
	conn  *pgconn.PgConn
	state *connState
}

// HandleCancel is called on another goroutine, while the statement is under way.
func (c *canceller) HandleCancel(context.Context) {
	c.state.cancelled.Store(time.Now().UnixNano())
	_ = c.conn.Conn().SetDeadline(time.Now().Add(cancelTime))
	// A statement before this one may have left a request whose end was not seen, if
	// both have the same borrower.
	r := &request{done: make(chan struct{}), until: time.Now().Add(requestTime), earlier: c.state.request.Load()}
	c.state.request.Store(r)
	go func() {
		defer close(r.done)
		ctx, cancel := context.WithDeadline(context.WithValue(context.Background(), requestKey{}, r), r.until)
		defer cancel()
		_ = c.conn.CancelRequest(ctx) // r knows how it ended
	}()
}

// HandleUnwatchAfterCancel waits for the request, so that in most cases the next
// statement needs not to. It is called when the statement has ended, before its
// caller is told.
func (c *canceller) HandleUnwatchAfterCancel() {
	r := c.state.request.Load()
	timer := time.NewTimer(cancelTime)
	defer timer.Stop()
	select {
	case <-r.done:
		c.state.settled()
	case <-timer.C:
	}
	_ = c.conn.Conn().SetDeadline(time.Time{})
}

// request is a request to cancel that is under way. pgx does not say how it ended:
// its CancelRequest returns nil when it has given up reading too. So the dialled
// connection is watched; gate.guard finds the request in the context.
type request struct {
	done    chan struct{}
	until   time.Time   // how long its end is waited for
	sent    atomic.Bool // some of it may have reached the server
	ended   atomic.Bool // the server has closed its connection
	earlier *request    // whose end was not seen
}

type requestKey struct{}

// settled forgets the request if nothing can come of it any more, and reports
// whether that is so.
func (s *connState) settled() bool {
	r := s.request.Load()
	for ; r != nil; r = r.earlier {
		select {
		case <-r.done:
		default:
			return false
		}
		if r.sent.Load() && !r.ended.Load() {
			return false
		}
	}
	s.request.Store(nil)
	return true
}

// awaitRequest waits for the end of the request, and reports whether nothing can
// come of it any more.
func (s *connState) awaitRequest() bool {
	if r := s.request.Load(); r != nil {
		<-r.done
	}
	return s.settled()
}

// requestWire is the connection of a request to cancel.
type requestWire struct {
	net.Conn
	of *request
}

// Write notes that from now on the request may arrive.
func (w *requestWire) Write(b []byte) (int, error) {
	w.of.sent.Store(true)
	return w.Conn.Write(b)
}

// Read notes that the server has closed its end.
func (w *requestWire) Read(b []byte) (int, error) {
	n, err := w.Conn.Read(b)
	if err == io.EOF { //nolint:errorlint // a net.Conn returns it as it is
		w.of.ended.Store(true)
	}
	return n, err
}

// Close waits until the server has closed its end. Where TLS is used pgx sees the
// end that TLS announces, before that.
func (w *requestWire) Close() error {
	if w.of.sent.Load() && !w.of.ended.Load() && w.SetReadDeadline(w.of.until) == nil {
		if _, err := io.Copy(io.Discard, w.Conn); err == nil {
			w.of.ended.Store(true)
		}
	}
	return w.Conn.Close()
}
