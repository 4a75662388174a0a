package readreplica_test

import (
	"fmt"
	"strings"
	"time"
)

// plot draws requests a second and the slowest request of each second, with the
// times of the faults behind them, as SVG.
func plot(all []sample, faults []fault) string {
	const width, height, left, gap = 1000, 180, 70, 90
	seconds := 1
	for _, x := range all {
		seconds = max(seconds, int(x.at.Seconds())+1)
	}
	rate, slowest := make([]float64, seconds), make([]float64, seconds)
	for _, x := range all {
		i := int(x.at.Seconds())
		rate[i]++
		slowest[i] = max(slowest[i], x.took.Seconds()*1000)
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="11">`+"\n", width+left+20, 2*height+3*gap)
	fmt.Fprintf(&b, `<rect width="100%%" height="100%%" fill="white"/>`+"\n")
	x := func(t time.Duration) float64 { return left + t.Seconds()/float64(seconds)*width }
	for i, f := range faults {
		fmt.Fprintf(&b, `<rect x="%.1f" y="%d" width="%.1f" height="%d" fill="#f3d9d9"/>`, x(f.from), gap-20, max(1, x(f.till)-x(f.from)), 2*height+gap+20)
		fmt.Fprintf(&b, `<text transform="translate(%.1f,%d) rotate(-45)" fill="#a33">%s</text>`+"\n", x(f.from), gap-24+i%2, f.name)
	}
	panel := func(top int, title string, values []float64) {
		most := 1.0
		for _, v := range values {
			most = max(most, v)
		}
		fmt.Fprintf(&b, `<text x="%d" y="%d">%s, up to %.0f</text>`, left, top-6, title, most)
		fmt.Fprintf(&b, `<path d="M%d %d h%d M%d %d v%d" stroke="#999" fill="none"/>`+"\n", left, top+height, width, left, top, height)
		fmt.Fprintf(&b, `<polyline fill="none" stroke="#246" stroke-width="1.5" points="`)
		for i, v := range values {
			fmt.Fprintf(&b, "%.1f,%.1f ", x(time.Duration(i)*time.Second+time.Second/2), float64(top+height)-v/most*float64(height))
		}
		b.WriteString(`"/>` + "\n")
	}
	panel(gap, "requests a second", rate)
	panel(2*gap+height, "slowest request of the second, ms", slowest)
	for t := 0; t <= seconds; t += 30 {
		fmt.Fprintf(&b, `<text x="%.1f" y="%d" text-anchor="middle">%d s</text>`, x(time.Duration(t)*time.Second), 2*gap+2*height+16, t)
	}
	b.WriteString("\n</svg>\n")
	return b.String()
}
