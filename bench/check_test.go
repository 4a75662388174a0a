package main

import (
	"context"
	"strings"
	"testing"

	"github.com/smrt-go/smrt/bench/internal/bypgx"
	"github.com/smrt-go/smrt/bench/internal/measure"
	"github.com/smrt-go/smrt/bench/internal/model"
	"github.com/smrt-go/smrt/bench/internal/task"
	"github.com/smrt-go/smrt/internal/check"
)

// A contestant that answers otherwise, that leaves other rows, or that leaves a task out without a reason, is found.
func TestOthersAnswersAreFound(t *testing.T) {
	t.Parallel()
	liar := measure.Contestant{Name: "liar", Open: func(ctx context.Context, db measure.Database) (*task.Ops, error) {
		ops, err := bypgx.Open(ctx, db)
		if err != nil {
			return nil, err
		}
		get, create := ops.Get, ops.Create
		ops.Get = func(ctx context.Context, id int64) (any, error) { return get(ctx, id%3+1) }
		ops.Create = func(ctx context.Context, c model.Customer) (int64, error) {
			c.Phone = nil
			return create(ctx, c)
		}
		ops.Find = nil
		return ops, nil
	}}
	stage := newStage(t, append(contestants()[:1], liar))
	err := stage.Check(t.Context(), choose(stage.Tasks(), "get,find,read,create"), 3)
	if err == nil {
		t.Fatal("nothing was found")
	}
	for _, want := range []string{"get: liar: answer 1 ", "find: liar does not say why", "create: liar: answer 4 "} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in: %v", want, err)
		}
	}
	check.Same(t, "read is found", strings.Contains(err.Error(), "read: liar"), false)
}

// A server that is far away takes its time for each round trip, and a row that is kept needs none.
func TestDistantAndKept(t *testing.T) {
	t.Parallel()
	stage := newStage(t, contestants()[:2])
	for _, tk := range choose(stage.Tasks(), "far-place,cached-get") {
		r := check.Value(stage.Measure(t.Context(), tk, measure.Turns{Count: 2}))(t)
		for _, side := range r.Sides {
			if tk.Delay == 0 && side.Name == "smrt" {
				check.Same(t, "what is sent for a row that is kept", side.Wire, measure.Count{})
			}
			least := float64(tk.Delay) * float64(side.Wire.RoundTrips)
			for _, s := range side.Samples {
				if s.Time < least {
					t.Errorf("%s: %s took %v, less than %d round trips of %v", side.Name, tk.Name, s.Time, side.Wire.RoundTrips, tk.Delay)
				}
			}
		}
	}
}

// What is counted is what goes over the wire: one statement in one round trip for a key, three for a transaction.
func TestMeasuredFigures(t *testing.T) {
	t.Parallel()
	stage := newStage(t, contestants()[:2])
	for _, tk := range choose(stage.Tasks(), "get,create-many,place") {
		r := check.Value(stage.Measure(t.Context(), tk, measure.Turns{Count: 3}))(t)
		for _, side := range r.Sides {
			want := measure.Count{Statements: 1, RoundTrips: 1}
			if tk.Name == "place" { // BEGIN, two inserts and COMMIT, with the key in between
				want = measure.Count{Statements: 4, RoundTrips: 2}
			}
			got := measure.Count{Statements: side.Wire.Statements, RoundTrips: side.Wire.RoundTrips}
			if tk.Name != "place" || side.Name == "pgx" {
				check.Same(t, side.Name+": "+tk.Name, got, want)
			}
			check.Same(t, side.Name+": samples of "+tk.Name, len(side.Samples), 3)
			if side.Wire.Sent < 20 || side.Wire.Received < 20 {
				t.Errorf("%s: %s sent %d and received %d bytes", side.Name, tk.Name, side.Wire.Sent, side.Wire.Received)
			}
			for _, s := range side.Samples {
				if s.Time <= 0 || s.Allocs < 1 || s.Bytes < 1 {
					t.Errorf("%s: %s took nothing: %+v", side.Name, tk.Name, s)
				}
			}
		}
	}
}
