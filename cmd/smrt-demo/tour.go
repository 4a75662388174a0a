package main

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// step is one stop of the tour. Its run gets the traced pool on the primary.
type step struct {
	title string
	why   string // one sentence: what is to be seen
	run   func(ctx context.Context, pool *pgxpool.Pool, out *outcome)
}

// chapter is a run of steps with a common theme.
type chapter struct {
	name  string
	steps []step
}

// tour plays all steps in their order and ends at the first that fails.
func (s *stage) tour(ctx context.Context) error {
	var steps, statements, checks int
	var rows int64
	var took time.Duration
	began := time.Now()
	for _, c := range chapters {
		s.heading("== " + c.name)
		for _, st := range c.steps {
			steps++
			out, err := s.play(ctx, steps, st)
			if err != nil {
				return fmt.Errorf("step %d, %s: %w", steps, st.title, err)
			}
			statements, checks = statements+len(out.statements), checks+out.checks
			rows, took = rows+out.rows, took+out.took
		}
	}
	s.heading(fmt.Sprintf("✓ %s, %s, %s, %s: all as expected.", plural(steps, "step"),
		plural(statements, "statement"), plural(rows, "row"), plural(checks, "check")))
	s.printf("  %s in the library and the server, %s for the tour with its checks, %s to prepare it.\n",
		brief(took), brief(time.Since(began)), brief(s.loaded))
	return nil
}

// play runs one step and prints it.
func (s *stage) play(ctx context.Context, number int, st step) (*outcome, error) {
	lines, err := listing(st)
	if err != nil {
		return nil, err
	}
	s.heading(fmt.Sprintf("%2d  %s", number, st.title))
	s.block("", wrap(st.why))
	s.block("go", lines)

	out := &outcome{stage: s}
	done := make(chan struct{})
	go func() { // of its own, so that must can end it
		defer close(done)
		out.start()
		st.run(ctx, s.pool, out)
	}()
	<-done
	s.result(out)
	return out, out.err()
}

// result prints what a step did. A statement that was sent several times in a
// row is printed once.
func (s *stage) result(out *outcome) {
	for i, times := 0, 1; i < len(out.statements); i, times = i+times, 1 {
		st := out.statements[i]
		for i+times < len(out.statements) && out.statements[i+times].sql == st.sql {
			times++
		}
		s.block("sql", st.lines(times))
	}
	s.block("=>", out.notes)
	verdict := "✓   checked"
	if out.err() != nil {
		verdict = "✗   not as expected"
	}
	s.printf("  %s · %s · %s · %s\n", verdict,
		plural(out.rows, "row"), plural(len(out.statements), "statement"), brief(out.took))
}
