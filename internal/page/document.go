package page

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // the document and its style
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"net/url"
	"slices"
	"strconv"
	"time"
)

var (
	//go:embed page.html
	source string

	//go:embed page.css
	style string
)

// Document writes reports.
type Document struct {
	template *template.Template

	// Policy lets a browser use what is in the document and nothing else: no script,
	// no style but the one with its hash, and nothing from anywhere.
	Policy string
}

// NewDocument parses the document.
func NewDocument() (*Document, error) {
	t, err := template.New("page").Funcs(template.FuncMap{
		"duration": func(s Seconds) string { return ShortDuration(time.Duration(s)) },
		"ago":      ShortDuration,
		"number":   func(n any) string { return Grouped(fmt.Sprint(n)) },
		"bytes":    ShortBytes,
		"parts":    parts,
		"share":    share,
		"columns":  columns,
		"order":    newOrder,
	}).Parse(source)
	sum := sha256.Sum256([]byte(style))
	return &Document{template: t, Policy: "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"}, err
}

// HTML writes a report as the query of a URL wants it.
func (d *Document) HTML(r *Report, q url.Values) ([]byte, error) {
	var b bytes.Buffer
	err := d.template.Execute(&b, newView(r, q))
	return b.Bytes(), err
}

// JSON writes a report as the query of a URL wants it.
func (d *Document) JSON(r *Report, q url.Values) ([]byte, error) {
	v := newView(r, q)
	return json.MarshalIndent(struct {
		*Report
		By         string  `json:"by"`
		Statements []Entry `json:"statements"`
	}{r, v.Order, v.Rows}, "", "  ")
}

// view is a report as one request wants it.
type view struct {
	*Report
	Rows    []Entry // in the order that is wanted
	Order   string
	Refresh int // seconds after which a browser asks again; 0: it does not
	Style   template.CSS
}

// byTime is the order of a page of which no other is wanted.
const byTime = "time"

// newView reads what is wanted from the query of a URL. What it does not know is as
// if it were not there.
func newView(r *Report, q url.Values) *view {
	v := &view{Report: r, Order: byTime, Style: template.CSS(style)}
	if _, ok := r.By[q.Get("by")]; ok {
		v.Order = q.Get("by")
	}
	if n, err := strconv.Atoi(q.Get("refresh")); err == nil && slices.Contains(v.Refreshes(), n) {
		v.Refresh = n
	}
	v.Rows = r.By[v.Order]
	return v
}

// Refreshes are the intervals that a page offers.
func (v *view) Refreshes() []int { return []int{0, 2, 10, 60} }

// Link returns the query of a URL for the same page in an order and with an interval.
func (v *view) Link(order string, refresh int) string {
	q := url.Values{}
	if order != byTime {
		q.Set("by", order)
	}
	if refresh > 0 {
		q.Set("refresh", strconv.Itoa(refresh))
	}
	return "?" + q.Encode()
}

// Uptime is how long has been recorded.
func (v *view) Uptime() time.Duration { return v.At.Sub(v.Since) }

// PerSecond is how many calls there were in a second.
func (v *view) PerSecond() string {
	return threeDigits(float64(v.Total.Calls) / max(v.Uptime().Seconds(), 1))
}

// Most is the largest total of the rows, to which the bars of all are drawn.
func (v *view) Most() (most Seconds) {
	for i := range v.Rows {
		most = max(most, v.Rows[i].Total)
	}
	return most
}

// Left is how many entries have no row.
func (v *view) Left() int { return v.Texts - len(v.Rows) }

// order is the head of a column that rows can be ordered by.
type order struct {
	Title, Class, Link string
	Now                bool // they are
}

func newOrder(v *view, by, title, class string) order {
	return order{title, class, v.Link(by, v.Refresh), v.Order == by}
}
