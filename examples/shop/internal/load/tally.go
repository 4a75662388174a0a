package load

import (
	"fmt"
	"io"
	"slices"
	"time"
)

// tally is what a kind of request took.
type tally struct {
	times  []time.Duration
	errors int
}

func (t *tally) add(o *tally) {
	t.times = append(t.times, o.times...)
	t.errors += o.errors
}

// print prints a line of the table.
func (t *tally) print(out io.Writer, name string, duration time.Duration) {
	slices.Sort(t.times)
	at := func(share float64) time.Duration {
		if len(t.times) == 0 {
			return 0
		}
		return t.times[min(int(share*float64(len(t.times))), len(t.times)-1)].Round(10 * time.Microsecond)
	}
	fmt.Fprintf(out, "%-8s %10.0f %9v %9v %9v %7d\n", name, float64(len(t.times))/duration.Seconds(), at(0.5), at(0.99), at(1), t.errors)
}
