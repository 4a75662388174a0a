package smrtprom_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	smrtprom "github.com/smrt-go/smrt/contrib/prometheus"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/observe"
	"github.com/smrt-go/smrt/readreplica"
)

// rules are what Prometheus reads. Whatever else the file has is a mistake.
type rules struct {
	Groups []struct {
		Name  string
		Rules []struct {
			Alert, Expr string
			For         time.Duration
			Labels      struct{ Severity string }
			Annotations struct{ Summary, Description string }
		}
	}
}

// rulesOf reads rules.
func rulesOf(file []byte) (r rules, err error) {
	d := yaml.NewDecoder(bytes.NewReader(file))
	d.KnownFields(true)
	err = d.Decode(&r)
	return r, err
}

// dashboard is what Grafana reads, as far as it concerns metrics.
type dashboard struct {
	UID, Title string
	Templating struct {
		List []struct{ Name, Type, Query string }
	}
	Panels []struct {
		ID          int
		Type, Title string
		GridPos     struct{ X, Y, W, H int }
		Targets     []struct{ Expr, LegendFormat string }
	}
}

// scraped are the labels of each metric that a scrape has.
func scraped(t *testing.T) map[string][]string {
	t.Helper()
	s, p := main1(t, observe.Config{})
	work(t, p, 20, rand.New(rand.NewPCG(check.Seed(t), 1)))
	_, err := p.Exec(t.Context(), "SELECT wrong")
	check.Same(t, "fails", err != nil, true)
	runTwice(t, p)
	router := check.Value(readreplica.Open(t.Context(), readreplica.Config{Servers: []readreplica.Server{{URL: p.Config().ConnString()}}}))(t)
	t.Cleanup(router.Close)
	replicas := serve(t, smrtprom.Config{Routers: map[string]*readreplica.Router{"main": router}})
	all := map[string][]string{}
	for series := range samples(t, s.text(t)+replicas.text(t)) {
		name, rest, _ := strings.Cut(series, "{")
		all[name] = []string{"job", "instance"} // which Prometheus adds
		for _, m := range regexp.MustCompile(`(\w+)="`).FindAllStringSubmatch(rest, -1) {
			all[name] = append(all[name], m[1])
		}
	}
	return all
}

var (
	metrics  = regexp.MustCompile(`\bsmrt_\w+(\{[^}]*\})?`)
	matchers = regexp.MustCompile(`(\w+)(?:=|!)`)
	grouped  = regexp.MustCompile(`\b(?:by|ignoring|on) \(([^)]*)\)`)
)

// unknown returns what an expression uses and a scrape does not have.
func unknown(all map[string][]string, expr string) (missing []string) {
	var labels []string
	for _, m := range metrics.FindAllStringSubmatch(expr, -1) {
		name, _, _ := strings.Cut(m[0], "{")
		have, ok := all[name]
		if !ok {
			missing = append(missing, name)
		}
		for _, l := range matchers.FindAllStringSubmatch(m[1], -1) {
			if !slices.Contains(have, l[1]) {
				missing = append(missing, name+"{"+l[1]+"}")
			}
		}
		labels = append(labels, have...)
	}
	if len(labels) == 0 {
		missing = append(missing, "any metric")
	}
	for _, g := range grouped.FindAllStringSubmatch(expr, -1) {
		for l := range strings.SplitSeq(g[1], ", ") {
			if !slices.Contains(labels, l) {
				missing = append(missing, "by "+l)
			}
		}
	}
	return missing
}

