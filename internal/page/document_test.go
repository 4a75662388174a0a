package page_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/page"
)

const attack = `"></style><script>alert(1)</script>`

// report has something of each kind, and an attack in each text.
func report() *page.Report {
	e := page.Entry{
		Name: attack, SQL: attack, Calls: 3, Failed: 1, Errors: map[string]uint64{attack: 1, "": 2}, Total: page.Seconds(time.Second),
		Waited: page.Seconds(time.Second / 4), Server: page.Seconds(3 * time.Second / 4), Max: page.Seconds(time.Second),
		Times: []page.Column{{time.Millisecond, 2 * time.Millisecond, 1}, {2 * time.Millisecond, 4 * time.Millisecond, 0}, {4 * time.Millisecond, 8 * time.Millisecond, 2}},
	}
	return &page.Report{
		Title: attack, Since: time.Unix(0, 0), At: time.Unix(100, 0), Total: e, Texts: 2,
		By:   map[string][]page.Entry{"time": {e}, "calls": {e}},
		Slow: page.SlowLog{On: true, Calls: []page.SlowCall{{Name: attack, SQL: attack, Outcome: attack, SQLState: attack, Node: attack, Site: attack, At: time.Unix(90, 0)}}},
		Transactions: page.Transactions{
			Begun: 1, Retried: map[string]uint64{attack: 1},
			Recent: []page.Transaction{{Ending: attack, Outcome: attack, SQLState: attack, Cause: attack, Node: attack, At: time.Unix(90, 0)}},
		},
		Findings: []page.Finding{{Kind: attack, SQL: attack, Site: attack, Callers: []string{attack}, Instead: attack}},
		Pools:    []page.Pool{{Name: attack, Max: 4, InUse: 3, Idle: 3}},
		Routers:  []page.Router{{Name: attack, Engine: attack, Nodes: []page.Node{{Name: attack, Role: attack, State: attack}}}},
		Memory:   []page.Kept{{Name: attack, Entries: 1, Capacity: 2, Bytes: 3}},
		Server:   &page.Server{Running: []page.Session{{Name: attack, Application: attack, User: attack, State: attack, Wait: attack, SQL: attack, BlockedBy: []int32{1, 2}}}},
	}
}

// TestDocumentEscapes: no text is more than text, wherever it stands.
func TestDocumentEscapes(t *testing.T) {
	t.Parallel()
	d := check.Value(page.NewDocument())(t)
	html := string(check.Value(d.HTML(report(), url.Values{"by": {attack}, "refresh": {attack}}))(t))
	if strings.Contains(html, "<script") || strings.Count(html, "</style>") != 1 {
		t.Errorf("a text is not escaped:\n%s", html)
	}
	if n := strings.Count(html, "&lt;script&gt;"); n < 31 {
		t.Errorf("%d texts are shown, want all:\n%s", n, html)
	}
	failed := report()
	failed.Server = &page.Server{Error: attack}
	html = string(check.Value(d.HTML(failed, nil))(t))
	if strings.Contains(html, "<script") || !strings.Contains(html, "The server could not be asked") {
		t.Errorf("an error of the server is not shown as text:\n%s", html)
	}
}

// TestDocumentInOrders: what a request wants and the page does not have is not there.
func TestDocumentInOrders(t *testing.T) {
	t.Parallel()
	d := check.Value(page.NewDocument())(t)
	for _, c := range []struct{ query, order, refresh, link string }{
		{"", "time", "", `href="?by=calls"`},
		{"by=calls", "calls", "", `href="?by=calls&amp;refresh=10"`},
		{"by=nothing&refresh=3", "time", "", `href="?by=calls"`},
		{"by=calls&refresh=10", "calls", `http-equiv="refresh" content="10"`, `href="?by=calls&amp;refresh=60"`},
	} {
		q := check.Value(url.ParseQuery(c.query))(t)
		html := string(check.Value(d.HTML(report(), q))(t))
		if !strings.Contains(html, c.link) || !strings.Contains(html, "the largest "+c.order+" first") || !strings.Contains(html, c.refresh) {
			t.Errorf("?%s: it does not have %s, or is in another order than by %s", c.query, c.link, c.order)
		}
		check.Same(t, "asked again for ?"+c.query, strings.Contains(html, "http-equiv=\"refresh\""), c.refresh != "")
		var out struct {
			By         string
			Statements []struct{ Total float64 }
		}
		check.NoError(t, json.Unmarshal(check.Value(d.JSON(report(), q))(t), &out))
		check.Same(t, "the order of JSON for ?"+c.query, out.By, c.order)
		check.Same(t, "seconds", out.Statements[0].Total, 1.0)
	}
}
