package report

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/smrt-go/smrt/bench/internal/measure"
)

// Table prints the results: times, and below them what was allocated.
func Table(w io.Writer, results []measure.Result) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "task\tours\tpgx\tours/pgx\tclient's CPU\tbest peer\tpeer/pgx\ttarget\t")
	for _, r := range results {
		s := summaryOf(linesOf(r))
		if s.Hand == nil || s.Ours == nil {
			continue
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%.2f\t%s\t%s\t%s\n", r.Task.Title, duration(s.Ours.Time.Median), duration(s.Hand.Time.Median),
			spread(s.Ours.Ratio), s.Ours.CPURatio.Median, peer(s.Best), peerRatio(s.Best), target(r, s))
	}
	fmt.Fprintln(t, "\t\t\t\t\t\t\t\t")
	fmt.Fprintln(t, "allocations of a call\tours\tpgx\tbest peer\tours, bytes\tpgx, bytes\tours, round trips\tpgx, round trips\t")
	for _, r := range results {
		s := summaryOf(linesOf(r))
		if s.Hand == nil || s.Ours == nil {
			continue
		}
		best := "-"
		if s.Best != nil {
			best = fmt.Sprintf("%.0f", s.Best.Allocs)
		}
		fmt.Fprintf(t, "%s\t%.0f\t%.0f\t%s\t%.0f\t%.0f\t%d\t%d\n", r.Task.Title, s.Ours.Allocs, s.Hand.Allocs, best,
			s.Ours.Mem, s.Hand.Mem, s.Ours.Wire.RoundTrips, s.Hand.Wire.RoundTrips)
	}
	_ = t.Flush()
}

func duration(ns float64) string {
	d := time.Duration(ns)
	switch {
	case d >= 10*time.Millisecond:
		return d.Round(100 * time.Microsecond).String()
	case d >= time.Millisecond:
		return d.Round(10 * time.Microsecond).String()
	default:
		return d.Round(100 * time.Nanosecond).String()
	}
}

func spread(f Figure) string { return fmt.Sprintf("%.2f (%.2f-%.2f)", f.Median, f.Low, f.High) }

func peer(l *Line) string {
	if l == nil {
		return "-"
	}
	return l.Name
}

func peerRatio(l *Line) string {
	if l == nil {
		return "-"
	}
	return spread(l.Ratio)
}

func target(r measure.Result, s Summary) string {
	if r.Task.Target == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f, goal %.2f: %s", r.Task.Target, r.Task.Goal, verdict(r, s))
}