// TestAlerts: rules can be read, say what to do, and a scrape has what they use.
func TestAlerts(t *testing.T) {
	t.Parallel()
	file, all := read(t, "alerts.yaml"), scraped(t)
	r := check.Value(rulesOf(file))(t)
	seen := map[string]bool{}
	for _, g := range r.Groups {
		for _, rule := range g.Rules {
			for _, missing := range unknown(all, rule.Expr) {
				t.Errorf("%s uses %s, which no scrape has", rule.Alert, missing)
			}
			if seen[rule.Alert] || !strings.HasPrefix(rule.Alert, "Smrt") {
				t.Errorf("%q is no name of an alert, or there twice", rule.Alert)
			}
			seen[rule.Alert] = true
			if !slices.Contains([]string{"critical", "warning", "info"}, rule.Labels.Severity) ||
				rule.Annotations.Summary == "" || rule.Annotations.Description == "" {
				t.Errorf("%s lacks a severity, a summary or a description", rule.Alert)
			}
			for _, label := range regexp.MustCompile(`\$labels\.(\w+)`).FindAllStringSubmatch(rule.Annotations.Summary, -1) {
				if !strings.Contains(rule.Expr, label[1]) && !strings.Contains(rule.Expr, "ignoring (state)") {
					t.Errorf("%s has no label %s to show", rule.Alert, label[1])
				}
			}
		}
	}
	check.Same(t, "there are rules", len(seen) > 0, true)
	_, err := rulesOf(bytes.Replace(file, []byte("expr:"), []byte("exp:"), 1))
	check.Same(t, "a wrong field is found", err != nil, true)
}

// TestDashboard: the dashboard can be read, its panels have a place, and a scrape has
// what they use.
func TestDashboard(t *testing.T) {
	t.Parallel()
	all := scraped(t)
	var d dashboard
	check.NoError(t, json.Unmarshal(read(t, "dashboard.json"), &d))
	check.Same(t, "there are panels", d.UID != "" && d.Title != "" && len(d.Panels) > 0, true)
	variables := []string{"__rate_interval"}
	for _, v := range d.Templating.List {
		variables = append(variables, v.Name)
		if v.Type != "query" {
			continue
		}
		of := regexp.MustCompile(`^label_values\((\w+), (\w+)\)$`).FindStringSubmatch(v.Query)
		if of == nil || !slices.Contains(all[of[1]], of[2]) {
			t.Errorf("the variable %s uses %s, which no scrape has", v.Name, v.Query)
		}
	}
	taken, ids := map[string]string{}, map[int]bool{}
	for _, p := range d.Panels {
		if ids[p.ID] || (p.Type == "row") != (len(p.Targets) == 0) {
			t.Errorf("%s has no id of its own, or no targets", p.Title)
		}
		ids[p.ID] = true
		for x := range p.GridPos.W {
			for y := range p.GridPos.H {
				at := fmt.Sprint(p.GridPos.X+x, "/", p.GridPos.Y+y)
				if taken[at] != "" || p.GridPos.X+x >= 24 {
					t.Errorf("%s is where %s is, at %s", p.Title, taken[at], at)
				}
				taken[at] = p.Title
			}
		}
		for _, target := range p.Targets {
			for _, missing := range unknown(all, target.Expr) {
				t.Errorf("%s uses %s, which no scrape has", p.Title, missing)
			}
			for _, v := range regexp.MustCompile(`\$(\w+)`).FindAllStringSubmatch(target.Expr, -1) {
				if !slices.Contains(variables, v[1]) {
					t.Errorf("%s uses the variable %s, which the dashboard does not have", p.Title, v[1])
				}
			}
		}
	}
}

// TestWrongNamesAreFound is the control: one wrong name in any expression is found.
func TestWrongNamesAreFound(t *testing.T) {
	t.Parallel()
	all := scraped(t)
	var d dashboard
	check.NoError(t, json.Unmarshal(read(t, "dashboard.json"), &d))
	var exprs []string
	for _, p := range d.Panels {
		for _, target := range p.Targets {
			exprs = append(exprs, target.Expr)
		}
	}
	for _, g := range check.Value(rulesOf(read(t, "alerts.yaml")))(t).Groups {
		for _, rule := range g.Rules {
			exprs = append(exprs, rule.Expr)
		}
	}
	for _, expr := range exprs {
		wrong := regexp.MustCompile(`smrt_\w+`).ReplaceAllString(expr, "${0}s")
		check.Same(t, "a metric is missing in "+wrong, len(unknown(all, wrong)) > 0, true)
		for _, pair := range [][2]string{{"by (", "by (tenant, "}, {"{", `{tenant="1",`}} {
			if wrong := strings.Replace(expr, pair[0], pair[1], 1); wrong != expr {
				check.Same(t, "a label is missing in "+wrong, len(unknown(all, wrong)) > 0, true)
			}
		}
	}
	check.Same(t, "there are expressions", len(exprs) > 20, true)
}
