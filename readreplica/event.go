package readreplica

import (
	"fmt"
	"sync"
	"time"

	"github.com/smrt-go/smrt"
)

// EventKind is what happened. The zero EventKind is none.
type EventKind uint8

const (
	// NodeUp means that a server can be reached, for the first time or again.
	NodeUp EventKind = iota + 1
	// NodeDown means that a server failed twice in a row and gets no reads.
	NodeDown
	// PrimaryFound means that a server accepts writes; all writes go there from now on.
	PrimaryFound
	// PrimaryLost means that no server accepts writes.
	PrimaryLost
	// TimelineChanged means that a standby was promoted. What the old primary
	// had committed and not sent to this standby is lost.
	TimelineChanged
)

// String names the kind.
func (k EventKind) String() string {
	switch k {
	case NodeUp:
		return "node up"
	case NodeDown:
		return "node down"
	case PrimaryFound:
		return "primary found"
	case PrimaryLost:
		return "primary lost"
	case TimelineChanged:
		return "timeline changed"
	}
	return "unknown"
}

// Event is a change that an operator may want to know about.
type Event struct {
	Kind EventKind
	Node string    // name of the server; empty for PrimaryLost
	At   time.Time // when it was noticed
	Err  error     // why, for NodeDown

	// Old and New are the ends of the logs of the two timelines, for
	// TimelineChanged: what lies after Old on the old one was not seen.
	Old, New smrt.Position
}

// String describes the event in one line.
func (e Event) String() string {
	s := e.Kind.String()
	if e.Node != "" {
		s += " " + e.Node
	}
	if e.Kind == TimelineChanged {
		s += fmt.Sprintf(" (%v to %v)", e.Old, e.New)
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// events hands events over one at a time, in the order in which add was called,
// which is called with Router.mu held. Nobody waits for the function that takes
// them but end: a goroutine runs as long as there are events in the queue, and the
// next add starts another one.
type events struct {
	call func(Event)

	mu      sync.Mutex
	queue   []Event
	running bool
	ended   bool
	idle    sync.WaitGroup
}

// add queues an event, unless nobody wants to know or the router is closed.
func (e *events) add(event Event) {
	if e.call == nil {
		return
	}
	event.At = time.Now()
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ended {
		return
	}
	e.queue = append(e.queue, event)
	if !e.running {
		e.running = true
		e.idle.Go(e.run)
	}
}

// end lets no more events in, and waits until the others are handed over.
func (e *events) end() {
	e.mu.Lock()
	e.ended = true
	e.mu.Unlock()
	e.idle.Wait()
}

// run hands over what is in the queue, also what is added meanwhile.
func (e *events) run() {
	for {
		e.mu.Lock()
		if len(e.queue) == 0 {
			e.running = false
			e.mu.Unlock()
			return
		}
		event := e.queue[0]
		e.queue = e.queue[1:]
		e.mu.Unlock()
		e.call(event)
	}
}
