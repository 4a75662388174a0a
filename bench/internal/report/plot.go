package report

import (
	"fmt"
	"math"
	"strings"

	"github.com/smrt-go/smrt/bench/internal/measure"
)

// Sizes of the plot, in units of the picture.
const (
	left, right, top = 230, 40, 70
	width            = 960
	row, half        = 30, 15
	least, most      = 0.25, 16.0 // of the ratios that fit
)

// Plot returns a picture of the times: a row for each task, a mark for each contestant where its ratio to hand-written pgx
// is, on a logarithmic scale. A line through a mark is between the quartiles.
func Plot(results []measure.Result) string {
	var b strings.Builder
	height := top + row*len(results) + 30
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="system-ui, sans-serif" font-size="13">`+"\n",
		width, height)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="#fff"/>`+"\n", width, height)
	b.WriteString(`<text x="16" y="24" font-size="16" font-weight="600" fill="#222">Time of a call, as a ratio to hand-written pgx (left is faster)</text>` + "\n")
	colours := colours(results)
	x := left
	for _, c := range colours {
		fmt.Fprintf(&b, `<circle cx="%d" cy="44" r="5" fill="%s"/><text x="%d" y="48" fill="#444">%s</text>`+"\n", x, c.colour, x+9, c.name)
		x += 30 + 8*len(c.name)
	}
	for _, ratio := range []float64{0.25, 0.5, 1, 2, 4, 8, 16} {
		stroke := "#e5e5e5"
		if ratio == 1 {
			stroke = "#888"
		}
		fmt.Fprintf(&b, `<line x1="%[1]d" x2="%[1]d" y1="%[2]d" y2="%[3]d" stroke="%[4]s"/><text x="%[1]d" y="%[5]d" fill="#888" text-anchor="middle">%[6]g</text>`+"\n",
			place(ratio), top-8, height-26, stroke, height-8, ratio)
	}
	for i, r := range results {
		marks(&b, r, top+row*i+half, colours)
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// marks draws the row of a task. Ours is drawn last, on top.
func marks(b *strings.Builder, r measure.Result, y int, colours []coloured) {
	fmt.Fprintf(b, `<text x="%d" y="%d" fill="#222" text-anchor="end">%s</text>`+"\n", left-14, y+4, r.Task.Title)
	var last string
	for _, l := range linesOf(r)[1:] {
		for _, c := range colours {
			if c.name != l.Name {
				continue
			}
			size := 5
			if l.Name == ours {
				size = 7
			}
			mark := fmt.Sprintf(`<line x1="%d" x2="%d" y1="%[3]d" y2="%[3]d" stroke="%[4]s" stroke-width="2"/><circle cx="%[5]d" cy="%[3]d" r="%[6]d" fill="%[4]s"><title>%[7]s %[8]s</title></circle>`+"\n",
				place(l.Ratio.Low), place(l.Ratio.High), y, c.colour, place(l.Ratio.Median), size, l.Name, spread(l.Ratio))
			if l.Name == ours {
				last = mark
			} else {
				b.WriteString(mark)
			}
		}
	}
	b.WriteString(last)
}

// place returns where a ratio is on the horizontal axis.
func place(ratio float64) int {
	share := math.Log(min(max(ratio, least), most)/least) / math.Log(most/least)
	return left + int(share*float64(width-left-right))
}

type coloured struct{ name, colour string }

// colours gives each contestant but the first a colour.
func colours(results []measure.Result) (all []coloured) {
	palette := []string{"#d62728", "#1f77b4", "#2ca02c", "#ff7f0e", "#9467bd", "#8c564b", "#17becf", "#bcbd22", "#e377c2", "#7f7f7f"}
	if len(results) == 0 {
		return nil
	}
	for i, s := range results[0].Sides[1:] {
		all = append(all, coloured{s.Name, palette[i%len(palette)]})
	}
	return all
}
