// Package report says what was measured: a table to print, a page and plots.
package report

import (
	"fmt"
	"math"
	"slices"

	"github.com/smrt-go/smrt/bench/internal/measure"
	"github.com/smrt-go/smrt/bench/internal/task"
)

// Figure is a median with the quartiles around it.
type Figure struct{ Low, Median, High float64 }

func figureOf(values []float64) Figure {
	slices.Sort(values)
	at := func(share float64) float64 { return values[int(math.Round(share*float64(len(values)-1)))] }
	return Figure{at(0.25), at(0.5), at(0.75)}
}

// Line is what a contestant did in a task.
type Line struct {
	measure.Side
	Time, CPU   Figure // of a call, in nanoseconds
	Ratio       Figure // of the time to that of hand-written pgx in the same round
	CPURatio    Figure
	Allocs, Mem float64
}

// ours is the name of the library's own contestant.
const ours = "smrt"

// linesOf returns the lines of those who have figures; the first is hand-written pgx.
func linesOf(r measure.Result) (lines []Line) {
	for _, s := range r.Sides {
		if len(s.Samples) == 0 {
			continue
		}
		l := Line{Side: s}
		pick := func(of func(measure.Sample) float64, per bool) Figure {
			values := make([]float64, len(s.Samples))
			for i, sample := range s.Samples {
				if values[i] = of(sample); per {
					values[i] /= max(1, of(r.Sides[0].Samples[i])) // a nanosecond, where nothing is known of processors
				}
			}
			return figureOf(values)
		}
		time, cpu := func(s measure.Sample) float64 { return s.Time }, func(s measure.Sample) float64 { return s.CPU }
		l.Time, l.Ratio, l.CPU, l.CPURatio = pick(time, false), pick(time, true), pick(cpu, false), pick(cpu, true)
		l.Allocs = pick(func(s measure.Sample) float64 { return s.Allocs }, false).Median
		l.Mem = pick(func(s measure.Sample) float64 { return s.Bytes }, false).Median
		lines = append(lines, l)
	}
	return lines
}

// Summary is one task in short.
type Summary struct {
	Ours, Hand, Best *Line // Best is the fastest of the others; nil where one has no figures
}

func summaryOf(lines []Line) (s Summary) {
	for i := range lines {
		switch l := &lines[i]; {
		case i == 0:
			s.Hand = l
		case l.Name == ours:
			s.Ours = l
		case s.Best == nil || l.Ratio.Median < s.Best.Ratio.Median:
			s.Best = l
		}
	}
	return s
}

// verdict says what a ratio should be, and whether it is.
func verdict(ratio float64, t task.Target) string {
	switch {
	case t == task.Target{}:
		return "-"
	case ratio <= t.Goal:
		return fmt.Sprintf("%.2f: goal", t.Most)
	case ratio <= t.Most:
		return fmt.Sprintf("%.2f: met", t.Most)
	default:
		return fmt.Sprintf("%.2f: NOT MET", t.Most)
	}
}
