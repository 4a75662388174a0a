package main

import (
	"testing"

	"github.com/smrt-go/smrt/bench/internal/measure"
	"github.com/smrt-go/smrt/bench/internal/task"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
)

// small is the size of tests.
func small() task.Size { return task.Size{Customers: 200, Products: 100, Orders: 300, Rows: 60} }

func newStage(t *testing.T, contestants []measure.Contestant) *measure.Stage {
	t.Helper()
	server := testdb.Primary(t, testdb.Config{Settings: measure.Settings()})
	return check.Value(measure.NewStage(t.Context(), server, small(), contestants))(t)
}

// Each task is done by all contestants who can, with the same answers and the same rows afterwards.
func TestAnswersAreTheSame(t *testing.T) {
	t.Parallel()
	stage := newStage(t, contestants())
	check.NoError(t, stage.Check(t.Context(), stage.Tasks(), 2))
}
