package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"
)

// outcome is what a step did and what came of it. A step calls start, if its
// listing does not begin with its first line, and stop where its listing ends.
// After that it tells and checks.
type outcome struct {
	*stage
	began      time.Time
	took       time.Duration
	stopped    bool
	rows       int64
	statements []statement
	notes      []string
	failures   []error
	checks     int
}

// start begins the part that is listed, traced and timed.
func (o *outcome) start() {
	o.trace.start()
	o.began = time.Now()
}

// stop ends the part that is listed, traced and timed. The step read or wrote so many rows.
func (o *outcome) stop(rows int64) {
	o.took = time.Since(o.began)
	o.statements = o.trace.stop()
	o.stopped, o.rows = true, rows
}

// must ends the step if there is an error, as FailNow ends a test.
func (o *outcome) must(err error) {
	if err != nil {
		o.failures = append(o.failures, err)
		runtime.Goexit()
	}
}

// tell adds a line about what came of the step.
func (o *outcome) tell(format string, args ...any) {
	o.notes = append(o.notes, wrap(fmt.Sprintf(format, args...))...)
}

// tellError shows an error that was to be expected, and checks that it is the one that the caller would branch on.
func (o *outcome) tellError(err, target error) {
	o.check(errors.Is(err, target), "the error is %v, want %v", err, target)
	o.tell("error: %v", err)
}

// check notes a failure unless ok. The format says what is wrong.
func (o *outcome) check(ok bool, format string, args ...any) {
	o.checks++
	if !ok {
		o.failures = append(o.failures, fmt.Errorf(format, args...))
	}
}

// expect compares a number with what hand-written SQL says.
func (o *outcome) expect(ctx context.Context, what string, got int64, sql string, args ...any) {
	var want int64
	if err := o.control.QueryRow(ctx, sql, args...).Scan(&want); err != nil {
		o.check(false, "check %s: %w", what, err)
		return
	}
	o.check(got == want, "%s: %d, but the hand-written query says %d", what, got, want)
}

// sends checks how many statements the step sent, besides look-ups in the catalog.
func (o *outcome) sends(want int) {
	sent := 0
	for _, st := range o.statements {
		if !st.lookup() {
			sent++
		}
	}
	o.check(sent == want, "%d statements were sent, want %d", sent, want)
}

// err returns what is wrong with the outcome.
func (o *outcome) err() error {
	if !o.stopped && len(o.failures) == 0 {
		return errors.New("the step did not reach its end")
	}
	return errors.Join(o.failures...)
}
