package txn

import (
	"context"
	"fmt"
	"runtime"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/handle"
	"github.com/smrt-go/smrt/internal/limit"
	"github.com/smrt-go/smrt/internal/pgerr"
)

// Step is one of the things that a [Pipeline] does. It may use any code that
// takes a handle, such as a query made by sqlc. It runs on a goroutine of its own,
// but never at the same time as another step.
type Step = func(ctx context.Context, db smrt.DB) error

// Pipeline runs steps that do not need each other's results, with as many round
// trips as the longest of them has statements: the first statements of all steps
// are sent together, then the second ones, and so on. What a step reads is
// there when the statement returns, as always.
//
//	err := txn.Pipeline(ctx, tx,
//		func(ctx context.Context, db smrt.DB) (err error) { product, err = shopdb.New(db).GetProduct(ctx, id); return },
//		func(ctx context.Context, db smrt.DB) error { return shopdb.New(db).TouchCart(ctx, cart) },
//	)
//
// Steps take turns, one at a time, so they need no locks; between two statements
// of one step others go on.
//
// The statements of a round trip take effect together: in a transaction as
// everything does, on a pool because the server runs them in one. So if a
// statement fails, the others of its round trip are not run, or undone, and their
// steps get smrt.ErrNotRun. The error is a *smrt.PipelineError, which has the error
// of each step.
//
// A handle given to a step takes no COPY and no batches (smrt.ErrBadQuery), is used
// by one goroutine at a time (smrt.ErrTxConcurrentUse), and only until the step
// returns (smrt.ErrTxDone). Everything is sent under ctx: if that has a tenant, a
// statement under the context of another is smrt.ErrTenantMismatch, and under one
// without it is smrt.ErrNoTenant. If a step panics, Pipeline panics with the same value
// after the other steps have ended.
func Pipeline(ctx context.Context, db smrt.DB, steps ...Step) error {
	if ctx == nil {
		return smrt.ErrNilContext
	}
	if isNil(db) {
		return errNilHandle
	}
	for i, step := range steps {
		if step == nil {
			return &smrt.OptionsError{Option: "steps", Reason: fmt.Sprintf("must not be nil: step %d is", i)}
		}
	}
	if err := handle.Check(ctx, db); err != nil {
		return err
	}
	db, limits := limit.Below(db)
	_, inTx := db.(pgx.Tx)
	lanes, within := make([]*lane, len(steps)), handle.UndoerOf(ctx, db)
	for i, step := range steps {
		lanes[i] = &lane{turn: make(chan answer), ask: make(chan *request), within: within, tenant: smrt.TenantOf(ctx), inTx: inTx}
		go lanes[i].run(ctx, func(ctx context.Context, on smrt.DB) error { return step(ctx, limit.On(on, limits)) })
	}
	finish(ctx, db, lanes)
	failed := &smrt.PipelineError{Errors: make([]error, len(lanes))}
	ok := true
	for i, l := range lanes {
		if l.err == nil {
			l.err = l.undone
		}
		failed.Errors[i] = l.err
		ok = ok && l.err == nil
	}
	if ok {
		return nil
	}
	return failed
}

// request is a statement that a step waits for.
type request struct {
	sql     string
	args    []any
	rows    bool
	planned bool // each time that it runs, because of a long list
}

// answer is what the step gets for it.
type answer struct {
	rows *laneRows
	tag  pgconn.CommandTag
	err  error
}

// lane is a step and its handle. The step runs on a goroutine, but only while
// the lane has its turn, which it gives back with a request or at its end; it
// never touches the connection beyond the rows it was given. So with two steps of
// one and two statements the turns go like this, and nothing needs a lock:
//
//	Pipeline            step A              step B
//	resume(A) ------->  asks for a1
//	resume(B) ---------------------------->  asks for b1
//	sends a1, b1
//	resume(A, result)>  returns
//	resume(B, result) -------------------->  asks for b2
//	sends b2
//	resume(B, result) -------------------->  returns
type lane struct {
	turn   chan answer
	ask    chan *request // nil at the end
	tenant smrt.Tenant   // that everything is sent under
	inTx   bool          // the pipeline is on a transaction

	busy     sync.Mutex // a statement is under way
	over     bool       // the step has returned; guarded by busy
	wants    *request   // nil when the step has returned
	open     *laneRows  // given with the last answer
	err      error      // of the step
	undone   error      // of a round trip it took part in
	within   handle.Undoer
	undos    []handle.Undo // of the round trip
	ends     []handle.Doubter
	panicked any
	exited   bool // by runtime.Goexit
}

