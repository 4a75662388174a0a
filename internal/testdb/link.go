package testdb

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// Link is the network between the connections of a pool and their server: it can be slow, and it can fail at a chosen
// byte or message. It is safe for concurrent use.
type Link struct {
	mu    sync.Mutex
	delay time.Duration
	fault *Fault
	wire  *wire // that the fault happens on, nil until something is sent
	fired bool

	healed chan struct{}    // closed when the partition ends, nil if there is none
	held   map[*wire][]byte // what was sent meanwhile
}

// LinkConnections puts a link under the pool's connections:
//
//	var link *testdb.Link
//	pool := testdb.Pool(t, schema, testdb.Configure(func(cfg *pgxpool.Config) {
//		link = testdb.LinkConnections(cfg)
//	}))
//	link.Delay(time.Millisecond)
func LinkConnections(cfg *pgxpool.Config) *Link {
	l := &Link{}
	l.Attach(cfg)
	return l
}

// Attach puts the link under the pool's connections, beside those of others that it is under already.
func (l *Link) Attach(cfg *pgxpool.Config) {
	dial := cfg.ConnConfig.DialFunc
	cfg.ConnConfig.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		if err := l.awaitHeal(ctx); err != nil {
			return nil, err
		}
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &wire{Conn: conn, link: l}, nil
	}
}

// Latency adds d to every round trip of the pool's connections.
func Latency(d time.Duration) Option {
	return func(cfg *pgxpool.Config) { LinkConnections(cfg).Delay(d) }
}

// Delay adds d to every round trip from now on.
func (l *Link) Delay(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.delay = d
}

// Partition makes the server a black hole for the pool's connections: they stay open and what they send does not arrive,
// and new ones are not made, until Heal. What the server had been asked before it still answers. Server.Freeze does the
// same to all who talk to a server.
func (l *Link) Partition() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.healed == nil {
		l.healed, l.held = make(chan struct{}), map[*wire][]byte{}
	}
}

// Heal ends a partition. What was sent meanwhile arrives now, as TCP would send it again.
func (l *Link) Heal() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.healed == nil {
		return
	}
	for w, b := range l.held {
		w.Conn.Write(b) // fails where the client has given up
	}
	close(l.healed)
	l.healed, l.held = nil, nil
}

// awaitHeal waits for the end of a partition.
func (l *Link) awaitHeal(ctx context.Context) error {
	l.mu.Lock()
	healed := l.healed
	l.mu.Unlock()
	if healed == nil {
		return nil
	}
	select {
	case <-healed:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Fault is something that happens to a connection, once.
type Fault struct {
	// Sent and Received cut the connection after so many bytes from the client and from the server, counted from when
	// the fault was armed. A negative number is no limit; both must be negative for a fault that is about a statement.
	Sent, Received int

	// Statement is what the fault waits for: a text sent by the simple protocol, as pgx sends "commit".
	Statement string

	// Withhold cuts the connection instead of sending the statement.
	Withhold bool

	// Instead, if it is not empty, is sent in place of the statement.
	Instead string

	// Answer makes what the client gets of what the server answered, up to and including ReadyForQuery. The
	// connection is cut after the server's answer if it is nil or returns nil.
	Answer func(answer []byte) []byte
}

// Arm lets f happen to the connection that is next to send something. It replaces a fault that has not happened.
func (l *Link) Arm(f Fault) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fault, l.wire, l.fired = &f, nil, false
}

// Disarm takes back a fault, and tells whether it had happened.
func (l *Link) Disarm() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fault, l.wire = nil, nil
	return l.fired
}

// wire is one connection.
type wire struct {
	net.Conn
	link *Link

	// Guarded by link.mu.
	sent, received int       // since the fault was bound
	due            time.Time // when the next answer may arrive
	forge          func([]byte) []byte
	forging        bool
	forged         []byte
}

// cut ends the connection. link.mu is held.
func (w *wire) cut() error {
	w.link.fault, w.link.wire, w.link.fired = nil, nil, true
	w.Conn.Close()
	return syscall.ECONNRESET
}

