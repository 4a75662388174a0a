package main

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// step is one stop of the tour. Its run gets the traced pool on the primary.
type step struct {
	title string
	why   string // one sentence: what is to be seen
	run   func(ctx context.Context, s *stage, out *outcome) error
}

// chapter is a run of steps with a common theme.
type chapter struct {
	name  string
	steps []step
}

// totals add up what all steps did.
type totals struct {
	steps, statements, checks int
	rows                      int64
	took                      time.Duration
}

// tour plays all steps in their order and ends at the first that fails.
func tour(ctx context.Context, s *stage) error {
	shown, err := readListings()
	if err != nil {
		return err
	}
	var sum totals
	began := time.Now()
	for _, c := range chapters {
		s.printf("\n%s\n", s.paint(bold+";"+cyan, "━━ "+c.name+" "+strings.Repeat("━", width-4-len([]rune(c.name)))))
		for _, st := range c.steps {
			sum.steps++
			out, err := s.play(ctx, sum.steps, st, shown)
			if err != nil {
				return fmt.Errorf("step %d, %s: %w", sum.steps, st.title, err)
			}
			sum.add(out)
		}
	}
	s.summary(sum, time.Since(began))
	return nil
}

func (t *totals) add(out *outcome) {
	t.statements += len(out.statements)
	t.checks += out.checks
	t.rows += out.rows
	t.took += out.took
}

// play runs one step and prints it.
func (s *stage) play(ctx context.Context, number int, st step, shown listings) (*outcome, error) {
	lines, err := shown.of(st)
	if err != nil {
		return nil, err
	}
	s.printf("\n%s\n%s\n", s.paint(bold, fmt.Sprintf("%2d  %s", number, st.title)), indented(wrap(st.why, width-4)))
	s.block("go", "", lines)

	out := s.newOutcome()
	out.start()
	if err := st.run(ctx, s, out); err != nil {
		return nil, err
	}
	s.result(out)
	return out, out.err()
}

func indented(lines []string) string {
	for i, line := range lines {
		lines[i] = "    " + strings.TrimLeft(line, " ")
	}
	return strings.Join(lines, "\n")
}

// result prints what a step did.
func (s *stage) result(out *outcome) {
	for _, run := range runs(out.statements) {
		lines := sqlLines(run.sql)
		if run.lookup() {
			lines = []string{"-- a look-up in the server's catalog, whose answer is remembered"}
			run.args = nil
		}
		if about := run.about(); about != "" {
			lines = append(lines, about)
		}
		s.block("sql", dim, lines)
	}
	s.block("=>", "", out.notes)
	mark, checked := s.paint(green, "✓"), "checked"
	if out.err() != nil {
		mark, checked = s.paint(red, "✗"), "not as expected"
	}
	s.printf("  %s   %s · %s · %s · %s\n", mark, checked,
		plural(out.rows, "row"), plural(len(out.statements), "statement"), brief(out.took))
}

// sentRun is a statement sent several times in a row, with other arguments or the same.
type sentRun struct {
	statement
	times int
}

// runs joins statements of the same text that follow each other.
func runs(statements []statement) []sentRun {
	var joined []sentRun
	for _, st := range statements {
		if last := len(joined) - 1; last >= 0 && joined[last].sql == st.sql {
			joined[last].times++
			continue
		}
		joined = append(joined, sentRun{statement: st, times: 1})
	}
	return joined
}

// about is a comment below the SQL: its arguments, and how often it was sent.
func (r sentRun) about() string {
	var parts []string
	if len(r.args) > 0 {
		parts = append(parts, plural(len(r.args), "argument")+": "+r.types())
	}
	if r.times > 1 {
		parts = append(parts, fmt.Sprintf("sent %d times", r.times))
	}
	if len(parts) == 0 {
		return ""
	}
	about := wrap("-- "+strings.Join(parts, "; "), width-margin)
	return strings.Join(about, "\n"+strings.Repeat(" ", margin))
}

// summary closes the tour.
func (s *stage) summary(sum totals, took time.Duration) {
	s.printf("\n%s\n", s.paint(bold+";"+cyan, strings.Repeat("━", width)))
	s.printf("%s %s, %s, %s, %s: all as expected.\n", s.paint(green, "✓"), plural(sum.steps, "step"),
		plural(sum.statements, "statement"), plural(sum.rows, "row"), plural(sum.checks, "check"))
	s.printf("  %s in the library and the server, %s for the tour with its checks, %s to prepare it.\n",
		brief(sum.took), brief(took), brief(s.loaded))
}
