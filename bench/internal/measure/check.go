package measure

import (
	"context"
	"errors"
	"fmt"

	"github.com/smrt-go/smrt/bench/internal/model"
	"github.com/smrt-go/smrt/bench/internal/task"
)

// Warm is how often each side runs before it is measured or counted: statements are prepared then, and past the server's
// five custom plans.
const Warm = 8

// check runs a task on each side a few times, and returns an error if the answers or what the databases hold afterwards
// are not those of the first side.
func check(ctx context.Context, sides []*side, t task.Task, times int) error {
	var errs []error
	var want []string
	for i, s := range sides {
		if s.op == nil {
			if i == 0 || s.ops.Why(t) == "" {
				errs = append(errs, fmt.Errorf("%s: %s does not say why it cannot", t.Name, s.name))
			}
			continue
		}
		got, err := s.answers(ctx, t, times)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %s: %w", t.Name, s.name, err))
			continue
		}
		if i == 0 {
			want = got
		}
		for n := range min(len(want), len(got)) {
			if got[n] != want[n] {
				mine, other := differences(got[n], want[n])
				errs = append(errs, fmt.Errorf("%s: %s: answer %d has\n\t%s\nwhere %s has\n\t%s",
					t.Name, s.name, n+1, mine, sides[0].name, other))
				break
			}
		}
	}
	return errors.Join(errs...)
}

// differences returns what is in two texts from a little before they differ.
func differences(a, b string) (string, string) {
	const before, after = 60, 200
	i := 0
	for i < min(len(a), len(b)) && a[i] == b[i] {
		i++
	}
	from := max(0, i-before)
	return a[from:min(len(a), i+after)], b[from:min(len(b), i+after)]
}

// answers returns the answers of some calls, and after them the state of the database.
func (s *side) answers(ctx context.Context, t task.Task, times int) (answers []string, err error) {
	for range times {
		call, err := s.call(ctx, t)
		if err != nil {
			return nil, err
		}
		answer, err := call(ctx)
		if err != nil {
			return nil, err
		}
		answers = append(answers, model.Canonical(answer))
	}
	if t.State != "" {
		var state string
		err = s.admin.QueryRow(ctx, t.State).Scan(&state)
		answers = append(answers, state)
	}
	return answers, err
}

// Check runs each task a few times on all contestants, and returns an error if one of them answers otherwise than the
// first, or leaves other rows.
func (s *Stage) Check(ctx context.Context, tasks []task.Task, times int) (err error) {
	sides, err := s.sides(ctx)
	defer func() { err = errors.Join(err, s.drop(ctx, sides)) }()
	if err != nil {
		return err
	}
	var errs []error
	for _, t := range tasks {
		if err := s.open(ctx, sides, t, nil); err != nil {
			return err
		}
		errs = append(errs, check(ctx, sides, t, times))
		shut(sides)
	}
	return errors.Join(errs...)
}
