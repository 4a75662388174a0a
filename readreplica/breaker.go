package readreplica

import (
	"errors"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/sony/gobreaker/v2"

	"github.com/smrt-go/smrt/internal/pgerr"
)

// The breaker of a node is in one of three states. Its decision is in Node.down,
// for whoever wants to know without a lock:
//
//	state      down   goes through it                 leads to
//	closed     false  probes; failures in traffic,    open, after probesOut failures in a row
//	                  and the first success after one
//	open       true   nothing, for a quarter of       half-open, then
//	                  ProbeInterval
//	half-open  true   probes                          closed, after probesIn answers in a row;
//	                                                  open, after one failure

// newBreaker returns what decides when a node is out. Probes go through it, and
// are all that it lets through in the half-open state. Reads and writes report
// their failures to it, and their successes only after a failure; its decision
// they read from Node.down. So it costs a healthy read nothing.
func (n *Node) newBreaker() *gobreaker.CircuitBreaker[struct{}] {
	return gobreaker.NewCircuitBreaker[struct{}](gobreaker.Settings{
		Name:          n.Name,
		MaxRequests:   probesIn,
		Timeout:       n.router.cfg.ProbeInterval / 4, // of being open, before it is asked again
		ReadyToTrip:   func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= probesOut },
		IsSuccessful:  func(err error) bool { return err == nil || !isHealth(err) },
		OnStateChange: func(_ string, _, to gobreaker.State) { n.down.Store(to != gobreaker.StateClosed) },
	})
}

// Hysteresis: so many failures in a row take a server out, so many good answers
// bring it back.
const (
	probesOut = 2
	probesIn  = 3
)

// isHealth reports whether an error is about the server, and not about what it
// was asked or about the caller. Errors that are the caller's, such as a row
// that does not exist or a constraint that is violated, say that it works.
func isHealth(err error) bool {
	switch faultOf(err) {
	case pgerr.Lost, pgerr.Crowded:
		return true
	}
	return errors.Is(err, errProbeTimeout)
}

// faultOf is what an error means under a context that is still alive: a time
// that is over is then not the caller's, but that of opening a connection.
func faultOf(err error) pgerr.Fault {
	fault := pgerr.FaultOf(err)
	if fault == pgerr.Ended && neverSent(err) {
		return pgerr.Lost
	}
	return fault
}

// isIdle reports whether the server ended the connection because nothing was sent
// for too long. What was sent then had no effect, and the server is well.
func isIdle(err error) bool { return pgerr.FaultOf(err) == pgerr.Idle }

// neverSent reports whether an error is that of opening a connection.
func neverSent(err error) bool {
	var connect *pgconn.ConnectError
	return errors.As(err, &connect)
}

// succeeded counts a success in traffic, if the node has failed lately.
func (n *Node) succeeded() {
	if n.shaky.Load() && !n.down.Load() {
		n.shaky.Store(false)
		_, _ = n.breaker.Execute(func() (s struct{}, err error) { return s, nil })
	}
}

// failed counts a failure that was met in traffic. The prober then finds out at
// once how the server is. Once the breaker is open, only probes count: reads
// that were sent before then may still fail when the server is back.
func (n *Node) failed(err error) {
	if n.down.Load() {
		return
	}
	n.shaky.Store(true)
	_, _ = n.breaker.Execute(func() (struct{}, error) { return struct{}{}, err })
	if isHealth(err) {
		n.router.review(n, err)
		n.prober.hurry()
	}
}

// conflicted counts a read that recovery cancelled.
func (n *Node) conflicted() { n.conflicts.Add(1) }
