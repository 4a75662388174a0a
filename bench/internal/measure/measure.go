package measure

import (
	"context"
	"errors"
	"runtime"
	"time"

	"github.com/smrt-go/smrt/bench/internal/task"
)

// Sample is what one call of a turn took, in the mean of the turn.
type Sample struct {
	Time   float64 // nanoseconds
	CPU    float64 // nanoseconds of the client's processors
	Allocs float64
	Bytes  float64 // allocated
}

// Side is what a contestant did in a task.
type Side struct {
	Name    string
	Cannot  string // why it has no figures
	Samples []Sample
	Wire    Count // of one call, once everything is prepared
}

// Result is a task that was measured.
type Result struct {
	Task  task.Task
	Sides []Side // as the contestants, hand-written pgx first
}

// Turns says how a task is measured.
type Turns struct {
	Count int           // of turns that each side has
	Least time.Duration // that a turn takes
}

// Measure runs a task on all contestants, a turn each, as often as turns says. Which is the first changes from one round
// to the next, and every other one goes backwards, so that none always follows the same.
func (s *Stage) Measure(ctx context.Context, t task.Task, turns Turns) (r Result, err error) {
	sides, err := s.sides(ctx)
	defer func() { err = errors.Join(err, s.drop(ctx, sides)) }()
	if err != nil {
		return r, err
	}
	r = Result{Task: t, Sides: make([]Side, len(sides))}
	counts, err := s.count(ctx, sides, t)
	if err != nil {
		return r, err
	}
	if err := s.open(ctx, sides, t, nil); err != nil {
		return r, err
	}
	for i, side := range sides {
		r.Sides[i] = Side{Name: side.name, Cannot: side.ops.Cannot[t.Name], Wire: counts[i]}
		if side.op == nil {
			continue
		}
		if _, err := side.turn(ctx, t, Warm); err != nil { // prepares statements
			return r, err
		}
	}
	calls, err := sides[0].enough(ctx, t, turns.Least)
	if err != nil {
		return r, err
	}
	for round := range turns.Count {
		for k := range sides {
			i := (round + k) % len(sides)
			if round%2 == 1 {
				i = (round + len(sides) - k) % len(sides)
			}
			if sides[i].op == nil {
				continue
			}
			sample, err := sides[i].turn(ctx, t, calls)
			if err != nil {
				return r, err
			}
			r.Sides[i].Samples = append(r.Sides[i].Samples, sample)
		}
	}
	return r, nil
}

// A turn has no more calls than these.
const (
	maxCalls  = 2000
	maxResets = 3
)

// enough returns how many calls a turn of this side needs to last as long as wanted. All sides make as many: the first
// calls of a turn are slower than others.
func (s *side) enough(ctx context.Context, t task.Task, least time.Duration) (int, error) {
	quickest := float64(least)
	for range 3 {
		sample, err := s.turn(ctx, t, Warm)
		if err != nil {
			return 0, err
		}
		quickest = min(quickest, sample.Time)
	}
	most := maxCalls
	if t.Reset != "" {
		most = maxResets
	}
	return max(1, min(int(float64(least)/quickest), most)), nil
}

// turn measures calls of one side. It begins without garbage, so that a side collects its own and no other's, and with
// some calls that are not measured: the processor and the server have done other things meanwhile.
func (s *side) turn(ctx context.Context, t task.Task, calls int) (sample Sample, err error) {
	if t.Reset == "" {
		before := calls / 10
		prepared := make([]task.Call, before+calls)
		for i := range prepared {
			if prepared[i], err = s.call(ctx, t); err != nil {
				return sample, err
			}
		}
		runtime.GC()
		for _, call := range prepared[:before] {
			if _, err := call(ctx); err != nil {
				return sample, err
			}
		}
		return timed(ctx, prepared[before:])
	}
	for range calls {
		call, err := s.call(ctx, t)
		if err != nil {
			return sample, err
		}
		runtime.GC()
		one, err := timed(ctx, []task.Call{call})
		if err != nil {
			return sample, err
		}
		sample.Time += one.Time / float64(calls)
		sample.CPU += one.CPU / float64(calls)
		sample.Allocs += one.Allocs / float64(calls)
		sample.Bytes += one.Bytes / float64(calls)
	}
	return sample, nil
}

func timed(ctx context.Context, calls []task.Call) (Sample, error) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	cpu, start := cpuTime(), time.Now()
	for _, call := range calls {
		if _, err := call(ctx); err != nil {
			return Sample{}, err
		}
	}
	took, cpu := time.Since(start), cpuTime()-cpu
	runtime.ReadMemStats(&after)
	n := float64(len(calls))
	return Sample{
		Time: float64(took) / n, CPU: float64(cpu) / n,
		Allocs: float64(after.Mallocs-before.Mallocs) / n, Bytes: float64(after.TotalAlloc-before.TotalAlloc) / n,
	}, nil
}

// count counts what one call of each side sends and gets, and checks that their answers are the same.
func (s *Stage) count(ctx context.Context, sides []*side, t task.Task) ([]Count, error) {
	wires := make([]*Wire, len(sides))
	for i := range wires {
		wires[i] = &Wire{}
	}
	if err := s.open(ctx, sides, t, wires); err != nil {
		return nil, err
	}
	defer shut(sides)
	if err := check(ctx, sides, t, Warm); err != nil {
		return nil, err
	}
	counts := make([]Count, len(sides))
	for i, side := range sides {
		if side.op == nil {
			continue
		}
		for range 2 { // behind the first of which no pool asks whether the connection, idle since, is still there
			call, err := side.call(ctx, t)
			if err != nil {
				return nil, err
			}
			wires[i].Take()
			if _, err := call(ctx); err != nil {
				return nil, err
			}
			counts[i] = wires[i].Take()
		}
	}
	return counts, nil
}