func (l *lane) run(ctx context.Context, step Step) {
	<-l.turn
	returned := false
	defer func() {
		if !returned {
			l.panicked = recover()
			l.exited = l.panicked == nil
		}
		l.busy.Lock()
		l.over = true
		l.busy.Unlock()
		l.ask <- nil
	}()
	l.err = step(ctx, (*laneDB)(l))
	returned = true
}

// resume lets the step go on until it wants something.
func (l *lane) resume(a answer) {
	l.open = a.rows
	l.turn <- a
	l.wants = <-l.ask
	if l.open != nil {
		l.open.Close() // a step that left them open loses them
	}
}

// finish runs steps to their end. If one panics, or something that it sends does,
// the others are told that their statements were not run, so that all goroutines
// end; then the panic goes on here.
func finish(ctx context.Context, db smrt.DB, lanes []*lane) {
	defer abandon(lanes)
	var broken *lane
	start := func(l *lane, a answer) {
		if broken != nil && a.err == nil && a.rows == nil {
			a.err = smrt.ErrNotRun
		}
		l.resume(a)
		if broken == nil && (l.panicked != nil || l.exited) {
			broken = l
		}
	}
	for _, l := range lanes {
		start(l, answer{})
	}
	for broken == nil {
		var waiting []*lane
		for _, l := range lanes {
			if l.wants != nil {
				waiting = append(waiting, l)
			}
		}
		if len(waiting) == 0 {
			break
		}
		roundTrip(ctx, db, waiting, start)
	}
	switch {
	case broken == nil:
	case broken.exited:
		runtime.Goexit()
	default:
		panic(broken.panicked)
	}
}

// abandon ends the steps that still wait for something.
func abandon(lanes []*lane) {
	for _, l := range lanes {
		for l.wants != nil {
			l.resume(answer{err: smrt.ErrNotRun})
		}
		l.settle(true) // nothing is left, unless something has panicked
	}
}

// roundTrip sends what the lanes wait for. Each lane reads its result while the
// batch is open: the types that values are read with belong to the connection.
func roundTrip(ctx context.Context, db smrt.DB, waiting []*lane, start func(*lane, answer)) {
	b, planned := &pgx.Batch{}, false
	for _, l := range waiting {
		b.Queue(l.wants.sql, l.wants.args...)
		l.undos = l.undos[:0]
		planned = planned || l.wants.planned
	}
	results := handle.SendBatch(ctx, db, b, planned)
	defer results.Close() //nolint:errcheck // for panics, it is closed below
	var failed error
	culprit := -1
	for i, l := range waiting {
		if failed != nil {
			start(l, answer{err: notRun(failed)})
			continue
		}
		a, failure := read(results, l.wants)
		start(l, a)
		if a.rows != nil {
			failure = a.rows.inner.Err()
		}
		if failure != nil {
			failed, culprit = failure, i
		}
	}
	if err := results.Close(); err != nil && failed == nil {
		failed = err
	}
	for _, l := range waiting {
		l.settle(failed != nil && pgerr.IsCommitUnknown(failed))
	}
	if failed == nil {
		return
	}
	for i, l := range waiting { // also those that had been answered before
		if i != culprit {
			l.undone = notRun(failed)
			l.takeBack()
		}
	}
}

// read reads the next result for a request. failure is the error of a result that
// could not be read, with which the round trip has failed.
func read(results pgx.BatchResults, r *request) (a answer, failure error) {
	if !r.rows {
		a.tag, a.err = results.Exec()
		return a, a.err
	}
	inner, err := results.Query()
	if err != nil {
		return answer{err: err}, err
	}
	return answer{rows: &laneRows{inner: inner}}, nil
}

// notRunError is smrt.ErrNotRun with the reason.
type notRunError struct{ cause error }

func notRun(cause error) error { return &notRunError{cause} }

func (e *notRunError) Error() string   { return smrt.ErrNotRun.Error() + ": " + e.cause.Error() }
func (e *notRunError) Unwrap() []error { return []error{smrt.ErrNotRun, e.cause} }
