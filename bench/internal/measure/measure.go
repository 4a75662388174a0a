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
	Held    int   // bytes of memory that an answer holds, if that is measured
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
		r.Sides[i] = Side{Name: side.name, Wire: counts[i]}
		if side.op == nil {
			r.Sides[i].Cannot = side.ops.Why(t)
		}
	}
	calls, err := enough(ctx, sides, t, turns.Least)
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
	if t.Holds {
		return r, hold(ctx, sides, t, r.Sides)
	}
	return r, nil
}

const (
	minCalls = 3 // in a turn, of what writes
	maxCalls = 2000
	settling = 2 // turns of each side before those that count
)

// enough lets each side do the task as often as the others, so that statements are prepared and tables have reached the
// state in which updates find room beside the rows that they replace. It returns how many calls the first side needs for
// a turn that lasts as long as wanted. All sides make as many.
func enough(ctx context.Context, sides []*side, t task.Task, least time.Duration) (int, error) {
	quickest, fewest := float64(least), minCalls
	if t.State == "" { // what is read for long is not read again
		fewest = 1
	}
	for i, s := range sides {
		if s.op == nil {
			continue
		}
		for range settling {
			sample, err := s.turn(ctx, t, minCalls)
			if err != nil {
				return 0, err
			}
			if i == 0 {
				quickest = min(quickest, sample.Time)
			}
		}
	}
	return max(fewest, min(int(float64(least)/quickest), maxCalls)), nil
}

// turn measures calls of one side. It begins without garbage, so that a side collects its own and no other's, and with
// calls that are not measured: the processor and the server have done other things meanwhile, and what a side keeps for
// its next call, as a service does that works without a pause, was collected with the garbage.
func (s *side) turn(ctx context.Context, t task.Task, calls int) (sum Sample, err error) {
	before := max(1, calls/10)
	prepared := make([]task.Call, before+calls)
	for i := range prepared {
		s.calls++
		prepared[i] = s.op(s.calls)
	}
	runtime.GC()
	if err := s.run(ctx, t, prepared[:before], nil); err != nil {
		return sum, err
	}
	if err := s.run(ctx, t, prepared[before:], &sum); err != nil {
		return sum, err
	}
	n := float64(calls)
	return Sample{Time: sum.Time / n, CPU: sum.CPU / n, Allocs: sum.Allocs / n, Bytes: sum.Bytes / n}, nil
}

// run makes calls and adds what they took to a sum, which is nil if that does not matter. What a task resets before a call
// is not in it.
func (s *side) run(ctx context.Context, t task.Task, calls []task.Call, sum *Sample) error {
	if t.Reset == "" {
		return timed(ctx, calls, sum)
	}
	for i := range calls {
		if err := s.reset(ctx, t); err != nil {
			return err
		}
		if err := timed(ctx, calls[i:i+1], sum); err != nil {
			return err
		}
	}
	return nil
}

// hold measures the memory that answers hold.
func hold(ctx context.Context, sides []*side, t task.Task, to []Side) error {
	const answers = 16
	for i, s := range sides {
		if s.op == nil {
			continue
		}
		held, before := make([]any, answers), live()
		for n := range held {
			call, err := s.call(ctx, t)
			if err != nil {
				return err
			}
			if held[n], err = call(ctx); err != nil {
				return err
			}
		}
		to[i].Held = (live() - before) / answers
		runtime.KeepAlive(held)
	}
	return nil
}

// live returns how many bytes of the heap are in use, without what pools would give back.
func live() int {
	var m runtime.MemStats
	for range 2 {
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

func timed(ctx context.Context, calls []task.Call, sum *Sample) error {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	cpu, start := cpuTime(), time.Now()
	for _, call := range calls {
		if _, err := call(ctx); err != nil {
			return err
		}
	}
	took, cpu := time.Since(start), cpuTime()-cpu
	runtime.ReadMemStats(&after)
	if sum != nil {
		sum.Time += float64(took)
		sum.CPU += float64(cpu)
		sum.Allocs += float64(after.Mallocs - before.Mallocs)
		sum.Bytes += float64(after.TotalAlloc - before.TotalAlloc)
	}
	return nil
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
