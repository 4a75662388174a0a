package txn

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/pgerr"
)

// Waiting between attempts is random between nothing and a bound that doubles
// ("full jitter": M. Brooker, Exponential Backoff And Jitter, 2015), so that
// transactions that met do not meet again.
const (
	backoffBase = 5 * time.Millisecond
	backoffCap  = 250 * time.Millisecond

	// A server that restarts is asked more often: nothing is gained by being
	// late. The pool may also hold dead connections, each good for one failure.
	reconnectCap = 50 * time.Millisecond

	// A server that is out of something is left alone for longer.
	crowdedBase = 100 * time.Millisecond
)

// retry decides when there is another attempt.
type retry struct {
	options  *Options
	start    time.Time
	last     time.Time       // when the attempt began
	attempts int             // closures run
	fails    int             // begins that failed since
	took     []time.Duration // by attempts
	cause    string          // the SQLSTATE that the last one ended with
}

func (t *retry) begin(o *Options) {
	t.options, t.start = o, time.Now()
	t.last = t.start
	if o.Budget != nil {
		o.Budget.call()
	}
}

// attempt notes that the closure is about to run.
func (t *retry) attempt() {
	t.attempts++
	t.fails = 0
}

func (t *retry) exhausted() bool { return t.attempts >= t.options.MaxAttempts }

// givenUp returns the error of a limit that was reached, with the last failure.
func (t *retry) givenUp(limit string, err error) error {
	return &smrt.RetryError{Attempts: t.attempts, Elapsed: time.Since(t.start), Limit: limit, Err: err}
}

// wait sleeps until the next attempt, or says why there is none. An attempt
// whose commit is in doubt is followed by another whatever the limit of
// attempts: it looks for the marker.
func (t *retry) wait(ctx context.Context, f pgerr.Fault, err error, doubt bool) error {
	begun := t.fails == 0 && t.attempts > 0
	t.fails++
	t.took, t.cause = append(t.took, time.Since(t.last)), pgerr.SQLState(err)
	pause := t.pause(f, begun)
	now := time.Now()
	switch deadline, ok := ctx.Deadline(); {
	case !doubt && (begun && t.exhausted() || t.options.MaxAttempts == 1):
		return t.givenUp("attempts", err)
	case now.Add(pause).Sub(t.start) > t.options.MaxElapsed:
		return t.givenUp("time", err)
	case ok && now.Add(pause+t.usual()).After(deadline):
		return t.givenUp("deadline", err)
	case t.options.Budget != nil && !doubt && !t.options.Budget.retry():
		return t.givenUp("budget", err)
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return errors.Join(ctx.Err(), err)
	}
	t.last = time.Now()
	return nil
}

// pause is how long to wait.
func (t *retry) pause(f pgerr.Fault, begun bool) time.Duration {
	base, limit, n := backoffBase, backoffCap, t.attempts-1
	switch {
	case (f == pgerr.StalePlan || f == pgerr.Outdated) && t.attempts <= 1:
		return 0 // the statement is prepared anew, nothing has to pass
	case f == pgerr.Crowded:
		base = crowdedBase
	case !begun:
		limit, n = reconnectCap, t.fails-1
	}
	for ; n > 0 && base < limit; n-- {
		base *= 2
	}
	return rand.N(min(base, limit)) //nolint:gosec // no secret
}

// usual is how long attempts take: half of them took less.
func (t *retry) usual() time.Duration {
	took := slices.Sorted(slices.Values(t.took))
	return took[len(took)/2]
}

// Budget bounds the retries of the transactions that share it to a part of
// their calls. Three within the window are always allowed, as a part of few calls
// is less than one; a zero Budget allows no others. It is safe for concurrent use.
type Budget struct {
	ratio float64
	slot  time.Duration

	mu      sync.Mutex
	calls   [budgetSlots]int
	retries [budgetSlots]int
	now     int64 // the slot that is counted in, since the epoch
}

// budgetSlots is how finely the window of a Budget moves.
const budgetSlots = 10

// budgetFree retries are always allowed.
const budgetFree = 3

// NewBudget returns a budget of ratio retries for each call within the window:
// 0.1 and ten seconds is usual, more where conflicts are expected. A ratio below
// 0 counts as 0, a window below 10 ms as that.
func NewBudget(ratio float64, window time.Duration) *Budget {
	b := &Budget{slot: window / budgetSlots}
	if ratio > 0 { // which NaN is not
		b.ratio = ratio
	}
	return b
}

// move forgets what is older than the window.
func (b *Budget) move() (slot int) {
	now := time.Now().UnixNano() / int64(max(b.slot, time.Millisecond))
	for range min(now-b.now, budgetSlots) {
		b.now++
		b.calls[b.now%budgetSlots], b.retries[b.now%budgetSlots] = 0, 0
	}
	b.now = now
	return int(now % budgetSlots)
}

func (b *Budget) call() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls[b.move()]++
}

func (b *Budget) retry() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	slot := b.move()
	calls, retries := 0, 0
	for i := range budgetSlots {
		calls += b.calls[i]
		retries += b.retries[i]
	}
	if retries >= budgetFree && float64(retries+1) > b.ratio*float64(calls) {
		return false
	}
	b.retries[slot]++
	return true
}

// timed is an error of the server with its sentinel.
type timed struct{ sentinel, err error }

func (t *timed) Error() string   { return t.sentinel.Error() + ": " + t.err.Error() }
func (t *timed) Unwrap() []error { return []error{t.sentinel, t.err} }

// withSentinel gives err the error of smrt that belongs to what caused it: a
// timeout of the server, or a prepared statement that a pooler lost. timedOut
// says that statement_timeout ended the statement, which no SQLSTATE tells.
func withSentinel(err, cause error, timedOut bool) error {
	var pg *pgconn.PgError
	if !errors.As(cause, &pg) {
		return err
	}
	sentinel := pgerr.Timeout(pg)
	if timedOut {
		sentinel = smrt.ErrStatementTimeout
	}
	switch {
	case pgerr.IsPooler(pg) && !errors.Is(err, smrt.ErrPoolerMode):
		return pgerr.Pooler(err)
	case sentinel == nil || errors.Is(err, sentinel):
		return err
	}
	return &timed{sentinel, err}
}

// outdatedAgain reports whether err is the error that an attempt before ended
// with. The last attempt used nothing that was prepared or learnt before it, so
// that the error is the answer. Another one may be due to another alteration.
func (r *run) outdatedAgain(err error) bool {
	last := r.outdated
	r.outdated = err
	return last != nil && pgerr.IsSame(last, err)
}
