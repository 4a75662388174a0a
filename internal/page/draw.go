package page

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

// piece is a rectangle of a chart, or a mark below it. Positions and sizes are percent
// of the chart's width and height, so that it is as wide as its place.
type piece struct {
	Class      string
	X, Y, W, H string
	Label      string
}

func percent(f float64) string { return strconv.FormatFloat(math.Round(f*1e4)/100, 'f', -1, 64) + "%" }

// parts draws the times of an entry side by side, against the largest total.
func parts(e Entry, most Seconds) (out []piece) {
	x := 0.0
	for _, p := range []struct {
		class string
		time  Seconds
	}{{"waited", e.Waited}, {"server", e.Server}, {"decoded", e.Decoded}} {
		if p.time > 0 && most > 0 {
			w := float64(p.time) / float64(most)
			out = append(out, piece{Class: p.class, X: percent(x), W: percent(w)})
			x += w
		}
	}
	return out
}

// share draws how much of a whole each number is, side by side.
func share(whole any, numbers ...any) (out []piece) {
	of, x := float(whole), 0.0
	for i, n := range numbers {
		if n := float(n); n > 0 && of > 0 {
			w := min(n/of, 1-x)
			out = append(out, piece{Class: "part" + strconv.Itoa(i), X: percent(x), W: percent(w)})
			x += w
		}
	}
	return out
}

// float returns a number of any type, 0 for what is none.
func float(n any) float64 {
	f, _ := strconv.ParseFloat(fmt.Sprint(n), 64)
	return f
}

// chart is how many calls took how long.
type chart struct {
	Bars, Ticks []piece
	Label       string // the same in words
}

// least is the height of a column with few calls: one of a million is seen too.
const least = 0.015

// columns draws the times of an entry, from short to long.
func columns(e Entry) (c chart) {
	most, sum := uint64(0), uint64(0)
	for _, t := range e.Times {
		most, sum = max(most, t.Calls), sum+t.Calls
	}
	if most == 0 {
		return chart{}
	}
	const margin = 2 // columns left and right
	width := 1 / float64(len(e.Times)+2*margin)
	for i, t := range e.Times {
		if t.Calls == 0 {
			continue
		}
		h := max(float64(t.Calls)/float64(most), least)
		c.Bars = append(c.Bars, piece{
			X: percent((float64(i+margin) + 0.06) * width), W: percent(width * 0.88), Y: percent(1 - h), H: percent(h),
			Label: fmt.Sprintf("%s to %s: %s calls", ShortDuration(t.From), ShortDuration(t.To), Grouped(fmt.Sprint(t.Calls))),
		})
	}
	first := e.Times[0]
	doublings := math.Log2(float64(first.To) / float64(max(first.From, 1))) // of a column
	for d := time.Microsecond; d <= time.Hour; d *= 10 {
		x := (math.Log2(float64(d)/float64(max(first.From, 1)))/doublings + margin) * width
		if x > 0.05 && x < 0.95 {
			c.Ticks = append(c.Ticks, piece{X: percent(x), Label: ShortDuration(d)})
		}
	}
	c.Label = fmt.Sprintf("Times of %s calls: half of them took at most %s, 99 %% at most %s, the longest %s.",
		Grouped(fmt.Sprint(sum)), ShortDuration(time.Duration(e.P50)), ShortDuration(time.Duration(e.P99)), ShortDuration(time.Duration(e.Max)))
	return c
}

// ShortDuration writes a duration with three digits.
func ShortDuration(d time.Duration) string {
	switch {
	case d <= 0:
		return "0"
	case d < time.Microsecond:
		return strconv.Itoa(int(d)) + " ns"
	case d < time.Millisecond:
		return threeDigits(float64(d)/1e3) + " µs"
	case d < time.Second:
		return threeDigits(float64(d)/1e6) + " ms"
	case d < 100*time.Second:
		return threeDigits(d.Seconds()) + " s"
	case d < 100*time.Minute:
		return fmt.Sprintf("%d min", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h %02d min", d/time.Hour, d%time.Hour/time.Minute)
	}
	return fmt.Sprintf("%d d", d/(24*time.Hour))
}

// threeDigits writes a number with three digits, or all those before the point.
func threeDigits(f float64) string {
	switch {
	case f < 9.995:
		return strconv.FormatFloat(f, 'f', 2, 64)
	case f < 99.95:
		return strconv.FormatFloat(f, 'f', 1, 64)
	}
	return Grouped(strconv.FormatFloat(f, 'f', 0, 64))
}

// Grouped puts commas between the thousands of a whole number.
func Grouped(digits string) string {
	for i := len(digits) - 3; i > 0 && digits[i-1] != '-'; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// ShortBytes writes a number of bytes.
func ShortBytes(n any) string {
	f, unit := float(n), 0
	for f >= 1000 && unit < 4 {
		f /= 1024
		unit++
	}
	if unit == 0 {
		return strconv.Itoa(int(f)) + " B"
	}
	return threeDigits(f) + " " + [...]string{"B", "KB", "MB", "GB", "TB"}[unit]
}
