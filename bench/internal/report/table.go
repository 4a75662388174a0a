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
	fmt.Fprintln(t, "task\tours\tpgx\tours/pgx\ttarget\tbest peer\tpeer/pgx\tclient's CPU, ours/pgx\ttarget\t")
	for _, r := range results {
		s := summaryOf(linesOf(r))
		if s.Hand == nil || s.Ours == nil {
			continue
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t\n", r.Task.Title, duration(s.Ours.Time.Median),
			duration(s.Hand.Time.Median), spread(s.Ours.Ratio), verdict(s.Ours.Ratio.Median, r.Task.Time), peer(s.Best),
			peerRatio(s.Best), spread(s.Ours.CPURatio), verdict(s.Ours.CPURatio.Median, r.Task.CPU))
	}
	_ = t.Flush()
	fmt.Fprintln(w)
	fmt.Fprintln(t, "allocations of a call\tours\tpgx\ttarget\tbest peer\tbytes, ours\tpgx\tround trips, ours\tpgx\t")
	for _, r := range results {
		s := summaryOf(linesOf(r))
		if s.Hand == nil || s.Ours == nil {
			continue
		}
		best := "-"
		if s.Best != nil {
			best = fmt.Sprintf("%.0f", s.Best.Allocs)
		}
		fmt.Fprintf(t, "%s\t%.0f\t%.0f\t%s\t%s\t%.0f\t%.0f\t%d\t%d\t\n", r.Task.Title, s.Ours.Allocs, s.Hand.Allocs,
			verdict(s.Ours.Allocs/max(1, s.Hand.Allocs), r.Task.Allocs), best, s.Ours.Mem, s.Hand.Mem, s.Ours.Wire.RoundTrips,
			s.Hand.Wire.RoundTrips)
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