// Write sends b, or what the fault leaves of it.
func (w *wire) Write(b []byte) (int, error) {
	l := w.link
	l.mu.Lock()
	if l.healed != nil {
		l.held[w] = append(l.held[w], b...)
		l.mu.Unlock()
		return len(b), nil
	}
	w.due = time.Now().Add(l.delay)
	f := l.fault
	if f != nil && l.wire == nil {
		l.wire, w.sent, w.received = w, 0, 0
	}
	if f == nil || l.wire != w {
		l.mu.Unlock()
		return w.Conn.Write(b)
	}
	defer l.mu.Unlock()
	if f.Sent >= 0 && w.sent+len(b) > f.Sent {
		n, _ := w.Conn.Write(b[:f.Sent-w.sent])
		return n, w.cut()
	}
	w.sent += len(b)
	if f.Statement == "" || !bytes.Equal(b, simpleQuery(f.Statement)) {
		return w.Conn.Write(b)
	}
	if f.Withhold {
		return 0, w.cut()
	}
	w.forge, w.forging = f.Answer, true
	l.fault, l.wire, l.fired = nil, nil, true
	if f.Instead == "" {
		return w.Conn.Write(b)
	}
	if _, err := w.Conn.Write(simpleQuery(f.Instead)); err != nil {
		return 0, err
	}
	return len(b), nil
}

// simpleQuery is the message of the simple protocol with text.
func simpleQuery(text string) []byte {
	b := binary.BigEndian.AppendUint32([]byte{'Q'}, uint32(len(text)+5))
	return append(append(b, text...), 0)
}

// Read receives what the server sent, or what the fault makes of it.
func (w *wire) Read(b []byte) (int, error) {
	l := w.link
	if w.isForging() {
		return w.forgedRead(b, w.Conn)
	}
	n, err := w.Conn.Read(b)
	if err == nil && w.isForging() {
		// The statement was sent while this read waited: pgx reads in the background while a write takes long. What came
		// is the beginning of its answer.
		return w.forgedRead(b, io.MultiReader(bytes.NewReader(bytes.Clone(b[:n])), w.Conn))
	}
	l.mu.Lock()
	wait := time.Until(w.due)
	if f := l.fault; f != nil && l.wire == w && f.Received >= 0 && w.received+n > f.Received {
		n, err = f.Received-w.received, w.cut()
		if n > 0 {
			err = nil // the connection is closed, the next call says so
		}
	}
	w.received += max(n, 0)
	l.mu.Unlock()
	if wait > 0 {
		time.Sleep(wait)
	}
	return n, err
}

func (w *wire) isForging() bool {
	w.link.mu.Lock()
	defer w.link.mu.Unlock()
	return w.forging
}

// forgedRead gives out the forged answer, and makes it of the server's answer, which is read from src, if it is not
// there yet.
func (w *wire) forgedRead(b []byte, src io.Reader) (int, error) {
	l := w.link
	l.mu.Lock()
	made := len(w.forged) > 0
	l.mu.Unlock()
	if !made {
		if err := w.makeAnswer(src); err != nil {
			return 0, err
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	n := copy(b, w.forged)
	w.forged = w.forged[n:]
	w.forging = len(w.forged) > 0
	return n, nil
}

// makeAnswer reads the server's answer to its end and forges one.
func (w *wire) makeAnswer(src io.Reader) error {
	answer, err := readAnswer(src)
	if err != nil {
		return err
	}
	l := w.link
	l.mu.Lock()
	defer l.mu.Unlock()
	w.forged = nil // of an earlier fault on this connection
	if w.forge != nil {
		w.forged = w.forge(answer)
	}
	if w.forged == nil {
		w.forging = false
		w.Conn.Close()
		return syscall.ECONNRESET
	}
	return nil
}

// readAnswer reads messages up to ReadyForQuery.
func readAnswer(r io.Reader) ([]byte, error) {
	var answer []byte
	for {
		head := make([]byte, 5)
		if _, err := io.ReadFull(r, head); err != nil {
			return nil, err
		}
		body := make([]byte, binary.BigEndian.Uint32(head[1:])-4)
		if _, err := io.ReadFull(r, body); err != nil {
			return nil, err
		}
		answer = append(append(answer, head...), body...)
		if head[0] == 'Z' {
			return answer, nil
		}
	}
}
